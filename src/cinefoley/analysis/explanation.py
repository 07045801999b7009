"""Explain encoders on one window of a clip: heat maps, takes and similarity (Figure 6)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from cinefoley.analysis.grad_cam import explained_value, grad_cam, per_frame
from cinefoley.analysis.window_takes import WindowTakes, for_display, make_takes, read_window, real_sound
from cinefoley.config.mel import MelConfig
from cinefoley.data.sources.clip_source import Clip
from cinefoley.models.audio_encoder import AudioEncoder
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.spectral.mel import mel_spectrogram
from cinefoley.variations.window import Window

__all__ = ["Explained", "Explanation", "explain_clip", "sound_features_at_frames"]

Explained = Literal["similarity to the real sound", "similarity to the generated sound", "feature energy"]
"""The scalar behind a heat map."""

_CAVP_HOP = 250  # of the audio encoder's mels, whatever the generator's is
_SILENT = 1e-4  # -80 dB below full scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation(WindowTakes):
    """One window of a clip with takes and heat maps of every encoder."""

    explained: Explained
    """The scalar that is explained."""
    heats: Mapping[str, Tensor]
    """``(T, h, w)`` by encoder, 0 or more."""
    values: Mapping[str, Tensor]
    """``(T,)`` by encoder: the explained scalar at every frame."""


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
    """Generate takes from several encoders on one window of a clip, and compute their heat maps.

    Source: paper, Figure 6.
    Reading: the scalar is the cosine similarity of video and sound features at the same times, summed over
    frames. The sound is the real one, or without one (or where it is silent) the encoder's own first take.
    Without an audio encoder the scalar is the energy of the features.

    Args:
        clip: The clip.
        pipeline: In float32, not prepacked.
        encoders: Name to ``"teacher"``, ``"student"`` or a ``video_encoder/`` folder, in the order shown.
        audio_encoder: Audio encoder that was trained with the teacher; None if the model has none.
        window: The part of the frame that is shown; the whole of it if None.
        start: Where the window of time begins, in seconds; a clip that ends before it does is explained to
            its end.
        num_takes: Takes of each encoder, from the same noise.
        seed: Of the noise.
        num_inference_steps: Denoiser calls.
        guidance_scale: Strength of the video's influence.
        layer: See :func:`~cinefoley.analysis.grad_cam.grad_cam`.

    Raises:
        MediaError: If the clip cannot be read, has no video stream, or ends before ``start``.
        WeightsError: If an encoder cannot be loaded.
        ImportError: If captum is not installed.
    """
    config = pipeline.foley_config
    frames, padded = read_window(clip, config, window=window, start=start)
    length = round(len(frames) / config.video_fps * config.mel.sample_rate)
    real = real_sound(clip, config.mel.sample_rate, start=start, length=length)
    sounds: dict[str, Tensor] = {} if real is None else {"real": real}
    heats: dict[str, Tensor] = {}
    values: dict[str, Tensor] = {}
    explained: Explained = "feature energy"
    for name, choice in encoders.items():
        pipeline.use_video_encoder(choice)
        encoder = pipeline.video_encoder if choice == "teacher" else pipeline.video_encoder_student
        takes = make_takes(
            pipeline,
            padded,
            num_takes=num_takes,
            seed=seed,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
        )[:, :length]
        for number, take in enumerate(takes, start=1):
            sounds[f"{name}, take {number}" if num_takes > 1 else name] = take
        sound_features = None
        if audio_encoder is not None:
            is_real = real is not None and bool(real.abs().max() > _SILENT)
            explained = "similarity to the real sound" if is_real else "similarity to the generated sound"
            sound = real if is_real and real is not None else takes[0]
            sound_features = sound_features_at_frames(
                audio_encoder, sound, config.mel, count=len(padded), fps=float(config.video_fps)
            )
        # of the whole window: temporal convolutions depend on the padding after a short clip
        heats[name] = grad_cam(encoder, padded, sound_features=sound_features, layer=layer)[: len(frames)]
        value = explained_value(encoder, padded[None], sound_features)[0].float()
        values[name] = per_frame(encoder, value, count=len(frames))
    return Explanation(
        frames=for_display(frames),
        fps=float(config.video_fps),
        explained=explained,
        heats=heats,
        values=values,
        sounds=sounds,
        mels={name: mel_spectrogram(sound[None], config.mel)[0] for name, sound in sounds.items()},
        sample_rate=config.mel.sample_rate,
    )


def sound_features_at_frames(
    audio_encoder: AudioEncoder, waveform: Tensor, mel: MelConfig, *, count: int, fps: float
) -> Tensor:
    """Features of the audio encoder at the times of frames.

    Args:
        audio_encoder: The encoder.
        waveform: ``(N,)`` at ``mel``'s sample rate; silence follows where it is shorter than the frames.
        mel: The model's mel settings; the encoder gets mels with CAVP's hop of 250 samples.
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
