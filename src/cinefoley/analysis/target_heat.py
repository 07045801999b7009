"""Share of an encoder's heat on the sounding targets of stage clips, whose boxes are known."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinefoley.analysis.explanation import sound_features_at_frames
from cinefoley.analysis.grad_cam import grad_cam
from cinefoley.analysis.heat import share_inside
from cinefoley.config.foley import FoleyConfig
from cinefoley.data.events.stage_events import stage_boxes
from cinefoley.data.sources.clip_source import Clip
from cinefoley.evaluation.scores import Score, bootstrap_draws, combine, interval
from cinefoley.evaluation.views import View, window_of
from cinefoley.models.audio_encoder import AudioEncoder
from cinefoley.models.video_encoder import VideoEncoder

__all__ = ["TargetHeat", "measure_target_heat"]

_METRIC = "share of heat"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetHeat:
    """Shares of heat inside the targets' boxes, in one view."""

    shares: Mapping[str, Score]
    """By encoder: mean over clips of the mean over frames that show a target, with its 95 % interval."""
    area: Score
    """The boxes' share of the frame, in the same frames: what evenly spread heat would give."""
    gain: Score | None
    """The last encoder's less the first's, paired over clips; None with one encoder."""
    clips: int
    """Clips in which every encoder has heat in a frame with a target."""


@torch.no_grad()
def measure_target_heat(
    clips: Sequence[Clip],
    view: View,
    encoders: Mapping[str, VideoEncoder],
    audio_encoder: AudioEncoder,
    foley: FoleyConfig,
    *,
    replicas: int = 2000,
    on_clip: Callable[[int, int], None] | None = None,
) -> TargetHeat:
    """Compute heat maps of every encoder, and their share inside the targets' boxes.

    Source: the paper's Figure 6 shows it for one clip and measures nothing.
    Reading: the scalar is the similarity to the real sound, as in
    :func:`~cinefoley.analysis.explanation.explain_clip`. Every clip has the same weight.

    Args:
        clips: Of the stage.
        view: Whole clips, or the windows of the paper's test sets.
        encoders: By name, in float32; the last is compared with the first.
        audio_encoder: Audio encoder that was trained with the teacher.
        foley: The model's window, rate and frame size.
        replicas: Resamplings of the clips.
        on_clip: Called with finished and all clips.

    Raises:
        ValueError: If a clip is not of the stage, or no clip shows a target.
    """
    rows: list[list[float]] = []
    for number, clip in enumerate(clips, start=1):
        rows.append(_of_clip(clip, view, encoders, audio_encoder, foley))
        if on_clip is not None:
            on_clip(number, len(clips))
    values = np.array(rows, dtype=np.float64)
    values = values[np.isfinite(values).all(axis=1)]
    if not len(values):
        raise ValueError(f"no clip of {len(clips)} shows a target in {view}")
    draws = bootstrap_draws(len(values), replicas=replicas, seed=0)
    scores = [_mean(column, draws) for column in values.T]
    shares = dict(zip(encoders, scores[:-1], strict=True))
    gain = (
        combine(_METRIC, [scores[-2], scores[0]], lambda last, first: last - first)
        if len(shares) > 1
        else None
    )
    return TargetHeat(shares=shares, area=scores[-1], gain=gain, clips=len(values))


def _of_clip(
    clip: Clip,
    view: View,
    encoders: Mapping[str, VideoEncoder],
    audio_encoder: AudioEncoder,
    foley: FoleyConfig,
) -> list[float]:
    """The mean share of each encoder's heat, and of the frame, that the boxes hold."""
    window = window_of(clip, view)
    video = clip.video(fps=foley.frame_rate, size=foley.frame_size, duration=foley.window_s, window=window)
    frames = video.frames[: foley.video_frames].float() / 255
    fps = float(foley.video_fps)
    boxes = stage_boxes(clip, window, times_s=((torch.arange(len(frames)) + 0.5) / fps).numpy())
    if boxes is None:
        raise ValueError(f"{clip.id} is no stage clip; the boxes of its targets are not known")
    sound = clip.waveform(foley.mel.sample_rate, duration=foley.window_s)
    sound_features = sound_features_at_frames(audio_encoder, sound, foley.mel, count=len(frames), fps=fps)
    where = torch.from_numpy(boxes).float()
    heats = [grad_cam(encoder, frames, sound_features=sound_features) for encoder in encoders.values()]
    shares = [share_inside(heat, where) for heat in [*heats, torch.ones_like(heats[0])]]
    known = torch.stack(shares).isfinite().all(dim=0)  # the same frames for all
    return [float(_mean_or_nan(share[known])) for share in shares]


def _mean_or_nan(values: Tensor) -> Tensor:
    return values.mean() if len(values) else torch.tensor(torch.nan)


def _mean(values: NDArray[np.float64], draws: NDArray[np.int64] | None) -> Score:
    value = float(values.mean())
    if draws is None:
        return Score(value=value)
    replicas = values[draws].mean(axis=1).tolist()
    low, high = interval(_METRIC, value, replicas)
    return Score(value=value, low=low, high=high, replicas=tuple(replicas))
