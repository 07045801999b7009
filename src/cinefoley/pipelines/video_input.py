"""Video input of the pipeline: plan the windows of a video, and read the frames of each window."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from cinefoley.config.foley import FoleyConfig
from cinefoley.errors import VideoError
from cinefoley.media.frames.crop import Crop, FrameChange
from cinefoley.media.frames.video import Video, video_from_frames
from cinefoley.media.frames.windows import sample_windows, stream_windows
from cinefoley.media.shots import Shot, join_short_shots
from cinefoley.media.timing import video_duration
from cinefoley.pipelines.windows import OVERLAP_S, WindowPlan, plan_shots

__all__ = ["CroppedVideo", "VideoInput", "encoder_frames", "plan_video", "window_frames"]


@dataclass(frozen=True, slots=True)
class CroppedVideo:
    """A file, shown through a window."""

    path: Path
    """The file."""
    crop: Crop | FrameChange
    """Which box of each frame is shown, or how each frame is changed."""


VideoInput = str | os.PathLike[str] | CroppedVideo | Video | Tensor
"""A file, a part of its frames, a video in memory, or frames ``(1, T, 3, H, W)`` in [0, 1] at the model's
rate."""

_LEAST_SHOT_S = 0.25  # shorter ones share their neighbour's windows: one frame says nothing about motion
_BEFORE_CUT_S = {"before_middle": Fraction(2, 1000), "nearest": Fraction(50, 1000)}


def plan_video(
    video: VideoInput,
    config: FoleyConfig,
    *,
    start: float = 0.0,
    duration: float | None = None,
    shots: Sequence[Shot] | None = None,
) -> WindowPlan:
    """Place the windows of a video, without decoding it; with ``shots``, none spans a cut.

    Args:
        video: The video.
        config: The model's window and sample rate.
        start: Start of the section, in seconds.
        duration: Its length; None: to the end.
        shots: Shots of the whole video, each beginning where the one before ends. None, or a single one,
            places windows as if there were no cut.

    Raises:
        MediaError: If the file cannot be read, or ends before ``start``.
        ValueError: If a number is out of range, or a tensor is no video.
        TypeError: If it is no video.
    """
    if not isinstance(video, str | os.PathLike | CroppedVideo | Video | Tensor):
        raise TypeError(
            "a video is a file, a Video, or a tensor (1, T, 3, H, W); got "
            f"{type(video).__name__}. Give several videos one by one, and of a stage clip its as_video()"
        )
    if isinstance(video, Tensor):
        _check_frames(video)
        if len(video) != 1:
            raise ValueError(
                f"a video's frames are (1, T, 3, H, W), got {tuple(video.shape)}; give one video at a time"
            )
        whole = video.shape[1] / config.video_fps
    else:
        if isinstance(video, CroppedVideo):
            video = video.path
        whole = video.duration if isinstance(video, Video) else video_duration(video)
    if start < 0 or (duration is not None and duration <= 0):
        raise ValueError(f"need start >= 0 and duration > 0, got start={start}, duration={duration}")
    section = whole - start if duration is None else min(duration, whole - start)
    if section <= 0:
        raise VideoError(
            f"The video lasts {whole:.3f} s, so nothing is left at {start:.3f} s. Choose an earlier start."
        )
    rate = config.mel.sample_rate
    total = max(1, round(Fraction(section) * rate))
    sections = _shots_in_samples(shots or (), total, start, rate)
    return plan_shots(sections, window=config.window_samples, overlap=round(OVERLAP_S * rate))


def _shots_in_samples(shots: Sequence[Shot], total: int, start: float, rate: int) -> list[tuple[int, int]]:
    """Begin and end of every shot in a section of ``total`` samples that begins at ``start`` seconds."""
    cuts = [round((shot.end_s - start) * rate) for shot in shots]
    borders = [0, *(cut for cut in cuts if 0 < cut < total), total]
    inside = [Shot(begin / rate, end / rate) for begin, end in pairwise(borders)]
    joined = join_short_shots(inside, _LEAST_SHOT_S)
    return [(round(shot.start_s * rate), round(shot.end_s * rate)) for shot in joined]


def window_frames(
    video: VideoInput,
    plan: WindowPlan,
    config: FoleyConfig,
    *,
    start: float = 0.0,
    duration: float | None = None,
) -> Iterator[Tensor]:
    """Frames of each window in turn, uint8 ``(T, 3, H, W)``; a file is decoded on demand."""
    options: dict[str, Any] = {
        "starts": [Fraction(sample, config.mel.sample_rate) for sample in plan.starts],
        "frames_per_window": config.video_frames,
        "fps": config.frame_rate,
        "size": config.frame_size,
        "start": start,
        "duration": duration,
    }
    if plan.shot_ends:
        margin = _BEFORE_CUT_S[config.frame_rate.choice]  # a frame at the cut itself is of the next shot
        options["ends"] = [Fraction(end, config.mel.sample_rate) - margin for end in plan.shot_ends]
    if isinstance(video, Tensor):
        video = video_from_frames((video[0] * 255).round().to(torch.uint8).cpu(), fps=config.video_fps)
    if isinstance(video, Video):
        return iter(sample_windows(video, **options))
    if isinstance(video, CroppedVideo):
        return iter(stream_windows(video.path, crop=video.crop, **options))
    return iter(stream_windows(video, **options))


def encoder_frames(video: Video | Tensor, config: FoleyConfig) -> Tensor:
    """Frames at the model's rate and size, ``(B, T, 3, H, W)`` in [0, 1].

    Args:
        video: Frames ``(B, T, 3, H, W)`` in [0, 1] at the model's rate, or a video in memory, which is
            sampled at that rate.
        config: The model's rate and frame size.

    Raises:
        ValueError: If a tensor is not ``(B, T, 3, H, W)``, floating point, in [0, 1].
    """
    if isinstance(video, Video):
        count = max(1, round(video.duration * config.video_fps))
        windows = sample_windows(
            video, starts=[0.0], frames_per_window=count, fps=config.frame_rate, size=config.frame_size
        )
        video = next(iter(windows))[None].float() / 255
    _check_frames(video)
    if tuple(video.shape[-2:]) == config.frame_size:
        return video
    flat = F.interpolate(video.flatten(0, 1).float(), config.frame_size, mode="bilinear", antialias=True)
    return flat.unflatten(0, video.shape[:2])


def _check_frames(video: Tensor) -> None:
    """Refuse a tensor that is not ``(B, T, 3, H, W)``, floating point, in [0, 1].

    Raises:
        ValueError: Names the shape, type or range that was found.
    """
    if video.ndim != 5 or video.shape[2] != 3 or 0 in video.shape:
        raise ValueError(f"video must be (B, T, 3, H, W), got {tuple(video.shape)}")
    if not video.is_floating_point():
        raise ValueError(
            f"video must be floating point in [0, 1], got {video.dtype}; divide uint8 frames by 255"
        )
    low, high = float(video.min()), float(video.max())
    if not (low >= 0 and high <= 1):
        raise ValueError(f"video must lie in [0, 1], got [{low:g}, {high:g}]")
