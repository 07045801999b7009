import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cinefoley.media.frames.pixels import resize as resize_decoded
from cinefoley.variations.resizing import resize

sides = st.integers(1, 60)


@given(sides, sides, sides, sides, st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_bytes_are_almost_always_within_one_of_how_decoded_frames_are_squashed(
    height: int, width: int, new_height: int, new_width: int, seed: int
) -> None:
    frame = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    expected = resize_decoded(frame, (new_height, new_width)).astype(int)
    video = torch.from_numpy(frame).permute(2, 0, 1)[None]
    got = resize(video, (new_height, new_width))[0].permute(1, 2, 0).numpy().astype(int)
    away = np.abs(got - expected)
    assert away.max() <= 2  # both round after each axis: 4 of 6,000 random images have a byte that is 2 off
    assert (away > 1).mean() < 0.01


@pytest.mark.parametrize("size", [(7, 9), (40, 30), (5, 48), (33, 33)])
def test_floats_are_squashed_as_pillow_squashes_them(size: tuple[int, int]) -> None:
    frame = torch.rand(24, 33, generator=torch.Generator().manual_seed(0))
    expected = Image.fromarray(frame.numpy()).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    got = resize(frame[None, None], size)[0, 0]
    torch.testing.assert_close(got, torch.from_numpy(np.array(expected)), atol=2e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtype_is_kept_and_the_input_is_not_written_to(dtype: torch.dtype) -> None:
    video = (torch.rand(2, 4, 3, 12, 20, generator=torch.Generator().manual_seed(0)) * 200).to(dtype)
    before = video.clone()
    small = resize(video, (6, 6))
    assert (small.shape, small.dtype, small.device) == ((2, 4, 3, 6, 6), dtype, video.device)
    assert torch.equal(video, before)
    for clip, result in zip(video, small, strict=True):
        assert torch.equal(resize(clip, (6, 6)), result)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_pixels_around_a_crop_are_never_touched(dtype: torch.dtype) -> None:
    video = torch.full((4, 3, 30, 40), 255.0 if dtype == torch.uint8 else float("nan")).to(dtype)
    video[..., 5:20, 10:30] = 7
    small = resize(video[..., 5:20, 10:30], (8, 8))
    torch.testing.assert_close(small, torch.full_like(small, 7))


def test_frames_of_that_size_already_are_handed_back() -> None:
    video = torch.rand(2, 3, 8, 8)
    assert resize(video, (8, 8)) is video


@pytest.mark.parametrize("shape", [(0, 4, 3, 8, 9), (0, 3, 8, 9), (4, 0, 8, 9)])
def test_empty_batches_pass(shape: tuple[int, ...]) -> None:
    assert resize(torch.empty(shape), (5, 6)).shape == (*shape[:-2], 5, 6)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.float32, torch.float64])
def test_gpu_equals_cpu(dtype: torch.dtype, cuda: torch.device) -> None:
    video = (torch.rand(4, 3, 30, 40) * 200).to(dtype)
    got = resize(video.to(cuda), (22, 24)).cpu().double()
    tolerance = 1 if dtype == torch.uint8 else 2e-3 if dtype == torch.float32 else 0.2
    torch.testing.assert_close(got, resize(video, (22, 24)).double(), atol=tolerance, rtol=0)


def test_what_cannot_be_squashed_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at least \(1, 1\)"):
        resize(torch.zeros(1, 3, 4, 4), (0, 4))
    with pytest.raises(ValueError, match="T, C, H, W"):
        resize(torch.zeros(1, 3, 0, 4), (4, 4))
    with pytest.raises(TypeError, match=r"torch\.int64"):
        resize(torch.zeros(1, 3, 4, 4, dtype=torch.int64), (2, 2))
