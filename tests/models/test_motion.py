import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from cinefoley.models.motion import frame_differences, residual_motion


def texture(seed: int, side: int = 96) -> Tensor:
    """A smooth random image, ``(1, 3, side, side)`` in [0, 1]."""
    noise = torch.randn(1, 3, side // 4, side // 4, generator=torch.Generator().manual_seed(seed))
    return torch.sigmoid(F.interpolate(noise, (side, side), mode="bicubic"))


def camera(frames: int, *, speed: float, zoom: float = 0.0) -> Tensor:
    """A camera that pans, and zooms in, over a texture: ``(1, T, 3, 64, 64)``."""
    views = []
    for n in range(frames):
        scale = 0.6 * (1 - zoom * n)
        theta = torch.tensor([[[scale, 0.0, -0.2 + 2 * speed * n / 96], [0.0, scale, 0.0]]])
        grid = F.affine_grid(theta, [1, 3, 64, 64], align_corners=False)
        views.append(F.grid_sample(texture(0), grid, align_corners=False, padding_mode="border"))
    return torch.stack(views, dim=1).clamp(0, 1)


@pytest.mark.parametrize(("speed", "zoom"), [(0.0, 0.0), (0.7, 0.0), (1.5, 0.0), (0.0, 0.01), (0.7, 0.01)])
def test_a_camera_that_moves_leaves_little_of_its_motion(speed: float, zoom: float) -> None:
    video = camera(8, speed=speed, zoom=zoom)
    rest, all_of_it = residual_motion(video).square().mean(), frame_differences(video).square().mean()
    assert float(rest) <= 0.2 * float(all_of_it) + 1e-9


def test_what_moves_before_the_camera_stays() -> None:
    video = camera(8, speed=0.7)
    video[:, 4:, :, 20:32, 20:32] = 1.0
    power = residual_motion(video)[0, :, 0].square()
    inside, outside = power[4, 10:16, 10:16].mean(), power[4].mean()
    assert float(inside) > 4 * float(outside)
    assert float(power[4].mean()) > 10 * float(power[[2, 3, 6, 7]].mean())


def test_a_light_that_changes_is_no_motion() -> None:
    video = camera(4, speed=0.0) * torch.tensor([0.5, 0.55, 0.6, 0.65])[:, None, None, None] + 0.1
    assert float(residual_motion(video).square().mean()) < 0.01 * float(
        frame_differences(video).square().mean()
    )


def test_shapes_types_and_short_videos() -> None:
    video = torch.rand(2, 3, 3, 30, 46)
    for function in (residual_motion, frame_differences):
        assert function(video).shape == (2, 3, 1, 15, 23)
        assert not function(video)[:, 0].any()
        assert not function(video[:, :1]).any()
        assert function(video.bfloat16()).dtype == torch.bfloat16
        together, alone = function(video), torch.cat([function(clip[None]) for clip in video])
        assert torch.allclose(together, alone, atol=1e-4)
