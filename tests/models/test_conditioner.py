import pytest
import torch

from cinefoley.models.conditioner import Conditioner


def test_context_is_the_projection_plus_the_position() -> None:
    conditioner = Conditioner(feature_dim=8, context_dim=12, max_frames=5)
    features = torch.rand(2, 5, 8)
    expected = conditioner.projection(features) + conditioner.positions.weight
    assert torch.allclose(conditioner(features), expected)


def test_shorter_windows_use_the_first_positions() -> None:
    conditioner = Conditioner(feature_dim=8, context_dim=12, max_frames=5)
    features = torch.rand(1, 5, 8)
    assert torch.allclose(conditioner(features[:, :3]), conditioner(features)[:, :3])


def test_a_window_longer_than_the_positions_is_refused() -> None:
    with pytest.raises(ValueError, match="40 positions, got 41 frames"):
        Conditioner()(torch.zeros(1, 41, 512))


def test_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(B, T, 512\), got \(1, 32, 256\)"):
        Conditioner()(torch.zeros(1, 32, 256))
