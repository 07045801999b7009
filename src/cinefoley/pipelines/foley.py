"""FoleyPipeline: load a model and generate takes of sound for a video."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self, Unpack

import torch
from diffusers import AutoencoderKL, DiffusionPipeline, DPMSolverMultistepScheduler, UNet2DConditionModel
from torch import Tensor
from torch.nn import functional as F

from cinefoley.config.foley import FoleyConfig
from cinefoley.errors import MissingWeightsError
from cinefoley.media.frames.video import Video
from cinefoley.media.shots import Shot
from cinefoley.models.classifier import AlignmentClassifier
from cinefoley.models.conditioner import Conditioner
from cinefoley.models.folder import copy_other_parts
from cinefoley.models.prepacked import can_prepack, prepack
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.pipelines.control import Control, Example
from cinefoley.pipelines.denoiser import Denoise, guided_denoiser
from cinefoley.pipelines.double_guidance import DoubleGuidance, load_guidance_classifier
from cinefoley.pipelines.loading import HubOptions, load_components, load_video_encoder, resolve_model
from cinefoley.pipelines.output import FoleyBlock, FoleyOutput
from cinefoley.pipelines.quality import sampling_settings
from cinefoley.pipelines.sampling import denoise_latents
from cinefoley.pipelines.schedulers import Scheduler, make_scheduler
from cinefoley.pipelines.settings import SamplingOptions, SamplingSettings
from cinefoley.pipelines.streaming import choose_seed, stream_blocks
from cinefoley.pipelines.video_input import VideoInput, encoder_frames, plan_video
from cinefoley.pipelines.windows import WindowPlan
from cinefoley.spectral.inverse import invert_mel
from cinefoley.spectral.magnitude import Compat

__all__ = ["FoleyPipeline"]


class FoleyPipeline(DiffusionPipeline):
    """Generates sound for silent video.

    Source: Diff-Foley (Luo et al., NeurIPS 2023), second stage; the video encoder is CAVP, or the student
    that the paper distils from it.

    Args:
        video_encoder: The encoder that the generator was trained with (the teacher).
        conditioner: Maps video features to the denoiser's context.
        unet: The denoiser.
        vae: The mel autoencoder.
        scheduler: The model's noise schedule and prediction type; ``sample`` builds each sampler from it.
        video_encoder_student: Used instead of ``video_encoder`` if given.
        guidance_classifier: Classifier of double guidance; if None, it is loaded from the model's folder when
            it is first needed.
        foley_config: Window, frame size and mel; Diff-Foley's if None.

    Examples:
        >>> pipeline = FoleyPipeline.from_pretrained("lite")  # doctest: +SKIP
        >>> result = pipeline("clip.mp4", num_takes=4, seed=7)  # doctest: +SKIP
        >>> result.audios.shape, result.sample_rate  # doctest: +SKIP
        (torch.Size([4, 128000]), 16000)
    """

    _optional_components = ("video_encoder_student", "guidance_classifier")

    def __init__(
        self,
        video_encoder: VideoEncoder,
        conditioner: Conditioner,
        unet: UNet2DConditionModel,
        vae: AutoencoderKL,
        scheduler: DPMSolverMultistepScheduler,
        video_encoder_student: VideoEncoder | None = None,
        guidance_classifier: AlignmentClassifier | None = None,
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
            guidance_classifier=guidance_classifier,
        )
        self.foley_config = foley_config or FoleyConfig()
        self._is_student_used = video_encoder_student is not None
        self._is_prepacked = False
        self._folder: Path | None = None

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        *,
        video_encoder: str | os.PathLike[str] | None = None,
        torch_dtype: torch.dtype | None = None,
        **hub_options: Unpack[HubOptions],
    ) -> Self:
        """Load a model.

        Args:
            pretrained_model_name_or_path: A bundled name (``"lite"``), a folder, or a hub id.
            video_encoder: ``"teacher"``, ``"student"``, or a folder with another encoder trained for this
                generator; None uses the student if the model has one, otherwise the teacher.
            torch_dtype: Data type of the weights in memory; None means float32.
            hub_options: ``revision``, ``cache_dir``, ``local_files_only`` and the other options of
                :class:`~cinefoley.pipelines.loading.HubOptions`; used with a hub id only. To replace parts,
                pass them to the class itself; to change the sampler, see :meth:`__call__`'s ``sampler``.

        Raises:
            MissingWeightsError: If the model, one of its parts or the encoder does not exist.
            CheckpointMismatchError: If a part does not fit its configuration; names it and the first key.
            WeightsError: If a file is damaged.
            TypeError: If an option is unknown.
        """
        name = pretrained_model_name_or_path
        folder = resolve_model(name if isinstance(name, str) else Path(name), **hub_options)
        pipeline = cls(**load_components(folder, dtype=torch_dtype))
        pipeline._folder = folder
        if video_encoder is not None:
            pipeline.use_video_encoder(video_encoder)
        return pipeline

    def save_pretrained(self, save_directory: str | os.PathLike[str], **kwargs: Any) -> None:
        """Write a model folder: what diffusers writes, and ``foley_config.json``.

        Other parts of the folder it was loaded from, such as the alignment classifier, are copied.

        Raises:
            ValueError: After :meth:`prepack`, and for ``push_to_hub``.
        """
        if self._is_prepacked:
            raise ValueError("a prepacked pipeline cannot be saved; load the model again and save that")
        if kwargs.get("push_to_hub"):  # diffusers uploads before the rest is written
            raise ValueError(
                "push_to_hub would upload an incomplete model; save the folder, then upload it with "
                "huggingface_hub.upload_folder"
            )
        if self._folder is not None and (self._folder / "guidance_classifier").is_dir():
            self.load_guidance_classifier()  # model_index.json lists loaded parts only
        super().save_pretrained(save_directory, **kwargs)
        self.foley_config.save(Path(save_directory))
        if self._folder is not None:
            copy_other_parts(self._folder, Path(save_directory))

    def prepack(self) -> int:
        """Optimise the networks for inference on this CPU, in place.

        Batch norms are folded into their convolutions, and bfloat16 weights are packed for oneDNN (see
        :func:`cinefoley.models.prepacked.prepack`). Call it once, after loading with
        ``torch_dtype=torch.bfloat16``; ``cinefoley generate`` does so.

        Returns:
            Number of packed layers; 0, with nothing changed, on other devices, for other data types, or if
            the processor has no bfloat16.
        """
        if self.device.type != "cpu" or self.unet.dtype != torch.bfloat16 or not can_prepack():
            return 0
        encoder = self._used_encoder
        encoder.fuse_norms()
        self._is_prepacked = True
        # layers that run once a window stay: packed ones have no parameters to read a part's dtype from
        return sum(prepack(part) for part in (encoder.backbone, self.unet, self.vae))

    def use_video_encoder(self, choice: str | os.PathLike[str]) -> None:
        """Choose the video encoder: ``"teacher"``, ``"student"``, or a folder with another encoder.

        Raises:
            ValueError: If the model has no student.
            WeightsError: If the folder has no encoder, or its features do not fit the generator.
        """
        if choice == "student" and self.video_encoder_student is None:
            raise ValueError('this model has no student; choose "teacher" or a folder')
        if choice not in ("teacher", "student"):
            dtype = next(self.video_encoder.parameters()).dtype
            feature_dim = self.conditioner.config.feature_dim
            encoder = load_video_encoder(Path(choice), feature_dim=feature_dim, dtype=dtype)
            self.register_modules(video_encoder_student=encoder.to(self.device))
        self._is_student_used = choice != "teacher"

    def load_guidance_classifier(self) -> AlignmentClassifier:
        """Return the classifier of double guidance, in float32; loads it at the first call.

        Raises:
            MissingWeightsError: If the model has none.
            WeightsError: If it is damaged or does not fit the model.
        """
        if self.guidance_classifier is None:
            if self._folder is None:
                raise MissingWeightsError(
                    "This pipeline was created without a guidance_classifier, which double guidance needs. "
                    "Pass one, or load a model folder that has one with FoleyPipeline.from_pretrained."
                )
            classifier = load_guidance_classifier(self._folder, self.unet, self.conditioner)
            self.register_modules(guidance_classifier=classifier.to(self.unet.device))
        loaded: AlignmentClassifier = self.guidance_classifier
        return loaded

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height (mel bands) and width (time) of a window's latents; (4, 16, 64) for Diff-Foley."""
        factor = 2 ** (len(self.vae.config.block_out_channels) - 1)
        config = self.foley_config
        return (self.unet.config.in_channels, config.mel.n_mels // factor, config.mel_frames // factor)

    @torch.no_grad()
    def encode_video(self, video: Video | Tensor) -> Tensor:
        """Compute video features.

        Args:
            video: Frames ``(B, T, 3, H, W)`` in [0, 1] at the model's rate, or a video in memory, which is
                sampled at that rate.

        Returns:
            Features ``(B, T, D)``, unit norm per frame, float32.

        Raises:
            ValueError: If the tensor is not ``(B, T, 3, H, W)``, not floating point, or has values outside
                [0, 1].
        """
        frames = encoder_frames(video, self.foley_config)
        weight = next(self._used_encoder.parameters())
        features: Tensor = self._used_encoder(frames.to(weight.device, weight.dtype))
        return F.normalize(features.float(), dim=-1)  # unit norm in float32 too

    @torch.no_grad()
    def embed(self, video_features: Tensor) -> Tensor:
        """Map features ``(B, T, D)`` to context ``(B, T, context_dim)``.

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
        on_step: Callable[[int], None] | None = None,
        wrap_denoiser: Callable[[Denoise, Scheduler], Denoise] | None = None,
        negative_features: Tensor | None = None,
        **sampling: Unpack[SamplingOptions],
    ) -> Tensor:
        """Denoise one window per row.

        Source: Diff-Foley's samplers on its time grids; classifier-free guidance is the paper's Eq. 4,
        ``eps = w eps(c) + (1 - w) eps(null)``, both halves in one call; double guidance adds
        ``- scale * sigma_t * grad_x log p(x, t, c)`` of the guidance classifier.
        Reading: the classifier gets the window's features, embedded as in its training, at every
        ``guidance_scale``. With ``compat`` it gets all given features, not embedded, as in the reference's
        sampler.

        Args:
            video_features: ``(B, T, D)``.
            latents: Initial noise ``(B, C, h, w)``; drawn from ``generator`` on the CPU if None.
            generator: Source of the noise; only used if ``latents`` is None.
            on_step: Called with the number of finished denoiser calls.
            wrap_denoiser: Changes the guided denoiser, such as
                :func:`~cinefoley.pipelines.inpainting.keep_known`; called once with it and the scheduler.
            negative_features: ``(B, T, D)``, what guidance leads away from; None: the null condition.
            sampling: ``quality``, and fields of :class:`SamplingSettings` that replace the preset's values.

        Returns:
            Latents ``(B, C, h, w)``, float32.

        Raises:
            ValueError: If shapes do not match, a number is out of range, or an option would be ignored.
            MissingWeightsError: If double guidance is requested and the model has no guidance classifier.
        """
        settings = self.sampling_settings(**sampling)
        shape = (len(video_features), *self.latent_shape)
        if latents is None:
            latents = torch.randn(shape, generator=generator)
        if tuple(latents.shape) != shape:
            raise ValueError(f"latents must be {shape} for these features, got {tuple(latents.shape)}")
        scheduler = make_scheduler(
            self.scheduler.config,
            settings.sampler,
            settings.num_inference_steps,
            use_karras_sigmas=settings.use_karras_sigmas,
        )
        denoise = self._denoiser(video_features, scheduler, settings, negative_features)
        return denoise_latents(
            latents.to(self.unet.device, torch.float32),
            denoise if wrap_denoiser is None else wrap_denoiser(denoise, scheduler),
            scheduler,
            prediction_type=self.scheduler.config.prediction_type,
            on_step=on_step,
        )

    @torch.no_grad()
    def encode_mel(self, mel: Tensor) -> Tensor:
        """Encode mels ``(B, n_mels, frames)`` to latents ``(B, C, h, w)``, float32: the mean, no sample."""
        weight = next(self.vae.parameters())
        encoded = self.vae.encode(mel[:, None].to(weight.device, weight.dtype)).latent_dist.mean
        return encoded.float() * self.vae.config.scaling_factor

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Decode latents ``(B, C, h, w)`` to mels ``(B, n_mels, frames)``, nominally in [0, 1]."""
        weight = next(self.vae.parameters())
        scaled = latents.to(weight.device, weight.dtype) / self.vae.config.scaling_factor
        return self.vae.decode(scaled).sample[:, 0].float()

    @torch.no_grad()
    def vocode(self, mel: Tensor, *, seed: int = 0, compat: Compat | None = None) -> Tensor:
        """Convert mels ``(B, n_mels, frames)`` to waveforms ``(B, N)``, N = frames times the hop length.

        ``seed`` draws the initial phases of the iteration; ``compat="diff-foley"`` repeats the reference's
        pitch, lower by the factor 0.73.
        """
        generator = torch.Generator().manual_seed(seed)
        return invert_mel(mel.float(), config=self.foley_config.mel, generator=generator, compat=compat)

    def __call__(
        self,
        video: VideoInput,
        *,
        num_takes: int = 1,
        seed: int | None = None,
        generator: torch.Generator | None = None,
        start: float = 0.0,
        duration: float | None = None,
        shots: Sequence[Shot] | None = None,
        on_step: Callable[[int, int], None] | None = None,
        example: Example | None = None,
        kind: str | None = None,
        unlike: Example | None = None,
        **sampling: Unpack[SamplingOptions],
    ) -> FoleyOutput:
        """Generate takes for a video, or a section of it.

        Args:
            video: A file, a video in memory, or frames ``(1, T, 3, H, W)`` in [0, 1] at the model's rate.
            num_takes: Number of takes; all share one encoding of the video. Take ``k`` does not depend on
                how many there are.
            seed: 0 to 2**32 - 1; the same seed generates the same takes. Drawn from ``generator``, or 0, if
                None.
            generator: Alternative to ``seed``.
            start: Start of the section, in seconds.
            duration: Length of the section in seconds; None: to the end.
            shots: Shots of the whole video, such as :func:`cinefoley.media.shots.find_shots` returns: no
                window spans a cut, and sounds are not cross-faded over one. None ignores cuts.
            on_step: Called with finished and total denoiser calls.
            example: Sound that the takes should be like, at the video's times: a file, or a waveform and its
                sample rate.
            kind: Kind of sound instead, of those that the model names.
            unlike: Sound that the takes should be unlike.
            sampling: As in :meth:`sample`. ``compat="diff-foley"`` also lowers the pitch of everything by the
                factor 0.73, as the reference does.

        Returns:
            The takes, exactly as long as the video. Samples may exceed full scale:
            :meth:`FoleyOutput.save` lowers such takes.

        Raises:
            MediaError: If the file cannot be read.
            ValueError: If a number is out of range, an option would be ignored, or both ``seed`` and
                ``generator`` are given.
            MissingWeightsError: If double guidance is requested and the model has no guidance classifier.
        """
        seed = choose_seed(seed, generator)
        timings: dict[str, float] = {}
        blocks = list(
            self.stream(
                video,
                num_takes=num_takes,
                seed=seed,
                start=start,
                duration=duration,
                shots=shots,
                on_step=on_step,
                timings_s=timings,
                control=self.control(example=example, kind=kind, unlike=unlike),
                **sampling,
            )
        )
        sample_rate = self.foley_config.mel.sample_rate
        return FoleyOutput.from_blocks(blocks, sample_rate=sample_rate, seed=seed, timings_s=timings)

    def stream(
        self,
        video: VideoInput,
        *,
        num_takes: int = 1,
        seed: int = 0,
        start: float = 0.0,
        duration: float | None = None,
        shots: Sequence[Shot] | None = None,
        on_step: Callable[[int, int], None] | None = None,
        timings_s: dict[str, float] | None = None,
        control: Control | None = None,
        **sampling: Unpack[SamplingOptions],
    ) -> Iterator[FoleyBlock]:
        """Generate takes window by window, in memory that does not grow with the video.

        Arguments are those of :meth:`__call__`; ``timings_s`` receives the seconds spent in each part, and
        ``control``, from :meth:`control`, says what takes should be like.

        Yields:
            One block per window; their ``audios`` in order are the takes.
        """
        return stream_blocks(
            self,
            video,
            num_takes=num_takes,
            seed=seed,
            start=start,
            duration=duration,
            shots=shots,
            on_step=on_step,
            timings_s={} if timings_s is None else timings_s,
            settings=self.sampling_settings(**sampling),
            control=control,
        )

    def control(
        self, *, example: Example | None = None, kind: str | None = None, unlike: Example | None = None
    ) -> Control:
        """Read what takes should be like or unlike; see :meth:`Control.of`, whose errors apply.

        Raises:
            MissingWeightsError: If something is given, and the pipeline was not loaded from a folder.
        """
        if example is None and kind is None and unlike is None:
            return Control()
        if self._folder is None:
            raise MissingWeightsError(
                "Examples and kinds need a model folder; load one with FoleyPipeline.from_pretrained."
            )
        return Control.of(self._folder, self.foley_config, example=example, kind=kind, unlike=unlike)

    def plan(
        self,
        video: VideoInput,
        *,
        start: float = 0.0,
        duration: float | None = None,
        shots: Sequence[Shot] | None = None,
    ) -> WindowPlan:
        """Place the windows of a video, without decoding it; arguments are those of :meth:`__call__`.

        Raises:
            MediaError: If the file cannot be read, or ends before ``start``.
        """
        return plan_video(video, self.foley_config, start=start, duration=duration, shots=shots)

    def sampling_settings(self, **sampling: Unpack[SamplingOptions]) -> SamplingSettings:
        """Settings that :meth:`sample` uses for these options; ``quality`` defaults to the model's preset.

        Raises:
            ValueError: If a number is out of range, or an option would be ignored.
            TypeError: If an option is unknown.
        """
        return sampling_settings(self.foley_config.quality, **sampling)

    @property
    def _used_encoder(self) -> VideoEncoder:
        encoder: VideoEncoder = self.video_encoder_student if self._is_student_used else self.video_encoder
        return encoder

    def _denoiser(
        self,
        video_features: Tensor,
        scheduler: Scheduler,
        settings: SamplingSettings,
        negative_features: Tensor | None,
    ) -> Denoise:
        avoided = negative_features
        null = self._null_context(video_features) if avoided is None else self.embed(avoided)
        denoise = guided_denoiser(
            self.unet,
            self.embed(video_features),
            None if settings.guidance_scale == 1 else null,
            scheduler,
            settings,
            prediction_type=self.scheduler.config.prediction_type,
        )
        if not settings.double_guidance_scale:
            return denoise
        window = None if settings.compat else self.foley_config.feature_frames
        return DoubleGuidance(
            denoise,
            self.load_guidance_classifier(),
            video_features[:, :window],
            scheduler,
            scale=settings.double_guidance_scale,
            compat=settings.compat,
        )

    def _null_context(self, video_features: Tensor) -> Tensor:
        if self.foley_config.null_condition == "zero_features":
            return self.embed(torch.zeros_like(video_features))
        return torch.zeros_like(self.embed(video_features))
