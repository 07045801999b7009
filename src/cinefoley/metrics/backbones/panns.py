"""Backbone PANNs (Cnn14 at 16 kHz): features of FD and KID, logits of KL and IS."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cinefoley.config.mel import MelConfig
from cinefoley.metrics.backbones.network import NetworkBackbone
from cinefoley.metrics.backbones.protocol import Embedding
from cinefoley.metrics.backbones.weights import fill_strictly, read_weights
from cinefoley.spectral.filters import mel_filters

__all__ = ["Cnn14", "PannsBackbone", "log_mel"]

_MEL = MelConfig(n_fft=512, hop_length=160, n_mels=64, f_min=50.0, f_max=8000.0)
_SHORTEST = 31 * _MEL.hop_length  # 32 frames, which become one after five halvings
_CONSTANTS = ("spectrogram_extractor.", "logmel_extractor.")  # the front-end's tables, which we compute


def log_mel(waveform: Tensor, config: MelConfig = _MEL) -> Tensor:
    """Compute a mel power spectrogram in decibels, without a floor relative to its peak.

    Source: Kong et al., *PANNs*, TASLP 2020, as torchlibrosa computes it: centred frames, reflected at both
    ends, ``10 log10(max(mel, 1e-10))``.

    Args:
        waveform: ``(N,)`` float32, more than half a frame long.
        config: Settings of the mel; its floor and ceiling are not used.

    Returns:
        ``(1 + N // hop, n_mels)``; silence is exactly -100.
    """
    window = torch.hann_window(config.n_fft, device=waveform.device)
    spectrum = torch.stft(
        waveform, config.n_fft, config.hop_length, window=window, center=True, return_complex=True
    )
    power = spectrum.real.square() + spectrum.imag.square()
    mel = power.T @ mel_filters(config, device=waveform.device).T
    return 10 * torch.log10(mel.clamp(min=1e-10))


class Cnn14(nn.Module):
    """Twelve 3x3 convolutions, pooled over the bands, then over time.

    Source: Kong et al., *PANNs*, TASLP 2020. Names are those of the published checkpoint; the augmentation
    and dropout of its training are omitted.
    """

    def __init__(self, n_mels: int = 64, num_classes: int = 527) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm2d(n_mels)
        self.conv_block1 = _Block(1, 64)
        self.conv_block2 = _Block(64, 128)
        self.conv_block3 = _Block(128, 256)
        self.conv_block4 = _Block(256, 512)
        self.conv_block5 = _Block(512, 1024)
        self.conv_block6 = _Block(1024, 2048)
        self.fc1 = nn.Linear(2048, 2048)
        self.fc_audioset = nn.Linear(2048, num_classes)

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Compute features and logits of log-mels.

        Args:
            mel: ``(B, T, 64)``, T >= 32.

        Returns:
            The features called ``2048``, ``(B, 2048)``, and the logits of AudioSet's classes, ``(B, 527)``.
        """
        hidden = self.bn0(mel[:, None].transpose(1, 3)).transpose(1, 3)
        blocks = (self.conv_block1, self.conv_block2, self.conv_block3, self.conv_block4, self.conv_block5)
        for block in blocks:
            hidden = F.avg_pool2d(block(hidden), 2)
        hidden = self.conv_block6(hidden).mean(dim=3)
        pooled = hidden.amax(dim=2) + hidden.mean(dim=2)
        features = F.relu(self.fc1(pooled))
        return features, self.fc_audioset(features)


class PannsBackbone(NetworkBackbone):
    """Cnn14 with its front-end; a :class:`~cinefoley.metrics.backbones.protocol.Backbone`.

    A clip of at least 0.31 s gives features ``(2048,)`` and logits ``(527,)``.

    Args:
        weights: ``Cnn14_16k_mAP=0.438.pth``, or a safetensors file with its tensors.
        device: Device that the network runs on.

    Raises:
        WeightsError: If the file is missing, damaged, or does not fit.
    """

    name = "panns"
    sample_rate = _MEL.sample_rate
    shortest = _SHORTEST

    def __init__(self, weights: Path, *, device: torch.device | str = "cpu") -> None:
        tensors, digest = read_weights(weights, under="model")
        network = fill_strictly(Cnn14, _without_constants(tensors), path=weights)
        super().__init__(network, digest, device=device)

    def _embed(self, waveform: Tensor) -> Embedding:
        features, logits = self._network(log_mel(waveform.to(self._device))[None])
        return Embedding(features[0].cpu(), logits[0].cpu())


class _Block(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.bn2 = nn.BatchNorm2d(out_channels)

    def forward(self, hidden: Tensor) -> Tensor:
        hidden = F.relu(self.bn1(self.conv1(hidden)))
        return F.relu(self.bn2(self.conv2(hidden)))


def _without_constants(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: value for key, value in tensors.items() if not key.startswith(_CONSTANTS)}
