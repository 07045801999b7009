"""Teacher/student pairs: frames for the student to see varied, and the teacher's cached features of them."""

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from cinefoley.config.foley import FoleyConfig
from cinefoley.data.cache.clip_frames import ClipFrames, FrameSettings
from cinefoley.data.cache.feature_cache import encode_groups
from cinefoley.data.cache.frame_cache import prepare_frames
from cinefoley.data.cache.tensor_rows import ChunkedRows
from cinefoley.data.sources.clip_source import ClipSource
from cinefoley.models.video_encoder import VideoEncoder

__all__ = ["prepare_student_frames", "prepare_teacher_features"]


def prepare_student_frames(
    source: ClipSource,
    foley: FoleyConfig,
    cache_dir: Path,
    *,
    clip_s: float,
    smallest_window: float,
    workers: int = 1,
    on_clip: Callable[[int, int], None] | None = None,
) -> ClipFrames:
    """Decode the frames of clips into the cache, large enough to crop windows out of them.

    Args:
        source: The clips.
        foley: Frame size, frame rate and window of the model.
        cache_dir: Folder of the cache.
        clip_s: Seconds of each clip; at least a window of the model is read.
        smallest_window: Smallest fraction of a side that a variation shows, in (0, 1].
        workers: Processes that decode.
        on_clip: Called with finished and all clips.

    Raises:
        OutputError: If the cache cannot be written.
    """
    reading = FrameSettings.of(
        foley.frame_size,
        foley.frame_rate,
        duration_s=max(clip_s, foley.window_s),
        # the last frame of a window is sampled half a frame before its end
        least_s=foley.window_s - 0.5 / foley.video_fps,
        scale=smallest_window,
    )
    return prepare_frames(source, reading, cache_dir, workers=workers, on_clip=on_clip)


def prepare_teacher_features(
    frames: ClipFrames,
    teacher: VideoEncoder,
    cache_dir: Path,
    *,
    frame_size: tuple[int, int],
    workers: int = 1,
    on_row: Callable[[int, int], None] | None = None,
) -> ChunkedRows:
    """Compute the teacher's features ``c_t = T(x_v)`` of whole, unvaried clips, or read them from the cache.

    Teacher and clips never change during training, so each clip is encoded once.

    Args:
        frames: Frames of the clips.
        teacher: The frozen video encoder, on the device that computes; set to evaluation mode.
        cache_dir: Folder of the cache; the files go under ``features-*``, keyed by the teacher's weights.
        frame_size: Height and width that the teacher sees.
        workers: Threads that decode.
        on_row: Called with finished and all clips.

    Returns:
        ``(N, T, D)`` float32, raw: not divided by their norm.

    Raises:
        OutputError: If the cache cannot be written. Finished files stay in it.
    """
    device = next(teacher.parameters()).device

    def encode(rows: Tensor) -> dict[str, Tensor]:
        video = frames.videos(rows.tolist(), size=frame_size, workers=workers)
        return {"raw_features": teacher(video.to(device).float() / 255, normalize=False)}

    groups = [([name, list(frame_size)], count) for name, count in frames.chunks]
    chunks = encode_groups("features", teacher, cache_dir, groups, encode, on_row=on_row)
    return ChunkedRows([chunk["raw_features"] for chunk in chunks])
