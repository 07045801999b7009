from fractions import Fraction
from pathlib import Path

import opentimelineio
import pytest

from cinefoley.delivery.cue_sheets import cue_sheet_path, read_cues, write_cues
from cinefoley.delivery.cues import Cue
from cinefoley.delivery.timecode import TimecodeClock
from cinefoley.errors import DataError

NTSC = Fraction(30000, 1001)
CUES = [Cue(time_s=0.52, strength_db=-12.3, kind="hammer"), Cue(time_s=2.0, note='a door, "far"')]


@pytest.fixture(params=[(Fraction(25), False), (NTSC, True), (NTSC, False)], ids=["25", "drop", "non-drop"])
def clock(request: pytest.FixtureRequest) -> TimecodeClock:
    rate, drops = request.param
    return TimecodeClock.of(rate, start="10:00:00:00", is_drop_frame=drops)


def test_a_csv_comes_back_as_it_was(tmp_path: Path, clock: TimecodeClock) -> None:
    path = cue_sheet_path(tmp_path, "rain", "csv")
    write_cues(path, CUES, clock, video=Path("rain.mp4"), duration_s=4.0, form="csv")

    lines = path.read_text().splitlines()
    assert lines[0] == "cue,timecode,time_s,generated_s,strength_db,kind,note"
    assert lines[1] == f"start,{clock.start},0.000,,,,first frame; {clock.rate} fps"
    assert lines[2] == f"1,{clock.at(0.52)},0.520,0.520,-12.3,hammer,"
    other = TimecodeClock.of(Fraction(24))  # the sheet states its own clock
    again = read_cues(path, lambda: other, duration_s=4.0)
    assert [(cue.time_s, cue.kind, cue.note) for cue in again] == [
        (0.52, "hammer", ""),
        (2.0, "", 'a door, "far"'),
    ]


def test_reapers_csv_comes_back_too(tmp_path: Path, clock: TimecodeClock) -> None:
    path = cue_sheet_path(tmp_path, "rain", "reaper")
    write_cues(path, CUES, clock, video=Path("rain.mp4"), duration_s=4.0, form="reaper")

    assert path.read_text().splitlines()[:2] == [
        "#,Name,Start,End,Length",
        'M1,"hammer, -12.3 dB",0:00:00.520,,',
    ]
    assert [cue.time_s for cue in read_cues(path, lambda: clock, duration_s=4.0)] == [0.52, 2.0]


def test_opentimelineio_reads_markers(tmp_path: Path, clock: TimecodeClock) -> None:
    path = cue_sheet_path(tmp_path, "rain", "otio")
    write_cues(path, CUES, clock, video=Path("rain.mp4"), duration_s=4.0, form="otio")

    timeline = opentimelineio.adapters.read_from_file(str(path))
    markers = timeline.tracks[0][0].markers
    assert [marker.name for marker in markers] == ["hammer, -12.3 dB", 'a door, "far"']
    frames = [marker.marked_range.start_time.to_frames() - clock.start_frame for marker in markers]
    assert frames == [round(cue.time_s * float(clock.rate)) for cue in CUES]
    assert markers[0].metadata["cinefoley"]["kind"] == "hammer"


def test_an_edl_has_a_locator_per_cue(tmp_path: Path, clock: TimecodeClock) -> None:
    path = cue_sheet_path(tmp_path, "rain", "edl")
    write_cues(path, CUES, clock, video=Path("rain.mp4"), duration_s=4.0, form="edl")

    text = path.read_text()
    assert ("FCM: DROP" in text) == clock.is_drop_frame
    assert f"* LOC: {clock.at(2.0)} RED     a door" in text
    timeline = opentimelineio.adapters.read_from_file(
        str(path), adapter_name="cmx_3600", rate=float(clock.rate)
    )
    clip = timeline.tracks[0][0]
    assert clip.name == "rain.mp4"
    assert len(clip.markers) == (0 if clock.is_drop_frame else 2)  # it reads no drop-frame locators
    assert clip.source_range.duration.to_frames() == round(4 * float(clock.rate))


def test_either_time_is_enough_and_other_separators_are_read(tmp_path: Path) -> None:
    clock = TimecodeClock.of(Fraction(25), start="23:59:59:00")
    path = tmp_path / "cues.csv"
    path.write_text("\ufefftimecode;note\n23:59:59:10;a\n00:00:00:05;b\n\n", encoding="utf-8")

    assert [cue.time_s for cue in read_cues(path, lambda: clock, duration_s=4.0)] == [0.4, 1.2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column time_s"),
        ("time_s\n", "has no cue"),
        ("time_s\n1\nlate\n", "line 3: 'late' is no time"),
        ("time_s\n1\n\n9.5\n", "line 4: 9.500 s is outside the video, which lasts 4.000 s"),
        ("timecode\n00:59:59:00\n", "outside the video"),
        ("time_s\n2\n1\n", "line 3: at 1.000 s, but the cue above is at 2.000 s. Cues must not cross"),
        ("timecode\n01:00:00:25\n", "line 2: 01:00:00:25: there is no such timecode"),
        ("timecode,time_s\n01:00:01:00,2\n", "line 2: time_s is 2.000, but the timecode is 1.000 s"),
        ("cue,timecode,time_s\nstart,soon,0\n", "line 2: 'soon' is no timecode"),
        ("timecode,time_s\n,\n ,,x\n", "line 3: has neither|has no cue"),
    ],
)
def test_what_is_wrong_in_a_sheet_is_named_by_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "cues.csv"
    path.write_text(text)

    with pytest.raises(DataError, match=message):
        read_cues(path, lambda: TimecodeClock.of(Fraction(25)), duration_s=4.0)


def test_thousands_of_cues_are_read(tmp_path: Path) -> None:
    path = tmp_path / "cues.csv"
    path.write_text("time_s\n" + "".join(f"{number / 1000}\n" for number in range(20_000)))

    assert len(read_cues(path, lambda: TimecodeClock.of(Fraction(25)), duration_s=20.0)) == 20_000


def test_no_text_and_no_file(tmp_path: Path) -> None:
    path = tmp_path / "cues.csv"
    clock = TimecodeClock.of(Fraction(25))
    with pytest.raises(DataError, match="cannot be read"):
        read_cues(path, lambda: clock, duration_s=4.0)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is no text"):
        read_cues(path, lambda: clock, duration_s=4.0)


@pytest.mark.parametrize(
    ("row", "time_s"),
    [
        ("1,01:00:02:00,1.500,1.500", 2.0),
        ("1,01:00:01:13,2.250,1.500", 2.25),
        ("1,01:00:01:13,1.510,1.500", 1.51),
    ],
)
def test_the_edited_one_of_two_times_counts(tmp_path: Path, row: str, time_s: float) -> None:
    path = tmp_path / "cues.csv"
    path.write_text(f"cue,timecode,time_s,generated_s\nstart,01:00:00:00,0,\n{row}\n")

    (cue,) = read_cues(path, lambda: TimecodeClock.of(Fraction(25)), duration_s=4.0)
    assert cue.time_s == time_s
