"""A film, what its encoders look at, and what is made of it: everything that a figure shows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from cinefoley.analysis.grad_cam import feature_energy, grad_cam, similarity
from cinefoley.config.mel import MelConfig
from cinefoley.data.clips import Clip
from cinefoley.errors import AudioError
from cinefoley.models.audio_encoder import AudioEncoder
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.pipelines.sampling import draw_noise
from cinefoley.spectral.mel import mel_spectrogram
from cinefoley.variations.resizing import resize
from cinefoley.variations.window import Window

__all__ = ["Explained", "Explanation", "explain_clip", "hear"]

Explained = Literal["similarity to the real sound", "similarity to the generated sound", "feature energy"]
"""The scalar behind a heat map."""

_CAVP_HOP = 250  # the audio tower's mels, whatever the generator's are
_SILENT = 1e-4  # -80 dB below full scale
_SHOWN_PIXELS = 320


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One window of a film, seen and heard."""

    frames: Tensor
    """``(T, 3, H, W)`` uint8, as they are shown: not squashed, 320 pixels on the shorter side at most."""
    fps: float
    """Frames per second."""
    explained: Explained
    """What the heat speaks for."""
    heats: Mapping[str, Tensor]
    """``(T, h, w)`` by encoder, 0 or more."""
    values: Mapping[str, Tensor]
    """``(T,)`` by encoder: the explained scalar at every frame."""
    sounds: Mapping[str, Tensor]
    """``(N,)`` by name: ``real`` if there is one, then every encoder's takes."""
    mels: Mapping[str, Tensor]
    """``(n_mels, frames)`` of the same in [0, 1]."""
    sample_rate: int
    """Of the sounds."""

    @property
    def duration_s(self) -> float:
        """Seconds that are shown."""
        return len(self.frames) / self.fps


@torch.no_grad()
def explain_clip(
    clip: Clip,
    pipeline: FoleyPipeline,
    *,
    encoders: Mapping[str, str | Path],
    audio_encoder: AudioEncoder | None,
    window: Window | None = None,
    start: float = 0.0,
    num_takes: int = 1,
    seed: int = 0,
    num_inference_steps: int = 25,
    guidance_scale: float = 4.5,
    layer: str | None = None,
) -> Explanation:
    """Watch one window of a film with several encoders, generate from each, and ask each where it looks.

    Source: paper, Figure 6.
    Reading: the scalar is the cosine between what is seen and what is heard at the same moments, summed over
    frames; heard is the real sound, or without one (or where it is silent) the encoder's own first take.
    Without an audio tower it is the energy of the features.

    Args:
        clip: The film.
        pipeline: In float32, not prepacked.
        encoders: Name to ``"teacher"``, ``"student"`` or a ``video_encoder/`` folder, in the order shown.
        audio_encoder: The tower that was trained with the teacher; None if the model has none.
        window: The part of the picture that is shown; the whole of it if None.
        start: Where the window of time begins, in seconds; a film that ends before it does is explained as
            far as it goes.
        num_takes: Takes of each encoder, from the same noise.
        seed: Of the noise.
        num_inference_steps: Denoiser calls.
        guidance_scale: Strength of the film's influence.
        layer: See :func:`~cinefoley.analysis.grad_cam.grad_cam`.

    Raises:
        MediaError: If the film cannot be read, has no picture, or ends before ``start``.
        WeightsError: If an encoder cannot be loaded.
        ImportError: If captum is not installed.
    """
    config = pipeline.foley_config
    # decoded twice, so that the encoders see what they always see, squashed by the reader
    frames, squashed = (
        clip.video(
            fps=config.video_fps, size=size, start=start, duration=config.window_s, window=window
        ).frames[: config.video_frames]
        for size in (None, config.frame_size)
    )
    seen = squashed.float() / 255
    missing = config.video_frames - len(frames)
    padded = torch.cat([seen, seen[-1:].expand(missing, -1, -1, -1)]) if missing > 0 else seen
    length = round(len(frames) / config.video_fps * config.mel.sample_rate)
    real = _real_sound(clip, config.mel.sample_rate, start=start, length=length)
    sounds: dict[str, Tensor] = {} if real is None else {"real": real}
    heats: dict[str, Tensor] = {}
    values: dict[str, Tensor] = {}
    explained: Explained = "feature energy"
    for name, choice in encoders.items():
        pipeline.use_video_encoder(choice)
        encoder = pipeline.video_encoder if choice == "teacher" else pipeline.video_encoder_student
        takes = _takes(pipeline, padded, num_takes, seed, num_inference_steps, guidance_scale)[:, :length]
        for number, take in enumerate(takes, start=1):
            sounds[f"{name}, take {number}" if num_takes > 1 else name] = take
        heard = None
        if audio_encoder is not None:
            is_real = real is not None and bool(real.abs().max() > _SILENT)
            explained = "similarity to the real sound" if is_real else "similarity to the generated sound"
            sound = real if is_real and real is not None else takes[0]
            heard = hear(audio_encoder, sound, config.mel, count=len(padded), fps=float(config.video_fps))
        # of the window that the generator was given: temporal convolutions see what follows a short film
        heats[name] = grad_cam(encoder, padded, sound_features=heard, layer=layer)[: len(frames)]
        values[name] = _value(encoder, padded, heard)[: len(frames)]
    return Explanation(
        frames=_shown(frames),
        fps=float(config.video_fps),
        explained=explained,
        heats=heats,
        values=values,
        sounds=sounds,
        mels={name: mel_spectrogram(sound[None], config.mel)[0] for name, sound in sounds.items()},
        sample_rate=config.mel.sample_rate,
    )


def hear(audio_encoder: AudioEncoder, waveform: Tensor, mel: MelConfig, *, count: int, fps: float) -> Tensor:
    """The audio tower's features at the moments of frames.

    Args:
        audio_encoder: The tower.
        waveform: ``(N,)`` at ``mel``'s sample rate; silence follows where it is shorter than the frames.
        mel: The model's mel; the tower is given it at CAVP's hop of 250 samples.
        count: Frames.
        fps: Their rate.

    Returns:
        ``(count, D)``: at every frame the feature of the stretch of sound that holds the frame's middle.
    """
    config = replace(mel, hop_length=_CAVP_HOP)
    step_s = audio_encoder.time_reduction * _CAVP_HOP / mel.sample_rate
    middles = (torch.arange(count) + 0.5) / fps
    steps = (middles / step_s).long()
    needed = (int(steps[-1]) + 1) * audio_encoder.time_reduction * _CAVP_HOP
    padded = torch.nn.functional.pad(waveform, (0, max(0, needed - len(waveform))))
    features: Tensor = audio_encoder(mel_spectrogram(padded[None], config))[0]
    return features[steps.clamp(max=len(features) - 1)]


def _takes(
    pipeline: FoleyPipeline, video: Tensor, count: int, seed: int, steps: int, guidance_scale: float
) -> Tensor:
    """``(count, N)``, every one from its own noise, which is the same for every encoder."""
    features = pipeline.encode_video(video[None]).expand(count, -1, -1)
    noise = [draw_noise((1, *pipeline.latent_shape), seed=seed, take=k, window=0) for k in range(count)]
    latents = pipeline.sample(
        features, latents=torch.cat(noise), num_inference_steps=steps, guidance_scale=guidance_scale
    )
    return pipeline.vocode(pipeline.decode(latents))


def _value(encoder: VideoEncoder, video: Tensor, heard: Tensor | None) -> Tensor:
    features = encoder(video[None], normalize=False)[0].float()
    return feature_energy(features) if heard is None else similarity(features, heard)


def _real_sound(clip: Clip, sample_rate: int, *, start: float, length: int) -> Tensor | None:
    try:
        sound = clip.waveform(sample_rate, start=start, duration=length / sample_rate)[:length]
    except AudioError:
        return None
    return torch.nn.functional.pad(sound, (0, length - len(sound))) if len(sound) else None


def _shown(frames: Tensor) -> Tensor:
    height, width = frames.shape[-2:]
    scale = min(1.0, _SHOWN_PIXELS / min(height, width))
    return resize(frames, (max(1, round(height * scale)), max(1, round(width * scale))))
