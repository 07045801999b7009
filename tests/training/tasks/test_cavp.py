import math

import pytest
import torch
from torch.nn import functional as F

from cinefoley.training.tasks.cavp import contrastive_losses, draw_starts, embed_clips


def test_windows_keep_their_distance_and_fit() -> None:
    starts = draw_starts(
        torch.Generator().manual_seed(0), 500, frames=40, windows=3, window_frames=16, gap_frames=8
    )
    assert starts.shape == (500, 3)
    assert int(starts.min()) >= 0
    assert int(starts.max()) <= 24
    assert int(starts.diff(dim=1).min()) >= 8
    assert {int(s) for s in starts[:, 0]} == set(range(9)), "the first may start anywhere in its room"


def test_windows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit into 24"):
        draw_starts(torch.Generator(), 1, frames=24, windows=3, window_frames=16, gap_frames=8)


def test_the_losses_are_those_written_out_by_hand() -> None:
    generator = torch.Generator().manual_seed(0)
    video, audio = (F.normalize(torch.randn(6, 5, generator=generator), dim=-1) for _ in range(2))
    scale = torch.tensor(1.3)
    losses = contrastive_losses(video, audio, scale, windows=3)
    logits = math.exp(1.3) * video @ audio.T

    def info_nce(block: torch.Tensor) -> torch.Tensor:
        rows = -(block.diag() - block.logsumexp(1)).mean()
        columns = -(block.diag() - block.logsumexp(0)).mean()
        return (rows + columns) / 2

    torch.testing.assert_close(losses["semantic"], info_nce(logits))
    torch.testing.assert_close(losses["temporal"], (info_nce(logits[:3, :3]) + info_nce(logits[3:, 3:])) / 2)


def test_the_scale_stays_below_a_hundred() -> None:
    same = torch.eye(3)
    capped, far = (
        contrastive_losses(same, same, torch.tensor(value), windows=3)["semantic"] for value in (4.7, 50.0)
    )
    assert torch.equal(capped, far)


def test_pooling_by_frames_separates_a_shifted_video_and_by_maximum_does_not() -> None:
    """Why a small model compares frames: the maximum over time is the same whatever happens when."""
    features = F.normalize(torch.randn(1, 16, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    later = features.roll(4, dims=1)
    by_max = embed_clips(features, pooling="max") @ embed_clips(later, pooling="max").T
    by_frame = embed_clips(features, pooling="frames") @ embed_clips(later, pooling="frames").T
    own = embed_clips(features, pooling="frames") @ embed_clips(features, pooling="frames").T
    assert float(by_max.detach()) == pytest.approx(1.0)
    assert float(own) == pytest.approx(1.0)
    assert float(by_frame) < 0.5
