"""Inpainting in the latents: generate a stretch of a take anew, and keep the rest to the sample."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from cinefoley.media.audio.fitted_writer import fit_to_full_scale
from cinefoley.pipelines.denoiser import Denoise
from cinefoley.pipelines.schedulers import Scheduler, noise_level
from cinefoley.pipelines.video_input import VideoInput, window_frames
from cinefoley.pipelines.windows import WindowPlan
from cinefoley.spectral.mel import mel_spectrogram

if TYPE_CHECKING:
    from cinefoley.pipelines.foley import FoleyPipeline

__all__ = ["FADE_S", "Stretch", "keep_known", "longest_stretch_s", "redo_stretch"]

FADE_S = 0.02
"""Length of the cross-fades at both ends of a stretch, in seconds; they lie inside the stretch."""

_CONTEXT_S = 0.5  # of the take on either side, at least, that the model hears


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a take."""

    start_s: float
    """Begin, in seconds from the begin of the take."""
    end_s: float
    """End."""


def longest_stretch_s(pipeline: "FoleyPipeline") -> float:
    """Longest stretch that one window holds with its context, in seconds."""
    return pipeline.foley_config.window_s - 2 * _CONTEXT_S


@torch.no_grad()
def redo_stretch(
    pipeline: "FoleyPipeline",
    video: VideoInput,
    waveform: Tensor,
    stretch: Stretch,
    *,
    noise: Tensor,
    start: float = 0.0,
    duration: float | None = None,
    gain: float = 1.0,
    shot: Stretch | None = None,
    on_step: Callable[[int, int], None] | None = None,
    **sampling: Any,
) -> Tensor:
    """Generate a stretch of a take anew.

    One window around the stretch is encoded to latents. While noise becomes sound, the latents outside the
    stretch follow the path that ends at the take's own, so the new sound continues what is around it. Only
    the stretch of the result is used.

    Source: the replacement of known regions in Lugmayr et al., *RePaint*, CVPR 2022, not its resampling.
    Reading: the prediction is replaced, not the sample, so that solvers of higher order stay consistent.

    Args:
        pipeline: The model that generated the take.
        video: The video.
        waveform: The take, ``(N,)``, as long as the section, at the model's rate.
        stretch: What to generate anew; at most :func:`longest_stretch_s`.
        noise: ``(1, C, h, w)``, standard normal.
        start: Begin of the take in the video, in seconds.
        duration: Length of the section; None: to the end of the video.
        gain: Gain that was applied to the take after it was generated.
        shot: The shot that holds the stretch, in seconds of the take: nothing outside it is seen or heard.
            None: the whole take.
        on_step: Called with finished and total denoiser calls.
        sampling: As for ``FoleyPipeline.sample``.

    Returns:
        The take, ``(N,)``, identical to ``waveform`` outside the stretch.

    Raises:
        ValueError: If the stretch is empty, lies outside the take or the shot, or is too long.
        MediaError: If the video cannot be read.
    """
    config = pipeline.foley_config
    rate, total, window = config.mel.sample_rate, len(waveform), config.window_samples
    first, last = round(stretch.start_s * rate), min(round(stretch.end_s * rate), total)
    if not 0 <= first < last:
        raise ValueError(
            f"the stretch from {stretch.start_s:g} to {stretch.end_s:g} s is empty, or outside the take of "
            f"{total / rate:.3f} s"
        )
    if last - first > longest_stretch_s(pipeline) * rate + 1:
        raise ValueError(
            f"a stretch of {(last - first) / rate:.2f} s is too long; at most "
            f"{longest_stretch_s(pipeline):.2f} s"
        )
    shot_begin, shot_end = (
        (0, total) if shot is None else (round(t * rate) for t in (shot.start_s, shot.end_s))
    )
    if not shot_begin <= first < last <= shot_end:
        raise ValueError(
            f"the stretch from {stretch.start_s:g} to {stretch.end_s:g} s is not inside one shot, {shot}"
        )
    begin = min(max(shot_begin, (first + last - window) // 2), max(shot_begin, shot_end - window))
    ends = () if shot is None else (shot_end,)
    plan = WindowPlan(starts=(begin,), window=window, total=total, fade=0, shot_ends=ends)
    frames = next(iter(window_frames(video, plan, config, start=start, duration=duration)))
    features = pipeline.encode_video(frames[None].float() / 255)
    piece = waveform[begin : min(begin + window, shot_end)].float() / gain
    mel = mel_spectrogram(F.pad(piece, (0, window - len(piece)))[None], config.mel)
    known = pipeline.encode_mel(mel)
    columns = known.shape[-1]
    per_column = window / columns
    places = torch.arange(columns, device=known.device) * per_column
    is_known = (places + per_column <= first - begin) | (places >= last - begin)
    if shot is not None:  # what follows the shot is not heard, and left open
        is_known &= places + per_column <= shot_end - begin
    settings = pipeline.sampling_settings(**sampling)
    prediction_type = pipeline.scheduler.config.prediction_type
    latents = pipeline.sample(
        features,
        latents=noise,
        on_step=None if on_step is None else lambda done: on_step(done, settings.num_denoiser_calls),
        wrap_denoiser=lambda denoise, scheduler: keep_known(
            denoise, known, is_known, scheduler, prediction_type=prediction_type
        ),
        **sampling,
    )
    drawn = pipeline.decode(latents).cpu()
    frames_known = is_known.repeat_interleave(mel.shape[-1] // columns).cpu()
    drawn[..., frames_known] = mel[..., frames_known]  # so that the phases fit what is around
    sound = gain * pipeline.vocode(drawn, compat=settings.compat)[0].cpu()
    piece, _ = fit_to_full_scale(sound[first - begin : last - begin], rate)
    return _splice(waveform, piece, first, fade=round(FADE_S * rate))


def keep_known(
    denoise: Denoise, known: Tensor, is_known: Tensor, scheduler: Scheduler, *, prediction_type: str
) -> Denoise:
    """Denoise so that some columns end at known latents.

    Args:
        denoise: The denoiser.
        known: Latents ``(B, C, h, w)``.
        is_known: Which columns keep them, ``(w,)`` bool.
        scheduler: For its noise levels.
        prediction_type: What the denoiser predicts: ``epsilon`` or ``v_prediction``.
    """

    def predict(latents: Tensor, timestep: Tensor) -> Tensor:
        prediction = denoise(latents, timestep)
        signal, sigma = noise_level(scheduler, timestep)
        noise = (latents - signal * known) / max(sigma, 1e-6)
        exact = signal * noise - sigma * known if prediction_type == "v_prediction" else noise
        return torch.where(is_known, exact, prediction)

    return predict


def _splice(waveform: Tensor, piece: Tensor, first: int, *, fade: int) -> Tensor:
    """Put a piece into a take, with equal-power cross-fades inside the piece, but for the take's own ends."""
    length = len(piece)
    fade = min(fade, length // 2)
    share = torch.ones(length)
    ramp = (torch.arange(fade) + 0.5) / fade if fade else torch.zeros(0)
    if first > 0:
        share[:fade] = ramp
    if first + length < len(waveform):
        share[length - fade :] = ramp.flip(0)
    angle = share * (torch.pi / 2)
    out = waveform.clone()
    out[first : first + length] = angle.cos() * waveform[first : first + length] + angle.sin() * piece
    return out
