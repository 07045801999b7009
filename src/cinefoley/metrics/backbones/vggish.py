"""Backbone VGGish: features of FAD."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cinefoley.metrics.backbones.network import NetworkBackbone
from cinefoley.metrics.backbones.protocol import Embedding
from cinefoley.metrics.backbones.weights import fill_strictly, read_weights

__all__ = ["VggishBackbone", "VggishNet", "log_mel_examples"]

_RATE = 16000
_FRAME, _HOP, _FFT = 400, 160, 512
_BANDS, _F_MIN, _F_MAX = 64, 125.0, 7500.0
_EXAMPLE = 96  # frames, 0.96 s
_SHORTEST = _FRAME + (_EXAMPLE - 1) * _HOP  # 15600 samples
_CHUNK = 64  # examples per batch of the network


def log_mel_examples(waveform: Tensor) -> Tensor:
    """Cut a waveform into examples of 0.96 s and compute the log-mel of each.

    Source: Hershey et al., *CNN Architectures for Large-Scale Audio Classification*, ICASSP 2017, as
    torchvggish computes it: frames neither centred nor padded, magnitudes rather than powers, triangles that
    are straight on the mel scale, ``log(mel + 0.01)``.

    Args:
        waveform: ``(N,)`` at 16 kHz, N >= 15600.

    Returns:
        ``(S, 96, 64)`` float32; an incomplete example at the end is dropped.
    """
    frames = waveform.double().unfold(0, _FRAME, _HOP)
    window = torch.hann_window(_FRAME, dtype=torch.float64, device=waveform.device)
    magnitude = torch.fft.rfft(frames * window, n=_FFT).abs()
    mel = torch.log(magnitude @ _mel_matrix().to(waveform.device) + 0.01)
    count = len(mel) // _EXAMPLE
    return mel[: count * _EXAMPLE].reshape(count, _EXAMPLE, _BANDS).float()


class VggishNet(nn.Module):
    """Six convolutions and three linear layers, without an activation after the last.

    The published network ends in a ReLU, often followed by PCA and 8-bit quantisation; FAD uses the output
    before them.
    Names are those of the published checkpoint.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for stage in ((64,), (128,), (256, 256), (512, 512)):
            for width in stage:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.embeddings = nn.Sequential(
            nn.Linear(512 * 4 * 6, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 128)
        )

    def forward(self, examples: Tensor) -> Tensor:
        """Embed examples ``(S, 96, 64)`` as ``(S, 128)``."""
        maps = self.features(examples[:, None])  # (S, 512, time, mel)
        embedding: Tensor = self.embeddings(maps.permute(0, 2, 3, 1).flatten(1))
        return embedding


class VggishBackbone(NetworkBackbone):
    """VGGish with its front-end; a :class:`~cinefoley.metrics.backbones.protocol.Backbone`.

    A clip of at least 0.975 s gives features ``(S, 128)``, one row per 0.96 s, and no logits.

    Args:
        weights: ``vggish-10086976.pth``, or a safetensors file with its tensors.
        device: Device that the network runs on.

    Raises:
        WeightsError: If the file is missing, damaged, or does not fit.
    """

    name = "vggish"
    sample_rate = _RATE
    shortest = _SHORTEST

    def __init__(self, weights: Path, *, device: torch.device | str = "cpu") -> None:
        tensors, digest = read_weights(weights)
        super().__init__(fill_strictly(VggishNet, tensors, path=weights), digest, device=device)

    def _embed(self, waveform: Tensor) -> Embedding:
        examples = log_mel_examples(waveform).to(self._device)
        rows = [self._network(chunk).cpu() for chunk in examples.split(_CHUNK)]
        return Embedding(torch.cat(rows), None)


@cache
def _mel_matrix() -> Tensor:
    """Weights ``(257, 64)`` of the bands: HTK's scale, peak 1, without the bin at 0 Hz."""

    def to_mel(hz: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> "np.typing.NDArray[np.float64]":
        return np.asarray(1127 * np.log1p(hz / 700))

    bins = to_mel(np.linspace(0, _RATE / 2, _FFT // 2 + 1))[:, None]
    lowest, highest = to_mel(np.array([_F_MIN, _F_MAX]))
    edges = np.linspace(lowest, highest, _BANDS + 2)
    lower, peak, upper = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - lower) / (peak - lower), (upper - bins) / (upper - peak)
    weights = np.minimum(rising, falling).clip(min=0)
    weights[0] = 0
    return torch.from_numpy(weights)
