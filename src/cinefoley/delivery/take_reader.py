"""Read a take from any sample on, at the rate of a delivery, block by block."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import soundfile

from cinefoley.errors import AudioError
from cinefoley.media.audio.reader import AudioReader, Samples, resample_blocks
from cinefoley.media.sections import Section

__all__ = ["read_take", "take_length"]

_CONTEXT_S = Fraction(1, 10)  # sound before the first sample, so that the resampler's filter is full


def take_length(wav: Path, sample_rate: int) -> int:
    """Samples of a take at another rate.

    Raises:
        AudioError: If the file is no WAV.
    """
    try:
        info = soundfile.info(str(wav))
    except (soundfile.LibsndfileError, OSError) as exc:
        raise AudioError(f"{wav.name}: cannot be read as WAV ({exc}). Generate the take again.") from exc
    return round(Fraction(info.frames * sample_rate, info.samplerate))


def read_take(wav: Path, first: int, sample_rate: int) -> Iterator[Samples]:
    """The take from sample ``first`` of the result's rate to its end.

    Args:
        wav: The take; channels are averaged.
        first: First sample, 0 or more.
        sample_rate: Samples per second of the result.

    Yields:
        Blocks ``(1, N_i)`` float32.

    Raises:
        MediaError: If it cannot be read.
    """
    begin = max(Fraction(0), Fraction(first, sample_rate) - _CONTEXT_S)
    with AudioReader(wav, Section(begin, None)) as reader:
        # the reader begins at a whole sample of the file; what lies between is dropped after resampling
        source_first = round(begin * reader.sample_rate)
        surplus = first - round(Fraction(source_first * sample_rate, reader.sample_rate))
        mono = (block.mean(axis=0, keepdims=True) for block in reader)
        for block in resample_blocks(mono, reader.sample_rate, sample_rate):
            dropped = min(surplus, block.shape[1])
            surplus -= dropped
            if dropped < block.shape[1]:
                yield block[:, dropped:]
