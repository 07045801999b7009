"""Grad-CAM: heat maps of the frame regions that a video encoder's features depend on."""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cinefoley.models.video_encoder import VideoEncoder

__all__ = ["choose_layer", "explained_value", "feature_energy", "grad_cam", "per_frame", "similarity"]

_FEWEST_ROWS = 7  # CAVP's last maps; smaller ones do not localise


def grad_cam(
    video_encoder: VideoEncoder,
    video: Tensor,
    *,
    sound_features: Tensor | None = None,
    layer: str | None = None,
) -> Tensor:
    """Heat map of every frame: regions that increase the explained scalar.

    Source: paper, Figure 6; Selvaraju et al., *Grad-CAM*, ICCV 2017, by captum's ``LayerGradCam``.
    Reading: the paper does not say which scalar is explained. Ours is the sum over frames of
    :func:`similarity` to the sound at the same moments, or of :func:`feature_energy` without a sound. Each
    frame's maps are weighed by that frame's own mean gradients.

    Args:
        video_encoder: In float32, neither fused nor prepacked.
        video: ``(T, 3, H, W)`` in [0, 1], at the encoder's frame size.
        sound_features: ``(T, D)``, the audio encoder's at the times of the frames; normalised here. Where
            frames share a feature, that of the middle one counts.
        layer: Whose maps are weighed, such as ``"layer3"``; :func:`choose_layer` if None.

    Returns:
        ``(T, h, w)`` float32, 0 or more, the size of the layer's maps.

    Raises:
        ImportError: If captum is not installed.
        ValueError: If shapes do not fit each other, or there is no such layer.
    """
    from captum.attr import LayerGradCam

    if video.ndim != 4 or video.shape[1] != 3:
        raise ValueError(f"video must be (T, 3, H, W), got {tuple(video.shape)}")
    wanted = (len(video), int(video_encoder.config["feature_dim"]))
    if sound_features is not None and tuple(sound_features.shape) != wanted:
        raise ValueError(f"sound_features must be {wanted} for this clip, got {tuple(sound_features.shape)}")
    name = layer or choose_layer(video_encoder, (video.shape[-2], video.shape[-1]))
    stage = dict(video_encoder.backbone.named_children()).get(name)
    if not isinstance(stage, nn.ModuleList):
        raise ValueError(f"layer must be one of {', '.join(video_encoder.backbone.stages)}, got {layer!r}")

    def explained(clip: Tensor) -> Tensor:
        return explained_value(video_encoder, clip, sound_features).sum(dim=1)

    with torch.enable_grad():
        # captum sees one clip; its maps have a row for each feature
        maps = cast(Any, LayerGradCam(explained, stage[-1])).attribute(video[None], relu_attributions=True)
    return per_frame(video_encoder, cast(Tensor, maps)[:, 0].detach().float(), count=len(video))


def explained_value(video_encoder: VideoEncoder, video: Tensor, sound_features: Tensor | None) -> Tensor:
    """The scalar of every feature, ``(B, T')``: :func:`similarity` to the sound, or :func:`feature_energy`.

    Args:
        video_encoder: The encoder.
        video: ``(B, T, 3, H, W)``.
        sound_features: ``(T, D)``, at the times of the frames; None without a sound.
    """
    features = video_encoder(video, normalize=False)
    if sound_features is None:
        return feature_energy(features)
    length = int(video_encoder.config["frames_per_feature"])
    middles = torch.arange(length // 2, features.shape[1] * length, length).clamp(max=len(sound_features) - 1)
    return similarity(features, sound_features[middles].to(features))


def per_frame(video_encoder: VideoEncoder, values: Tensor, *, count: int) -> Tensor:
    """Values of features ``(T', ...)`` for each of ``count`` frames: frames that share one get the same."""
    return values.repeat_interleave(int(video_encoder.config["frames_per_feature"]), dim=0)[:count]


def similarity(video_features: Tensor, sound_features: Tensor) -> Tensor:
    """Cosine similarity ``(..., T)`` of video and sound features ``(..., T, D)``."""
    return F.cosine_similarity(video_features, sound_features, dim=-1)


def feature_energy(video_features: Tensor) -> Tensor:
    """Half the squared norm of features before their division by it: ``(..., T)`` of ``(..., T, D)``."""
    return video_features.square().sum(dim=-1) / 2


def choose_layer(video_encoder: VideoEncoder, size: tuple[int, int]) -> str:
    """The deepest stage whose maps still localise: 7 rows and columns or more, as CAVP's last has.

    Args:
        video_encoder: Whose stages.
        size: Height and width of its frames.

    Returns:
        The stage's name; the first where even its maps are smaller.
    """
    stages: list[str] = video_encoder.backbone.stages
    # the stem and its pooling halve the sides, and so does every stage but the first
    sides = [min(size) // 2 ** (2 + number) for number in range(len(stages))]
    fit = [name for name, side in zip(stages, sides, strict=True) if side >= _FEWEST_ROWS]
    return fit[-1] if fit else stages[0]
