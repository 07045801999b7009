"""Pairs for the alignment classifiers, cut out of prepared clips and kept with them."""

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
from cinefoley.training.tasks.alignment_pairs import AlignmentPairs, is_same_rhythm

__all__ = ["draw_pair_starts", "prepare_pairs"]

_SHIFTS = 3
_LEAST_SHIFT_S = 0.5
_SILENT_RANGE = 0.05  # of a mel in [0, 1], as for the rhythm


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
    """Take a window of every clip, with its own sound and three that are half a second off or more.

    What ``alignment_pairs.make_pairs`` computes for clips in memory, for any number of clips
    that are mapped from files, each as long as it is; windows and their mels are placed in seconds.

    Args:
        clips: Longer than the window; of one that is not, no shift is a negative.
        config: The model's window.
        video_encoder: Watches each window on its own.
        autoencoder: Encodes each sound on its own; its ``scaling_factor`` brings the latents to scale.
        cache_dir: Where features and latents are kept.
        seed: Places the windows.
        on_row: Called with encoded and all windows.

    Returns:
        One row for each clip.
    """
    starts = draw_pair_starts(clips.windows(config, 2).starts[:, 1], config.video_fps, seed=seed)
    shape = {"num_frames": config.video_frames, "num_mel_frames": config.mel_frames}
    films = ClipWindows(clips=clips, starts=starts[:, :1], **shape)
    sounds = ClipWindows(clips=clips, starts=starts, **shape)
    features = prepare_features(films, video_encoder, cache_dir)
    latents = prepare_latents(sounds, autoencoder, cache_dir, on_row=on_row)
    scaled = latents.scaled(autoencoder.config.scaling_factor)
    is_negative, is_silent = _judge(sounds)
    return AlignmentPairs(
        video_features=cast(Tensor, features),
        means=cast(Tensor, _Shifted(scaled.means, starts.shape[1])),
        stds=cast(Tensor, _Shifted(scaled.stds, starts.shape[1])),
        is_negative=is_negative,
        is_silent=is_silent,
    )


def draw_pair_starts(last: Tensor, fps: float, *, seed: int) -> Tensor:
    """Where a clip's film begins, and where sounds that do not belong to it begin.

    Args:
        last: ``(N,)``, the last frame at which a window may begin.
        fps: Frames per second.
        seed: Source of the places; those of a clip depend on its number and on nothing else.

    Returns:
        ``(N, 4)`` frame numbers: the film's, and three that are half a second off or more. Where a clip has
        fewer such places, the film's own stands in.
    """
    least = max(1, round(_LEAST_SHIFT_S * fps))
    rows = []
    for row, end in enumerate(last.tolist()):
        generator = step_generator(seed, row)
        start = int(torch.randint(end + 1, (), generator=generator))
        order = torch.randperm(end + 1, generator=generator)
        far = order[(order - start).abs() >= least][:_SHIFTS].tolist()
        rows.append([start, *far, *[start] * (_SHIFTS - len(far))])
    return torch.tensor(rows, dtype=torch.int64).reshape(-1, 1 + _SHIFTS)


def _judge(sounds: ClipWindows) -> tuple[Tensor, Tensor]:
    """Which sounds are negatives for their clip's film, and which films are silent."""
    negatives, silences = [], []
    for rows in torch.arange(len(sounds)).view(-1, sounds.per_clip).split(16):
        mels = sounds.mels[rows].float()
        same = [is_same_rhythm(mels[:, 0], mels[:, shift]) for shift in range(sounds.per_clip)]
        negatives.append(~torch.stack(same, dim=1))
        own = mels[:, 0].flatten(1)
        silences.append(own.amax(dim=1) - own.amin(dim=1) < _SILENT_RANGE)
    is_negative = torch.cat(negatives)
    is_negative[:, 0] = False
    return is_negative, torch.cat(silences)


class _Shifted:
    """Rows of a column, counted by clip and shift."""

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
