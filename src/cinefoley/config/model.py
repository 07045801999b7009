"""Shapes of a model's networks."""

from dataclasses import dataclass, field
from typing import Literal

from cinefoley.config.foley import FoleyConfig

__all__ = [
    "AudioEncoderConfig",
    "AutoencoderConfig",
    "DenoiserConfig",
    "ModelConfig",
    "VideoEncoderConfig",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoEncoderConfig:
    """SlowOnly ResNet of CAVP; the defaults are its R50."""

    width: int = 64
    """Channels of the stem."""
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    """Bottleneck blocks per stage."""
    temporal_kernels: tuple[int, ...] = (1, 1, 3, 3)
    """Frames that the first convolution of each stage's blocks spans."""
    feature_dim: int = 512
    """Width of the features."""
    frames_per_feature: int = 1
    """Frames that share one feature; the middle one is shown to the convolutions."""
    has_motion: bool = False
    """Whether the residual motion of every frame is an input beside the middle frame's colours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioEncoderConfig:
    """Cnn14 of CAVP, the audio encoder of its contrastive training; the defaults are CAVP's."""

    n_mels: int = 128
    """Bands of the mel."""
    channels: tuple[int, ...] = (64, 128, 256, 512, 1024, 2048)
    """Channels of each block."""
    time_pools: tuple[int, ...] = (2, 2, 2, 2, 1, 1)
    """Steps of time that each block averages into one."""
    band_pools: tuple[int, ...] = (2, 2, 2, 2, 2, 1)
    """Bands that each block averages into one."""
    feature_dim: int = 512
    """Width of the features, that of the video encoder's."""
    dropout: float = 0.2
    """Share of numbers dropped after each block in training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderConfig:
    """KL autoencoder of mels; the defaults are Stable Diffusion's kl-f8, as Diff-Foley uses it."""

    channels: int = 3
    """Image channels; a mel is repeated to fill them, and the first one is read back."""
    block_out_channels: tuple[int, ...] = (128, 256, 512, 512)
    """Channels per level; every level but the last halves both sides."""
    layers_per_block: int = 2
    """Residual blocks per level of the encoder (the decoder has one more)."""
    latent_channels: int = 4
    """Channels of the latents."""
    scaling_factor: float = 0.18215
    """Factor that brings latents to unit variance."""
    norm_num_groups: int = 32
    """Groups of every group norm."""
    has_middle_attention: bool = True
    """Whether the lowest level attends to itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DenoiserConfig:
    """Conditional UNet; the defaults are Stable Diffusion 1.x with context 768, as Diff-Foley uses it."""

    latent_channels: int = 4
    """Channels of the latents, in and out."""
    block_out_channels: tuple[int, ...] = (320, 640, 1280, 1280)
    """Channels per level."""
    has_attention: tuple[bool, ...] = (True, True, True, False)
    """Levels with transformer blocks."""
    layers_per_block: int = 2
    """Residual blocks per level on the way down (one more on the way up)."""
    num_heads: int = 8
    """Attention heads at every level."""
    context_dim: int = 768
    """Width of the conditioner's output."""
    norm_num_groups: int = 32
    """Groups of every group norm."""
    prediction_type: Literal["epsilon", "v_prediction"] = "epsilon"
    """What the network predicts: the noise (paper, Eq. 3), or the velocity of Salimans & Ho, 2022."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """All networks of one model, and the window they share."""

    foley: FoleyConfig = field(default_factory=FoleyConfig)
    """Window, frame size and mel."""
    video_encoder: VideoEncoderConfig = field(default_factory=VideoEncoderConfig)
    """The video encoder."""
    audio_encoder: AudioEncoderConfig | None = None
    """The spectrogram encoder; None where the video encoder was trained without one."""
    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    """The mel autoencoder."""
    denoiser: DenoiserConfig = field(default_factory=DenoiserConfig)
    """The denoiser."""
    max_frames: int = 40
    """Positions of the conditioner."""

    def __post_init__(self) -> None:
        if self.foley.frames_per_feature != self.video_encoder.frames_per_feature:
            raise ValueError(
                f"the window has {self.foley.frames_per_feature} frames per feature, the video encoder "
                f"{self.video_encoder.frames_per_feature}"
            )
