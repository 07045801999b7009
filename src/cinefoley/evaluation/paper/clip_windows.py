"""Read a clip's first window for an experiment: frames as the model takes them, and the sound beside them."""

import torch
from torch import Tensor
from torch.nn import functional as F

from cinefoley.config.foley import FoleyConfig
from cinefoley.data.sources.clip_reader import fault_from, find_mute
from cinefoley.data.sources.clip_source import Clip, ClipFault
from cinefoley.errors import AudioError, DataError
from cinefoley.variations.window import Window

__all__ = ["read_frames", "read_real", "read_sound"]

_MUTE_DB = -60.0  # peak re full scale, as for training clips


class _TooShortError(DataError):
    """A clip ends before the model's window does."""


def read_real(clip: Clip, config: FoleyConfig) -> tuple[Tensor, Tensor] | ClipFault:
    """Frames and sound of a clip's first window, or the reason why the clip is skipped.

    Args:
        clip: Any clip.
        config: The model's frame rate, frame size, window and sample rate.
    """
    fault = clip.find_fault()
    if fault is not None:
        return fault
    try:
        frames, waveform = read_frames(clip, config), read_sound(clip, config)
    except _TooShortError as exc:
        return ClipFault(reason="too short", message=str(exc))
    except Exception as exc:
        return fault_from(exc, clip.id)
    fault = find_mute(clip.id, waveform, _MUTE_DB) if clip.events is None else None
    return fault or (frames, waveform)


def read_frames(clip: Clip, config: FoleyConfig, window: Window | None = None) -> Tensor:
    """Frames ``(T, 3, H, W)`` uint8 of the model's window, from the clip's start.

    Args:
        clip: Any clip.
        config: The model's frame rate, frame size and window.
        window: The part of the frame that is shown; the whole of it if None.

    Raises:
        DataError: If the clip ends before the window does.
    """
    video = clip.video(fps=config.frame_rate, size=config.frame_size, duration=config.window_s, window=window)
    frames = video.frames[: config.video_frames]
    missing = config.video_frames - len(frames)
    if missing > 1:  # the last frame is sampled half a frame before the end, and may be lost
        raise _TooShortError(
            f"{clip.id}: lasts {video.duration:.2f} s, a window needs {config.window_s:.2f} s"
        )
    return torch.cat([frames, frames[-1:].expand(missing, -1, -1, -1)]) if missing else frames


def read_sound(clip: Clip, config: FoleyConfig) -> Tensor:
    """The real sound ``(N,)`` of the model's window, as long as a take; silent after its end.

    Raises:
        AudioError: If there is no sound.
    """
    sound = clip.waveform(config.mel.sample_rate, duration=config.window_s)
    if not len(sound):
        raise AudioError(f"{clip.id}: the audio stream holds no sample")
    return F.pad(sound, (0, max(0, round(config.window_s * config.mel.sample_rate) - len(sound))))
