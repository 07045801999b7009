"""Decode the audio of any file block by block, in sync with its video; resample and cut blocks."""

import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import soxr
from av.audio.frame import AudioFrame

from cinefoley.errors import AudioError, MediaWarning
from cinefoley.media.containers import (
    audio_stream,
    has_exact_seeks,
    moving_video_streams,
    open_media,
    seek,
    stored_packets,
)
from cinefoley.media.files.resources import OpenedTogether
from cinefoley.media.sections import Section
from cinefoley.media.timing import Timeline, first_frame_time, seconds, stated_end, warn_of_jumps

__all__ = ["AudioReader", "Samples", "join_blocks", "resample_blocks", "silence", "slice_blocks"]

Samples = npt.NDArray[np.float32]
"""A block of audio, ``(channels, N)`` float32, full scale at 1."""

_SEEK_FROM_S = 30
_LEAD_S = 1  # decoders need a few frames before the first one is right
_LARGEST_JITTER_S = Fraction(1, 25)  # timestamps of Matroska and of streams are rounded; a hole is longer
_BLOCK = 65536
# Plausible values; a damaged header may state anything, and a second of audio then takes gigabytes.
_LOWEST_RATE, _HIGHEST_RATE, _MOST_CHANNELS = 1000, 4_000_000, 64


class AudioReader(OpenedTogether):
    """Decode a file's audio once, as blocks of float32.

    Time 0 is the first frame where the file has one, else the first sample; an audio stream that begins
    later is preceded by silence, one that begins earlier is cut, holes are silent. What encoders add before
    and after the audio is removed where the container says so.
    """

    def __init__(self, path: str | os.PathLike[str], section: Section) -> None:
        self.path = Path(path)
        self.section = section
        self.sample_rate = 0
        self.channels = 0

    def _open(self, opening: ExitStack) -> None:
        self._container = opening.enter_context(open_media(self.path))
        self._stream = audio_stream(self._container, self.path)
        self.sample_rate = self._stream.codec_context.sample_rate
        self.channels = self._stream.codec_context.channels
        if not (_LOWEST_RATE <= self.sample_rate <= _HIGHEST_RATE and 1 <= self.channels <= _MOST_CHANNELS):
            raise AudioError(
                f"{self.path.name}: its audio has {self.sample_rate} samples per second and "
                f"{self.channels} channels; expected {_LOWEST_RATE} to {_HIGHEST_RATE} samples and 1 to "
                f"{_MOST_CHANNELS} channels. Export it again."
            )
        # without a video, the first sample is the origin
        self._origin = first_frame_time(self.path) if moving_video_streams(self._container) else None

    def __iter__(self) -> Iterator[Samples]:
        """Yield the section's audio. To be called once.

        Raises:
            AudioError: If nothing can be decoded.
        """
        begin = round(self.section.start * self.sample_rate)
        end = None if self.section.end is None else round(self.section.end * self.sample_rate)
        position = 0
        is_silent = True
        for at, samples in self._placed():
            is_silent = False
            for offset, block in _fill_hole(position, at, samples, begin):
                lower, upper = max(begin - offset, 0), block.shape[1] if end is None else end - offset
                if lower < min(upper, block.shape[1]):
                    yield block[:, lower:upper]
                position = offset + block.shape[1]
            if end is not None and position >= end:
                break
        if is_silent:
            raise AudioError(f"{self.path.name}: has an audio stream but nothing in it can be decoded.")

    def _placed(self) -> Iterator[tuple[int, Samples]]:
        """Yield (position in samples from time 0, samples), without what lies beyond the stated end."""
        frames = self._decode()
        if self.section.start > _SEEK_FROM_S and has_exact_seeks(self._container):
            self._seek()
        timeline = Timeline(self._container, self._stream)
        position: int | None = None
        last = self._stated_length()
        for frame in frames:
            time = seconds(frame.pts, frame.time_base)
            if self._origin is None:
                self._origin = time or Fraction(0)
                last = self._stated_length()
            expected = self._origin + (
                self.section.start if position is None else Fraction(position, self.sample_rate)
            )
            # A seek may land anywhere before the section.
            if time is not None and not (
                self._origin <= time <= expected or timeline.is_true(time, expected)
            ):
                time = None
            at = position if time is None else round((time - self._origin) * self.sample_rate)
            if position is None or (at is not None and at - position > _LARGEST_JITTER_S * self.sample_rate):
                position = at or 0
            samples = _to_float(frame)
            if last is not None:
                samples = samples[:, : max(0, last - position)]
            yield position, samples
            position += samples.shape[1]
        if timeline.has_jumped:
            warn_of_jumps(self.path)

    def _decode(self) -> Iterator[AudioFrame]:
        damaged = 0
        for packet in stored_packets(self._container, self._stream):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                damaged += 1
                continue
            for frame in frames:
                if frame.sample_rate == self.sample_rate and frame.layout.nb_channels == self.channels:
                    yield frame
                else:
                    damaged += 1
        if damaged:
            warnings.warn(
                f"{self.path.name}: {damaged} packets of its audio could not be decoded and are silent.",
                MediaWarning,
                stacklevel=2,
            )

    def _seek(self) -> None:
        if self._origin is None:
            self._origin = seconds(self._stream.start_time, self._stream.time_base) or Fraction(0)
        if not seek(self._container, self._origin + self.section.start - _LEAD_S, self._stream):
            seek(self._container, Fraction(0))

    def _stated_length(self) -> int | None:
        """Samples up to the end that an mp4 states: its encoder's padding lies beyond."""
        end = stated_end(self._container, self._stream)
        if end is None or self._origin is None or not self._container.format.name.startswith("mov,"):
            return None
        return round((end - self._origin) * self.sample_rate)


def resample_blocks(blocks: Iterable[Samples], source_rate: int, sample_rate: int) -> Iterator[Samples]:
    """Convert a stream of audio to another rate: ``round(N * sample_rate / source_rate)`` samples in all.

    Args:
        blocks: ``(channels, N_i)``.
        source_rate: Their rate.
        sample_rate: The rate to convert to.

    Yields:
        Blocks of the converted audio.
    """
    if source_rate == sample_rate:
        yield from blocks
        return
    converter: soxr.ResampleStream | None = None
    taken = given = 0
    channels = 1
    for block in blocks:
        channels = block.shape[0]
        converter = converter or soxr.ResampleStream(source_rate, sample_rate, channels, dtype="float32")
        taken += block.shape[1]
        out = _chunk(converter, block, last=False)
        given += out.shape[1]
        yield out
    if converter is not None:
        out = _chunk(converter, np.zeros((channels, 0), np.float32), last=True)
        missing = round(Fraction(taken * sample_rate, source_rate)) - given
        yield np.pad(out, ((0, 0), (0, max(0, missing - out.shape[1]))))[:, : max(0, missing)]


def join_blocks(blocks: Iterable[Samples], length: int) -> Iterator[Samples]:
    """Join blocks until they hold at least ``length`` samples; no block is empty."""
    held: list[Samples] = []
    for block in blocks:
        held.append(block)
        if sum(part.shape[1] for part in held) >= length:
            yield np.concatenate(held, axis=1)
            held = []
    if sum(part.shape[1] for part in held):
        yield np.concatenate(held, axis=1)


def slice_blocks(waveform: Samples) -> Iterator[Samples]:
    """Cut a waveform in memory into blocks."""
    for begin in range(0, waveform.shape[1], _BLOCK):
        yield waveform[:, begin : begin + _BLOCK]


def silence(channels: int, length: int) -> Iterator[Samples]:
    """Blocks of silence, ``length`` samples in all."""
    for begin in range(0, length, _BLOCK):
        yield np.zeros((channels, min(_BLOCK, length - begin)), np.float32)


def _chunk(converter: soxr.ResampleStream, block: Samples, *, last: bool) -> Samples:
    frames = np.ascontiguousarray(block.T)
    out = converter.resample_chunk(frames[:, 0] if block.shape[0] == 1 else frames, last=last)
    return np.asarray(out, np.float32).reshape(-1, block.shape[0]).T


def _fill_hole(position: int, at: int, samples: Samples, begin: int) -> Iterator[tuple[int, Samples]]:
    """Yield (position, block): the silence between ``position`` and ``at``, then the samples from 0 on."""
    hole_from = max(position, begin)
    for block in silence(samples.shape[0], at - hole_from):
        yield hole_from, block
        hole_from += block.shape[1]
    yield max(at, 0), samples[:, max(0, -at) :]


def _to_float(frame: AudioFrame) -> Samples:
    data = frame.to_ndarray()
    if not frame.format.is_planar:
        data = data.reshape(-1, frame.layout.nb_channels).T
    if data.dtype == np.uint8:
        return np.asarray((data.astype(np.float32) - 128) / 128, np.float32)
    scale = np.float32(1 / 2 ** (8 * data.dtype.itemsize - 1)) if data.dtype.kind == "i" else np.float32(1)
    return np.asarray(data, np.float32) * scale
