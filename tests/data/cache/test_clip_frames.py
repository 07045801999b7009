import pytest
import torch
from tests.data.cache.stage_frames import READING, SIZE, mean_error

from cinefoley.config.frame_rate import FrameRate
from cinefoley.data.cache.clip_frames import ClipFrames, FrameSettings
from cinefoley.data.sources.stage import StageSource
from cinefoley.variations import CameraMovement, CloseUp
from cinefoley.variations.resizing import resize


def test_pictures_are_kept_as_large_as_the_smallest_window_needs() -> None:
    assert READING.short_side == 40
    large = FrameSettings.of((224, 224), FrameRate.of(4), duration_s=10, least_s=8, scale=0.4)
    assert large.short_side == 560


def test_whole_pictures_are_the_clips_own(pictures: ClipFrames) -> None:
    source = StageSource("train", 5, duration_s=1.5)
    assert pictures.ids == tuple(source.ids)
    for row in range(5):
        clip = source[row]
        height, width = clip.frame_size()
        assert pictures.sizes[row] == (height, width)
        scale = 40 / min(height, width)
        kept = clip.video(fps=4, size=(round(height * scale), round(width * scale))).frames
        shown = pictures.video(row, size=SIZE)
        assert shown.shape == (6, 3, *SIZE)
        assert mean_error(shown, resize(kept, SIZE)) < 4, "grain and JPEG alone may stand between them"


@pytest.mark.parametrize("variation", [CloseUp(), CameraMovement()], ids=["close-up", "movement"])
def test_a_window_is_cut_out_before_the_squash(
    pictures: ClipFrames, variation: CloseUp | CameraMovement
) -> None:
    """Near what the clip itself gives for the window; the whole picture is far from it."""
    clip = StageSource("train", 5, duration_s=1.5)[1]
    window = variation.draw(pictures.sizes[1], generator=torch.Generator().manual_seed(0))
    expected = clip.video(fps=4, size=SIZE, window=window).frames
    shown = pictures.video(1, size=SIZE, window=window)
    assert mean_error(shown, expected) < 0.4 * mean_error(pictures.video(1, size=SIZE), expected)


def test_several_at_once_are_those_one_by_one(pictures: ClipFrames) -> None:
    window = CloseUp().draw(pictures.sizes[4], generator=torch.Generator().manual_seed(1))
    together = pictures.videos([4, 0, 4], size=SIZE, windows=[window, None, None], workers=2)
    singly = [pictures.video(4, size=SIZE, window=window), *(pictures.video(n, size=SIZE) for n in (0, 4))]
    assert torch.equal(together, torch.stack(singly))
    assert torch.equal(pictures.videos([4, 0, 4], size=SIZE, windows=[window, None, None]), together)


def test_a_row_that_is_not_there_is_refused(pictures: ClipFrames) -> None:
    with pytest.raises(IndexError, match="clips are 0 to 4, asked for 5"):
        pictures.video(5, size=SIZE)
