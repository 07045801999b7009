"""Write JPEG frames as a Motion JPEG video without encoding them again."""

import os
from collections.abc import Sequence
from fractions import Fraction

import av
from av.packet import Packet
from av.video.stream import VideoStream
from torch import Tensor

from cinefoley.media.audio.reader import Samples, slice_blocks
from cinefoley.media.audio.writer import as_samples
from cinefoley.media.files.atomic_write import atomic_write
from cinefoley.media.muxing.audio_track import AudioTrack, place
from cinefoley.media.sections import Seconds, as_fraction, as_rate

__all__ = ["save_mjpeg"]

_TIME_BASE = Fraction(1, 1000)  # Matroska's


def save_mjpeg(
    path: str | os.PathLike[str],
    jpegs: Sequence[bytes],
    fps: Seconds,
    *,
    size: tuple[int, int],
    duration: Seconds,
    waveform: Tensor | Samples,
    sample_rate: int,
) -> None:
    """Write JPEGs as a video, each as it is, with lossless audio.

    Args:
        path: ``.mkv``: Motion JPEG and FLAC in Matroska.
        jpegs: Bytes of the JPEGs, all of one size; 4:2:0, as
            :func:`cinefoley.media.frames.jpeg.encode_jpeg` writes them.
        fps: Their rate.
        size: Height and width of the JPEGs.
        duration: Where the last one stops being shown, in seconds; the audio is cut, or followed by silence,
            to this length.
        waveform: ``(N,)`` or ``(channels, N)``, full scale at 1.
        sample_rate: Samples per second of the waveform.

    Raises:
        OutputError: If ``path`` cannot be written. Nothing is left behind then.
        ValueError: If there is no JPEG, or a number is out of range.
    """
    rate, lasts = as_rate(fps), as_fraction(duration)
    if not jpegs or lasts <= (len(jpegs) - 1) / rate:
        raise ValueError(f"need JPEGs that are shown until {float(lasts):g} s, got {len(jpegs)} at {fps} fps")
    options = {"fflags": "+bitexact"}  # no random ids: the same JPEGs are the same bytes
    with (
        atomic_write(path) as temporary,
        av.open(str(temporary), "w", format="matroska", container_options=options) as target,
    ):
        stream = target.add_stream("mjpeg", rate=rate)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = size
        stream.pix_fmt = "yuvj420p"
        stream.time_base = _TIME_BASE
        samples = as_samples(waveform)
        placed = place(slice_blocks(samples), samples.shape[0], 0, round(lasts * sample_rate))
        track = AudioTrack(target, placed, sample_rate, samples.shape[0], "flac")
        for n, jpeg in enumerate(jpegs):
            track.write_until(n / rate)
            packet = Packet(jpeg)
            packet.stream, packet.is_keyframe = stream, True
            packet.time_base = _TIME_BASE
            packet.pts = packet.dts = round(n / rate / _TIME_BASE)
            end = lasts if n + 1 == len(jpegs) else (n + 1) / rate
            packet.duration = round(end / _TIME_BASE) - packet.pts
            target.mux(packet)
        track.finish()
