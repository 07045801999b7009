from fractions import Fraction
from pathlib import Path

from cinefoley.delivery.cues import Cue
from cinefoley.delivery.timecode import TimecodeClock
from cinefoley.media.shots import Shot
from cinefoley.studio.session import StudioTake
from cinefoley.web.studio_html import cue_table, links, shot_strip, take_cards

ODD = '"><script>alert(1)</script>'


def test_names_are_shown_and_never_run() -> None:
    take = StudioTake(
        number=1,
        run=1,
        model=ODD,
        encoder="default",
        seed=3,
        start_s=1.5,
        end_s=3.0,
        wav=Path("x.wav"),
        video=Path("x.mp4"),
        remark=f"lowered by 3.2 dB{ODD}",
    )
    assert "seed 3, 0:01.500 to 0:03.000; lowered by 3.2 dB" in take_cards([(take, "/video", "/image")])
    for html in (take_cards([(take, ODD, ODD)]), links([(ODD, ODD)]), shot_strip(ODD, [Shot(0, 1)], [ODD])):
        assert "<script" not in html


def test_a_strip_counts_the_shots_without_a_thumbnail() -> None:
    strip = shot_strip("/video", [Shot(n, n + 1) for n in range(5)], ["/a", "/b"])

    assert strip.count("<img") == 2
    assert "Shot 2<br>0:01.000 to 0:02.000" in strip
    assert "and 3 more" in strip


def test_without_takes_there_is_no_card() -> None:
    assert take_cards([]) == ""


def test_a_cue_table_counts_in_frames_and_runs_nothing() -> None:
    cues = [Cue(time_s=0.5, generated_s=0.4, strength_db=-12.3, kind=ODD), Cue(time_s=2.0)]
    table = cue_table(3, cues, TimecodeClock.of(Fraction(25)), "/sheet")

    assert '<button type="button" class="seek" title="Show this moment">01:00:00:12</button>' in table
    assert 'step="0.040000" value="0.500"' in table
    assert "<td>0.400</td><td>-12.3 dB</td>" in table
    assert 'href="/sheet" download="take3.cues.csv"' in table
    assert "<script" not in table
    assert "0:02.000" in cue_table(3, cues, None, None)
    assert "no event was found" in cue_table(3, [], None, None)
