"""Audio samples of a model in training: writes each as a WAV and a PNG of its mel spectrogram."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cinefoley.errors import CinefoleyError
from cinefoley.media.audio.files import write_audio
from cinefoley.media.files.atomic_write import atomic_write
from cinefoley.spectral.inverse import invert_mel
from cinefoley.training.engine.task import Sample

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["write_samples"]


def write_samples(folder: Path, step: int, samples: Sequence[Sample]) -> list[Path]:
    """Write ``step-000400.NAME.wav`` and ``.png`` for every sample.

    Args:
        folder: Created if it is missing.
        step: Finished steps.
        samples: The samples; one whose peak exceeds full scale is scaled down to it.

    Returns:
        The files.

    Raises:
        OutputError: If the folder cannot be written.
        CinefoleyError: If matplotlib is not installed.
    """
    files: list[Path] = []
    for sample in samples:
        folder.mkdir(parents=True, exist_ok=True)
        stem = folder / f"step-{step:06d}.{sample.name}"
        mel = sample.mel.detach().float().cpu().clamp(0, 1)
        waveform = sample.waveform
        if waveform is None:
            waveform = invert_mel(mel[None], config=sample.config)[0]
        waveform = waveform.detach().float().cpu()
        wav, png = Path(f"{stem}.wav"), Path(f"{stem}.png")
        write_audio(wav, waveform / waveform.abs().max().clamp(min=1.0), sample.config.sample_rate)
        with atomic_write(png) as aside:
            _draw(sample).savefig(os.fspath(aside), format="png", dpi=100)
        files += [wav, png]
    return files


def _draw(sample: Sample) -> "Figure":
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as exc:
        raise CinefoleyError(
            "Drawing samples needs matplotlib, which is not installed. Install it with "
            "`pip install 'cinefoley[train]'`."
        ) from exc
    config = sample.config
    mel = sample.mel.detach().float().cpu().clamp(0, 1).numpy()
    duration_s = mel.shape[1] * config.hop_length / config.sample_rate
    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    axes.imshow(
        mel, origin="lower", aspect="auto", vmin=0, vmax=1, extent=(0, duration_s, 0, len(mel)), cmap="magma"
    )
    for event_s in sample.events_s:
        axes.axvline(event_s, color="white", linewidth=0.8, linestyle=":")
    axes.set(title=sample.name, xlabel="seconds", ylabel="mel band")
    return figure
