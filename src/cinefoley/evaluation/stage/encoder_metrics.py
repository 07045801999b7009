"""What features and judges are worth before anything is generated: retrieval, and pairs told apart."""

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
    """For every window of a clip: is its own sound more like it than the clip's other windows' sounds?

    Args:
        video_encoder: The video tower; sees each window on its own.
        audio_encoder: The audio tower.
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
        seen = [video_encoder(video[:, s : s + window_frames], normalize=False) for s in starts]
        heard = [audio_encoder(mels[:, :, step * s : step * (s + window_frames)]) for s in starts]
        seen, heard = ([embed_clips(part, pooling=pooling) for part in parts] for parts in (seen, heard))
        similarity = torch.einsum("bwd,bvd->bwv", torch.stack(seen, 1), torch.stack(heard, 1))
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
    """For every film: is the sound most like it, of a hundred clips', one of its kind?

    Its own sound is among them, as everywhere where retrieval is reported.

    Args:
        video_encoder: The video tower.
        audio_encoder: The audio tower.
        clips: The clips; those after the last whole group are left out.
        pooling: How features are compared.
        group: Clips among which each film chooses.

    Returns:
        ``(N,)`` bool.

    Raises:
        ValueError: If there are fewer clips than a group.
    """
    count = len(clips) // group * group
    if not count:
        raise ValueError(f"need at least {group} clips, got {len(clips)}")
    seen, heard = [], []
    for first in range(0, count, _BATCH):
        rows = slice(first, min(first + _BATCH, count))
        seen.append(
            embed_clips(video_encoder(clips.frames[rows].float() / 255, normalize=False), pooling=pooling)
        )
        heard.append(embed_clips(audio_encoder(clips.mels[rows].float()), pooling=pooling))
    films, sounds = (torch.cat(parts).unflatten(0, (-1, group)) for parts in (seen, heard))
    best = torch.einsum("gid,gjd->gij", films, sounds).argmax(dim=2)
    kinds = clips.kinds[:count].unflatten(0, (-1, group))
    chosen = kinds.gather(1, best[..., None].expand(-1, -1, 2))
    is_right: Tensor = (kinds[..., :, None] == chosen[..., None, :]).any(dim=(2, 3)).flatten()
    return is_right


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairProbabilities:
    """What a classifier says of real pairs."""

    aligned: Tensor
    """``(N,)``, the probability of each film with its own sound."""
    shifted: Tensor
    """``(M,)``, of films with their sound half a second off or more."""
    foreign: Tensor
    """``(N,)``, of films with another clip's sound."""

    @property
    def balanced_accuracy(self) -> float:
        """Mean of the shares of aligned and of other pairs told right; shifted and foreign weigh the same."""
        right = float((self.aligned > 0.5).float().mean())
        wrong = [float((part <= 0.5).float().mean()) for part in (self.shifted, self.foreign)]
        return (right + sum(wrong) / 2) / 2


@torch.no_grad()
def classify_pairs(classifier: AlignmentClassifier, pairs: AlignmentPairs) -> PairProbabilities:
    """Judge each film with its own sound, its first shifted negative, and the next clip's.

    Latents are the posterior's means. Films whose sound is silent throughout have no moment and are left out.
    """
    rows = (~pairs.is_silent).nonzero()[:, 0]
    following = rows.roll(-1)
    has_negative = pairs.is_negative[rows].any(dim=1)
    shift = pairs.is_negative[rows].int().argmax(dim=1)
    zeros = torch.zeros_like(rows)

    def judge(films: Tensor, sounds: Tensor, which: Tensor) -> Tensor:
        parts = []
        for first in range(0, len(films), _BATCH):
            part = slice(first, first + _BATCH)
            latents = pairs.means[sounds[part], which[part]].float()
            features = pairs.video_features[films[part]].float()
            parts.append(classifier(latents, torch.zeros(()), features))
        return torch.cat(parts)

    return PairProbabilities(
        aligned=judge(rows, rows, zeros),
        shifted=judge(rows[has_negative], rows[has_negative], shift[has_negative]),
        foreign=judge(rows, following, zeros),
    )


def calibration_curve(figures: PairProbabilities, *, bins: int = 10) -> list[tuple[float, float, int]]:
    """How often the classifier is right when it says how sure it is.

    Pairs are weighed as in training: half aligned, a quarter shifted, a quarter foreign.

    Returns:
        For each bin of equal width that is not empty: mean probability, share of aligned pairs, and pairs.
    """
    parts = (figures.aligned, figures.shifted, figures.foreign)
    said = torch.cat(parts).double().numpy()
    is_aligned = np.concatenate([np.full(len(part), index == 0) for index, part in enumerate(parts)])
    weight = np.concatenate(
        [np.full(len(part), share / len(part)) for part, share in zip(parts, (0.5, 0.25, 0.25), strict=True)]
    )
    which: NDArray[np.int64] = np.minimum((said * bins).astype(np.int64), bins - 1)
    curve = []
    for index in range(bins):
        inside = which == index
        if inside.any():
            total = weight[inside].sum()
            mean = float((said * weight)[inside].sum() / total)
            share = float((is_aligned * weight)[inside].sum() / total)
            curve.append((mean, share, int(inside.sum())))
    return curve
