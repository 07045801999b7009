"""Short-time Fourier transform and inverse, with memory reused between iterations."""

import math

import torch
from torch import Tensor

from cinefoley.config.mel import MelConfig

__all__ = ["FrameTransform"]

_LEAST_OVERLAP = 1e-3
"""Samples with less overlapped window weight (at the end, if hops are long) become 0, not amplified."""


class FrameTransform:
    """Converts between spectra ``(B, frames, bins)`` and the signals that fit them best.

    ``torch.stft`` and ``torch.istft`` compute the same with bins first. Here spectra are frame-major, which
    saves transpositions. Overlapping frames are added in whole hops. The division by the overlapped windows
    is prepared once. Every iteration reuses the same memory, since allocating pages takes time. The signal is
    0 outside its ``frames * hop_length`` samples.

    Args:
        config: Settings of the mel; frames overlap by half or more.
        batch: ``B``, at least 1.
        num_frames: Frames of every spectrum.
        device: Device of spectra and signals.
    """

    def __init__(self, config: MelConfig, batch: int, num_frames: int, device: torch.device) -> None:
        self._n_fft = config.n_fft
        self._hop_length = config.hop_length
        self._window = torch.hann_window(config.n_fft, device=device)
        self._frames = torch.empty(batch, num_frames, config.n_fft, device=device)
        num_hops = num_frames + math.ceil(config.n_fft / config.hop_length) - 1
        self._padded = torch.empty(batch, num_hops, config.hop_length, device=device)
        start = config.n_fft // 2
        self._inside = slice(start, start + num_frames * config.hop_length)
        self._weight = self._overlap_weight()

    def waveform(self, spectrum: Tensor) -> Tensor:
        """Signal ``(B, frames * hop_length)`` whose spectra are nearest to ``spectrum`` in least squares."""
        self._synthesise(spectrum)
        return self._padded.flatten(1)[:, self._inside].clone()

    def make_consistent(self, spectrum: Tensor, *, out: Tensor) -> Tensor:
        """Write to ``out`` the spectra of the signal that :meth:`waveform` returns for ``spectrum``."""
        self._synthesise(spectrum)
        signal = self._padded.flatten(1).unfold(1, self._n_fft, self._hop_length)
        torch.mul(signal, self._window, out=self._frames)
        torch.fft.rfft(self._frames, out=out)
        return out

    def _synthesise(self, spectrum: Tensor) -> None:
        torch.fft.irfft(spectrum, n=self._n_fft, out=self._frames)
        self._frames.mul_(self._window)
        self._overlap_add()
        self._padded.mul_(self._weight)

    def _overlap_add(self) -> None:
        self._padded.zero_()
        num_frames = self._frames.shape[1]
        for i, piece in enumerate(self._frames.split(self._hop_length, dim=2)):
            self._padded[:, i : i + num_frames, : piece.shape[2]] += piece

    def _overlap_weight(self) -> Tensor:
        """Reciprocal of the overlapped squared windows, 0 outside the signal; ``(1, hops, hop_length)``."""
        self._frames.copy_(self._window.square().expand_as(self._frames))
        self._overlap_add()
        overlap = self._padded[:1].flatten(1)[:, self._inside]
        weight = torch.zeros_like(self._padded[:1])
        weight.view(1, -1)[:, self._inside] = torch.where(overlap > _LEAST_OVERLAP, overlap.reciprocal(), 0)
        return weight
