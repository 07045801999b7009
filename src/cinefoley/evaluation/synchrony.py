"""Do generated sounds start when the stage's events happen?"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinefoley.first_stage.render import Split, StageTake, draw_take
from cinefoley.media.video import Video, video_from_frames
from cinefoley.media.windows import sample_windows
from cinefoley.metrics.onsets import OnsetCounts, detect_onsets, match_onsets
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.pipelines.sampling import draw_noise

__all__ = ["SynchronyReport", "derange_within_kinds", "measure_synchrony"]

_SIZE, _FPS = (180, 320), 25.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SynchronyReport:
    """Onset figures of one model on stage clips; kinds without sharp onsets are generated but not counted."""

    clips: int
    """Clips generated."""
    judged: int
    """Of these, clips whose kind has onsets that can be judged."""
    tolerance_s: float
    """Largest distance of a match."""
    true: OnsetCounts
    """Generated sound against its own clip's events."""
    deranged: OnsetCounts
    """The same sounds against another clip's events, of the same kind of action."""
    real: OnsetCounts
    """The clips' real sound against their events: what the detector itself can reach."""
    by_kind: dict[str, OnsetCounts]
    """``true``, kind by kind."""


def measure_synchrony(
    pipeline: FoleyPipeline,
    seeds: Sequence[int],
    *,
    split: Split,
    num_inference_steps: int = 25,
    guidance_scale: float = 4.5,
    noise_seed: int = 0,
    tolerance_s: float = 0.1,
    batch_size: int = 8,
    on_clip: Callable[[int], None] | None = None,
) -> SynchronyReport:
    """Render stage clips, generate one take for each, and match onsets with events.

    Pictures go through the pipeline as a film's do: 25 frames a second at 320x180, sampled at the model's
    rate and squashed to its frame size.

    Args:
        pipeline: The model.
        seeds: Clips of the stage.
        split: The split they belong to.
        num_inference_steps: Denoiser calls.
        guidance_scale: Strength of the film's influence.
        noise_seed: Clip ``i`` starts from the noise of take ``i``.
        tolerance_s: Largest distance of a match.
        batch_size: Clips generated at once.
        on_clip: Called with the number of finished clips.

    Raises:
        ValueError: If there are no seeds.
    """
    if not seeds:
        raise ValueError("need at least one seed")
    config = pipeline.foley_config
    rate = config.mel.sample_rate
    takes = [draw_take(seed, split=split, duration_s=config.window_s) for seed in seeds]
    detected: list[NDArray[np.float64]] = []
    for first in range(0, len(takes), batch_size):
        chosen = takes[first : first + batch_size]
        pictures = torch.stack([_window(take, pipeline) for take in chosen])
        shape = (1, *pipeline.latent_shape)
        noise = [draw_noise(shape, seed=noise_seed, take=first + i, window=0) for i in range(len(chosen))]
        latents = pipeline.sample(
            pipeline.encode_video(pictures.float() / 255),
            latents=torch.cat(noise),
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
        )
        for waveform in pipeline.vocode(pipeline.decode(latents)):
            detected.append(detect_onsets(waveform, sample_rate=rate))
            if on_clip is not None:
                on_clip(len(detected))
    return _report(takes, detected, rate=rate, tolerance_s=tolerance_s)


def derange_within_kinds(kinds: Sequence[str]) -> list[int | None]:
    """For each clip another clip of the same kind, each used once; None where a kind has only one clip."""
    others: list[int | None] = [None] * len(kinds)
    for kind in set(kinds):
        members = [index for index, name in enumerate(kinds) if name == kind]
        if len(members) > 1:
            for index, other in zip(members, members[1:] + members[:1], strict=True):
                others[index] = other
    return others


def _report(
    takes: Sequence[StageTake], detected: Sequence[NDArray[np.float64]], *, rate: int, tolerance_s: float
) -> SynchronyReport:
    kinds = [take.actor.kind for take in takes]
    true, deranged, real = OnsetCounts(), OnsetCounts(), OnsetCounts()
    by_kind: dict[str, OnsetCounts] = {}
    judged = 0
    for take, onsets, other in zip(takes, detected, derange_within_kinds(kinds), strict=True):
        if not take.actor.is_onset_like or other is None:
            continue
        judged += 1
        counts = match_onsets(onsets, take.hits.times, tolerance_s=tolerance_s)
        true += counts
        by_kind[take.actor.kind] = by_kind.get(take.actor.kind, OnsetCounts()) + counts
        deranged += match_onsets(onsets, takes[other].hits.times, tolerance_s=tolerance_s)
        heard = detect_onsets(torch.from_numpy(take.waveform(rate)), sample_rate=rate)
        real += match_onsets(heard, take.hits.times, tolerance_s=tolerance_s)
    return SynchronyReport(
        clips=len(takes),
        judged=judged,
        tolerance_s=tolerance_s,
        true=true,
        deranged=deranged,
        real=real,
        by_kind=by_kind,
    )


def _window(take: StageTake, pipeline: FoleyPipeline) -> Tensor:
    config = pipeline.foley_config
    frames = take.frames(np.arange(round(take.duration_s * _FPS)) / _FPS, size=_SIZE)
    video: Video = video_from_frames(torch.from_numpy(frames).permute(0, 3, 1, 2), fps=Fraction(_FPS))
    windows: Iterator[Tensor] = sample_windows(
        video,
        starts=[0.0],
        frames_per_window=config.video_frames,
        fps=config.video_fps,
        size=config.frame_size,
    )
    return next(windows)
