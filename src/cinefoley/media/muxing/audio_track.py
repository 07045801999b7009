"""Encode audio into a video while the video is written."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from typing import Literal, get_args

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer

from cinefoley.errors import MediaError
from cinefoley.media.audio.reader import Samples, join_blocks, resample_blocks, silence

__all__ = ["AudioCodec", "AudioTrack", "place"]

AudioCodec = Literal["aac", "alac", "flac", "opus", "pcm_s16le", "pcm_s24le"]
"""Codecs for a video's audio stream."""

_CODECS: dict[str, tuple[AudioCodec, ...]] = {  # the first is the default
    "mp4": ("aac", "alac", "flac", "opus"),
    "mov": ("aac", "alac", "pcm_s16le", "pcm_s24le"),
    "matroska": ("flac", "aac", "alac", "opus", "pcm_s16le", "pcm_s24le"),
    "webm": ("opus",),
}
_SAMPLE_FORMATS: dict[AudioCodec, str] = {
    "aac": "fltp",
    "alac": "s32p",
    "flac": "s32",
    "opus": "flt",
    "pcm_s24le": "s32",
    "pcm_s16le": "s16",
}
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_LARGEST_BIT_RATE = 128_000  # per channel; six bits a sample are the most that AAC takes
_LAYOUTS = {1: "mono", 2: "stereo", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}


class AudioTrack:
    """Encodes audio into an open video, just ahead of the frames, so both interleave in flat memory.

    Args:
        container: The video; no packet may have been written yet.
        blocks: ``(channels, N_i)`` at ``sample_rate``.
        sample_rate: Samples per second. Opus is written at 48 kHz, AAC at the next rate it has.
        channels: 1, 2, 4, 5, 6 or 8.
        codec: A codec; None takes the container's default: AAC in mp4 and mov, FLAC in mkv, Opus in webm.

    Raises:
        MediaError: If the container does not hold the codec.
        ValueError: If the number of channels has no usual layout.
    """

    def __init__(
        self,
        container: OutputContainer,
        blocks: Iterable[Samples],
        sample_rate: int,
        channels: int,
        codec: AudioCodec | None = None,
    ) -> None:
        if channels not in _LAYOUTS:
            raise ValueError(f"an audio stream has {', '.join(map(str, _LAYOUTS))} channels, got {channels}")
        self._container = container
        self._layout = _LAYOUTS[channels]
        self._codec = _choose_codec(container.format.name, codec)
        self._rate = _encoder_rate(self._codec, sample_rate)
        self._stream = self._add_stream(channels)
        # Seconds rather than decoded frames: what PyAV does for each call costs as much as the encoding.
        self._blocks = join_blocks(resample_blocks(blocks, sample_rate, self._rate), self._rate)
        self._position = 0

    def write_until(self, time_s: float | Fraction) -> None:
        """Encode the audio up to about ``time_s``, as far as there is any."""
        while self._position < time_s * self._rate:
            block = next(self._blocks, None)
            if block is None:
                return
            self._encode(block)

    def finish(self) -> None:
        """Encode what is left and empty the encoder."""
        self.write_until(Fraction(10**12))
        self._container.mux(self._stream.encode(None))

    def _add_stream(self, channels: int) -> AudioStream:
        name = "libopus" if self._codec == "opus" else self._codec
        stream = self._container.add_stream(name, rate=self._rate)
        assert isinstance(stream, AudioStream)
        context = stream.codec_context
        context.layout = self._layout
        context.format = _SAMPLE_FORMATS[self._codec]
        if self._codec in {"aac", "opus"}:
            stream.codec_context.bit_rate = channels * min(6 * self._rate, _LARGEST_BIT_RATE)
        return stream

    def _encode(self, block: Samples) -> None:
        clipped = np.ascontiguousarray(np.clip(block, -1, 1))
        frame = AudioFrame.from_ndarray(clipped, format="fltp", layout=self._layout)
        frame.sample_rate = self._rate
        frame.time_base = Fraction(1, self._rate)
        frame.pts = self._position
        self._position += block.shape[1]
        self._container.mux(self._stream.encode(frame))


def place(blocks: Iterable[Samples], channels: int, offset: int, length: int) -> Iterator[Samples]:
    """Put audio ``offset`` samples into silence, ``length`` samples in all; what lies beyond is cut.

    Args:
        blocks: ``(channels, N_i)``.
        channels: Number of channels.
        offset: Samples of silence before, at least 0.
        length: Samples in all.

    Yields:
        Blocks of the placed audio.
    """
    position = 0
    for block in chain(silence(channels, min(offset, length)), blocks):
        kept = block[:, : length - position]
        position += kept.shape[1]
        yield kept
        if position >= length:
            return
    yield from silence(channels, length - position)


def _choose_codec(form: str, codec: AudioCodec | None) -> AudioCodec:
    allowed = _CODECS[form]
    if codec is None:
        return allowed[0]
    if codec not in get_args(AudioCodec):
        raise ValueError(f"codec must be one of {get_args(AudioCodec)}, got {codec!r}")
    if codec not in allowed:
        raise MediaError(f"{form} videos hold audio as {', '.join(allowed)}, not as {codec}.")
    return codec


def _encoder_rate(codec: AudioCodec, sample_rate: int) -> int:
    if codec == "opus":
        return 48000
    if codec == "aac":
        return next((rate for rate in _AAC_RATES if rate >= sample_rate), 48000)
    return sample_rate
