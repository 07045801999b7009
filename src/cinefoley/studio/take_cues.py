"""Cue sheet of a take in the studio: its events, where an editor moved them, and the sound before that."""

import math
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from cinefoley.delivery.cues import Cue, find_file_cues
from cinefoley.delivery.kinds import KindNamer
from cinefoley.errors import CinefoleyError

__all__ = ["TakeCues", "check_times"]

_SAME_S = 0.0005


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeCues:
    """Events of a take, in order of time."""

    cues: tuple[Cue, ...]
    """Where they are; those that were moved state where they were generated."""
    generated: Path
    """The take's sound before any move."""

    @classmethod
    def of(cls, wav: Path, *, start_s: float, kinds: Collection[str]) -> Self:
        """Find the events of a take as it was generated; its sound is copied beside it.

        Args:
            wav: The take.
            start_s: Where it begins, in seconds from the first frame.
            kinds: Kinds that its model names.

        Raises:
            MediaError: If it cannot be read.
        """
        generated = wav.with_suffix(".generated.wav")
        shutil.copyfile(wav, generated)
        return cls(
            cues=tuple(find_file_cues(wav, start_s=start_s, namer=KindNamer(kinds))), generated=generated
        )

    def moved(self, places_s: dict[float, float]) -> Self:
        """The sheet after events were moved.

        Args:
            places_s: Where events are now, by where they were generated; the others are there.
        """
        cues = []
        for cue in self.cues:
            was_s = cue.time_s if cue.generated_s is None else cue.generated_s
            now_s = next((to for came, to in places_s.items() if abs(came - was_s) < _SAME_S), was_s)
            generated_s = None if abs(now_s - was_s) < _SAME_S else was_s
            cues.append(replace(cue, time_s=now_s, generated_s=generated_s))
        return replace(self, cues=tuple(cues))


def check_times(times_s: Sequence[float], duration_s: float) -> None:
    """Check times that an editor typed.

    Raises:
        CinefoleyError: If there is none, or one lies outside the video or not after the one before it.
    """
    if not times_s:
        raise CinefoleyError("There is no cue to move to. Type a time, or list the events again.")
    before_s = -math.inf
    for time_s in times_s:
        if not 0 <= time_s < duration_s:
            raise CinefoleyError(f"{time_s:.3f} s is outside the video, which lasts {duration_s:.3f} s.")
        if time_s <= before_s:
            raise CinefoleyError(
                f"A cue at {time_s:.3f} s comes after one at {before_s:.3f} s. Cues must not cross."
            )
        before_s = time_s
