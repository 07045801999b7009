"""Video encoder of CAVP: a SlowOnly ResNet with one output feature per frame or group of frames."""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional as F

from cinefoley.models.motion import residual_motion

__all__ = ["VideoEncoder"]

_EXPANSION = 4  # a bottleneck's output is four times as wide as its middle


class VideoEncoder(ModelMixin, ConfigMixin):
    """SlowOnly ResNet, average over space, one linear layer per frame.

    Source: Diff-Foley (Luo et al., NeurIPS 2023), the video tower of CAVP; SlowOnly is the slow path of
    Feichtenhofer et al., *SlowFast Networks*, ICCV 2019. The defaults are CAVP's R50 (32.7 M parameters).

    No stage strides in time, so T frames give T features; temporal convolutions pad both ends with zeros.

    Ours: several frames may share a feature. The convolutions then see the colours of the middle one and,
    with ``has_motion``, the residual motion of each (:func:`~cinefoley.models.motion.residual_motion`) as
    further channels, so that a feature every quarter of a second knows when in it something moved.

    Args:
        width: Channels of the stem; stage ``i`` has ``4 * width * 2**i``.
        blocks: Bottleneck blocks in each of the four stages.
        temporal_kernels: Length in frames of the first convolution in each stage's blocks, 1 or 3.
        feature_dim: Width D of the features.
        frames_per_feature: Frames that share one feature; 1 for CAVP.
        has_motion: Whether residual motion is an input; CAVP has none.
    """

    @register_to_config
    def __init__(
        self,
        width: int = 64,
        blocks: Sequence[int] = (3, 4, 6, 3),
        temporal_kernels: Sequence[int] = (1, 1, 3, 3),
        feature_dim: int = 512,
        frames_per_feature: int = 1,
        has_motion: bool = False,
    ) -> None:
        super().__init__()
        if frames_per_feature < 1:
            raise ValueError(f"frames_per_feature must be at least 1, got {frames_per_feature}")
        channels = 3 + (frames_per_feature if has_motion else 0)
        self.backbone = _SlowOnly(width, blocks, temporal_kernels, channels)
        self.projection = nn.Linear(self.backbone.out_channels, feature_dim)

    def forward(self, video: Tensor, *, normalize: bool = True) -> Tensor:
        """Compute one feature per group of frames; temporal convolutions use the neighbouring groups.

        Args:
            video: Frames ``(B, T, 3, H, W)``, RGB in [0, 1], already resized to the model's frame size.
            normalize: Divide every feature by its Euclidean norm, as the generator expects.

        Returns:
            Features ``(B, T / frames_per_feature, D)``; an incomplete last group repeats its last frame.

        Raises:
            ValueError: If ``video`` is not ``(B, T, 3, H, W)``.
        """
        if video.ndim != 5 or video.shape[2] != 3:
            raise ValueError(f"video must be (B, T, 3, H, W), got {tuple(video.shape)}")
        groups = self._group(video)
        batch, frames = groups.shape[:2]
        stacked = groups.flatten(0, 1).contiguous(
            memory_format=torch.channels_last
        )  # 2-4 times faster in bf16 on CPU
        pooled = self.backbone(stacked, frames).mean(dim=(2, 3))
        features = self.projection(pooled).unflatten(0, (batch, frames))
        return F.normalize(features, dim=-1) if normalize else features

    def _group(self, video: Tensor) -> Tensor:
        """The backbone's input, ``(B, T / frames_per_feature, C, H, W)``."""
        length = self.config.frames_per_feature
        missing = -video.shape[1] % length
        if missing:
            video = torch.cat([video, video[:, -1:].expand(-1, missing, -1, -1, -1)], dim=1)
        colours = video[:, length // 2 :: length]
        if not self.config.has_motion:
            return colours
        motion = residual_motion(video)[:, :, 0].unflatten(1, (-1, length))
        motion = F.interpolate(motion.flatten(0, 1), colours.shape[-2:]).unflatten(0, motion.shape[:2])
        return torch.cat([colours, motion], dim=2)

    def fuse_norms(self) -> None:
        """Fold every batch norm into its convolution, in place. For inference only; cannot be saved."""
        for module in self.modules():
            if isinstance(module, _ConvNorm):
                module.fuse()


class _SlowOnly(nn.Module):
    """ResNet on frames ``(B*T, C, H, W)``; only blocks with a temporal kernel mix frames."""

    def __init__(
        self, width: int, blocks: Sequence[int], temporal_kernels: Sequence[int], in_channels: int
    ) -> None:
        super().__init__()
        self.conv1 = _ConvNorm(in_channels, width, kernel=(1, 7), stride=2)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = width
        self.stages: list[str] = []
        for index, (count, kernel) in enumerate(zip(blocks, temporal_kernels, strict=True)):
            middle = width * 2**index
            stage = nn.ModuleList()
            for position in range(count):
                stride = 2 if position == 0 and index > 0 else 1
                stage.append(_Bottleneck(channels, middle, stride=stride, temporal_kernel=kernel))
                channels = middle * _EXPANSION
            name = f"layer{index + 1}"
            self.add_module(name, stage)
            self.stages.append(name)
        self.out_channels = channels

    def forward(self, frames: Tensor, count: int) -> Tensor:
        hidden = self.maxpool(F.relu(self.conv1(frames, count), inplace=True))
        for name in self.stages:
            stage = self.get_submodule(name)
            assert isinstance(stage, nn.ModuleList)
            for block in stage:
                hidden = block(hidden, count)
        return hidden


class _Bottleneck(nn.Module):
    def __init__(self, channels: int, middle: int, *, stride: int, temporal_kernel: int) -> None:
        super().__init__()
        out = middle * _EXPANSION
        self.conv1 = _ConvNorm(channels, middle, kernel=(temporal_kernel, 1))
        self.conv2 = _ConvNorm(middle, middle, kernel=(1, 3), stride=stride)
        self.conv3 = _ConvNorm(middle, out, kernel=(1, 1))
        needs_projection = stride != 1 or channels != out
        self.downsample = _ConvNorm(channels, out, kernel=(1, 1), stride=stride) if needs_projection else None

    def forward(self, frames: Tensor, count: int) -> Tensor:
        shortcut = frames if self.downsample is None else self.downsample(frames, count)
        hidden = F.relu(self.conv1(frames, count), inplace=True)
        hidden = F.relu(self.conv2(hidden, count), inplace=True)
        return F.relu(self.conv3(hidden, count).add_(shortcut), inplace=True)


class _ConvNorm(nn.Module):
    """Convolution over frames and batch norm.

    The weight has Conv3d's shape ``(out, in, time, height, width)``, so that CAVP's tensors load unchanged.
    The computation is 2-D, because no kernel here spans both time and space, and 2-D convolutions are better
    optimised.
    """

    def __init__(self, channels: int, out: int, *, kernel: tuple[int, int], stride: int = 1) -> None:
        super().__init__()
        time, space = kernel
        if time not in (1, 3) or (time == 3 and space != 1):
            raise ValueError(f"kernel must be (1, space) or (3, 1), got {kernel}")
        self.conv: nn.Module = nn.Conv3d(channels, out, (time, space, space), bias=False)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")
        self.bn: nn.Module = nn.BatchNorm2d(out)
        self._stride = stride
        self._spans_time = time == 3

    def forward(self, frames: Tensor, count: int) -> Tensor:
        if isinstance(self.conv, nn.Conv3d):
            if isinstance(self.bn, nn.BatchNorm2d) and not self.bn.training and torch.is_grad_enabled():
                return self._convolve_folded(frames, count, self.conv, self.bn)
            kernel = _flatten_kernel(self.conv.weight)
            maps = F.conv2d(frames, kernel, stride=self._stride, padding=kernel.shape[-1] // 2)
        else:
            maps = self.conv(frames)
        return self.bn(_sum_over_time(maps, count) if self._spans_time else maps)

    def _convolve_folded(self, frames: Tensor, count: int, conv: nn.Conv3d, norm: nn.BatchNorm2d) -> Tensor:
        """Apply a norm with frozen statistics to the weights instead of to every pixel.

        Gradients are the same, and no feature maps are stored for the norm.
        """
        scale, bias = _scale_and_shift(norm)
        kernel = _flatten_kernel(conv.weight * scale.view(-1, 1, 1, 1, 1))
        padding = kernel.shape[-1] // 2
        if not self._spans_time:
            return F.conv2d(frames, kernel, bias, stride=self._stride, padding=padding)
        maps = F.conv2d(frames, kernel, stride=self._stride, padding=padding)
        return _sum_over_time(maps, count) + bias.to(maps.dtype).view(-1, 1, 1)

    def fuse(self) -> None:
        """Fold the norm, as it is in evaluation, into a 2-D convolution with a bias."""
        if not (isinstance(self.conv, nn.Conv3d) and isinstance(self.bn, nn.BatchNorm2d)):
            return
        conv = self.conv
        scale, bias = _scale_and_shift(self.bn.double())
        kernel = _flatten_kernel(conv.weight.double() * scale.view(-1, 1, 1, 1, 1))
        if self._spans_time:  # the bias is added once, with the present frame
            bias = torch.cat([torch.zeros_like(bias), bias, torch.zeros_like(bias)])
        fused = nn.Conv2d(
            kernel.shape[1],
            kernel.shape[0],
            kernel.shape[-1],
            self._stride,
            kernel.shape[-1] // 2,
            device="meta",
        ).to_empty(device=conv.weight.device)
        fused.weight.data = kernel.to(conv.weight.dtype).contiguous(memory_format=torch.channels_last)
        fused.bias = nn.Parameter(bias.to(conv.weight.dtype))
        self.conv, self.bn = fused.requires_grad_(False), nn.Identity()


def _scale_and_shift(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Batch norm in evaluation as scale and shift: ``y = scale * x + shift``, ``(C,)`` each."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    return scale, norm.bias - norm.running_mean * scale


def _flatten_kernel(weight: Tensor) -> Tensor:
    """Reshape a Conv3d weight for 2-D: three temporal taps become outputs ``(3 * out, in, 1, 1)``."""
    return weight.movedim(2, 0).flatten(0, 1)


def _sum_over_time(maps: Tensor, count: int) -> Tensor:
    """Sum of the three temporal taps: the previous, the present and the next frame.

    Convolving first and then shifting the outputs moves less memory than gathering the inputs of three
    frames, because there are four times as many input channels.

    Args:
        maps: ``(B*T, 3 * C, H, W)``, the three taps one after the other.
        count: T.
    """
    total: Tensor = _SumOverTime.apply(maps, count)  # type: ignore[no-untyped-call]
    return total


class _SumOverTime(torch.autograd.Function):
    """Autograd's own backward of shifted sums fills and adds a whole tensor for each slice."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, count: int) -> Tensor:
        ctx.count = count
        clip = maps.permute(0, 2, 3, 1).unflatten(0, (-1, count))  # channels last, so that slices stay dense
        past, present, future = clip.chunk(3, dim=-1)
        total = present.clone(memory_format=torch.contiguous_format)
        total[:, 1:] += past[:, :-1]
        total[:, :-1] += future[:, 1:]
        return total.flatten(0, 1).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        grad = grads[0].permute(0, 2, 3, 1).unflatten(0, (-1, ctx.count))
        taps = grad.new_empty((*grad.shape[:-1], 3 * grad.shape[-1]))
        past, present, future = taps.chunk(3, dim=-1)
        present.copy_(grad)
        past[:, :-1], past[:, -1] = grad[:, 1:], 0
        future[:, 1:], future[:, 0] = grad[:, :-1], 0
        return taps.flatten(0, 1).permute(0, 3, 1, 2), None
