"""Clip pooling: one feature per clip from features per frame, as in CAVP's contrastive training."""

from torch import Tensor
from torch.nn import functional as F

__all__ = ["pool_clip"]


def pool_clip(features: Tensor, *, clip_frames: int = 16) -> Tensor:
    """Reduce a clip's features to one feature of unit norm: maximum per channel, then normalised.

    Source: Diff-Foley's CAVP; both towers were trained on clips of 4 s (16 frames) with this pooling.

    Reading: Diff-Foley's own pooling has a window of 16 frames. It fails on fewer frames. On 32 frames
    it makes two maxima and normalises them across the pair instead of across channels. So this function
    accepts exactly one clip: cut longer videos into clips first.

    Args:
        features: ``(B, clip_frames, D)``, raw features of either tower, not normalised per frame.
        clip_frames: Number of frames of a clip.

    Returns:
        ``(B, D)``, unit norm.

    Raises:
        ValueError: If ``features`` is not ``(B, clip_frames, D)``.
    """
    if features.ndim != 3 or features.shape[1] != clip_frames:
        raise ValueError(
            f"features of one clip must be (B, {clip_frames}, D), got {tuple(features.shape)}; "
            f"cut videos into clips of {clip_frames} frames first"
        )
    return F.normalize(features.amax(dim=1), dim=-1)
