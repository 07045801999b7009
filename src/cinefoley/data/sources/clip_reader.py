"""Clip reader: a clip as frames and mel for a model, or the reason why it is skipped."""

import warnings
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from cinefoley.config.foley import FoleyConfig
from cinefoley.config.frame_rate import FrameChoice, FrameRate
from cinefoley.config.mel import MelConfig
from cinefoley.data.sources.clip_source import Clip, ClipFault, is_of_this_machine
from cinefoley.errors import AudioError, MediaError, MediaWarning
from cinefoley.spectral.mel import mel_spectrogram

__all__ = [
    "ClipSettings",
    "DecodedClip",
    "fault_from",
    "find_mute",
    "find_short",
    "find_still",
    "read_clip",
]


_FORMAT = 1  # raise when the same settings would give other numbers
_STILL_LEVEL = 12  # of 255: what encoding alone changes in a pixel stays below
_STILL_SHARE = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSettings:
    """Settings of the clip reader: frames, mel, and which clips are skipped."""

    mel: MelConfig
    """The mel front-end."""
    fps: float
    """Frames per second."""
    frame_size: tuple[int, int]
    """Height and width of the frames."""
    duration_s: float
    """Seconds that are used of a clip, from its start."""
    least_s: float
    """A clip with less video, in seconds, is too short."""
    mute_db: float = -60.0
    """A clip whose peak lies below this, in dB re full scale, is mute."""
    frame_choice: FrameChoice = "before_middle"
    """Which frame of the video is used."""

    @classmethod
    def of(cls, config: FoleyConfig, duration_s: float = 10.0) -> "ClipSettings":
        """For a model's window: clips must be long enough for one.

        The last frame of a window is sampled half a frame before its end, so that much may be missing.

        Raises:
            ValueError: If a window is longer than ``duration_s``.
        """
        if duration_s < config.window_s:
            raise ValueError(
                f"clips of {duration_s:g} s hold no window of {config.window_s:g} s; use more of them"
            )
        return cls(
            mel=config.mel,
            fps=config.video_fps,
            frame_size=config.frame_size,
            duration_s=duration_s,
            least_s=config.window_s - 0.5 / config.video_fps,
            frame_choice=config.frame_choice,
        )

    @property
    def frame_rate(self) -> FrameRate:
        """Rate and choice of the frames."""
        return FrameRate.of(self.fps, self.frame_choice)

    @property
    def num_frames(self) -> int:
        """Frames of a clip."""
        return max(1, round(self.duration_s * self.fps))

    @property
    def num_samples(self) -> int:
        """Samples of a clip's sound."""
        return round(self.duration_s * self.mel.sample_rate)

    @property
    def num_mel_frames(self) -> int:
        """Mel frames of a clip."""
        return 1 + (self.num_samples - 1) // self.mel.hop_length

    @property
    def row_bytes(self) -> int:
        """Bytes of one clip in the cache."""
        height, width = self.frame_size
        return 3 * self.num_frames * height * width + 2 * self.mel.n_mels * self.num_mel_frames

    def describe(self) -> dict[str, Any]:
        """All that shapes a decoded clip, for the key of a cache."""
        values = asdict(self)
        if self.frame_choice == "before_middle":  # the keys of caches from before there was a choice
            del values["frame_choice"]
        return {"format": _FORMAT, **values}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DecodedClip:
    """One clip as frames and mel."""

    frames: Tensor
    """``(T, 3, H, W)`` uint8; past the end of the video its last frame."""
    mel: Tensor
    """``(n_mels, frames)`` float16 in [0, 1]; past the end of the audio the floor."""
    length_s: float
    """Seconds of video."""


def read_clip(clip: Clip, settings: ClipSettings) -> DecodedClip | ClipFault:
    """Decode a clip, and check that it can be used.

    A clip whose events are known may be mute or without movement: its silence is data.
    """
    fault = clip.find_fault()
    if fault is not None:
        return fault
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MediaWarning)  # whether damage leaves enough video is checked below
        try:
            return _judge(clip, settings)
        except Exception as exc:
            return fault_from(exc, clip.id)


def fault_from(exc: Exception, clip_id: str) -> ClipFault:
    """The fault of a clip that raised an exception; one about this machine, or of a bug, is raised again.

    Among 200,000 clips some make a library fail in unexpected ways; that must not end the run.
    """
    if is_of_this_machine(exc):
        raise exc
    if isinstance(exc, AudioError):
        return ClipFault(reason="no sound", message=str(exc))
    if isinstance(exc, MediaError):
        return ClipFault(reason="unreadable", message=str(exc))
    if not isinstance(exc, (OSError, ValueError, RuntimeError, ArithmeticError)):
        raise exc
    return ClipFault(reason="unreadable", message=f"{clip_id}: cannot be read ({type(exc).__name__}: {exc})")


def find_mute(clip_id: str, sound: Tensor, mute_db: float) -> ClipFault | None:
    """The fault of audio ``(N,)`` that is empty or silent; None if it can be used."""
    if not len(sound):
        return ClipFault(reason="no sound", message=f"{clip_id}: its sound holds no sample")
    peak = float(sound.abs().max())
    if peak >= 10 ** (mute_db / 20):
        return None
    level = "nothing but zeros" if peak == 0 else f"a peak below {mute_db:g} dB of full scale"
    return ClipFault(reason="mute", message=f"{clip_id}: its sound has {level}")


def find_still(clip_id: str, frames: Tensor) -> ClipFault | None:
    """The fault of frames ``(T, 3, H, W)`` uint8 of which none differs from the first in 0.1 % of values."""
    difference = (frames.int() - frames[:1].int()).abs() > _STILL_LEVEL
    if float(difference.flatten(1).float().mean(dim=1).max()) > _STILL_SHARE:
        return None
    return ClipFault(reason="still", message=f"{clip_id}: nothing moves in its picture")


def find_short(clip_id: str, length_s: float, least_s: float) -> ClipFault | None:
    """The fault of a clip with less than ``least_s`` seconds of video."""
    if length_s >= least_s:
        return None
    message = f"{clip_id}: lasts {length_s:.2f} s, a window needs {least_s:.2f} s"
    return ClipFault(reason="too short", message=message)


def _judge(clip: Clip, settings: ClipSettings) -> DecodedClip | ClipFault:
    video = clip.video(fps=settings.frame_rate, size=settings.frame_size, duration=settings.duration_s)
    fault = find_short(clip.id, video.duration, settings.least_s)
    if fault is not None:
        return fault
    sound = clip.waveform(settings.mel.sample_rate, duration=settings.duration_s)
    if clip.events is None or not len(sound):
        fault = find_mute(clip.id, sound, settings.mute_db)
    if fault is None and clip.events is None:
        fault = find_still(clip.id, video.frames)
    if fault is not None:
        return fault
    sound = F.pad(sound[: settings.num_samples], (0, max(0, settings.num_samples - len(sound))))
    mel = mel_spectrogram(sound.nan_to_num(0.0, 0.0, 0.0)[None], settings.mel)[0]
    frames = video.frames[: settings.num_frames]
    missing = settings.num_frames - len(frames)
    if missing:
        frames = torch.cat([frames, frames[-1:].expand(missing, -1, -1, -1)])
    length_s = min(video.duration, settings.duration_s)
    return DecodedClip(frames=frames, mel=mel.to(torch.float16), length_s=length_s)
