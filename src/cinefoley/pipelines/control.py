"""Control of what is heard: by an example sound, by kind, or by a sound to avoid.

A sound says what, the video says when. CAVP's two towers share one space, so the mean of the video features
over time, which says most of the kind, is replaced by that of the wanted sound; what varies over time stays.
``benchmarks/pipelines/control.py`` compares this with two other ways.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from cinefoley.config.foley import FoleyConfig
from cinefoley.errors import AudioError, CinefoleyError, MissingWeightsError
from cinefoley.media.audio.files import read_audio
from cinefoley.models.folder import load_part
from cinefoley.models.kinds import Kinds
from cinefoley.spectral.mel import mel_spectrogram

if TYPE_CHECKING:
    from cinefoley.models.audio_encoder import AudioEncoder

__all__ = ["Control", "Example", "example_mean", "example_window", "kind_mean", "shift_mean"]

Example = str | os.PathLike[str] | tuple[Tensor, int]
"""A sound file, or a waveform ``(N,)`` or ``(channels, N)`` with its sample rate."""

_KIND_STRENGTH = 1.5  # how far features move from the mean of all kinds; 1 is the kind's own mean
_SHORTEST_S = 0.25
_SILENCE = 1e-3  # peak: -60 dB
_REPEAT_S = 1.0  # a shorter sound is repeated at this distance: features were averaged over several events


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Control:
    """What features should say of the kind of sound."""

    wanted: Tensor | None = None
    """``(D,)``: mean over time that the features get; None keeps it."""
    avoided: Tensor | None = None
    """``(D,)``: mean over time of the features that guidance leads away from; None: no features."""

    @classmethod
    def of(
        cls,
        model: Path,
        config: FoleyConfig,
        *,
        example: Example | None = None,
        kind: str | None = None,
        unlike: Example | None = None,
    ) -> "Control":
        """Read sounds and kinds with a model's audio encoder.

        Args:
            model: The model folder; examples need its ``audio_encoder/``, a kind its ``kinds/``.
            config: The model's window and mel.
            example: Sound that takes should be like.
            kind: Kind of sound that takes should be of; instead of ``example``.
            unlike: Sound that takes should be unlike.

        Raises:
            ValueError: If both ``example`` and ``kind`` are given.
            CinefoleyError: If the model does not know the kind.
            MissingWeightsError: If the model lacks the part.
            WeightsError: If the part is damaged or does not fit.
            MediaError: If a sound cannot be read.
            AudioError: If a sound is silent, or shorter than 0.25 s.
        """
        if example is not None and kind is not None:
            raise ValueError("give an example or a kind, not both")
        kinds = Kinds.load(model)
        wanted = None
        if kind is not None:
            wanted = kind_mean(model, kinds, kind)
        elif example is not None:
            wanted = example_mean(example, _load_audio_encoder(model), kinds, config)
        avoided = None
        if unlike is not None:
            avoided = example_mean(unlike, _load_audio_encoder(model), kinds, config)
        return cls(wanted=wanted, avoided=avoided)

    def apply(self, video_features: Tensor) -> Tensor:
        """Features ``(B, T, D)`` that say the wanted kind at the video's times."""
        return video_features if self.wanted is None else shift_mean(video_features, self.wanted)

    def negative(self, video_features: Tensor) -> Tensor | None:
        """Features ``(B, T, D)`` for the unconditional half of guidance; None: the model's own."""
        if self.avoided is None:
            return None
        return F.normalize(self.avoided.to(video_features), dim=-1).expand_as(video_features)


def shift_mean(video_features: Tensor, mean: Tensor) -> Tensor:
    """Give features another mean over time; each frame keeps its difference from it.

    Args:
        video_features: ``(B, T, D)``, unit norm per frame.
        mean: ``(D,)`` or ``(B, D)``.

    Returns:
        ``(B, T, D)``, unit norm per frame.
    """
    moved = video_features - video_features.mean(dim=1, keepdim=True) + mean.to(video_features).unsqueeze(-2)
    return F.normalize(moved, dim=-1)


def example_window(example: Example, config: FoleyConfig) -> Tensor:
    """One window of an example: repeated if it is shorter, its loudest part if it is longer.

    Args:
        example: The sound; channels are averaged.
        config: The model's window and rate.

    Returns:
        ``(window_samples,)`` float32, peak 1.

    Raises:
        MediaError: If it cannot be read.
        AudioError: If it is silent, not finite or shorter than 0.25 s.
    """
    rate, length = config.mel.sample_rate, config.window_samples
    if isinstance(example, tuple):
        name, waveform = "the example", _resample(*example, rate)
    else:
        name, waveform = Path(example).name, read_audio(example, sample_rate=rate, mono=True)[0][0]
    if not bool(waveform.isfinite().all()):
        raise AudioError(f"{name}: holds NaN or infinity, so it is no example of a sound.")
    if len(waveform) < _SHORTEST_S * rate:
        raise AudioError(
            f"{name}: lasts {len(waveform) / rate:.3f} s; an example needs at least {_SHORTEST_S:g} s."
        )
    peak = float(waveform.abs().max())
    if peak < _SILENCE:
        raise AudioError(f"{name}: is silent (peak below -60 dB), so it is no example of a sound.")
    waveform = waveform / peak
    if len(waveform) < length:
        period = max(len(waveform), round(_REPEAT_S * rate))
        return F.pad(waveform, (0, period - len(waveform))).repeat(-(-length // period))[:length]
    return _loudest(waveform, length)


def _loudest(waveform: Tensor, length: int) -> Tensor:
    energy = F.pad(waveform.double().square().cumsum(0), (1, 0))
    begin = int((energy[length:] - energy[:-length]).argmax())
    return waveform[begin : begin + length]


def _resample(waveform: Tensor, sample_rate: int, rate: int) -> Tensor:
    import soxr

    mono = torch.atleast_2d(waveform).float().mean(dim=0).cpu().numpy()
    return torch.from_numpy(soxr.resample(mono, sample_rate, rate))


@torch.no_grad()
def example_mean(
    example: Example, encoder: "AudioEncoder", kinds: Kinds | None, config: FoleyConfig
) -> Tensor:
    """Mean over time that the features of a video with this sound would have, ``(D,)``.

    Args:
        example: The sound.
        encoder: The model's audio encoder.
        kinds: The model's kinds; None takes the audio encoder's mean as it is.
        config: The model's window and mel.

    Raises:
        MediaError: As :func:`example_window`.
    """
    window = example_window(example, config)
    features: Tensor = encoder(mel_spectrogram(window[None], config.mel))[0]
    mean = F.normalize(features, dim=-1).mean(dim=0)
    if kinds is None:
        return mean
    # from the audio tower's mean to the video tower's, and on towards the kinds that the sound is of
    towards = kinds.weigh(features) @ kinds.video_means - kinds.video_mean
    return kinds.video_mean + (mean - kinds.audio_mean) + towards


def kind_mean(model: Path, kinds: Kinds | None, kind: str) -> Tensor:
    """Mean over time of features that say a kind, ``(D,)``.

    Raises:
        MissingWeightsError: If the model names no kinds.
        CinefoleyError: If it does not know this one.
    """
    if kinds is None:
        raise MissingWeightsError(
            f"{model.name}: this model names no kinds (it has no kinds/). Use an example sound instead."
        )
    if kind not in kinds.names:
        raise CinefoleyError(
            f"{model.name}: does not know the kind {kind!r}; it knows {', '.join(kinds.names)}."
        )
    mean = kinds.video_means[kinds.names.index(kind)]
    return kinds.video_mean + _KIND_STRENGTH * (mean - kinds.video_mean)


def _load_audio_encoder(model: Path) -> "AudioEncoder":
    from cinefoley.models.audio_encoder import AudioEncoder

    folder = model / "audio_encoder"
    if not folder.is_dir():
        raise MissingWeightsError(
            f"{model.name}: this model has no audio_encoder/, which an example sound needs. Use another."
        )
    return load_part(folder, AudioEncoder).eval()
