"""Drawing and rendering of stage clips from a seed."""

import math
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from cinefoley.stage.actor import Actor
from cinefoley.stage.clip import StageClip
from cinefoley.stage.film import PLAIN, draw_film
from cinefoley.stage.generator import Split, make_generator
from cinefoley.stage.kinds import KINDS
from cinefoley.stage.rhythm import keep_apart
from cinefoley.stage.scene import draw_scene, widen_scene
from cinefoley.stage.take import StageTake
from cinefoley.stage.version import StageVersion, resolve_version

__all__ = ["Split", "StageTake", "draw_take", "frame_times", "render_clip"]

_ASPECTS = (16 / 9, 9 / 16, 1.0)
_ASPECT_LIMITS = (0.60, 0.80)  # 60 % wide, 20 % upright, 20 % square
_SECOND_SOURCE = 0.08
_APART_S = 0.3  # events of two sources keep this distance, or their sounds could not be told apart


def draw_take(
    seed: int,
    *,
    split: Split = "train",
    duration_s: float = 8.0,
    kind: str | None = None,
    version: StageVersion | None = None,
) -> StageTake:
    """Draw everything about a clip without rendering it.

    Args:
        seed: Any integer from 0; the same seed gives the same clip.
        split: Which of the three unrelated families of clips the seed belongs to.
        duration_s: Length in seconds, at least 1.
        kind: The action; drawn from the seed if None. Such a clip has one source.
        version: Which stage; :data:`~cinefoley.stage.version.DEFAULT_VERSION` if None. The same seed gives
            the same action in the same place on both.

    Raises:
        ValueError: If the seed is negative, or the split, duration, kind or version does not exist.
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
    rng = make_generator(seed, split, "take")
    first = KINDS[int(rng.integers(len(KINDS)))] if kind is None else kinds[kind]
    cast = [first]
    if kind is None and first.is_onset_like and rng.random() < _SECOND_SOURCE:
        others = [actor for actor in KINDS if actor.is_onset_like and actor is not first]
        cast.append(others[int(rng.integers(len(others)))])
    actors: list[Actor] = []
    for source, make in enumerate(cast):
        own = make_generator(seed, split, f"actor/{source}")
        hits = make.draw_hits(own, duration_s)
        actors.append(make(own, hits if not actors else keep_apart(actors[0].hits, hits, gap_s=_APART_S)))
    scene = draw_scene(make_generator(seed, split, "scene"), sources=len(actors))
    film = PLAIN
    if resolve_version(version) == "filmed":
        scene = widen_scene(scene, make_generator(seed, split, "wings"))
        film = draw_film(seed, split=split, duration_s=duration_s)
    return StageTake(
        seed=seed,
        split=split,
        duration_s=duration_s,
        actors=tuple(actors),
        scene=scene,
        film=film,
        aspect=_ASPECTS[int(np.searchsorted(_ASPECT_LIMITS, rng.random()))],
    )


def frame_times(duration_s: float, fps: float) -> NDArray[np.float64]:
    """The instants ``(T,)``, in seconds, that the frames of a clip show."""
    return np.asarray(np.arange(math.ceil(duration_s * fps - 1e-9)) / fps)


def render_clip(
    seed: int,
    *,
    split: Split = "train",
    fps: float = 25.0,
    size: tuple[int, int] = (180, 320),
    sample_rate: int = 16000,
    duration_s: float = 8.0,
    kind: str | None = None,
    version: StageVersion | None = None,
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
        version: Which stage; see :func:`draw_take`.

    Returns:
        Frames, sound of the same length, events and boxes of the sound sources.

    Raises:
        ValueError: If an argument is out of range.

    Examples:
        >>> clip = render_clip(7, size=(90, 160), duration_s=2.0)
        >>> clip.frames.shape, clip.waveform.shape
        ((50, 90, 160, 3), (32000,))
    """
    if not (math.isfinite(fps) and fps > 0) or min(size) < 8 or sample_rate < 8000:
        raise ValueError(
            f"need fps > 0, at least 8x8 pixels and 8000 Hz, got "
            f"fps={fps}, size={size}, sample_rate={sample_rate}"
        )
    take = draw_take(seed, split=split, duration_s=duration_s, kind=kind, version=version)
    times_s = frame_times(duration_s, fps)
    return StageClip(
        frames=take.frames(times_s, size=size),
        fps=fps,
        waveform=take.waveform(sample_rate),
        sample_rate=sample_rate,
        events=take.events(size=size),
        sources=take.sources(times_s, size=size),
        seed=seed,
        split=split,
        event_waveform=None if take.film.microphone is None else take.event_waveform(sample_rate),
    )
