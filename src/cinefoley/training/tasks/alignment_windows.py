"""Alignment pairs of any number of clips: windows and shifted sounds, encoded into the cache."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from cinefoley.config.foley import FoleyConfig
from cinefoley.data.cache.clip_windows import ClipWindows, DecodedClips
from cinefoley.data.cache.feature_cache import prepare_features, prepare_latents
from cinefoley.data.cache.tensor_rows import ChunkedRows
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.training.engine.step_seeds import step_generator
from cinefoley.training.tasks.alignment_pairs import (
    LEAST_SHIFT_S,
    SHIFTS,
    AlignmentPairs,
    is_same_rhythm,
    is_silent,
)

__all__ = ["draw_pair_starts", "prepare_pairs"]


def prepare_pairs(
    clips: DecodedClips,
    config: FoleyConfig,
    video_encoder: VideoEncoder,
    autoencoder: AutoencoderKL,
    cache_dir: Path,
    *,
    seed: int,
    on_row: Callable[[int, int], None] | None = None,
) -> AlignmentPairs:
    """Cut a window out of every clip, with its own sound and three that are shifted by half a second or more.

    Does for any number of clips of any length, read from files, what ``alignment_pairs.make_pairs`` does for
    clips in memory. Windows and their mels are placed in seconds.

    Args:
        clips: The clips; one that is not longer than the window has no negative shifts.
        config: The model's window.
        video_encoder: Encodes each window on its own.
        autoencoder: Encodes each sound on its own; its ``scaling_factor`` scales the latents.
        cache_dir: Folder of the cache of features and latents.
        seed: Seed of the windows' places.
        on_row: Called with encoded and all windows.

    Returns:
        One row for each clip.
    """
    starts = draw_pair_starts(clips.windows(config, 2).starts[:, 1], config.video_fps, seed=seed)
    shape = {"num_frames": config.video_frames, "num_mel_frames": config.mel_frames}
    videos = ClipWindows(clips=clips, starts=starts[:, :1], **shape)
    sounds = ClipWindows(clips=clips, starts=starts, **shape)
    features = prepare_features(videos, video_encoder, cache_dir)
    latents = prepare_latents(sounds, autoencoder, cache_dir, on_row=on_row)
    scaled = latents.scaled(autoencoder.config.scaling_factor)
    is_negative, silent = _label(sounds)
    return AlignmentPairs(
        video_features=cast(Tensor, features),
        means=cast(Tensor, _Shifted(scaled.means, starts.shape[1])),
        stds=cast(Tensor, _Shifted(scaled.stds, starts.shape[1])),
        is_negative=is_negative,
        is_silent=silent,
    )


def draw_pair_starts(last: Tensor, fps: float, *, seed: int) -> Tensor:
    """Draw the start of each clip's window, and the starts of three shifted sounds.

    Args:
        last: ``(N,)``, the last frame at which a window may begin.
        fps: Frames per second.
        seed: Seed of the places; those of a clip depend on the seed and its number only.

    Returns:
        ``(N, 4)`` frame numbers: the window's, and three that are half a second off or more. If a clip has
        fewer such places, the window's own is repeated.
    """
    least = max(1, round(LEAST_SHIFT_S * fps))
    rows = []
    for row, end in enumerate(last.tolist()):
        generator = step_generator(seed, row)
        start = int(torch.randint(end + 1, (), generator=generator))
        order = torch.randperm(end + 1, generator=generator)
        far = order[(order - start).abs() >= least][:SHIFTS].tolist()
        rows.append([start, *far, *[start] * (SHIFTS - len(far))])
    return torch.tensor(rows, dtype=torch.int64).reshape(-1, 1 + SHIFTS)


def _label(sounds: ClipWindows) -> tuple[Tensor, Tensor]:
    """Which sounds are negatives, and which clips are silent."""
    negatives, silences = [], []
    for rows in torch.arange(len(sounds)).view(-1, sounds.per_clip).split(16):
        mels = sounds.mels[rows].float()
        same = [is_same_rhythm(mels[:, 0], mels[:, shift]) for shift in range(sounds.per_clip)]
        negatives.append(~torch.stack(same, dim=1))
        silences.append(is_silent(mels[:, 0]))
    is_negative = torch.cat(negatives)
    is_negative[:, 0] = False
    return is_negative, torch.cat(silences)


class _Shifted:
    """Rows indexed by clip and shift."""

    def __init__(self, column: ChunkedRows, per_clip: int) -> None:
        self._column, self._per_clip = column, per_clip

    @property
    def shape(self) -> torch.Size:
        return torch.Size([len(self), self._per_clip, *self._column.shape[1:]])

    def __len__(self) -> int:
        return len(self._column) // self._per_clip

    def __getitem__(self, index: tuple[Tensor, Tensor]) -> Tensor:
        clip, shift = index
        return self._column[clip * self._per_clip + shift]
