"""Motion of a video: differences between neighbouring frames, with the camera's own motion removed."""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["frame_differences", "residual_motion"]

_GAIN = 8.0  # brings differences of [0, 1] frames to about unit variance where something moves
_LUMA = (0.299, 0.587, 0.114)
_ROUNDS = 3
_RIDGE = 1e-4


def frame_differences(video: Tensor) -> Tensor:
    """Difference of each frame's luma from the frame before, at half the resolution.

    Args:
        video: Frames ``(B, T, 3, H, W)``, RGB in [0, 1].

    Returns:
        ``(B, T, 1, H / 2, W / 2)``, scaled by 8; the first frame's is 0.
    """
    luma = _half_luma(video)
    return _GAIN * F.pad(luma[:, 1:] - luma[:, :-1], (0, 0, 0, 0, 1, 0))[:, :, None]


def residual_motion(video: Tensor) -> Tensor:
    """Change between neighbouring frames that an affine motion of the whole frame does not explain.

    Source: Lucas and Kanade, *An iterative image registration technique*, IJCAI 1981: brightness constancy,
    ``I_t + I_x u + I_y v = 0``, with an affine field ``(u, v)``, and a gain and an offset of brightness,
    fitted to all pixels of a frame by least squares. Weights ``1 / (|residual| + median)`` let the fit follow
    the background and not what moves before it. The residual of the fit is the output.

    Frames are halved first: a camera then seldom moves by more than a pixel from frame to frame, where the
    linear equation holds. Not differentiable in the video.

    Args:
        video: Frames ``(B, T, 3, H, W)``, RGB in [0, 1].

    Returns:
        ``(B, T, 1, H / 2, W / 2)``, scaled by 8; the first frame's is 0.
    """
    with torch.no_grad(), torch.autocast(video.device.type, enabled=False):
        luma = _half_luma(video.float())
        change = luma[:, 1:] - luma[:, :-1]
        if not change.numel():
            return torch.zeros_like(luma)[:, :, None].to(video.dtype)
        mean = ((luma[:, 1:] + luma[:, :-1]) / 2).flatten(0, 1)
        d_t = change.flatten(0, 1)
        d_x = F.pad(mean[..., 2:] - mean[..., :-2], (1, 1)) / 2
        d_y = F.pad(mean[..., 2:, :] - mean[..., :-2, :], (0, 0, 1, 1)) / 2
        place = _places(*mean.shape[-2:], device=video.device)
        half = (..., slice(None, None, 2), slice(None, None, 2))  # every second pixel is enough for the fit
        fit = _fit(d_t[half], d_x[half], d_y[half], mean[half], place[half])
        across = torch.einsum("nk,khw->nhw", fit[:, 0:3], place)
        down = torch.einsum("nk,khw->nhw", fit[:, 3:6], place)
        gain, offset = fit[:, 6, None, None], fit[:, 7, None, None]
        rest = d_t + d_x * across + d_y * down - mean * gain - offset
        rest = rest.unflatten(0, change.shape[:2])
    return _GAIN * F.pad(rest, (0, 0, 0, 0, 1, 0))[:, :, None].to(video.dtype)


def _half_luma(video: Tensor) -> Tensor:
    """Luma ``(B, T, H / 2, W / 2)``, each pixel the mean of four."""
    halved = F.avg_pool2d(video.flatten(0, 1), 2)
    red, green, blue = halved.unbind(dim=1)
    luma = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    return luma.unflatten(0, video.shape[:2])


def _places(height: int, width: int, *, device: torch.device) -> Tensor:
    """1, x and y of every pixel, ``(3, H, W)``, the latter two in [-1, 1]."""
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, height, device=device),
        torch.linspace(-1, 1, width, device=device),
        indexing="ij",
    )
    return torch.stack([torch.ones_like(x), x, y])


def _fit(d_t: Tensor, d_x: Tensor, d_y: Tensor, mean: Tensor, place: Tensor) -> Tensor:
    """Affine motion ``(u: 1, x, y; v: 1, x, y)``, gain and offset of every pair of frames, ``(N, 8)``."""
    ones = torch.ones_like(mean)
    columns = torch.stack([*(-d_x * p for p in place), *(-d_y * p for p in place), mean, ones], dim=1)
    columns = columns.flatten(2)  # (N, 8, pixels)
    target = d_t.flatten(1)[:, None]
    eye = torch.eye(columns.shape[1], device=columns.device)
    weight, fit = torch.ones_like(target), torch.zeros_like(columns[..., :1])
    for _ in range(_ROUNDS):
        weighted = columns * weight
        normal = weighted @ columns.transpose(1, 2)
        ridge = _RIDGE * normal.diagonal(dim1=1, dim2=2).mean(dim=1)[:, None, None] + 1e-6
        fit = torch.linalg.solve(normal + ridge * eye, weighted @ target.transpose(1, 2))
        size = (target - fit.transpose(1, 2) @ columns).abs()
        weight = 1 / (size + size.median(dim=2, keepdim=True).values + 1e-3)
        weight = weight / weight.mean(dim=2, keepdim=True)
    return fit[..., 0]
