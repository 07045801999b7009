import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from cinefoley.data.cache.stage_cache import StageClips
from cinefoley.evaluation.stage.encoder_metrics import (
    PairProbabilities,
    calibration_curve,
    classify_pairs,
    retrieve_kinds,
    retrieve_windows,
)
from cinefoley.models.audio_encoder import AudioEncoder
from cinefoley.models.classifier import AlignmentClassifier
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.training.tasks.alignment_pairs import AlignmentPairs


class Watcher(VideoEncoder):
    """Features are the frames' first pixels."""

    def __init__(self) -> None:
        super().__init__(width=4, blocks=(1, 1, 1, 1), feature_dim=3)

    def forward(self, video: Tensor, *, normalize: bool = True) -> Tensor:
        return video[:, :, :, 0, 0]


class Listener(AudioEncoder):
    """Features are the mel's lowest bands in every second frame."""

    def __init__(self) -> None:
        super().__init__(n_mels=4, channels=(4,), time_pools=(2,), band_pools=(2,), feature_dim=3)

    def forward(self, mel: Tensor, *, normalize: bool = False) -> Tensor:
        return mel[:, :3, ::2].transpose(1, 2)


def make_clips(count: int, *, delay: int = 0) -> StageClips:
    generator = torch.Generator().manual_seed(0)
    colours = torch.randint(256, (count, 8, 3), generator=generator)
    sound = (colours.float() / 255).roll(delay, dims=1).repeat_interleave(2, dim=1).transpose(1, 2)
    return StageClips(
        frames=colours[..., None, None].expand(-1, -1, -1, 2, 2).to(torch.uint8),
        mels=torch.cat([sound, torch.zeros(count, 1, 16)], dim=1),
        kinds=(torch.arange(count) % 5)[:, None].expand(-1, 2),
        events_s=torch.full((count, 2), math.nan),
        is_onset_like=torch.zeros(count, 2, dtype=torch.bool),
    )


def test_the_right_window_is_found_where_sound_follows_the_picture_and_not_where_it_lags() -> None:
    in_time, late = (
        retrieve_windows(Watcher(), Listener(), make_clips(60, delay=delay), window_frames=4)
        for delay in (0, 1)
    )
    assert in_time.shape == (60, 3)
    assert bool(in_time.all())
    assert float(late.float().mean()) < 0.7


def test_the_right_kind_is_found_among_a_group() -> None:
    assert bool(retrieve_kinds(Watcher(), Listener(), make_clips(40), group=20).all())
    lagging = retrieve_kinds(Watcher(), Listener(), make_clips(45, delay=3), group=20)
    assert lagging.shape == (40,)
    assert float(lagging.float().mean()) < 0.6
    with pytest.raises(ValueError, match="at least 100 clips, got 45"):
        retrieve_kinds(Watcher(), Listener(), make_clips(45))


class Meter(AlignmentClassifier):
    """The probability is written in the latents."""

    def __init__(self) -> None:
        super().__init__(block_out_channels=(8, 16), feature_dim=16, num_heads=2, norm_num_groups=4)

    def forward(self, latents: Tensor, timesteps: Tensor, video_features: Tensor, **_: bool) -> Tensor:
        return latents.mean(dim=(1, 2, 3))


def test_pairs_are_judged_by_sort_and_silent_videos_are_left_out() -> None:
    said = torch.tensor([[0.9, 0.2, 0.7], [0.8, 0.6, 0.1], [0.4, 0.3, 0.3], [0.5, 0.5, 0.5]])
    pairs = AlignmentPairs(
        video_features=F.normalize(torch.ones(4, 8, 16), dim=-1),
        means=said[:, :, None, None, None].expand(-1, -1, 4, 8, 16),
        stds=torch.zeros(4, 3, 4, 8, 16),
        is_negative=torch.tensor(
            [[False, False, True], [False, True, True], [False, False, False], [False] * 3]
        ),
        is_silent=torch.tensor([False, False, False, True]),
    )
    told = classify_pairs(Meter(), pairs)
    torch.testing.assert_close(told.aligned, torch.tensor([0.9, 0.8, 0.4]))
    torch.testing.assert_close(told.shifted, torch.tensor([0.7, 0.6]))  # clip 2 has no negative
    torch.testing.assert_close(told.foreign, torch.tensor([0.8, 0.4, 0.9]))
    assert told.balanced_accuracy == pytest.approx((2 / 3 + (0 + 1 / 3) / 2) / 2)


def test_an_honest_judge_lies_on_the_diagonal() -> None:
    generator = torch.Generator().manual_seed(0)
    said = torch.rand(60000, generator=generator)
    is_aligned = torch.rand(60000, generator=generator) < said
    negatives = said[~is_aligned]
    half = len(negatives) // 2
    told = PairProbabilities(aligned=said[is_aligned], shifted=negatives[:half], foreign=negatives[half:])
    curve = calibration_curve(told)
    assert len(curve) == 10
    assert sum(count for _, _, count in curve) == 60000
    for mean, share, _ in curve:
        assert share == pytest.approx(mean, abs=0.03)
