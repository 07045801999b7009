"""What a model makes of unseen stage clips, take by take, where everything that sounds is known."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinefoley.media.frames.video import video_from_frames
from cinefoley.media.frames.windows import sample_windows
from cinefoley.metrics.alignment import AlignmentJudge
from cinefoley.metrics.backbones.lite import LiteBackbone
from cinefoley.metrics.onsets import OnsetCounts, detect_onsets, match_onsets
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.pipelines.sampling import draw_noise
from cinefoley.stage import Split, StageTake, draw_take
from cinefoley.variations import CameraMovement, CloseUp
from cinefoley.variations.window import Window

__all__ = [
    "Figure",
    "TakeFigures",
    "View",
    "derange_within_kinds",
    "measure_takes",
    "silent_stretches",
    "stays_silent",
    "summarise_takes",
    "watch_takes",
]

View = Literal["full", "close_up", "camera_movement"]
"""What the model sees; the judge always sees the whole."""

_SHORT_SIDE, _FPS = 180, 25.0
_LEVEL_S = 0.02  # length of the frames whose root mean square is a level
_QUIET_DB = 50.0  # the real sound counts as silent this far under its peak
_SILENT_DB = 30.0  # the generated one must stay this far under its own
_EDGE_S = 0.1  # the ends of a stretch belong to what sounds before and after it
_STRETCH_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeFigures:
    """One take of one clip."""

    seed: int
    """The clip."""
    kind: str
    """The first source's kind."""
    take: int
    """From 0."""
    probability: float
    """The judge's, that this sound belongs to the whole film."""
    is_onset_like: bool
    """Whether every source has sharp onsets: only then do the onset figures count."""
    own: OnsetCounts
    """Against the clip's events, ±100 ms."""
    other: OnsetCounts | None
    """Against those of another clip of the same kind; None where there is none."""
    is_kind_heard: bool | None
    """Whether the audio classifier's first choice is a source's kind; None for a clip without events."""
    silences: int
    """Stretches of a second or more in which the real sound is silent."""
    kept_silences: int
    """Of these, how many the take leaves silent."""

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number with its 95 % interval over resampled clips."""

    value: float
    low: float
    high: float
    clips: int
    """Clips it was taken over."""


def summarise_takes(
    figures: Sequence[TakeFigures], *, replicas: int = 2000, seed: int = 0
) -> dict[str, Figure]:
    """Ratios over all takes, with bootstrap intervals: clips are drawn again, with all their takes.

    Args:
        figures: Of one model and view; a clip's takes side by side.
        replicas: Resamplings.
        seed: Of the resampling.

    Returns:
        ``alignment accuracy``, ``onset F1``, ``onset F1, other clip``, ``onset F1 margin`` (the difference of
        the two, over clips that have another), ``kind heard`` and ``silence kept``; without those for which
        there is nothing to judge.
    """
    clips: dict[int, list[TakeFigures]] = {}
    for figure in figures:
        clips.setdefault(figure.seed, []).append(figure)
    table = np.array([np.sum([_row(take) for take in takes], axis=0) for takes in clips.values()])
    weights = np.random.default_rng(seed).multinomial(
        len(table), np.full(len(table), 1 / len(table)), size=replicas
    )
    once, many = table.sum(axis=0, keepdims=True), weights @ table
    report: dict[str, Figure] = {}
    for name, judged, ratio in _RATIOS:
        count = int((table[:, judged] > 0).sum())
        if count:
            values = np.asarray(ratio(many))
            low, high = np.nanpercentile(values, [2.5, 97.5])
            value = float(np.asarray(ratio(once))[0])
            report[name] = Figure(value=value, low=float(low), high=float(high), clips=count)
    return report


# columns: takes, aligned; judged, its counts; judged with another, both counts; heard; silences
_Table = NDArray[np.float64]


def _row(take: TakeFigures) -> list[int]:
    none, own, other = [0] * 3, take.own, take.other
    counts = [own.hits, own.extra, own.missed]
    is_paired = take.is_onset_like and other is not None
    paired = [1, *counts, other.hits, other.extra, other.missed] if is_paired and other else [0, *none, *none]
    heard = [0, 0] if take.is_kind_heard is None else [1, int(take.is_kind_heard)]
    return [
        1,
        int(take.probability > 0.5),
        *([1, *counts] if take.is_onset_like else [0, *none]),
        *paired,
        *heard,
        take.silences,
        take.kept_silences,
    ]


def _f1(table: _Table, first: int) -> NDArray[np.float64]:
    hits, extra, missed = table[:, first], table[:, first + 1], table[:, first + 2]
    total = 2 * hits + extra + missed
    return np.where(total > 0, 2 * hits / np.maximum(total, 1), 1.0)


def _share(table: _Table, part: int, whole: int) -> NDArray[np.float64]:
    return np.where(table[:, whole] > 0, table[:, part] / np.maximum(table[:, whole], 1), np.nan)


_RATIOS: tuple[tuple[str, int, Callable[[_Table], NDArray[np.float64]]], ...] = (
    ("alignment accuracy", 0, lambda t: _share(t, 1, 0)),
    ("onset F1", 2, lambda t: _f1(t, 3)),
    ("onset F1, other clip", 6, lambda t: _f1(t, 10)),
    ("onset F1 margin", 6, lambda t: _f1(t, 7) - _f1(t, 10)),
    ("kind heard", 13, lambda t: _share(t, 14, 13)),
    ("silence kept", 15, lambda t: _share(t, 16, 15)),
)


def derange_within_kinds(kinds: Sequence[str]) -> list[int | None]:
    """For each clip another clip of the same kind, each used once; None where a kind has only one clip."""
    others: list[int | None] = [None] * len(kinds)
    for kind in set(kinds):
        members = [index for index, name in enumerate(kinds) if name == kind]
        if len(members) > 1:
            for index, other in zip(members, members[1:] + members[:1], strict=True):
                others[index] = other
    return others


def watch_takes(takes: Sequence[StageTake], pipeline: FoleyPipeline, *, view: View = "full") -> Tensor:
    """Frames ``(B, T, 3, H, W)`` uint8, as the model gets them from films of 25 frames a second.

    Args:
        takes: The clips.
        pipeline: Whose rate, window and frame size they are for.
        view: The whole picture, or what a window shows of it: drawn from the clip's seed, as the paper's test
            sets are.

    Raises:
        ValueError: If there is no such view.
    """
    if view not in get_args(View):
        raise ValueError(f"view must be one of {get_args(View)}, got {view!r}")
    config = pipeline.foley_config
    rows = []
    for take in takes:
        short = _SHORT_SIDE
        size = (
            (short, round(short * take.aspect)) if take.aspect >= 1 else (round(short / take.aspect), short)
        )
        times = np.arange(round(take.duration_s * _FPS)) / _FPS
        # only the frames a decoder would keep are drawn: the last before the middle of each interval
        limits = (np.arange(config.video_frames) + 0.5) / config.video_fps
        kept = (np.ceil(limits * _FPS - 1e-9) - 1).astype(int)
        window = _window(take, size, view)
        boxes = window.boxes(len(times)).numpy()[kept] / np.array([size[1], size[0]] * 2)
        crop = size if window.scale == (1.0, 1.0) else window.crop_size
        pictures = take.frames(times[kept], size=crop, aspect=size[1] / size[0], windows=boxes)
        video = video_from_frames(
            torch.from_numpy(pictures).permute(0, 3, 1, 2), fps=Fraction(config.video_fps)
        )
        windows = sample_windows(
            video,
            starts=[0.0],
            frames_per_window=config.video_frames,
            fps=config.video_fps,
            size=config.frame_size,
        )
        rows.append(next(iter(windows)))
    return torch.stack(rows)


def measure_takes(
    pipeline: FoleyPipeline,
    judge: AlignmentJudge,
    backbone: LiteBackbone,
    seeds: Sequence[int],
    *,
    split: Split = "test",
    num_takes: int = 1,
    view: View = "full",
    noise_seed: int = 0,
    num_inference_steps: int = 25,
    guidance_scale: float = 4.5,
    batch_size: int = 16,
    on_batch: Callable[[list[TakeFigures]], None] | None = None,
) -> list[TakeFigures]:
    """Generate takes for stage clips and judge every one of them.

    Args:
        pipeline: The model; its teacher's features of the whole film are what the judge compares with.
        judge: Says whether a sound belongs to a film.
        backbone: Hears kinds; its logits are those of the stage's.
        seeds: The clips.
        split: The split they belong to.
        num_takes: Takes of every clip.
        view: What the model sees.
        noise_seed: Take ``k`` of clip ``n`` starts from the same noise for every model and view.
        num_inference_steps: Denoiser calls.
        guidance_scale: Strength of the film's influence.
        batch_size: Takes generated at once.
        on_batch: Called with what each batch gave.

    Returns:
        One entry for each take, clip by clip.

    Raises:
        ValueError: If the judge is not for the pipeline's window.
    """
    config = pipeline.foley_config
    if (judge.config.mel_frames, judge.config.video_frames) != (config.mel_frames, config.video_frames):
        raise ValueError("the judge was made for another window than the model's")
    takes = [draw_take(seed, split=split, duration_s=config.window_s) for seed in seeds]
    others = derange_within_kinds([take.actor.kind for take in takes])
    figures: list[TakeFigures] = []
    clips = max(1, batch_size // num_takes)
    for first in range(0, len(takes), clips):
        chosen = takes[first : first + clips]
        whole = _encode(pipeline, watch_takes(chosen, pipeline))
        seen = whole if view == "full" else _encode(pipeline, watch_takes(chosen, pipeline, view=view))
        noise = [
            draw_noise((1, *pipeline.latent_shape), seed=noise_seed + take.seed, take=k, window=0)
            for take in chosen
            for k in range(num_takes)
        ]
        latents = pipeline.sample(
            seen.repeat_interleave(num_takes, dim=0),
            latents=torch.cat(noise),
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
        )
        mels = pipeline.decode(latents)
        probabilities = judge.probability(mels, whole.repeat_interleave(num_takes, dim=0), posterior="mean")
        batch = []
        for row, waveform in enumerate(pipeline.vocode(mels)):
            index = first + row // num_takes
            other = others[index]
            batch.append(
                _judge(
                    takes[index],
                    None if other is None else takes[other],
                    waveform,
                    number=row % num_takes,
                    probability=float(probabilities[row]),
                    backbone=backbone,
                    rate=config.mel.sample_rate,
                )
            )
        figures += batch
        if on_batch is not None:
            on_batch(batch)
    return figures


def silent_stretches(real: Tensor, *, sample_rate: int) -> list[tuple[float, float]]:
    """Stretches of a second or more in which a real sound stays 50 dB under its peak; seconds.

    The first and last tenth of a second of each are cut off, unless the clip ends there.
    """
    levels = _levels(real, sample_rate)
    quiet = levels <= levels.max(initial=0.0) * 10 ** (-_QUIET_DB / 20)
    changes = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(int)))
    stretches = []
    for begin, end in changes.reshape(-1, 2):
        if (end - begin) * _LEVEL_S >= _STRETCH_S:
            first = begin * _LEVEL_S + (_EDGE_S if begin else 0.0)
            stretches.append((first, end * _LEVEL_S - (_EDGE_S if end < len(quiet) else 0.0)))
    return stretches


def stays_silent(waveform: Tensor, stretch: tuple[float, float], *, sample_rate: int, is_mute: bool) -> bool:
    """Whether a sound stays 30 dB under its own peak in a stretch; under full scale in a mute clip."""
    levels = _levels(waveform, sample_rate)
    peak = 1.0 if is_mute else float(levels.max(initial=0.0))
    inside = levels[round(stretch[0] / _LEVEL_S) : round(stretch[1] / _LEVEL_S)]
    return float(inside.max(initial=0.0)) <= peak * 10 ** (-_SILENT_DB / 20)


def _judge(
    take: StageTake,
    other: StageTake | None,
    waveform: Tensor,
    *,
    number: int,
    probability: float,
    backbone: LiteBackbone,
    rate: int,
) -> TakeFigures:
    onsets = detect_onsets(waveform, sample_rate=rate)
    real = torch.from_numpy(take.waveform(rate))
    is_mute = not bool(real.any())
    stretches = silent_stretches(real, sample_rate=rate)
    kept = [stays_silent(waveform, s, sample_rate=rate, is_mute=is_mute) for s in stretches]
    heard: bool | None = None
    if not is_mute:
        logits = backbone.embed(waveform, rate).logits
        assert logits is not None
        heard = backbone.classes[int(logits.argmax())] in {actor.kind for actor in take.actors}
    return TakeFigures(
        seed=take.seed,
        kind=take.actor.kind,
        take=number,
        probability=probability,
        is_onset_like=all(actor.is_onset_like for actor in take.actors),
        own=match_onsets(onsets, take.hits.times),
        other=None if other is None else match_onsets(onsets, other.hits.times),
        is_kind_heard=heard,
        silences=len(stretches),
        kept_silences=sum(kept),
    )


def _levels(waveform: Tensor, sample_rate: int) -> NDArray[np.float64]:
    step = round(_LEVEL_S * sample_rate)
    samples = waveform.double().numpy()
    whole = samples[: len(samples) // step * step].reshape(-1, step)
    return np.asarray(np.sqrt(np.square(whole).mean(axis=1)))


def _encode(pipeline: FoleyPipeline, frames: Tensor) -> Tensor:
    return pipeline.encode_video(frames.float() / 255)


def _window(take: StageTake, size: tuple[int, int], view: View) -> Window:
    generator = torch.Generator().manual_seed(take.seed)
    if view == "close_up":
        return CloseUp().draw(size, generator=generator)
    if view == "camera_movement":
        return CameraMovement().draw(size, generator=generator)
    return Window(kind="close_up", size=size)
