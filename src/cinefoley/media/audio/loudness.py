"""Measure loudness (LUFS), loudness range and true peak of audio, block by block."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from math import log10
from pathlib import Path

import av
import numpy as np
import soxr
from av.audio.frame import AudioFrame
from av.filter import Graph
from av.filter.context import FilterContext

from cinefoley.media.audio.reader import AudioReader, Samples, join_blocks, resample_blocks
from cinefoley.media.sections import Section

__all__ = ["Loudness", "measure_file_loudness", "measure_loudness"]

_RATE = 48_000
_OVERSAMPLING_RATE = 4 * _RATE
_GATE_LUFS = -70.0  # the absolute gate: below it is silence
_SHORTEST_S = 0.4  # one block of the measurement
_SHORTEST_RANGE_S = 3.0
_FLOOR_DB = -120.0
_BLOCK = 1 << 16
_LAYOUTS = ("mono", "stereo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loudness:
    """How loud a sound is."""

    integrated_lufs: float | None
    """Integrated loudness; None for silence and for less than 0.4 s."""
    true_peak_db: float
    """True peak in dB of full scale (dBTP), at least -120."""
    range_lu: float | None
    """Loudness range (LRA); None where the loudness is, and for less than the 3 s of one of its blocks."""


def measure_loudness(blocks: Iterable[Samples], sample_rate: int, channels: int = 1) -> Loudness:
    """Measure a sound.

    Source: ITU-R BS.1770-4 with EBU R 128's gating, and EBU Tech 3342 for the range, as FFmpeg's ``ebur128``
    computes them; the true peak is the
    largest magnitude after resampling to 192 kHz, which Annex 2 asks for, or at the sound's own rate.
    Reading: the filters are defined at 48 kHz; sound of another rate is converted to it first.

    Args:
        blocks: ``(channels, N_i)`` float32, full scale at 1.
        sample_rate: Samples per second.
        channels: Number of channels, 1 or 2.
    """
    layout = _LAYOUTS[channels - 1]
    meter = _meter(layout)
    source, sink = meter[1:]
    peak, length, integrated, spread = 0.0, 0, _GATE_LUFS, 0.0
    finer = soxr.ResampleStream(sample_rate, max(_OVERSAMPLING_RATE, sample_rate), channels, quality="HQ")

    def watched() -> Iterator[Samples]:
        nonlocal peak
        for block in blocks:
            peak = max(peak, _largest(block), _largest(finer.resample_chunk(np.ascontiguousarray(block.T))))
            yield block

    for block in join_blocks(resample_blocks(watched(), sample_rate, _RATE), _BLOCK):
        packed = np.ascontiguousarray(block.T).reshape(1, -1)
        frame = AudioFrame.from_ndarray(packed, format="flt", layout=layout)
        frame.sample_rate, frame.pts = _RATE, length
        source.push(frame)
        integrated, spread = _drain(sink, integrated, spread)
        length += block.shape[1]
    source.push(None)
    integrated, spread = _drain(sink, integrated, spread)
    if length:
        peak = max(peak, _largest(finer.resample_chunk(np.zeros((0, channels), np.float32), last=True)))
    is_defined = length >= _SHORTEST_S * _RATE and integrated > _GATE_LUFS
    return Loudness(
        integrated_lufs=round(integrated, 2) if is_defined else None,
        true_peak_db=round(max(_FLOOR_DB, 20 * log10(max(peak, 1e-9))), 2),
        range_lu=round(spread, 2) if is_defined and length >= _SHORTEST_RANGE_S * _RATE else None,
    )


def measure_file_loudness(path: str | os.PathLike[str]) -> Loudness:
    """Measure the audio of a file; of more than two channels their mean is measured.

    Raises:
        MediaError: If it cannot be read.
        AudioError: If it has no audio.
    """
    with AudioReader(Path(path), Section(Fraction(0), None)) as reader:
        if reader.channels <= len(_LAYOUTS):
            return measure_loudness(reader, reader.sample_rate, reader.channels)
        mixed = (block.mean(axis=0, keepdims=True, dtype=np.float32) for block in reader)
        return measure_loudness(mixed, reader.sample_rate)


def _meter(layout: str) -> tuple[Graph, FilterContext, FilterContext]:
    graph = Graph()
    source = graph.add_abuffer(sample_rate=_RATE, format="flt", layout=layout, time_base=Fraction(1, _RATE))
    meter = graph.add("ebur128", "metadata=1:framelog=quiet")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    return graph, source, sink


def _drain(sink: FilterContext, integrated: float, spread: float) -> tuple[float, float]:
    """The newest integrated loudness and loudness range among the frames that are ready."""
    with suppress(av.error.BlockingIOError, av.error.EOFError):
        while True:
            found = sink.pull().metadata
            integrated = float(found.get("lavfi.r128.I", integrated))
            spread = float(found.get("lavfi.r128.LRA", spread))
    return integrated, spread


def _largest(samples: Samples) -> float:
    return float(np.abs(samples).max(initial=0.0))
