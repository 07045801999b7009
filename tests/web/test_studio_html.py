from pathlib import Path

from cinefoley.media.shots import Shot
from cinefoley.studio.session import StudioTake
from cinefoley.web.studio_html import links, shot_strip, take_cards

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
