from functools import partial

import pytest
import torch
from torch.nn import functional as F

from cinefoley.models.video_encoder import VideoEncoder


def tiny(**changes: object) -> VideoEncoder:
    torch.manual_seed(0)
    settings: dict[str, object] = {"width": 8, "blocks": (1, 1, 1, 1), "feature_dim": 16}
    encoder: VideoEncoder = VideoEncoder(**(settings | changes)).eval()
    return encoder


@pytest.mark.parametrize("frames", [1, 2, 7])
def test_every_frame_has_a_feature_of_unit_norm(frames: int) -> None:
    features = tiny()(torch.rand(2, frames, 3, 32, 32))
    assert features.shape == (2, frames, 16)
    assert torch.allclose(features.norm(dim=-1), torch.ones(2, frames), atol=1e-5)


def test_clips_of_a_batch_do_not_see_each_other() -> None:
    encoder, video = tiny(), torch.rand(3, 5, 3, 32, 32)
    together = encoder(video)
    alone = torch.cat([encoder(clip[None]) for clip in video])
    assert torch.allclose(together, alone, atol=1e-5)


def test_time_is_seen_only_where_a_stage_spans_it() -> None:
    video = torch.rand(1, 9, 3, 32, 32)
    changed = video.clone()
    changed[:, 4] = torch.rand(3, 32, 32)
    blind = tiny(temporal_kernels=(1, 1, 1, 1))
    moved = (blind(changed) - blind(video)).abs().amax(dim=-1)[0]
    assert moved[4] > 1e-4
    assert moved[[0, 1, 2, 3, 5, 6, 7, 8]].max() < 1e-6
    seeing = tiny(temporal_kernels=(1, 1, 3, 3))  # two blocks of three frames: two frames to either side
    moved = (seeing(changed) - seeing(video)).abs().amax(dim=-1)[0]
    assert moved[2:7].min() > 1e-7
    assert moved[[0, 1, 7, 8]].max() < 1e-6


def test_frames_that_share_a_feature_are_grouped_from_the_first() -> None:
    video = torch.rand(1, 7, 3, 32, 32)
    grouped = tiny(frames_per_feature=3)
    assert grouped(video).shape == (1, 3, 16)
    assert torch.allclose(grouped(video), tiny()(video[:, [1, 4, 6]]), atol=1e-6)


def test_motion_between_the_middle_frames_is_seen() -> None:
    encoder = tiny(frames_per_feature=3, has_motion=True, temporal_kernels=(1, 1, 1, 1))
    still = torch.rand(1, 1, 3, 32, 32).expand(1, 9, 3, 32, 32)
    flash = still.clone()
    flash[:, 5, :, 8:16, 8:16] = 1 - flash[:, 5, :, 8:16, 8:16]  # seen in frame 5 and on its return in 6
    moved = (encoder(flash) - encoder(still)).abs().amax(dim=-1)[0]
    assert moved[0] < 1e-6
    assert moved[1:].min() > 1e-4


def test_sums_over_time_have_the_gradient_of_a_convolution() -> None:
    encoder = tiny(temporal_kernels=(3, 3, 3, 3)).double()
    layer = encoder.get_submodule("backbone.layer1.0.conv1")
    layer.bn = torch.nn.Identity()
    clip = torch.rand(2, layer.conv.in_channels, 5, 3, 3, dtype=torch.float64, requires_grad=True)
    wanted = torch.rand(2, layer.conv.out_channels, 5, 3, 3, dtype=torch.float64)
    kernel = layer.conv.weight
    (F.conv3d(clip, kernel, padding=(1, 0, 0)) * wanted).sum().backward()
    expected = [clip.grad, kernel.grad]
    clip.grad = kernel.grad = None
    maps = layer(clip.transpose(1, 2).flatten(0, 1), 5).unflatten(0, (2, 5)).transpose(1, 2)
    (maps * wanted).sum().backward()
    for tensor, gradient in zip((clip, kernel), expected, strict=True):
        torch.testing.assert_close(tensor.grad, gradient)


def test_two_dimensional_arithmetic_equals_three_dimensional_convolution() -> None:
    """The weights have Conv3d's shape; what they compute must be what Conv3d would."""
    encoder = tiny(temporal_kernels=(1, 3, 3, 3))
    for block_name in ("layer1", "layer3"):
        layer = encoder.get_submodule(f"backbone.{block_name}.0.conv1")
        clip = torch.rand(2, layer.conv.in_channels, 6, 4, 4)
        kernel = layer.conv.weight
        expected = F.conv3d(clip, kernel, padding=(kernel.shape[2] // 2, 0, 0))
        frames = clip.transpose(1, 2).flatten(0, 1)
        norm = layer.bn
        norm.eps = 0.0  # with mean 0 and variance 1 it then changes nothing
        actual = layer(frames, 6).unflatten(0, (2, 6)).transpose(1, 2)
        assert torch.allclose(actual, expected, atol=1e-5)


def test_the_default_is_cavps_encoder() -> None:
    with torch.device("meta"):
        encoder = VideoEncoder()
    count = sum(p.numel() for p in encoder.backbone.parameters())
    assert count == 31_634_496
    assert sum(p.numel() for p in encoder.projection.parameters()) == 1_049_088


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 4, 1, 32, 32), (4, 3, 32, 32)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"must be \(B, T, 3, H, W\)"):
        tiny()(torch.rand(shape))


def test_folding_the_norms_changes_nothing_but_speed() -> None:
    encoder = tiny(temporal_kernels=(1, 3, 3, 3))
    for module in encoder.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.uniform_(-1, 1)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 2)
            torch.nn.init.uniform_(module.bias, -1, 1)
    video = torch.rand(2, 5, 3, 32, 32)
    before = encoder(video)
    encoder.fuse_norms()
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in encoder.modules())
    assert torch.allclose(encoder(video), before, atol=1e-5)


def test_frozen_norms_are_folded_in_training_with_the_same_gradients() -> None:
    """Against the norms as they are, which is what a pass without gradients uses."""
    generator = torch.Generator().manual_seed(0)
    encoder = VideoEncoder(
        width=4, blocks=(1, 1, 1, 1), temporal_kernels=(1, 3, 3, 3), feature_dim=8
    ).double()
    for name, buffer in encoder.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(generator=generator)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 2.0, generator=generator)
    video = torch.rand(2, 3, 3, 32, 32, generator=generator, dtype=torch.float64)
    wanted = torch.randn(2, 3, 8, generator=generator, dtype=torch.float64)
    encoder.eval()
    gradients = []
    for is_folded in (True, False):
        encoder.zero_grad()
        if (
            not is_folded
        ):  # batch norm as a hook that keeps the slow path: training mode with fixed statistics
            for module in encoder.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.training = True
                    module.forward = partial(_normalise, module)  # type: ignore[method-assign]
        features = encoder(video)
        (features * wanted).sum().backward()
        gradients.append(
            [features.detach(), *(p.grad.clone() for p in encoder.parameters() if p.grad is not None)]
        )
    assert len(gradients[0]) == len(list(encoder.parameters())) + 1
    for folded, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(folded, plain, rtol=1e-9, atol=1e-12)


def _normalise(norm: torch.nn.BatchNorm2d, maps: torch.Tensor) -> torch.Tensor:
    return F.batch_norm(maps, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
