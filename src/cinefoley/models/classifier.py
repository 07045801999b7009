"""Alignment classifier: probability that a sound belongs to a video."""

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.unets.unet_2d_blocks import CrossAttnDownBlock2D, DownBlock2D, UNetMidBlock2DCrossAttn
from torch import Tensor, nn
from torch.nn import functional as F

from cinefoley.models.conditioner import Conditioner

__all__ = ["AlignmentClassifier"]


class AlignmentClassifier(ModelMixin, ConfigMixin):
    """Downsampling half of the denoiser, pooled to one probability.

    Source: Diff-Foley (Luo et al., NeurIPS 2023): its alignment classifier (evaluation, always at time 0) and
    its double-guidance classifier (on noisy latents) have this architecture. The defaults are theirs
    (11.7 M parameters).

    Args:
        latent_channels: Channels of the latents.
        block_out_channels: Channels per level; all but the first have cross-attention to the video.
        feature_dim: Width of the video features, and of the context.
        max_frames: Positions of the conditioner.
        num_heads: Attention heads.
        norm_num_groups: Groups of every group norm.
        adds_frames: Whether to add to every column of the latents a projection of the feature of its frame.
            Without it, the network must learn which column belongs to which frame; the published training
            learns that, a short training does not (``docs/log.md``). Diff-Foley's classifiers lack it.
    """

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 4,
        block_out_channels: tuple[int, ...] = (128, 256, 256),
        feature_dim: int = 512,
        max_frames: int = 40,
        num_heads: int = 8,
        norm_num_groups: int = 32,
        adds_frames: bool = False,
    ) -> None:
        super().__init__()
        first, last = block_out_channels[0], block_out_channels[-1]
        embedding = 4 * first
        self.conditioner = Conditioner(feature_dim, feature_dim, max_frames)
        self.time_proj = Timesteps(first, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time_embedding = TimestepEmbedding(first, embedding)
        self.conv_in = nn.Conv2d(latent_channels, first, 3, padding=1)
        self.frames_in = nn.Linear(feature_dim, first) if adds_frames else None
        attention = {
            "transformer_layers_per_block": 1,
            "num_attention_heads": num_heads,
            "cross_attention_dim": feature_dim,
            "resnet_groups": norm_num_groups,
            "resnet_eps": 1e-5,
        }
        self.down_blocks = nn.ModuleList()
        for level, channels in enumerate(block_out_channels):
            shape = {
                "in_channels": block_out_channels[max(level - 1, 0)],
                "out_channels": channels,
                "temb_channels": embedding,
                "num_layers": 1,
                "add_downsample": level < len(block_out_channels) - 1,
                "downsample_padding": 1,
            }
            if level == 0:
                block = DownBlock2D(**shape, resnet_groups=norm_num_groups, resnet_eps=1e-5)
            else:
                block = CrossAttnDownBlock2D(**shape, **attention)
            self.down_blocks.append(block)
        self.mid_block = UNetMidBlock2DCrossAttn(in_channels=last, temb_channels=embedding, **attention)
        self.norm_out = nn.GroupNorm(norm_num_groups, last, eps=1e-5)
        self.conv_out = nn.Conv2d(last, first, 3, padding=1)
        self.classifier = nn.Linear(first, 1)

    def forward(
        self,
        latents: Tensor,
        timesteps: Tensor,
        video_features: Tensor,
        *,
        is_embedded: bool = False,
        as_logits: bool = False,
    ) -> Tensor:
        """Classify pairs of latents and videos; differentiable in the latents.

        Args:
            latents: Scaled latents ``(B, C, h, w)``.
            timesteps: Noise level per item, ``(B,)`` or a scalar, in [0, 999], fractions allowed; 0 is clean.
            video_features: ``(B, T, D)``, unit norm per frame.
            is_embedded: Use the features as the context, without embedding. Diff-Foley's sampler passes
                raw features this way, although its training embeds them.
            as_logits: Return logits instead of probabilities, for a loss that stays finite.

        Returns:
            Probability that the sound matches the video, ``(B,)``.

        Raises:
            ValueError: If ``is_embedded`` is set and the classifier has ``adds_frames``.
        """
        if is_embedded and self.frames_in is not None:
            raise ValueError("a classifier with adds_frames needs raw features: pass is_embedded=False")
        context = video_features if is_embedded else self.conditioner(video_features)
        times = torch.as_tensor(timesteps, device=latents.device).expand(len(latents))
        time_features = self.time_embedding(self.time_proj(times).to(latents.dtype))
        hidden = self.conv_in(latents)
        if self.frames_in is not None:
            own = self.frames_in(video_features * self.config.feature_dim**0.5).transpose(1, 2)
            hidden = hidden + F.interpolate(own, hidden.shape[-1]).unsqueeze(2)
        for level, block in enumerate(self.down_blocks):
            options = {} if level == 0 else {"encoder_hidden_states": context}
            hidden, _ = block(hidden, time_features, **options)
        hidden = self.mid_block(hidden, time_features, encoder_hidden_states=context)
        hidden = self.conv_out(F.silu(self.norm_out(hidden)))
        logits = self.classifier(hidden.mean(dim=(2, 3))).squeeze(-1)
        return logits if as_logits else torch.sigmoid(logits)
