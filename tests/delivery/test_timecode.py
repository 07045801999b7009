from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinefoley.delivery.timecode import TimecodeClock, clock_of, read_rate
from cinefoley.errors import VideoError
from cinefoley.media.probe import probe

NTSC, NTSC_60, FILM = Fraction(30000, 1001), Fraction(60000, 1001), Fraction(24000, 1001)


@pytest.mark.parametrize(
    ("rate", "drops", "frame", "text"),
    [  # SMPTE ST 12-1; ten minutes and an hour of drop-frame are those of the clock
        (FILM, False, 86400, "01:00:00:00"),
        (Fraction(24), False, 1440, "00:01:00:00"),
        (Fraction(25), False, 89999, "00:59:59:24"),
        (NTSC, True, 1799, "00:00:59;29"),
        (NTSC, True, 1800, "00:01:00;02"),
        (NTSC, True, 17982, "00:10:00;00"),
        (NTSC, True, 107892, "01:00:00;00"),
        (NTSC, False, 108000, "01:00:00:00"),
        (NTSC, False, 2591999, "23:59:59:29"),
        (Fraction(30), False, 1800, "00:01:00:00"),
        (Fraction(50), False, 180000, "01:00:00:00"),
        (NTSC_60, True, 3600, "00:01:00;04"),
        (NTSC_60, True, 215784, "01:00:00;00"),
        (NTSC_60, False, 216000, "01:00:00:00"),
    ],
)
def test_known_values(rate: Fraction, drops: bool, frame: int, text: str) -> None:
    clock = TimecodeClock.of(rate, start="00:00:00:00", is_drop_frame=drops)
    assert clock.at_frame(frame) == text
    assert clock.frame(text) == frame
    assert clock.at(frame / rate) == text
    assert clock.seconds(text) == frame / rate


@given(
    rate=st.sampled_from(
        [(FILM, False), (Fraction(25), False), (NTSC, True), (NTSC, False), (NTSC_60, True)]
    ),
    frame=st.integers(0, 6_000_000),
)
def test_every_frame_has_a_timecode_of_its_own_until_midnight(
    rate: tuple[Fraction, bool], frame: int
) -> None:
    clock = TimecodeClock.of(rate[0], start="00:00:00:00", is_drop_frame=rate[1])
    assert clock.frame(clock.at_frame(frame)) == frame % clock.frames_per_day


def test_timecode_wraps_at_midnight() -> None:
    clock = TimecodeClock.of(Fraction(25), start="23:59:59:00")
    assert (clock.at(1), clock.at(-2)) == ("00:00:00:00", "23:59:57:00")
    assert clock.seconds("00:00:01:00") == 2
    assert clock.samples(1, 48000) == 0


def test_time_references_are_samples_since_midnight() -> None:
    assert TimecodeClock.of(Fraction(25)).samples(0, 48000) == 172_800_000
    assert TimecodeClock.of(FILM).samples(Fraction(1, 2), 48000) == 172_972_800 + 24_000
    assert (
        TimecodeClock.of(NTSC, is_drop_frame=True).samples(0, 48000) == 172_799_827
    )  # 3.6 ms short of an hour
    assert TimecodeClock.of(Fraction(25), start="00:00:00:00").samples(-2, 48000) == 86398 * 48000


@pytest.mark.parametrize(
    ("text", "rate", "message"),
    [
        ("yesterday", Fraction(25), "no timecode"),
        ("25:00:00:00", Fraction(25), "no timecode"),
        ("00:00:00:25", Fraction(25), "no such timecode at 25"),
        ("00:00:61:00", Fraction(25), "no such timecode"),
        ("00:01:00;00", NTSC, "no such drop-frame timecode at 29.97"),
        ("00:01:00;02", Fraction(25), "drop-frame timecode exists at 29.97"),
    ],
)
def test_what_is_no_timecode_is_refused(text: str, rate: Fraction, message: str) -> None:
    with pytest.raises(VideoError, match=message):
        TimecodeClock.of(rate, start=text)


def test_stated_rates_are_those_of_timecode() -> None:
    assert [read_rate(rate) for rate in ("23.98", "23.976", "29.97", "59.94", "25", "12")] == [
        FILM, FILM, NTSC, NTSC_60, 25, 12,
    ]  # fmt: skip
    for wrong in ("fast", "27.43", "0", "1/0"):
        with pytest.raises(VideoError):
            read_rate(wrong)


def _film(path: Path, timecode: str | None) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=NTSC)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        if timecode is not None:
            stream.metadata["timecode"] = timecode
        for packet in stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))):
            container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def test_the_clock_starts_at_the_videos_own_timecode(tmp_path: Path) -> None:
    own = _film(tmp_path / "own.mov", "10:01:00;02")
    video = probe(own).video
    assert video is not None
    assert video.timecode == "10:01:00;02"
    assert clock_of(own).at(1 / NTSC) == "10:01:00;03"
    assert clock_of(_film(tmp_path / "colons.mov", "10:01:00:02")).start == "10:01:00:02"
    assert clock_of(own, start="00:00:00:00").start == "00:00:00;00"
    assert clock_of(_film(tmp_path / "bare.mp4", None), rate="25").start == "01:00:00:00"
