"""Embed sound files: features by each backbone, read once and cached."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from cinefoley.errors import MediaError, MediaWarning
from cinefoley.evaluation.folder.feature_cache import FeatureCache
from cinefoley.evaluation.folder.sounds import read_sound, sound_digest, sound_exists
from cinefoley.metrics.backbones.protocol import Backbone, Embedding
from cinefoley.metrics.backbones.reading import Reading, prepare

__all__ = ["FileFeatures", "embed_file", "embed_files"]

_SILENT = 1e-4  # largest distance from the mean: -80 dB, three steps of a 16-bit file
_FLAT, _FULL_SCALE, _CLIPPED_SHARE = 1e-4, 0.999, 0.01
_INSPECTION = "inspection 3"  # part of the cache's key; change it when other properties are inspected
_UNSTATED = 0x7FFFFF00  # sizes that writers to a pipe leave in a WAV's header


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFeatures:
    """What is known about one sound file."""

    embeddings: Mapping[str, Embedding] = field(default_factory=dict)
    """By backbone; empty where the file is unusable."""
    problem: str | None = None
    """Why it is unusable: it cannot be read, holds NaN, or is too short for a backbone."""
    oddity: str | None = None
    """``"silent"``, ``"clipped"`` or ``"damaged"``, where it is: readable, but not usable in distances."""
    duration_s: float = 0.0
    """Its length, before any reading."""


def embed_files(
    paths: Sequence[Path],
    backbones: Sequence[Backbone],
    *,
    reading: Reading,
    cache: FeatureCache,
    on_file: Callable[[int, int], None] | None = None,
) -> dict[Path, FileFeatures]:
    """Embed every file, or find its features in the cache.

    Args:
        paths: The files.
        backbones: The networks.
        reading: How files become waveforms.
        cache: Cache of features.
        on_file: Called with finished and all files.
    """
    found = {}
    for number, path in enumerate(paths, start=1):
        found[path] = embed_file(path, backbones, reading=reading, cache=cache)
        if on_file is not None:
            on_file(number, len(paths))
    return found


def embed_file(
    path: Path, backbones: Sequence[Backbone], *, reading: Reading, cache: FeatureCache
) -> FileFeatures:
    """Embed one file, reading it at most once; errors become its ``problem``."""
    if not sound_exists(path):
        return FileFeatures(problem="missing")
    how = reading.describe()
    try:
        digest = sound_digest(path)
    except MediaError as exc:
        return FileFeatures(problem=f"unreadable ({exc})")
    inspection = cache.get(digest, _INSPECTION, how)
    embeddings = {
        backbone.name: cached
        for backbone in backbones
        if (cached := cache.get(digest, _key(backbone), how)) is not None
    }
    if inspection is None or len(embeddings) < len(backbones):
        try:
            waveform, rate, is_damaged = _read(path)
            inspection = _inspect(reading.channel(waveform)[None], rate, is_damaged=is_damaged)
            _embed(waveform, rate, backbones, embeddings, reading)
        except MediaError as exc:
            return FileFeatures(problem=f"unreadable ({exc})")
        except ValueError as exc:
            return FileFeatures(problem=str(exc))
        cache.put(digest, _INSPECTION, how, inspection)
        for backbone in backbones:
            cache.put(digest, _key(backbone), how, embeddings[backbone.name])
    duration_s = float(inspection.features[2])
    return FileFeatures(embeddings=embeddings, oddity=_oddity(inspection), duration_s=duration_s)


def _embed(
    waveform: Tensor,
    rate: int,
    backbones: Sequence[Backbone],
    embeddings: dict[str, Embedding],
    reading: Reading,
) -> None:
    """Add what is missing."""
    waveforms: dict[int, Tensor] = {}
    for backbone in backbones:
        if backbone.name in embeddings:
            continue
        target = backbone.sample_rate
        if target not in waveforms:
            waveforms[target] = prepare(waveform, rate, sample_rate=target, reading=reading)
        embeddings[backbone.name] = backbone.embed(waveforms[target], target)


def _key(backbone: Backbone) -> str:
    return f"{backbone.name} {backbone.digest}"


def _read(path: Path) -> tuple[Tensor, int, bool]:
    """The sound, its rate, and whether parts of it are lost."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MediaWarning)
        waveform, rate = read_sound(path)
    is_damaged = any(issubclass(warning.category, MediaWarning) for warning in caught)
    return waveform, rate, is_damaged or (path.is_file() and _is_cut_off(path))


def _is_cut_off(path: Path) -> bool:
    """Whether a WAV is shorter than its header says; FFmpeg reads it without an error."""
    with path.open("rb") as file:
        head = file.read(12)
    stated = int.from_bytes(head[4:8], "little")
    is_wav = head[:4] == b"RIFF" and head[8:] == b"WAVE"
    return is_wav and stated < _UNSTATED and path.stat().st_size < stated + 8


def _inspect(waveform: Tensor, rate: int, *, is_damaged: bool) -> Embedding:
    """Of the channel used: largest distance from the mean, share of samples on a flat top; length; damage.

    Raises:
        ValueError: If there are no samples, or some are not finite.
    """
    if waveform.shape[1] == 0:
        raise ValueError("holds no sound (0 samples)")
    if not bool(waveform.isfinite().all()):
        bad = int((~waveform.isfinite()).sum())
        raise ValueError(f"holds NaN or infinite samples ({bad} of {waveform.numel()})")
    swing = (waveform - waveform.mean(dim=1, keepdim=True)).abs().max()
    is_full = waveform.abs() >= _FULL_SCALE
    is_flat = is_full[:, 1:] & (waveform.diff(dim=1).abs() <= _FLAT)
    clipped = is_flat.sum(dim=1).max() / waveform.shape[1]
    duration_s, damage = torch.tensor(waveform.shape[1] / rate), torch.tensor(float(is_damaged))
    return Embedding(torch.stack([swing, clipped.to(swing), duration_s, damage]), None)


def _oddity(inspection: Embedding) -> str | None:
    swing, clipped, _, damage = (float(value) for value in inspection.features)
    if damage:
        return "damaged"
    if swing < _SILENT:
        return "silent"
    return "clipped" if clipped >= _CLIPPED_SHARE else None
