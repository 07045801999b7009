"""Alignment classifier (Diff-Foley): the probability that a sound matches its video, and its accuracy."""

from pathlib import Path
from typing import Literal

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from cinefoley.config.foley import FoleyConfig
from cinefoley.errors import MissingWeightsError
from cinefoley.models.classifier import AlignmentClassifier
from cinefoley.models.folder import load_foley_config, load_part

__all__ = ["AlignmentScorer", "alignment_accuracy"]


def alignment_accuracy(probabilities: Tensor) -> Tensor:
    """Compute the share of sounds that match their videos: those with a probability above 0.5.

    Source: Diff-Foley (Luo et al., NeurIPS 2023), "Align Acc". It rounds, and 0.5 rounds to 0. Higher is
    better; the paper's tables print it in percent.

    Args:
        probabilities: ``(N,)`` of :class:`AlignmentScorer`, in [0, 1].

    Returns:
        Scalar float64 in [0, 1].

    Raises:
        ValueError: If there are no probabilities, or one is not in [0, 1].

    Examples:
        >>> alignment_accuracy(torch.tensor([0.9, 0.5, 0.6, 0.1]))
        tensor(0.5000, dtype=torch.float64)
    """
    if probabilities.ndim != 1 or len(probabilities) == 0:
        raise ValueError(f"probabilities must be (N,) with N of 1 or more, got {tuple(probabilities.shape)}")
    if not bool(((probabilities >= 0) & (probabilities <= 1)).all()):
        raise ValueError("probabilities must be in [0, 1]; some are outside, or NaN")
    return (probabilities > 0.5).double().mean()


class AlignmentScorer(nn.Module):
    """Diff-Foley's alignment classifier with the autoencoder whose latents it was trained on.

    Inputs are moved to the device and the dtype of the module.

    Args:
        classifier: Network on latents and video features.
        autoencoder: Encodes mels; its ``scaling_factor`` brings latents to the classifier's scale.
        config: Video frames, mel frames and bands of the window.
    """

    def __init__(
        self, classifier: AlignmentClassifier, autoencoder: AutoencoderKL, config: FoleyConfig
    ) -> None:
        super().__init__()
        self.classifier = classifier
        self.autoencoder = autoencoder
        self.config = config

    @classmethod
    def from_model(cls, folder: Path) -> "AlignmentScorer":
        """Load the alignment classifier of a model folder, in float32, ready for inference.

        Args:
            folder: Model folder with ``alignment/``, and with ``alignment_vae/`` if the classifier has an
                autoencoder other than the generator's.

        Raises:
            MissingWeightsError: If it is not a model folder, or has no alignment classifier.
            WeightsError: If a part is damaged or does not fit.
        """
        config = load_foley_config(folder)
        if not (folder / "alignment").is_dir():
            raise MissingWeightsError(
                f"{folder}: no alignment classifier in it (expected alignment/). Import the model again "
                "with `cinefoley models import ... --alignment eval_classifier.ckpt`."
            )
        own = folder / "alignment_vae"
        return cls(
            load_part(folder / "alignment", AlignmentClassifier),
            load_part(own if own.is_dir() else folder / "vae", AutoencoderKL),
            config,
        )

    @torch.no_grad()
    def probability(
        self,
        mel: Tensor,
        video_features: Tensor,
        *,
        posterior: Literal["sample", "mean"] = "sample",
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Classify one window of each video.

        Source: Diff-Foley's evaluation. The input is the generated mel, not the mel of the generated
        waveform, in [0, 1], repeated on every channel of the autoencoder. The latents are a scaled sample of
        the posterior. The classifier runs at time 0.

        Args:
            mel: ``(B, n_mels, mel_frames)``, nominally in [0, 1]; values outside are not clipped.
            video_features: ``(B, T, D)``, the teacher's, unit norm per frame. T is at least the window's
                frames, and the first of these are used: 32 for Diff-Foley.
            posterior: ``"sample"`` draws latents from the autoencoder's posterior, as published;
                ``"mean"`` takes its mean.
            noise: ``(B, C, h, w)`` from N(0, 1), for the sample.
            generator: Source of the noise if ``noise`` is None. Without a generator, each call seeds one
                with 0, so pass the same generator to all batches of a set.

        Returns:
            Probabilities ``(B,)``, float32.

        Raises:
            ValueError: If a shape does not fit, a number is not finite, or ``noise`` is given but not used.
        """
        if posterior not in ("sample", "mean"):
            raise ValueError(f"posterior must be 'sample' or 'mean', got {posterior!r}")
        if noise is not None and (generator is not None or posterior == "mean"):
            raise ValueError("noise needs posterior='sample' and replaces a generator")
        self._check(mel, video_features)
        mean, deviation = self._encode(mel.to(self._weight))
        if posterior == "sample":
            if noise is None:
                noise = _draw(mean.shape, generator or torch.Generator().manual_seed(0))
            elif noise.shape != mean.shape:
                raise ValueError(f"noise must be {tuple(mean.shape)}, got {tuple(noise.shape)}")
            mean = mean + deviation * noise.to(mean)
        return self._classify(mean, video_features)

    @torch.no_grad()
    def probabilities(
        self, mel: Tensor, video_features: Tensor, *, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Classify the posterior's mean and a sample of it; the mel is encoded once for both.

        Args:
            mel: As for :meth:`probability`.
            video_features: As for :meth:`probability`.
            generator: Source of the sample's noise; one seeded with 0 if None.

        Returns:
            What :meth:`probability` returns for ``posterior="mean"`` and for ``"sample"``, ``(B,)`` each.

        Raises:
            ValueError: If a shape does not fit, or a number is not finite.
        """
        self._check(mel, video_features)
        mean, deviation = self._encode(mel.to(self._weight))
        noise = _draw(mean.shape, generator or torch.Generator().manual_seed(0)).to(mean)
        return self._classify(mean, video_features), self._classify(mean + deviation * noise, video_features)

    @property
    def _weight(self) -> Tensor:
        """A weight, which has the device and the dtype of the module."""
        weight: Tensor = self.classifier.conv_in.weight
        return weight

    def _classify(self, latents: Tensor, video_features: Tensor) -> Tensor:
        latents = latents * self.autoencoder.config.scaling_factor
        features = video_features[:, : self.config.feature_frames].to(latents)
        probability: Tensor = self.classifier(latents, torch.zeros((), device=latents.device), features)
        return probability.float()

    def _encode(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the posterior, each ``(B, C, h, w)``."""
        images = mel.unsqueeze(1).expand(-1, self.autoencoder.config.in_channels, -1, -1)
        distribution = self.autoencoder.encode(images).latent_dist
        return distribution.mean, distribution.std

    def _check(self, mel: Tensor, video_features: Tensor) -> None:
        window = (self.config.mel.n_mels, self.config.mel_frames)
        if mel.ndim != 3 or mel.shape[1:] != window:
            raise ValueError(f"mel must be (B, {window[0]}, {window[1]}), got {tuple(mel.shape)}")
        frames, width = self.config.feature_frames, self.classifier.config.feature_dim
        shape = video_features.shape
        if len(shape) != 3 or shape[0] != len(mel) or shape[1] < frames or shape[2] != width:
            raise ValueError(
                f"video_features must be ({len(mel)}, {frames} or more, {width}), got {tuple(shape)}"
            )
        if not bool(mel.isfinite().all()) or not bool(video_features.isfinite().all()):
            raise ValueError("mel or video_features contain NaN or infinite numbers")


def _draw(shape: torch.Size, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device)
