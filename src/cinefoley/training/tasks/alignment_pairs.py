"""Alignment pairs: video features with latents of the clip's own sound, in sync and shifted in time."""

from dataclasses import dataclass, replace

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional as F

from cinefoley.config.foley import FoleyConfig
from cinefoley.data.cache.stage_cache import StageClips
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.training.engine.step_seeds import step_generator

__all__ = [
    "LEAST_SHIFT_S",
    "SHIFTS",
    "AlignmentPairs",
    "is_same_rhythm",
    "is_silent",
    "longer_window",
    "make_pairs",
]

_SAME_RHYTHM = 0.6
_SILENT_RANGE = 0.05  # of a mel in [0, 1]: a curve with a smaller range has no rhythm
SHIFTS = 3
"""Shifted sounds of each clip."""

LEAST_SHIFT_S = 0.5
"""Smallest shift, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AlignmentPairs:
    """Video features, with latents of the clip's own sound and of the same sound taken earlier or later."""

    video_features: Tensor
    """``(N, T, D)``, unit norm per frame."""
    means: Tensor
    """``(N, K, C, h, w)``, posterior means of the latents, already scaled; the first is in sync, the others
    are shifted by half a second or more."""
    stds: Tensor
    """The posterior's standard deviations, same shape and scale."""
    is_negative: Tensor
    """``(N, K)`` bool, false for the first and for shifts that match the clip's own rhythm."""
    is_silent: Tensor
    """``(N,)`` bool, whether the clip's own sound is silent throughout."""

    def __len__(self) -> int:
        return len(self.video_features)


def longer_window(window: FoleyConfig) -> FoleyConfig:
    """The configuration of clips 1.5 windows long, from which a window and its shifted sounds can be cut."""
    return replace(window, mel_frames=window.mel_frames * 3 // 2, video_frames=window.video_frames * 3 // 2)


@torch.no_grad()
def make_pairs(
    clips: StageClips,
    window: FoleyConfig,
    video_encoder: VideoEncoder,
    autoencoder: AutoencoderKL,
    *,
    seed: int,
    scale: float | None = None,
) -> AlignmentPairs:
    """Cut a window out of every clip, with its own sound and three that are shifted by half a second or more.

    Args:
        clips: Longer than the window (:func:`longer_window`).
        window: The model's.
        video_encoder: Encodes each window on its own.
        autoencoder: Encodes each sound on its own.
        seed: Seed of the windows' places.
        scale: Scale of the latents; None takes the one that gives the clips' own sounds unit variance.

    Returns:
        One row for each clip.
    """
    group = window.frames_per_feature
    span = window.feature_frames
    room = clips.frames.shape[1] // group - span
    per_feature = window.mel_frames // span
    least = round(LEAST_SHIFT_S * window.feature_fps)
    columns: dict[str, list[Tensor]] = {}
    for first in range(0, len(clips), 16):
        generator = step_generator(seed, first)
        rows = range(first, min(first + 16, len(clips)))
        start = torch.randint(room + 1, (len(rows),), generator=generator)
        anywhere = torch.stack([torch.randperm(room + 1, generator=generator) for _ in rows])
        is_near = (anywhere - start[:, None]).abs() < least
        far = is_near.to(torch.int8).argsort(dim=1, stable=True)[:, :SHIFTS]
        starts = torch.cat([start[:, None], anywhere.gather(1, far)], dim=1).tolist()
        frames = torch.stack(
            [clips.frames[r, group * s[0] : group * (s[0] + span)] for r, s in zip(rows, starts, strict=True)]
        )
        mels = torch.stack(
            [
                torch.stack([clips.mels[r, :, per_feature * s : per_feature * (s + span)] for s in several])
                for r, several in zip(rows, starts, strict=True)
            ]
        ).float()
        images = mels.flatten(0, 1)[:, None].expand(-1, autoencoder.config.in_channels, -1, -1)
        posterior = autoencoder.encode(images).latent_dist
        same = [is_same_rhythm(mels[:, 0], mels[:, shift]) for shift in range(SHIFTS + 1)]
        for name, column in {
            "video_features": video_encoder(frames.float() / 255),
            "means": posterior.mean.unflatten(0, mels.shape[:2]),
            "stds": posterior.std.unflatten(0, mels.shape[:2]),
            "is_negative": ~torch.stack(same, dim=1),
            "is_silent": is_silent(mels[:, 0]),
        }.items():
            columns.setdefault(name, []).append(column)
    joined = {name: torch.cat(parts) for name, parts in columns.items()}
    joined["is_negative"][:, 0] = False
    factor = 1 / float(joined["means"][:, 0].std()) if scale is None else scale
    return AlignmentPairs(**joined | {name: joined[name] * factor for name in ("means", "stds")})


def is_same_rhythm(mels: Tensor, shifted: Tensor) -> Tensor:
    """Whether a shifted sound has the same loudness curve as the one in sync, so that it is not a negative.

    The correlation of both loudness curves over time is compared with 0.6. Sounds that hardly change, such as
    silence, count as the same.

    Args:
        mels: ``(B, n_mels, frames)`` in [0, 1].
        shifted: The same sounds, taken earlier or later.

    Returns:
        ``(B,)`` bool.
    """
    first, second = _loudness(mels), _loudness(shifted)
    is_flat = (first.amax(1) - first.amin(1) < _SILENT_RANGE) | (
        second.amax(1) - second.amin(1) < _SILENT_RANGE
    )
    a, b = first - first.mean(1, keepdim=True), second - second.mean(1, keepdim=True)
    correlation = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)).clamp(min=1e-6)
    return is_flat | (correlation > _SAME_RHYTHM)


def is_silent(mels: Tensor) -> Tensor:
    """Whether sounds are silent or constant, ``(B,)`` bool, from mels ``(B, n_mels, frames)`` in [0, 1]."""
    return mels.amax(dim=(1, 2)) - mels.amin(dim=(1, 2)) < _SILENT_RANGE


def _loudness(mels: Tensor) -> Tensor:
    """Mean over bands, in steps of a sixteenth of a second."""
    return F.avg_pool1d(mels.float().mean(dim=1, keepdim=True), 4)[:, 0]
