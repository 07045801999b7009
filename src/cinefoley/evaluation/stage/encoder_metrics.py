"""Metrics of encoders and the alignment classifier on real stage clips: retrieval, pair classification."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinefoley.data.cache.stage_cache import StageClips
from cinefoley.models.audio_encoder import AudioEncoder
from cinefoley.models.classifier import AlignmentClassifier
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.training.tasks.alignment_pairs import AlignmentPairs
from cinefoley.training.tasks.cavp import Pooling, embed_clips

__all__ = [
    "PairProbabilities",
    "calibration_curve",
    "classify_pairs",
    "retrieve_kinds",
    "retrieve_windows",
]

_BATCH = 16


@torch.no_grad()
def retrieve_windows(
    video_encoder: VideoEncoder,
    audio_encoder: AudioEncoder,
    clips: StageClips,
    *,
    windows: int = 3,
    window_frames: int = 16,
    pooling: Pooling = "frames",
) -> Tensor:
    """For every window of a clip: whether its own sound is more similar than those of the other windows.

    Args:
        video_encoder: CAVP's video encoder; gets each window separately.
        audio_encoder: CAVP's audio encoder.
        clips: The clips.
        windows: Windows per clip, laid evenly from the clip's first frame to its last.
        window_frames: Frames of a window.
        pooling: How features are compared.

    Returns:
        ``(N, windows)`` bool.
    """
    frames = clips.frames.shape[1]
    starts = torch.linspace(0, frames - window_frames, windows).round().long().tolist()
    step = audio_encoder.time_reduction
    hits = []
    for first in range(0, len(clips), _BATCH):
        video = clips.frames[first : first + _BATCH].float() / 255
        mels = clips.mels[first : first + _BATCH].float()
        video_features = [video_encoder(video[:, s : s + window_frames], normalize=False) for s in starts]
        sound_features = [audio_encoder(mels[:, :, step * s : step * (s + window_frames)]) for s in starts]
        video_features, sound_features = (
            [embed_clips(part, pooling=pooling) for part in parts]
            for parts in (video_features, sound_features)
        )
        similarity = torch.einsum(
            "bwd,bvd->bwv", torch.stack(video_features, 1), torch.stack(sound_features, 1)
        )
        hits.append(similarity.argmax(dim=2) == torch.arange(windows))
    return torch.cat(hits)


@torch.no_grad()
def retrieve_kinds(
    video_encoder: VideoEncoder,
    audio_encoder: AudioEncoder,
    clips: StageClips,
    *,
    pooling: Pooling = "frames",
    group: int = 100,
) -> Tensor:
    """For every clip: whether the most similar sound of a hundred clips is one of its kind.

    The clip's own sound is among them, as usual in retrieval.

    Args:
        video_encoder: CAVP's video encoder.
        audio_encoder: CAVP's audio encoder.
        clips: The clips; those after the last whole group are skipped.
        pooling: How features are compared.
        group: Clips from which the most similar sound is chosen.

    Returns:
        ``(N,)`` bool.

    Raises:
        ValueError: If there are fewer clips than a group.
    """
    count = len(clips) // group * group
    if not count:
        raise ValueError(f"need at least {group} clips, got {len(clips)}")
    video_features, sound_features = [], []
    for first in range(0, count, _BATCH):
        rows = slice(first, min(first + _BATCH, count))
        video_features.append(
            embed_clips(video_encoder(clips.frames[rows].float() / 255, normalize=False), pooling=pooling)
        )
        sound_features.append(embed_clips(audio_encoder(clips.mels[rows].float()), pooling=pooling))
    videos, sounds = (
        torch.cat(parts).unflatten(0, (-1, group)) for parts in (video_features, sound_features)
    )
    best = torch.einsum("gid,gjd->gij", videos, sounds).argmax(dim=2)
    kinds = clips.kinds[:count].unflatten(0, (-1, group))
    chosen = kinds.gather(1, best[..., None].expand(-1, -1, 2))
    is_right: Tensor = (kinds[..., :, None] == chosen[..., None, :]).any(dim=(2, 3)).flatten()
    return is_right


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairProbabilities:
    """The alignment classifier's probabilities for pairs of real videos and sounds."""

    aligned: Tensor
    """``(N,)``, of each video with its own sound."""
    shifted: Tensor
    """``(M,)``, of videos with their sound shifted by half a second or more."""
    foreign: Tensor
    """``(N,)``, of videos with another clip's sound."""

    @property
    def balanced_accuracy(self) -> float:
        """Mean of the accuracies on aligned and on other pairs; shifted and foreign have equal weight."""
        right = float((self.aligned > 0.5).float().mean())
        wrong = [float((part <= 0.5).float().mean()) for part in (self.shifted, self.foreign)]
        return (right + sum(wrong) / 2) / 2


@torch.no_grad()
def classify_pairs(classifier: AlignmentClassifier, pairs: AlignmentPairs) -> PairProbabilities:
    """Classify each video with its own sound, its first shifted negative, and the next clip's sound.

    Latents are the posterior's means. Clips whose sound is silent throughout are skipped.
    """
    rows = (~pairs.is_silent).nonzero()[:, 0]
    following = rows.roll(-1)
    has_negative = pairs.is_negative[rows].any(dim=1)
    shift = pairs.is_negative[rows].int().argmax(dim=1)
    zeros = torch.zeros_like(rows)

    def classify(videos: Tensor, sounds: Tensor, which: Tensor) -> Tensor:
        parts = []
        for first in range(0, len(videos), _BATCH):
            part = slice(first, first + _BATCH)
            latents = pairs.means[sounds[part], which[part]].float()
            features = pairs.video_features[videos[part]].float()
            parts.append(classifier(latents, torch.zeros(()), features))
        return torch.cat(parts)

    return PairProbabilities(
        aligned=classify(rows, rows, zeros),
        shifted=classify(rows[has_negative], rows[has_negative], shift[has_negative]),
        foreign=classify(rows, following, zeros),
    )


def calibration_curve(pairs: PairProbabilities, *, bins: int = 10) -> list[tuple[float, float, int]]:
    """Calibration: share of aligned pairs for each range of the classifier's probability.

    Pairs are weighted as in training: half aligned, a quarter shifted, a quarter foreign.

    Returns:
        For each bin of equal width that is not empty: mean probability, share of aligned pairs, and pairs.
    """
    parts = (pairs.aligned, pairs.shifted, pairs.foreign)
    probabilities = torch.cat(parts).double().numpy()
    is_aligned = np.concatenate([np.full(len(part), index == 0) for index, part in enumerate(parts)])
    weight = np.concatenate(
        [np.full(len(part), share / len(part)) for part, share in zip(parts, (0.5, 0.25, 0.25), strict=True)]
    )
    which: NDArray[np.int64] = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    curve = []
    for index in range(bins):
        inside = which == index
        if inside.any():
            total = weight[inside].sum()
            mean = float((probabilities * weight)[inside].sum() / total)
            share = float((is_aligned * weight)[inside].sum() / total)
            curve.append((mean, share, int(inside.sum())))
    return curve
