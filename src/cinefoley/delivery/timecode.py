"""SMPTE timecode: convert seconds and samples of a video to timecode and back, at exact frame rates."""

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from cinefoley.delivery.packages import need
from cinefoley.errors import VideoError
from cinefoley.media.probe import probe
from cinefoley.media.sections import Seconds, as_fraction

__all__ = ["PICTURE_START", "TimecodeClock", "clock_of", "read_rate"]

PICTURE_START = "01:00:00:00"
"""Timecode of the first frame of a video that states none, as delivery specifications ask for."""

_FORM = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d)")
_PULLED_DOWN = (24, 30, 48, 60, 120)  # nominal rates that video also runs 1000/1001 as fast
_DROPPING = (Fraction(30000, 1001), Fraction(60000, 1001))
_TOLERANCE = Fraction(1, 2000)  # files state 23.98 for 24000/1001; the next rate is 1/1000 away
_HIGHEST = 120


@dataclass(frozen=True, slots=True)
class TimecodeClock:
    """Frame rate and timecode of a video's first frame.

    Source: SMPTE ST 12-1. Drop-frame timecode leaves out the numbers 0 and 1 (at 59.94: 0 to 3) at the begin
    of every minute that is no multiple of ten. Timecode wraps at midnight.

    Examples:
        >>> clock = TimecodeClock.of(Fraction(25), start="10:00:00:00")
        >>> clock.at(1.5)
        '10:00:01:13'
        >>> clock.seconds("10:00:01:13")
        Fraction(38, 25)
    """

    rate: Fraction
    """Frames per second: a whole number, or one times 1000/1001."""
    is_drop_frame: bool
    """Whether frame numbers are left out, so that timecode follows the clock on the wall."""
    start_frame: int
    """Frames from midnight to the first frame."""

    @classmethod
    def of(
        cls, rate: Fraction, *, start: str = PICTURE_START, is_drop_frame: bool | None = None
    ) -> "TimecodeClock":
        """Read the timecode of the first frame.

        Args:
            rate: From :func:`read_rate`.
            start: Timecode of the first frame, such as ``01:00:00:00``; with ``;`` drop-frame.
            is_drop_frame: None: as ``start`` says with ``;``; without it at 29.97 and 59.94 drop-frame.

        Raises:
            VideoError: If ``start`` is no timecode at this rate, or the rate has no drop-frame timecode.
        """
        may_drop = rate in _DROPPING
        is_dropping = (may_drop or ";" in start) if is_drop_frame is None else is_drop_frame
        if is_dropping and not may_drop:
            raise VideoError(
                f"{start}: drop-frame timecode exists at 29.97 and 59.94 frames per second, not at "
                f"{float(rate):g}. Write it with colons only."
            )
        clock = cls(rate, is_dropping, 0)
        return cls(rate, is_dropping, clock.frame(start))

    @property
    def nominal_rate(self) -> int:
        """Frame numbers per second of timecode: 24 at 23.976, 30 at 29.97."""
        return round(self.rate)

    @property
    def frames_per_day(self) -> int:
        """Frame numbers from midnight to midnight."""
        dropped = 144 * 9 * (self.nominal_rate // 15) if self.is_drop_frame else 0
        return 86400 * self.nominal_rate - dropped

    @property
    def start(self) -> str:
        """Timecode of the first frame."""
        return self.at_frame(self.start_frame)

    def at(self, time_s: Seconds) -> str:
        """Timecode of the frame nearest to a time, in seconds from the first frame; it may be negative."""
        return self.at_frame(self.start_frame + round(as_fraction(time_s) * self.rate))

    def at_frame(self, frame: int) -> str:
        """Timecode of a frame counted from midnight; wraps at midnight."""
        return str(self._timecode(frames=frame % self.frames_per_day + 1))  # that library counts from 1

    def frame(self, text: str) -> int:
        """Frames from midnight to a timecode.

        Raises:
            VideoError: If the text is no timecode at this rate, or a number that drop-frame leaves out.
        """
        found = _FORM.fullmatch(text.strip())
        separator = ";" if self.is_drop_frame else ":"
        normal = text and found and f"{found[1]}:{found[2]}:{found[3]}{separator}{found[5]}"
        if not normal or int(found[1]) > 23:  # type: ignore[index]
            raise VideoError(
                f"{text!r} is no timecode; write hours, minutes, seconds and frames: {PICTURE_START}."
            )
        code = self._timecode(normal)
        if str(code) != normal:  # the library carries what is too large, and skips what is dropped
            kind = "drop-frame timecode" if self.is_drop_frame else "timecode"
            raise VideoError(f"{text}: there is no such {kind} at {float(self.rate):g} frames per second.")
        return int(code.frames) - 1

    def seconds(self, text: str) -> Fraction:
        """Seconds from the first frame to a timecode, less than a day; a timecode after midnight is later.

        Raises:
            VideoError: As :meth:`frame`.
        """
        return (self.frame(text) - self.start_frame) % self.frames_per_day / self.rate

    def samples(self, time_s: Seconds, sample_rate: int) -> int:
        """Samples from midnight to a time in seconds from the first frame: a Broadcast WAV's time reference.

        01:00:00:00 at 23.976 is 172 972 800 samples at 48 kHz: 86 400 frames that last 3603.6 s.
        """
        day = round(self.frames_per_day / self.rate * sample_rate)
        return round((self.start_frame / self.rate + as_fraction(time_s)) * sample_rate) % day

    def _timecode(self, text: str | None = None, *, frames: int | None = None) -> Any:
        package: Any = need("timecode")
        rate = str(self.nominal_rate) if self.rate.denominator == 1 else f"{self.rate.numerator}/1001"
        return package.Timecode(rate, text, frames=frames, force_non_drop_frame=not self.is_drop_frame)


def clock_of(
    video: Path, *, start: str | None = None, rate: str | None = None, is_drop_frame: bool | None = None
) -> TimecodeClock:
    """The clock of a video.

    Args:
        video: The video.
        start: Timecode of its first frame; None: its own timecode track, otherwise 01:00:00:00.
        rate: Frame rate, as a number or a fraction; None: the video's.
        is_drop_frame: As for :meth:`TimecodeClock.of`.

    Raises:
        MediaError: If the video cannot be read.
        VideoError: If it states no frame rate that has timecode, or ``start`` is no timecode.
    """
    info = probe(video).video
    average = info.average_rate if info is not None else None
    if rate is None and average is None:
        raise VideoError(
            f"{video.name}: states no frame rate. Give the one of its timecode with --timecode-rate."
        )
    try:
        found = read_rate(rate if rate is not None else average or "")
    except VideoError as exc:
        raise VideoError(f"{video.name}: {exc}") from exc
    own = info.timecode if info is not None else None
    if start is None and own is not None and is_drop_frame is None and found in _DROPPING:
        is_drop_frame = ";" in own
    return TimecodeClock.of(found, start=start or own or PICTURE_START, is_drop_frame=is_drop_frame)


def read_rate(rate: str | Fraction) -> Fraction:
    """The timecode rate that a stated frame rate means: 29.97 and 2997/100 are 30000/1001.

    Raises:
        VideoError: If it is no number, or no rate that has timecode.
    """
    try:
        stated = Fraction(rate)
    except (ValueError, ZeroDivisionError):
        raise VideoError(
            f"{rate!r} is no frame rate; write a number such as 25, 23.976 or 30000/1001."
        ) from None
    rates = [Fraction(n) for n in range(1, _HIGHEST + 1)] + [Fraction(n * 1000, 1001) for n in _PULLED_DOWN]
    nearest = min(rates, key=lambda known: abs(known - stated))
    if abs(nearest - stated) > _TOLERANCE * nearest:
        raise VideoError(
            f"{float(stated):.3f} frames per second is no rate of timecode. Give the one to count in with "
            "--timecode-rate, such as 25."
        )
    return nearest
