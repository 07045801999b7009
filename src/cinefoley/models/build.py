"""Build networks and the noise schedule from a model configuration, with random weights."""

from dataclasses import asdict

from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, UNet2DConditionModel

from cinefoley.config.model import (
    AudioEncoderConfig,
    AutoencoderConfig,
    DenoiserConfig,
    ModelConfig,
    VideoEncoderConfig,
)
from cinefoley.models.audio_encoder import AudioEncoder
from cinefoley.models.conditioner import Conditioner
from cinefoley.models.video_encoder import VideoEncoder

__all__ = [
    "build_audio_encoder",
    "build_autoencoder",
    "build_conditioner",
    "build_denoiser",
    "build_scheduler",
    "build_video_encoder",
]


def build_video_encoder(config: VideoEncoderConfig) -> VideoEncoder:
    """The video encoder, with random weights."""
    return VideoEncoder(**asdict(config))


def build_audio_encoder(config: AudioEncoderConfig) -> AudioEncoder:
    """The spectrogram encoder, with random weights."""
    return AudioEncoder(**asdict(config))


def build_conditioner(config: ModelConfig) -> Conditioner:
    """The conditioner between encoder and denoiser, with random weights."""
    return Conditioner(
        feature_dim=config.video_encoder.feature_dim,
        context_dim=config.denoiser.context_dim,
        max_frames=config.max_frames,
    )


def build_autoencoder(config: AutoencoderConfig) -> AutoencoderKL:
    """The mel autoencoder, with random weights."""
    levels = len(config.block_out_channels)
    return AutoencoderKL(
        in_channels=config.channels,
        out_channels=config.channels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=config.block_out_channels,
        layers_per_block=config.layers_per_block,
        latent_channels=config.latent_channels,
        norm_num_groups=config.norm_num_groups,
        sample_size=256,
        scaling_factor=config.scaling_factor,
        mid_block_add_attention=config.has_middle_attention,
    )


def build_denoiser(config: DenoiserConfig) -> UNet2DConditionModel:
    """The denoiser, with random weights.

    diffusers calls the number of heads ``attention_head_dim`` here, for historical reasons.
    """
    down = tuple("CrossAttnDownBlock2D" if attends else "DownBlock2D" for attends in config.has_attention)
    up = tuple("CrossAttnUpBlock2D" if attends else "UpBlock2D" for attends in reversed(config.has_attention))
    return UNet2DConditionModel(
        sample_size=64,
        in_channels=config.latent_channels,
        out_channels=config.latent_channels,
        down_block_types=down,
        up_block_types=up,
        block_out_channels=config.block_out_channels,
        layers_per_block=config.layers_per_block,
        cross_attention_dim=config.context_dim,
        attention_head_dim=config.num_heads,
        norm_num_groups=config.norm_num_groups,
    )


def build_scheduler(config: DenoiserConfig) -> DPMSolverMultistepScheduler:
    """DPM-Solver++ (2M, midpoint) on Diff-Foley's noise schedule, which ends at the lowest noise level."""
    return DPMSolverMultistepScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type=config.prediction_type,
        solver_order=2,
        algorithm_type="dpmsolver++",
        solver_type="midpoint",
        lower_order_final=True,
        timestep_spacing="linspace",
        final_sigmas_type="sigma_min",
    )
