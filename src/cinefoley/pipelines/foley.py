"""FoleyPipeline: a film in, takes of its sound out."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import torch
from diffusers import AutoencoderKL, DiffusionPipeline, DPMSolverMultistepScheduler, UNet2DConditionModel
from torch import Tensor
from torch.nn import functional as F

from cinefoley.config.foley import FoleyConfig
from cinefoley.media.video import Video
from cinefoley.media.windows import sample_windows
from cinefoley.models.conditioner import Conditioner
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.pipelines.denoiser import GuidedDenoiser, predict_with
from cinefoley.pipelines.film import VideoInput, check_frames, plan_film, window_pictures
from cinefoley.pipelines.loading import load_components, load_video_encoder, resolve_model
from cinefoley.pipelines.output import FoleyBlock, FoleyOutput
from cinefoley.pipelines.sampling import denoise_latents, draw_noise, set_exact_timesteps
from cinefoley.pipelines.windows import CrossFader, WindowPlan
from cinefoley.spectral.inverse import invert_mel

__all__ = ["FoleyPipeline"]

_MAX_BATCH = 16  # takes per denoiser call (twice that with guidance), which bounds memory


class FoleyPipeline(DiffusionPipeline):
    """Generates the sound of a silent film.

    Source: Diff-Foley (Luo et al., NeurIPS 2023), second stage; the video encoder is CAVP, or the student
    that the paper distils from it.

    Args:
        video_encoder: The encoder the generator was trained with (the teacher).
        conditioner: Features to context.
        unet: The denoiser.
        vae: The mel autoencoder.
        scheduler: DPM-Solver++ with the model's noise schedule.
        video_encoder_student: Used instead of ``video_encoder`` where present.
        foley_config: Window, frame size and mel; Diff-Foley's if None.

    Example:
        >>> pipeline = FoleyPipeline.from_pretrained("lite")  # doctest: +SKIP
        >>> result = pipeline("clip.mp4", num_takes=4, seed=7)  # doctest: +SKIP
        >>> result.audios.shape, result.sample_rate  # doctest: +SKIP
        (torch.Size([4, 128000]), 16000)
    """

    _optional_components = ("video_encoder_student",)
    model_cpu_offload_seq = "video_encoder->conditioner->unet->vae"

    def __init__(
        self,
        video_encoder: VideoEncoder,
        conditioner: Conditioner,
        unet: UNet2DConditionModel,
        vae: AutoencoderKL,
        scheduler: DPMSolverMultistepScheduler,
        video_encoder_student: VideoEncoder | None = None,
        foley_config: FoleyConfig | None = None,
    ) -> None:
        super().__init__()
        self.register_modules(
            video_encoder=video_encoder,
            conditioner=conditioner,
            unet=unet,
            vae=vae,
            scheduler=scheduler,
            video_encoder_student=video_encoder_student,
        )
        self.foley_config = foley_config or FoleyConfig()
        self._is_student_used = video_encoder_student is not None

    # -- folders ---------------------------------------------------------------------------------

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        *,
        video_encoder: str | os.PathLike[str] | None = None,
        torch_dtype: torch.dtype | None = None,
        **hub_options: Any,
    ) -> Self:
        """Load a model.

        Args:
            pretrained_model_name_or_path: A bundled name (``"lite"``), a folder, or a hub id.
            video_encoder: ``"teacher"``, ``"student"``, or a folder with another encoder trained for this
                generator; None takes the student where the model has one.
            torch_dtype: Of the weights in memory; None means float32.
            hub_options: ``revision``, ``cache_dir``, ``local_files_only``; used with a hub id only.

        Raises:
            MissingWeightsError: If the model, one of its parts or the encoder does not exist.
            CheckpointMismatchError: If a part does not fit its configuration; names it and the first key.
            WeightsError: If a file is damaged.
        """
        name = pretrained_model_name_or_path
        folder = resolve_model(name if isinstance(name, str) else Path(name), **hub_options)
        pipeline = cls(**load_components(folder, dtype=torch_dtype))
        if video_encoder is not None:
            pipeline.use_video_encoder(video_encoder)
        return pipeline

    def save_pretrained(self, save_directory: str | os.PathLike[str], **kwargs: Any) -> None:
        """Write a model folder: what diffusers writes, and ``foley_config.json`` beside it."""
        super().save_pretrained(save_directory, **kwargs)
        self.foley_config.save(Path(save_directory))

    def use_video_encoder(self, choice: str | os.PathLike[str]) -> None:
        """Choose who watches: ``"teacher"``, ``"student"``, or a folder with another encoder.

        Raises:
            ValueError: If the model has no student.
            WeightsError: If the folder holds no encoder.
        """
        if choice == "student" and self.video_encoder_student is None:
            raise ValueError('this model has no student; choose "teacher" or a folder')
        if choice not in ("teacher", "student"):
            dtype = next(self.video_encoder.parameters()).dtype
            encoder = load_video_encoder(Path(choice), dtype=dtype).to(self.device)
            self.register_modules(video_encoder_student=encoder)
        self._is_student_used = choice != "teacher"

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height (mel bands) and width (time) of a window's latents; (4, 16, 64) for Diff-Foley."""
        factor = 2 ** (len(self.vae.config.block_out_channels) - 1)
        config = self.foley_config
        return (self.unet.config.in_channels, config.mel.n_mels // factor, config.mel_frames // factor)

    # -- the parts, one call each ----------------------------------------------------------------

    @torch.no_grad()
    def encode_video(self, video: Video | Tensor) -> Tensor:
        """Watch frames at the model's rate.

        Args:
            video: Frames ``(B, T, 3, H, W)`` in [0, 1], or a clip in memory, which is sampled at the model's
                rate.

        Returns:
            Features ``(B, T, D)``, unit norm per frame, float32.

        Raises:
            ValueError: If the tensor is not ``(B, T, 3, H, W)``, not floating point, or has numbers outside
                [0, 1].
        """
        config = self.foley_config
        if isinstance(video, Video):
            count = max(1, round(video.duration * config.video_fps))
            windows = sample_windows(
                video, starts=[0.0], frames_per_window=count, fps=config.video_fps, size=config.frame_size
            )
            frames = next(iter(windows))[None].float() / 255
        else:
            frames = video
        check_frames(frames)
        encoder = self.video_encoder_student if self._is_student_used else self.video_encoder
        if tuple(frames.shape[-2:]) != config.frame_size:
            flat = frames.flatten(0, 1).float()
            flat = F.interpolate(flat, config.frame_size, mode="bilinear", antialias=True)
            frames = flat.unflatten(0, frames.shape[:2])
        weight = next(encoder.parameters())
        features: Tensor = encoder(frames.to(weight.device, weight.dtype))
        return F.normalize(features.float(), dim=-1)  # the unit norm holds in float32 too

    @torch.no_grad()
    def embed(self, video_features: Tensor) -> Tensor:
        """Features ``(B, T, D)`` to context ``(B, T, context_dim)``.

        Raises:
            ValueError: If the width differs or T exceeds the conditioner's positions.
        """
        weight = next(self.conditioner.parameters())
        context: Tensor = self.conditioner(video_features.to(weight.device, weight.dtype))
        return context

    @torch.no_grad()
    def sample(
        self,
        video_features: Tensor,
        *,
        latents: Tensor | None = None,
        generator: torch.Generator | None = None,
        num_inference_steps: int = 25,
        guidance_scale: float = 4.5,
        on_step: Callable[[int], None] | None = None,
    ) -> Tensor:
        """Denoise one window per row.

        Source: DPM-Solver++ (2M) on Diff-Foley's grid; guidance is the paper's Eq. 4,
        ``eps = w eps(c) + (1 - w) eps(null)``, both halves in one call.

        Args:
            video_features: ``(B, T, D)``.
            latents: Initial noise ``(B, C, h, w)``; drawn from ``generator`` on the CPU if None.
            generator: Source of the noise; only used where ``latents`` is None.
            num_inference_steps: At least 1.
            guidance_scale: ``w``; 1 leaves the unconditional half out.
            on_step: Called with the number of finished steps.

        Returns:
            Latents ``(B, C, h, w)``, float32.

        Raises:
            ValueError: If shapes do not fit each other or a number is out of range.
        """
        shape = (len(video_features), *self.latent_shape)
        if latents is None:
            latents = torch.randn(shape, generator=generator)
        if tuple(latents.shape) != shape:
            raise ValueError(f"latents must be {shape} for these features, got {tuple(latents.shape)}")
        if not guidance_scale >= 0:
            raise ValueError(f"guidance_scale must be 0 or more, got {guidance_scale}")
        denoise = self._guided_denoiser(video_features, guidance_scale)
        set_exact_timesteps(self.scheduler, num_inference_steps)
        return denoise_latents(latents.to(self.unet.device), denoise, self.scheduler, on_step)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Latents ``(B, C, h, w)`` to mels ``(B, n_mels, frames)``, nominally in [0, 1], not clipped."""
        weight = next(self.vae.parameters())
        scaled = latents.to(weight.device, weight.dtype) / self.vae.config.scaling_factor
        return self.vae.decode(scaled).sample[:, 0].float()

    @torch.no_grad()
    def vocode(self, mel: Tensor, *, seed: int = 0) -> Tensor:
        """Mels ``(B, n_mels, frames)`` to waveforms ``(B, N)``, N = frames times the hop length.

        ``seed`` draws the phases that the iteration starts from.
        """
        generator = torch.Generator().manual_seed(seed)
        return invert_mel(mel.float(), config=self.foley_config.mel, generator=generator)

    # -- all together ----------------------------------------------------------------------------

    def __call__(
        self,
        video: VideoInput,
        *,
        num_takes: int = 1,
        seed: int | None = None,
        generator: torch.Generator | None = None,
        num_inference_steps: int = 25,
        guidance_scale: float = 4.5,
        start: float = 0.0,
        duration: float | None = None,
        on_step: Callable[[int, int], None] | None = None,
    ) -> FoleyOutput:
        """Generate takes for a film, or a section of it.

        Args:
            video: A file, a clip in memory, or frames ``(1, T, 3, H, W)`` in [0, 1] at the model's rate.
            num_takes: Takes; all share one encoding of the film. Take ``k`` does not depend on how many there
                are.
            seed: Makes the same takes again; drawn from ``generator``, or 0, if None.
            generator: Alternative to ``seed``.
            num_inference_steps: Denoiser calls per window.
            guidance_scale: Strength of the film's influence.
            start: Where the section begins, in seconds.
            duration: Seconds of the section; None reaches to the end.
            on_step: Called with finished and total denoiser steps.

        Returns:
            The takes, exactly as long as the picture.

        Raises:
            MediaError: If the file cannot be read.
            ValueError: If a number is out of range, or both ``seed`` and ``generator`` are given.
        """
        seed = _choose_seed(seed, generator)
        timings: dict[str, float] = {}
        blocks = list(
            self.stream(
                video,
                num_takes=num_takes,
                seed=seed,
                num_inference_steps=num_inference_steps,
                guidance_scale=guidance_scale,
                start=start,
                duration=duration,
                on_step=on_step,
                timings_s=timings,
            )
        )
        return FoleyOutput(
            audios=torch.cat([block.audios for block in blocks], dim=1),
            sample_rate=self.foley_config.mel.sample_rate,
            mels=torch.stack([block.mels for block in blocks], dim=1),
            video_features=torch.stack([block.video_features for block in blocks]),
            seed=seed,
            timings_s=timings,
        )

    def stream(
        self,
        video: VideoInput,
        *,
        num_takes: int = 1,
        seed: int = 0,
        num_inference_steps: int = 25,
        guidance_scale: float = 4.5,
        start: float = 0.0,
        duration: float | None = None,
        on_step: Callable[[int, int], None] | None = None,
        timings_s: dict[str, float] | None = None,
    ) -> Iterator[FoleyBlock]:
        """Generate takes window by window, in memory that does not grow with the film.

        Arguments are those of :meth:`__call__`; ``timings_s`` receives the seconds spent in each part.

        Yields:
            One block per window; their ``audios`` in order are the takes.
        """
        if num_takes < 1:
            raise ValueError(f"num_takes must be at least 1, got {num_takes}")
        clock = _Clock(timings_s if timings_s is not None else {})
        plan = self.plan(video, start=start, duration=duration)
        fader = CrossFader(plan)
        pictures = window_pictures(video, plan, self.foley_config, start=start, duration=duration)
        total_steps = len(plan) * num_inference_steps * -(-num_takes // _MAX_BATCH)
        steps_done = 0

        def count_step(_: int) -> None:
            nonlocal steps_done
            steps_done += 1
            if on_step is not None:
                on_step(steps_done, total_steps)

        for window in range(len(plan)):
            with clock("read"):
                frames = next(pictures)
            with clock("encode"):
                features = self.encode_video(frames[None].float() / 255)
            audios, mels = [], []
            for takes in torch.arange(num_takes).split(_MAX_BATCH):
                with clock("sample"):
                    latents = self.sample(
                        features.expand(len(takes), -1, -1),
                        latents=self._noise(seed, takes.tolist(), window),
                        num_inference_steps=num_inference_steps,
                        guidance_scale=guidance_scale,
                        on_step=count_step,
                    )
                with clock("decode"):
                    mels.append(self.decode(latents).cpu())
                with clock("vocode"):
                    audios.append(self.vocode(mels[-1], seed=seed).cpu())
            yield FoleyBlock(
                audios=fader.add(window, torch.cat(audios)).clamp(-1, 1),
                mels=torch.cat(mels),
                video_features=features[0].cpu(),
                window=window,
                num_windows=len(plan),
            )

    def plan(self, video: VideoInput, *, start: float = 0.0, duration: float | None = None) -> WindowPlan:
        """Where the windows of a film lie, without decoding it.

        Raises:
            MediaError: If the file cannot be read, or ends before ``start``.
        """
        return plan_film(video, self.foley_config, start=start, duration=duration)

    def _guided_denoiser(self, video_features: Tensor, guidance_scale: float) -> GuidedDenoiser:
        is_guided = guidance_scale != 1
        return GuidedDenoiser(
            predict_with(self.unet),
            self.embed(video_features).to(self.unet.dtype),
            null_context=self._null_context(video_features).to(self.unet.dtype) if is_guided else None,
            guidance_scale=guidance_scale,
        )

    def _noise(self, seed: int, takes: Sequence[int], window: int) -> Tensor:
        shape = (1, *self.latent_shape)
        return torch.cat([draw_noise(shape, seed=seed, take=take, window=window) for take in takes])

    def _null_context(self, video_features: Tensor) -> Tensor:
        if self.foley_config.null_condition == "zero_features":
            return self.embed(torch.zeros_like(video_features))
        return torch.zeros_like(self.embed(video_features))


class _Clock:
    """Adds up seconds by name."""

    def __init__(self, totals: dict[str, float]) -> None:
        self._totals = totals

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self._totals[name] = self._totals.get(name, 0.0) + time.perf_counter() - began


def _choose_seed(seed: int | None, generator: torch.Generator | None) -> int:
    if seed is not None and generator is not None:
        raise ValueError("give seed or generator, not both")
    if generator is not None:
        return int(torch.randint(2**31, (1,), generator=generator))
    if seed is not None and seed < 0:
        raise ValueError(f"seed must be 0 or more, got {seed}")
    return seed or 0
