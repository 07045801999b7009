"""Image of a sound: waveform above, spectrogram below, time from left to right."""

import io

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["draw_waveform"]

_WAVE_HEIGHT, _SPECTRUM_HEIGHT = 64, 128
_N_FFT = 1024
_RANGE_DB = 80.0
_PAPER, _INK = (24, 26, 30), (138, 184, 230)
# black, violet, orange, yellow-white; silence is dark
_COLOURS = np.array([(0, 0, 4), (81, 18, 124), (183, 55, 121), (252, 137, 97), (252, 253, 191)], np.float32)


def draw_waveform(waveform: Tensor, *, width: int = 640) -> bytes:
    """Draw a sound as a PNG.

    The waveform is scaled to its loudest sample. The spectrogram shows 80 dB below its maximum, from 0 Hz at
    the bottom to half the sample rate at the top.

    Args:
        waveform: ``(N,)``, N >= 1.
        width: Width in pixels.
    """
    from PIL import Image

    pixels = np.concatenate([_draw_wave(waveform, width), _draw_spectrum(waveform, width)])
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _draw_wave(waveform: Tensor, width: int) -> npt.NDArray[np.uint8]:
    samples = waveform.float().numpy()
    scaled = samples / max(float(np.abs(samples).max()), 1e-9)
    edges = np.linspace(0, len(scaled), width + 1).astype(int)
    middle = (_WAVE_HEIGHT - 1) / 2
    rows = np.arange(_WAVE_HEIGHT)
    pixels = np.full((_WAVE_HEIGHT, width, 3), _PAPER, np.uint8)
    for column in range(width):
        piece = scaled[edges[column] : max(edges[column] + 1, edges[column + 1])]
        top, bottom = middle - middle * piece.max(), middle - middle * piece.min()
        pixels[(rows >= np.floor(top)) & (rows <= np.ceil(bottom)), column] = _INK
    return pixels


def _draw_spectrum(waveform: Tensor, width: int) -> npt.NDArray[np.uint8]:
    hop = max(1, len(waveform) // width)
    magnitude = torch.stft(
        waveform.float(),
        _N_FFT,
        hop_length=hop,
        window=torch.hann_window(_N_FFT),
        pad_mode="constant",  # a short sound may be shorter than a reflection
        return_complex=True,
    ).abs()
    decibels = 20 * torch.log10(magnitude.clamp(min=1e-9))
    level = ((decibels - decibels.max()) / _RANGE_DB + 1).clamp(0, 1)
    resized = torch.nn.functional.interpolate(
        level[None, None].flip(2), (_SPECTRUM_HEIGHT, width), mode="bilinear", align_corners=False
    )[0, 0].numpy()
    place = resized * (len(_COLOURS) - 1)
    below = np.minimum(place.astype(int), len(_COLOURS) - 2)
    share = (place - below)[..., None]
    colours: npt.NDArray[np.float32] = (1 - share) * _COLOURS[below] + share * _COLOURS[below + 1]
    return colours.astype(np.uint8)
