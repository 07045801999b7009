"""Generate takes of stage clips and measure each: alignment, onsets, kind of sound, silence."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Unpack

import numpy as np
import torch
from torch import Tensor

from cinefoley.evaluation.stage.silence import silent_stretches, stays_silent
from cinefoley.evaluation.stage.take_summary import MeasuredTake
from cinefoley.evaluation.views import VIEWS, View
from cinefoley.media.frames.sampling import pick_regular, sampling_instant
from cinefoley.media.frames.video import video_from_frames
from cinefoley.media.frames.windows import sample_windows
from cinefoley.metrics.alignment import AlignmentScorer
from cinefoley.metrics.backbones.lite import LiteBackbone
from cinefoley.metrics.onsets import detect_onsets, match_onsets
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.pipelines.sampling import draw_noise
from cinefoley.pipelines.settings import SamplingOptions
from cinefoley.stage import Split, StageTake, draw_take
from cinefoley.variations import CameraMovement, CloseUp
from cinefoley.variations.window import Window

__all__ = ["derange_within_kinds", "measure_takes", "stage_frames"]

_SHORT_SIDE, _FPS = 180, 25.0


def measure_takes(
    pipeline: FoleyPipeline,
    alignment: AlignmentScorer,
    backbone: LiteBackbone,
    seeds: Sequence[int],
    *,
    split: Split = "test",
    num_takes: int = 1,
    view: View = "full",
    noise_seed: int = 0,
    batch_size: int = 16,
    on_batch: Callable[[list[MeasuredTake]], None] | None = None,
    **sampling: Unpack[SamplingOptions],
) -> list[MeasuredTake]:
    """Generate takes of stage clips and measure every one of them.

    Args:
        pipeline: The model; its features of the whole clip are the alignment classifier's input.
        alignment: Alignment classifier.
        backbone: Audio classifier of the stage's kinds.
        seeds: The clips.
        split: The split they belong to.
        num_takes: Takes of every clip.
        view: What the generator is given.
        noise_seed: Take ``k`` of clip ``n`` starts from the same noise for every model and view.
        batch_size: Takes generated at once.
        on_batch: Called with the takes of each batch.
        sampling: As for :meth:`~cinefoley.pipelines.foley.FoleyPipeline.sample`; without any, the model's
            own preset.

    Returns:
        One entry for each take, clip by clip.

    Raises:
        ValueError: If the classifier is not for the pipeline's window.
    """
    config = pipeline.foley_config
    if (alignment.config.mel_frames, alignment.config.video_frames) != (
        config.mel_frames,
        config.video_frames,
    ):
        raise ValueError("the alignment classifier is for another window than the model's")
    takes = [draw_take(seed, split=split, duration_s=config.window_s) for seed in seeds]
    others = derange_within_kinds([take.actor.kind for take in takes])
    measured: list[MeasuredTake] = []
    clips = max(1, batch_size // num_takes)
    for first in range(0, len(takes), clips):
        chosen = takes[first : first + clips]
        whole = pipeline.encode_video(stage_frames(chosen, pipeline).float() / 255)
        seen = whole
        if view != "full":
            seen = pipeline.encode_video(stage_frames(chosen, pipeline, view=view).float() / 255)
        noise = [
            draw_noise((1, *pipeline.latent_shape), seed=noise_seed + take.seed, take=k, window=0)
            for take in chosen
            for k in range(num_takes)
        ]
        latents = pipeline.sample(
            seen.repeat_interleave(num_takes, dim=0),
            latents=torch.cat(noise),
            **sampling,
        )
        mels = pipeline.decode(latents)
        probabilities = alignment.probability(
            mels, whole.repeat_interleave(num_takes, dim=0), posterior="mean"
        )
        batch = []
        for row, waveform in enumerate(pipeline.vocode(mels)):
            index = first + row // num_takes
            other = others[index]
            batch.append(
                _measure(
                    takes[index],
                    None if other is None else takes[other],
                    waveform,
                    number=row % num_takes,
                    probability=float(probabilities[row]),
                    backbone=backbone,
                    rate=config.mel.sample_rate,
                )
            )
        measured += batch
        if on_batch is not None:
            on_batch(batch)
    return measured


def derange_within_kinds(kinds: Sequence[str]) -> list[int | None]:
    """For each clip another clip of the same kind, each used once; None where a kind has only one clip."""
    others: list[int | None] = [None] * len(kinds)
    for kind in set(kinds):
        members = [index for index, name in enumerate(kinds) if name == kind]
        if len(members) > 1:
            for index, other in zip(members, members[1:] + members[:1], strict=True):
                others[index] = other
    return others


def stage_frames(takes: Sequence[StageTake], pipeline: FoleyPipeline, *, view: View = "full") -> Tensor:
    """Frames ``(B, T, 3, H, W)`` uint8, as the model gets them from videos of 25 frames a second.

    Args:
        takes: The clips.
        pipeline: Whose rate, window and frame size they are for.
        view: The whole frame, or a window of it, drawn from the clip's seed as for the paper's test sets.

    Raises:
        ValueError: If there is no such view.
    """
    if view not in VIEWS:
        raise ValueError(f"view must be one of {VIEWS}, got {view!r}")
    config = pipeline.foley_config
    rows = []
    for take in takes:
        short = _SHORT_SIDE
        size = (
            (short, round(short * take.aspect)) if take.aspect >= 1 else (round(short / take.aspect), short)
        )
        times = np.arange(round(take.duration_s * _FPS)) / _FPS
        # only the frames that a decoder would keep are drawn
        instants = (sampling_instant(n, Fraction(0), config.frame_rate) for n in range(config.video_frames))
        picked = pick_regular(instants, Fraction(_FPS), config.frame_choice)
        kept = np.minimum(picked, len(times) - 1)
        window = _window(take, size, view)
        boxes = window.boxes(len(times)).numpy()[kept] / np.array([size[1], size[0]] * 2)
        crop = size if window.scale == (1.0, 1.0) else window.crop_size
        images = take.frames(times[kept], size=crop, aspect=size[1] / size[0], windows=boxes)
        video = video_from_frames(
            torch.from_numpy(images).permute(0, 3, 1, 2), fps=Fraction(config.video_fps)
        )
        windows = sample_windows(
            video,
            starts=[0.0],
            frames_per_window=config.video_frames,
            fps=config.frame_rate,
            size=config.frame_size,
        )
        rows.append(next(iter(windows)))
    return torch.stack(rows)


def _measure(
    take: StageTake,
    other: StageTake | None,
    waveform: Tensor,
    *,
    number: int,
    probability: float,
    backbone: LiteBackbone,
    rate: int,
) -> MeasuredTake:
    onsets = detect_onsets(waveform, sample_rate=rate)
    real = torch.from_numpy(take.waveform(rate))
    is_mute = not bool(real.any())
    stretches = silent_stretches(real, sample_rate=rate)
    silent = [stays_silent(waveform, s, sample_rate=rate, is_mute=is_mute) for s in stretches]
    is_right: bool | None = None
    if not is_mute:
        logits = backbone.embed(waveform, rate).logits
        assert logits is not None
        is_right = backbone.classes[int(logits.argmax())] in {actor.kind for actor in take.actors}
    return MeasuredTake(
        seed=take.seed,
        kind=take.actor.kind,
        take=number,
        probability=probability,
        is_onset_like=all(actor.is_onset_like for actor in take.actors),
        own=match_onsets(onsets, take.hits.times),
        other=None if other is None else match_onsets(onsets, other.hits.times),
        is_kind_heard=is_right,
        silences=len(stretches),
        kept_silences=sum(silent),
    )


def _window(take: StageTake, size: tuple[int, int], view: View) -> Window:
    generator = torch.Generator().manual_seed(take.seed)
    if view == "close_up":
        return CloseUp().draw(size, generator=generator)
    if view == "camera_movement":
        return CameraMovement().draw(size, generator=generator)
    return Window(kind="close_up", size=size)
