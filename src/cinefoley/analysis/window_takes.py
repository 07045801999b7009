"""One window of a clip: its frames, its real sound, and takes generated from an encoder's features."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from cinefoley.config.foley import FoleyConfig
from cinefoley.data.sources.clip_source import Clip
from cinefoley.errors import AudioError
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.pipelines.sampling import draw_noise
from cinefoley.variations.resizing import resize
from cinefoley.variations.window import Window

__all__ = ["WindowTakes", "for_display", "make_takes", "read_window", "real_sound"]

_SHOWN_PIXELS = 320


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowTakes:
    """Frames and sounds of one window."""

    frames: Tensor
    """``(T, 3, H, W)`` uint8 for display, at their own aspect ratio, shorter side at most 320 pixels."""
    fps: float
    """Frames per second."""
    sounds: Mapping[str, Tensor]
    """``(N,)`` by name: ``real`` if there is one, then every encoder's takes."""
    mels: Mapping[str, Tensor]
    """``(n_mels, frames)`` of the same in [0, 1]."""
    sample_rate: int
    """Of the sounds."""

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.frames) / self.fps


def read_window(
    clip: Clip, config: FoleyConfig, *, window: Window | None = None, start: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Read one window of time, at source size for display and at the encoder's frame size.

    Args:
        clip: The clip.
        config: The model's rate, length and frame size.
        window: The part of the frame that is shown; the whole of it if None.
        start: In seconds. A clip that ends early is read to its end.

    Returns:
        Frames ``(T, 3, H, W)`` uint8 at source size, and ``(video_frames, 3, h, w)`` in [0, 1] at the
        encoder's size, the last frame repeated if the clip ends early.

    Raises:
        MediaError: If the clip cannot be read, has no video stream, or ends before ``start``.
    """
    # decoded twice, so that encoders get what they always get: frames resized by the reader
    frames, squashed = (
        clip.video(
            fps=config.frame_rate, size=size, start=start, duration=config.window_s, window=window
        ).frames[: config.video_frames]
        for size in (None, config.frame_size)
    )
    seen = squashed.float() / 255
    missing = config.video_frames - len(frames)
    return frames, torch.cat([seen, seen[-1:].expand(missing, -1, -1, -1)]) if missing > 0 else seen


def for_display(frames: Tensor) -> Tensor:
    """Frames ``(T, 3, H, W)`` resized for a figure, at their own aspect ratio."""
    height, width = frames.shape[-2:]
    scale = min(1.0, _SHOWN_PIXELS / min(height, width))
    return resize(frames, (max(1, round(height * scale)), max(1, round(width * scale))))


def real_sound(clip: Clip, sample_rate: int, *, start: float, length: int) -> Tensor | None:
    """The clip's own sound, ``(length,)``, silent after its end; None without any."""
    try:
        sound = clip.waveform(sample_rate, start=start, duration=length / sample_rate)[:length]
    except AudioError:
        return None
    return torch.nn.functional.pad(sound, (0, length - len(sound))) if len(sound) else None


def make_takes(
    pipeline: FoleyPipeline,
    video: Tensor,
    *,
    num_takes: int,
    seed: int,
    num_inference_steps: int,
    guidance_scale: float,
) -> Tensor:
    """Takes ``(num_takes, N)``, every one from its own noise, which is the same for every encoder.

    Args:
        pipeline: With the video encoder in use.
        video: ``(video_frames, 3, h, w)`` in [0, 1].
        num_takes: Takes.
        seed: Of the noise.
        num_inference_steps: Denoiser calls.
        guidance_scale: Strength of the video's influence.
    """
    features = pipeline.encode_video(video[None]).expand(num_takes, -1, -1)
    noise = [draw_noise((1, *pipeline.latent_shape), seed=seed, take=k, window=0) for k in range(num_takes)]
    latents = pipeline.sample(
        features,
        latents=torch.cat(noise),
        quality="paper",
        num_inference_steps=num_inference_steps,
        guidance_scale=guidance_scale,
    )
    return pipeline.vocode(pipeline.decode(latents))
