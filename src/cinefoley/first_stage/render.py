"""Seed to pictures, sound and events."""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cinefoley.first_stage.actor import FLOOR, Actor
from cinefoley.first_stage.canvas import Canvas
from cinefoley.first_stage.clip import StageClip, StageEvent, StageSource
from cinefoley.first_stage.kinds import KINDS
from cinefoley.first_stage.rhythm import Hits, draw_hits
from cinefoley.first_stage.scene import Scene, draw_scene
from cinefoley.first_stage.synthesis import place_in_room

__all__ = ["Split", "StageTake", "draw_take", "render_clip"]

Split = Literal["train", "valid", "test"]
"""The same seed gives unrelated clips in different splits."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StageTake:
    """A clip that is drawn but not rendered: any frame, at any size, and the sound at any rate."""

    seed: int
    split: Split
    duration_s: float
    actor: Actor
    hits: Hits
    scene: Scene

    def frames(
        self, times_s: Sequence[float] | NDArray[np.float64], *, size: tuple[int, int]
    ) -> NDArray[np.uint8]:
        """Pictures at the given instants.

        Args:
            times_s: Seconds from the clip's start.
            size: Height and width in pixels.

        Returns:
            ``(T, H, W, 3)`` RGB.
        """
        height, width = size
        background = self.scene.background(size)
        frames = np.empty((len(times_s), height, width, 3), dtype=np.uint8)
        for frame, time_s in zip(frames, times_s, strict=True):
            frame[...] = background
            camera = self.scene.camera(float(time_s), self.duration_s, size)
            self.actor.paint(Canvas(frame, camera, brightness=self.scene.light), float(time_s))
        return frames

    def boxes(
        self, times_s: Sequence[float] | NDArray[np.float64], *, size: tuple[int, int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Boxes ``(T, 4)`` of target and contact at the given instants, as fractions of the frame."""
        cameras = [self.scene.camera(float(time_s), self.duration_s, size) for time_s in times_s]
        target = [camera.box(self.actor.target, *size) for camera in cameras]
        contact = [camera.box(self.actor.contact, *size) for camera in cameras]
        empty = np.empty((0, 4), dtype=np.float32)
        return (np.stack(target), np.stack(contact)) if cameras else (empty, empty)

    def waveform(self, sample_rate: int) -> NDArray[np.float32]:
        """Sound ``(N,)`` in [-1, 1], as long as the clip."""
        count = round(self.duration_s * sample_rate)
        dry = np.zeros(count)
        rng = _generator(self.seed, self.split, "sound")
        for time_s, strength in zip(self.hits.times, self.hits.strengths, strict=True):
            event = self.actor.sound(float(strength), rng, sample_rate)
            start = round(time_s * sample_rate)
            end = min(count, start + len(event))
            dry[start:end] += event[: end - start]
        room = place_in_room(
            dry, rng=rng, reverb_s=self.scene.reverb_s, wet=self.scene.reverb_wet, sample_rate=sample_rate
        )
        hiss = self.scene.hiss * _generator(self.seed, self.split, "hiss").standard_normal(count)
        return np.clip(self.scene.level * room + hiss, -1, 1).astype(np.float32)

    def events(self, *, size: tuple[int, int]) -> tuple[StageEvent, ...]:
        """Every event, and whether a frame of ``size`` shows its contact."""
        _, contacts = self.boxes(self.hits.times, size=size)
        return tuple(
            StageEvent(
                time_s=float(time_s),
                kind=self.actor.kind,
                strength=float(strength),
                is_onset_like=self.actor.is_onset_like,
                source=0,
                is_visible=bool(box[0] < 1 and box[2] > 0 and box[1] < 1 and box[3] > 0),
            )
            for time_s, strength, box in zip(self.hits.times, self.hits.strengths, contacts, strict=True)
        )


def draw_take(
    seed: int, *, split: Split = "train", duration_s: float = 8.0, kind: str | None = None
) -> StageTake:
    """Draw everything about a clip without rendering it.

    Args:
        seed: Any integer from 0; the same seed gives the same clip.
        split: Which of the three unrelated families of clips the seed belongs to.
        duration_s: Length in seconds, at least 1.
        kind: The action; drawn from the seed if None.

    Raises:
        ValueError: If the seed is negative, or the split, duration or kind does not exist.
    """
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, got {seed}")
    if split not in get_args(Split):
        raise ValueError(f"split must be one of {get_args(Split)}, got {split!r}")
    if not (math.isfinite(duration_s) and duration_s >= 1.0):
        raise ValueError(f"duration_s must be at least 1 s, got {duration_s}")
    kinds = {actor.kind: actor for actor in KINDS}
    if kind is not None and kind not in kinds:
        raise ValueError(f"the stage has no kind {kind!r}; it has {', '.join(kinds)}")
    rng = _generator(seed, split, "take")
    drawn = KINDS[int(rng.integers(len(KINDS)))]
    hits = draw_hits(rng, duration_s)
    actor = (kinds[kind] if kind is not None else drawn)(rng, hits)
    return StageTake(
        seed=seed,
        split=split,
        duration_s=duration_s,
        actor=actor,
        hits=hits,
        scene=draw_scene(rng, floor=FLOOR),
    )


def render_clip(
    seed: int,
    *,
    split: Split = "train",
    fps: float = 25.0,
    size: tuple[int, int] = (180, 320),
    sample_rate: int = 16000,
    duration_s: float = 8.0,
    kind: str | None = None,
) -> StageClip:
    """Render one clip of the Foley stage.

    Args:
        seed: Any integer from 0. The same seed gives the same bytes; what happens does not depend on rate or
            size.
        split: Which of the three unrelated families of clips the seed belongs to.
        fps: Frames per second.
        size: Height and width in pixels, of any aspect.
        sample_rate: Samples per second of the sound.
        duration_s: Length in seconds, at least 1.
        kind: The action; drawn from the seed if None.

    Returns:
        Pictures, sound of the same length, events and the boxes of what sounds.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> clip = render_clip(7, size=(90, 160), duration_s=2.0)
        >>> clip.frames.shape, clip.waveform.shape
        ((50, 90, 160, 3), (32000,))
    """
    if not (math.isfinite(fps) and fps > 0) or min(size) < 8 or sample_rate < 8000:
        raise ValueError(
            f"need fps > 0, at least 8x8 pixels and 8000 Hz, got "
            f"fps={fps}, size={size}, sample_rate={sample_rate}"
        )
    take = draw_take(seed, split=split, duration_s=duration_s, kind=kind)
    times_s = np.arange(math.ceil(duration_s * fps - 1e-9)) / fps
    target, contact = take.boxes(times_s, size=size)
    source = StageSource(
        kind=take.actor.kind, family=take.actor.family, target_boxes=target, contact_boxes=contact
    )
    return StageClip(
        frames=take.frames(times_s, size=size),
        fps=fps,
        waveform=take.waveform(sample_rate),
        sample_rate=sample_rate,
        events=take.events(size=size),
        sources=(source,),
        seed=seed,
        split=split,
    )


def _generator(seed: int, split: str, purpose: str) -> np.random.Generator:
    # the split's name enters the entropy, so that splits cannot share a stream whatever the seeds
    return np.random.Generator(
        np.random.PCG64([zlib.crc32(f"cinefoley-stage/{split}/{purpose}".encode()), seed])
    )
