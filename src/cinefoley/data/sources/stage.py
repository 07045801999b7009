"""Clip source of the Foley stage: clips are rendered on demand."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinefoley.config.frame_rate import FrameRate
from cinefoley.data.sources.clip_source import ClipEvent, ClipFault, FileDigest
from cinefoley.errors import VideoError
from cinefoley.media.frames.sampling import frame_count, pick_regular, sampling_instant
from cinefoley.media.frames.video import Video
from cinefoley.media.sections import Seconds, Section, as_frame_rate
from cinefoley.stage.digest import stage_digest
from cinefoley.stage.generator import Split
from cinefoley.stage.kinds import KINDS
from cinefoley.stage.render import draw_take
from cinefoley.stage.take import StageTake
from cinefoley.stage.version import StageVersion, resolve_version
from cinefoley.variations.showing import apply_effects
from cinefoley.variations.window import Window

__all__ = ["KIND_NAMES", "StageClip", "StageSource"]

KIND_NAMES: tuple[str, ...] = tuple(actor.kind for actor in KINDS)
"""Every kind of sounding action on the stage, in the order of their numbers."""

_SOURCE_FPS = (24, 25, 30)
_SIDE = 224  # of the frame for which windows are drawn; frames are rendered at the requested size


@dataclass(frozen=True, slots=True, kw_only=True)
class StageClip:
    """One clip of the stage, rendered on demand."""

    seed: int
    """Number of the clip in its split."""
    split: Split
    """Family of seeds."""
    duration_s: float
    """Length in seconds."""
    version: StageVersion | None = None
    """Which stage; :data:`~cinefoley.stage.version.DEFAULT_VERSION` if None."""

    @property
    def id(self) -> str:
        """As ``cinefoley stage export`` names the video."""
        return f"{self.split}-{self.seed:06d}"

    @property
    def labels(self) -> tuple[str, ...]:
        """The kind of every source."""
        return tuple(actor.kind for actor in self._take().actors)

    @property
    def events(self) -> tuple[ClipEvent, ...]:
        """Every event, in order of time."""
        return tuple(
            ClipEvent(
                time_s=event.time_s,
                kind=event.kind,
                is_onset_like=event.is_onset_like,
                strength=event.strength,
            )
            for event in self._take().events(size=self.frame_size())
        )

    def find_fault(self) -> ClipFault | None:
        """None: clips of the stage have no faults."""
        return None

    def frame_size(self) -> tuple[int, int]:
        """Height and width, 224 pixels on the shorter side."""
        aspect = self._take().aspect
        height, width = _SIDE * max(1.0, 1 / aspect), _SIDE * max(1.0, aspect)
        return 2 * round(height / 2), 2 * round(width / 2)

    def video(
        self,
        *,
        fps: Seconds | FrameRate,
        size: tuple[int, int] | None = None,
        start: Seconds = 0.0,
        duration: Seconds | None = None,
        window: Window | None = None,
    ) -> Video:
        """The frames that a decoder would pick from a video of 24, 25 or 30 frames a second.

        A window is rendered at ``size`` directly, not cropped from a larger frame.

        Raises:
            VideoError: If the clip ends before ``start``.
            ValueError: If a number is out of range.
        """
        section, rate = Section.of(start, duration), as_frame_rate(fps)
        length = Fraction(self.duration_s).limit_denominator(1_000_000)
        if section.start >= length:
            raise VideoError(f"{self.id}: ends at {self.duration_s:g} s, before {float(section.start):g} s.")
        lasts = length - section.start if section.duration is None else section.duration
        lasts = min(lasts, length - section.start)
        source_fps = _SOURCE_FPS[self.seed % len(_SOURCE_FPS)]
        last = math.ceil(length * source_fps) - 1
        numbers = range(frame_count(lasts, rate.fps))
        instants = (sampling_instant(n, section.start, rate) for n in numbers)
        picked = [min(last, n) for n in pick_regular(instants, Fraction(source_fps), rate.choice)]
        take = self._take()
        window = None if window is None else window.lasting(last / source_fps)
        pixels = take.frames(
            [index / source_fps for index in picked],
            size=size or (self.frame_size() if window is None else window.on(self.frame_size()).crop_size),
            aspect=take.aspect,
            windows=None if window is None else self._boxes(window, picked, last),
        )
        frames = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
        if window is not None:
            frames = apply_effects(frames, window, [index / max(1, last) for index in picked])
        return Video(
            frames=frames,
            times=torch.arange(len(picked)).double() / float(rate.fps),
            fps=rate.fps,
            duration=float(lasts),
            source_indices=torch.tensor(picked),
            start=float(section.start),
        )

    def waveform(self, sample_rate: int, *, start: Seconds = 0.0, duration: Seconds | None = None) -> Tensor:
        """The clip's audio, or a section of it, ``(N,)``."""
        section = Section.of(start, duration)
        sound = self._take().waveform(sample_rate)
        end = len(sound) if section.end is None else round(section.end * sample_rate)
        return torch.from_numpy(sound[round(section.start * sample_rate) : end].copy())

    def _take(self) -> StageTake:
        return draw_take(self.seed, split=self.split, duration_s=self.duration_s, version=self.version)

    def _boxes(self, window: Window, picked: Sequence[int], last: int) -> NDArray[np.float64]:
        """What the window shows of each frame, as fractions of the frame."""
        height, width = self.frame_size()
        fitted = window.on((height, width))
        if not window.is_crop:  # changing sizes are resampled by fractions of pixels, as in a video
            framings = [fitted.framing_at(index / max(1, last)) for index in picked]
            return np.array([(x0, y0, x0 + w, y0 + h) for y0, x0, h, w in framings]).reshape(-1, 4)
        boxes = np.array([fitted.box_at(index / max(1, last)) for index in picked], dtype=np.float64)
        return boxes.reshape(-1, 4) / np.array([width, height, width, height], dtype=np.float64)


class StageSource:
    """Clips of one split of the stage, in order of their seeds.

    Args:
        split: ``"train"``, ``"valid"`` or ``"test"``.
        count: Number of clips.
        duration_s: Length of every clip in seconds, at least 1.
        first_seed: Seed of the first; the others follow.
        version: Which stage; :data:`~cinefoley.stage.version.DEFAULT_VERSION` if None.

    Raises:
        ValueError: If a number is out of range, or there is no such split or version.
    """

    def __init__(
        self,
        split: Split,
        count: int,
        *,
        duration_s: float = 10.0,
        first_seed: int = 0,
        version: StageVersion | None = None,
    ) -> None:
        resolve_version(version)
        if split not in get_args(Split):
            raise ValueError(f"the stage's splits are {', '.join(get_args(Split))}; got {split!r}")
        if count < 1 or first_seed < 0 or not (math.isfinite(duration_s) and duration_s >= 1):
            raise ValueError(
                f"need a clip, a seed of 0 or more and 1 s at least, got count={count}, "
                f"first_seed={first_seed}, duration_s={duration_s}"
            )
        self.split: Split = split
        self.version = version
        self.duration_s = duration_s
        self.seeds = range(first_seed, first_seed + count)

    @property
    def name(self) -> str:
        """``stage:train`` and the like; ``stage-filmed:train`` where a version is named."""
        return f"stage:{self.split}" if self.version is None else f"stage-{self.version}:{self.split}"

    @property
    def ids(self) -> Sequence[str]:
        """The names of the videos that an export would write."""
        return [self[index].id for index in range(len(self))]

    @property
    def label_names(self) -> tuple[str, ...]:
        """Every kind that the stage has."""
        return KIND_NAMES

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, index: int) -> StageClip:
        """The clip of the seed number ``index``."""
        return StageClip(
            seed=self.seeds[index], split=self.split, duration_s=self.duration_s, version=self.version
        )

    def fingerprints(self, digest_of: FileDigest) -> list[str]:
        """From the stage's digest and the seed, without rendering."""
        stage = stage_digest(self.version)
        return [
            hashlib.sha256(f"{stage}/{self.split}/{self.duration_s!r}/{seed}".encode()).hexdigest()
            for seed in self.seeds
        ]
