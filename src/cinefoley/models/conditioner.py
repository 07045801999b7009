"""Conditioner: maps video features to the denoiser's context."""

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

__all__ = ["Conditioner"]


class Conditioner(ModelMixin, ConfigMixin):
    """A linear layer per frame and a learned vector per position.

    Source: Diff-Foley's conditioning stage (``Linear(512, 768)`` and ``Embedding(40, 768)``).

    Args:
        feature_dim: Width of the video features.
        context_dim: Width of the denoiser's cross-attention.
        max_frames: Number of positions; a longer window is an error.
    """

    @register_to_config
    def __init__(self, feature_dim: int = 512, context_dim: int = 768, max_frames: int = 40) -> None:
        super().__init__()
        self.projection = nn.Linear(feature_dim, context_dim)
        self.positions = nn.Embedding(max_frames, context_dim)

    def forward(self, video_features: Tensor) -> Tensor:
        """Embed one window.

        Args:
            video_features: ``(B, T, D)``, unit norm per frame.

        Returns:
            Context ``(B, T, context_dim)``.

        Raises:
            ValueError: If the shape is not ``(B, T, feature_dim)`` or T exceeds ``max_frames``.
        """
        if video_features.ndim != 3 or video_features.shape[-1] != self.config.feature_dim:
            raise ValueError(
                f"video_features must be (B, T, {self.config.feature_dim}), got {tuple(video_features.shape)}"
            )
        frames = video_features.shape[1]
        if frames > self.config.max_frames:
            raise ValueError(f"this conditioner has {self.config.max_frames} positions, got {frames} frames")
        positions = torch.arange(frames, device=video_features.device)
        return self.projection(video_features) + self.positions(positions)
