from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from cinefoley.variations.cropping import crop, crop_to_boxes, frame_size
from cinefoley.variations.window import Window

Addresses = Callable[..., Tensor]

STILL = Window(kind="close_up", size=(12, 20), scale=(0.5, 0.4), start=(0.2, 0.9), end=(0.2, 0.9))
MOVING = Window(kind="camera_movement", size=(12, 20), scale=(0.5, 0.5), start=(0.5, 0), end=(0.5, 1))
DTYPES = [torch.uint8, torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64]

both = pytest.mark.parametrize("window", [STILL, MOVING], ids=["still", "moving"])


@both
def test_each_frame_is_cut_to_its_box(window: Window, addresses: Addresses) -> None:
    cut = crop(addresses(6, 12, 20), window)
    for frame, (x0, y0, x1, y1) in zip(cut, window.boxes(6).tolist(), strict=True):
        assert frame[1].unique().tolist() == list(range(y0, y1))
        assert frame[2].unique().tolist() == list(range(x0, x1))
    assert cut[:, 0, 0, 0].tolist() == list(range(6))


@both
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtype_and_device_are_kept_and_the_input_is_not_written_to(
    window: Window, dtype: torch.dtype
) -> None:
    video = torch.arange(6 * 3 * 12 * 20).remainder(250).reshape(6, 3, 12, 20).to(dtype)
    before = video.clone()
    cut = crop(video, window)
    assert (cut.dtype, cut.device) == (video.dtype, video.device)
    assert torch.equal(video, before)


@both
def test_batched_equals_unbatched(window: Window) -> None:
    videos = torch.rand(2, 3, 6, 3, 12, 20)
    cut = crop(videos, window)
    assert cut.shape == (2, 3, 6, 3, *window.crop_size)
    for i in range(2):
        for j in range(3):
            assert torch.equal(cut[i, j], crop(videos[i, j], window))


@both
def test_empty_batches_pass(window: Window) -> None:
    assert crop(torch.empty(0, 6, 3, 12, 20), window).shape == (0, 6, 3, *window.crop_size)
    assert crop(torch.empty(6, 0, 12, 20), window).shape == (6, 0, *window.crop_size)


@both
@pytest.mark.gpu
def test_gpu_equals_cpu(window: Window, cuda: torch.device) -> None:
    video = torch.rand(6, 3, 12, 20)
    assert torch.equal(crop(video.to(cuda), window).cpu(), crop(video, window))


@both
def test_gradients_reach_the_window_alone(window: Window) -> None:
    video = torch.rand(6, 3, 12, 20, requires_grad=True)
    crop(video, window).sum().backward()
    assert video.grad is not None
    assert torch.equal(crop(video.grad, window), torch.ones(6, 3, *window.crop_size))
    assert video.grad.sum() == 6 * 3 * window.crop_size[0] * window.crop_size[1]


def test_a_window_that_stands_still_copies_nothing() -> None:
    video = torch.rand(6, 3, 12, 20)
    cut = crop(video, STILL)
    assert cut.untyped_storage().data_ptr() == video.untyped_storage().data_ptr()


def test_a_frame_smaller_than_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match=r"drawn for frames of \(12, 20\), but these are \(6, 10\)"):
        crop(torch.zeros(6, 3, 6, 10), STILL)
    assert crop(torch.zeros(6, 3, 6, 10), STILL.on((6, 10))).shape == (6, 3, 3, 4)


def test_a_clip_of_one_frame_cannot_be_moved_over_but_shown_close() -> None:
    with pytest.raises(ValueError, match="at least two frames, got 1"):
        crop(torch.zeros(1, 3, 12, 20), MOVING)
    assert crop(torch.zeros(1, 3, 12, 20), STILL).shape == (1, 3, *STILL.crop_size)


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([[0, 0, 5, 5]], "2 frames need as many boxes"),
        ([[0, 0, 5, 5], [0, 0, 5, 6]], "of one size"),
        ([[0, 0, 0, 5], [0, 0, 0, 5]], "of one size"),
        ([[-1, 0, 4, 5], [0, 0, 5, 5]], "inside frames"),
        ([[0, 0, 5, 5], [16, 0, 21, 5]], "inside frames"),
        ([[0, 8, 5, 13], [0, 0, 5, 5]], "inside frames"),
    ],
)
def test_boxes_that_do_not_fit_the_frames_are_refused(boxes: list[list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        crop_to_boxes(torch.zeros(2, 3, 12, 20), torch.tensor(boxes))


@pytest.mark.parametrize("shape", [(3, 12, 20), (2, 3, 0, 20), (2, 3, 12, 0)])
def test_what_holds_no_frames_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\.\.\., T, C, H, W"):
        frame_size(torch.empty(shape))
