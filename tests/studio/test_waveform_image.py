import io

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from torch import Tensor

from cinefoley.studio.waveform_image import draw_waveform


def drawn(waveform: Tensor, width: int = 100) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(draw_waveform(waveform, width=width))))


def test_time_runs_from_left_to_right() -> None:
    sound = torch.zeros(16000)
    sound[8000:] = torch.sin(torch.arange(8000) * 0.3)
    pixels = drawn(sound).astype(int).sum(axis=2)

    assert pixels.shape == (192, 100)
    left, right = pixels[64:, :45].mean(), pixels[64:, 55:].mean()
    assert right > left + 10
    assert pixels[:64, 60:90].mean() > pixels[:64, :40].mean()


def test_low_tones_are_at_the_bottom() -> None:
    low, high = (
        drawn(torch.sin(torch.arange(16000) * step))[64:].astype(int).sum(axis=2) for step in (0.1, 2.8)
    )

    assert low[96:].mean() > low[:32].mean()
    assert high[:32].mean() > high[96:].mean()


@pytest.mark.parametrize("length", [1, 10, 500, 100_000])
def test_silence_of_any_length_is_drawn(length: int) -> None:
    assert drawn(torch.zeros(length)).shape == (192, 100, 3)
