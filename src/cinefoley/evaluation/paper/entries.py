"""Entries: sounds that any other system made of exported test sets, measured like our own takes."""

import hashlib
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from cinefoley.data.json_lines import Record
from cinefoley.errors import DataError
from cinefoley.evaluation.folder.sounds import read_sound
from cinefoley.evaluation.paper.chunk_cache import join_embeddings, stack_embeddings
from cinefoley.evaluation.paper.event_counts import count_events
from cinefoley.evaluation.paper.experiment import Experiment, RealClips, ViewTakes
from cinefoley.evaluation.views import View, window_of
from cinefoley.metrics.backbones.protocol import Embedding
from cinefoley.spectral.mel import mel_spectrogram

__all__ = ["describe_entry", "measure_entry", "sounds_of_entry"]

_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg")


def sounds_of_entry(folder: Path, ids: tuple[str, ...]) -> list[Path]:
    """The sound of every clip: ``ID.wav``, ``ID.take1.wav`` or another audio format.

    Args:
        folder: The entry's sounds of one test set.
        ids: The clips.

    Raises:
        DataError: If a clip has none; names the first and the count.
    """
    found, missing = [], []
    for name in ids:
        candidates = [folder / f"{name}{take}{suffix}" for take in ("", ".take1") for suffix in _SUFFIXES]
        path = next((path for path in candidates if path.is_file()), None)
        if path is None:
            missing.append(name)
        else:
            found.append(path)
    if missing:
        raise DataError(
            f"{folder}: {len(missing)} of {len(ids)} clips have no sound, first {missing[0]}. Expected "
            f"{missing[0]}.wav and so on, one for each video of the exported test set."
        )
    return found


def describe_entry(folder: Path, ids: tuple[str, ...]) -> Record:
    """Digest of an entry's sounds, for the key of its scores.

    Raises:
        DataError: As :func:`sounds_of_entry`.
    """
    digest = hashlib.sha256()
    for path in sounds_of_entry(folder, ids):
        digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return {"sounds": digest.hexdigest()}


@torch.no_grad()
def measure_entry(experiment: Experiment, real: RealClips, view: View, folder: Path) -> ViewTakes:
    """Measure the sounds of an entry on one test set, one per clip.

    Channels are averaged, and sounds cut or padded with silence to the model's window. Alignment is measured
    of the sound's mel; that of our own takes is measured of the generated mel, before it is made audible.

    Args:
        experiment: Metrics and events.
        real: The clips.
        view: The test set.
        folder: The entry's sounds of it.

    Raises:
        DataError: If a clip has no sound.
        MediaError: If one cannot be read.
    """
    config = experiment.alignment.config
    rate, length = config.mel.sample_rate, round(config.window_s * config.mel.sample_rate)
    columns: dict[str, list[Tensor]] = {"envelope": []}
    sounds: dict[str, list[Embedding]] = {backbone.name: [] for backbone in experiment.backbones}
    for place, path in enumerate(sounds_of_entry(folder, real.ids)):
        clip = experiment.source[real.rows[place]]
        waveform = read_sound(path, sample_rate=rate, mono=True)[0][0][:length]
        waveform = F.pad(waveform, (0, length - len(waveform)))
        window = window_of(clip, view, seed=experiment.settings.window_seed)
        events = None if experiment.events is None else experiment.events(clip, window)
        mel = mel_spectrogram(waveform[None], config.mel)[..., : config.mel_frames]
        row = count_events(waveform, events, sample_rate=rate) | {
            "probability": experiment.alignment.probability(
                mel, real.teacher_features[place][None], posterior="mean"
            )[0].cpu(),
            "envelope": torch.tensor(experiment.envelope_distance(clip, waveform)),
        }
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
        for backbone in experiment.backbones:
            sounds[backbone.name].append(backbone.embed(waveform, rate))
    stacked = {name: torch.stack(rows)[:, None] for name, rows in columns.items()}
    return ViewTakes(
        probability=stacked["probability"],
        onsets=stacked["onsets"],
        visible_onsets=stacked["visible_onsets"],
        off_screen=stacked["off_screen"],
        envelope=stacked["envelope"],
        embeddings=join_embeddings([stack_embeddings(sounds)], experiment.backbones),
    )
