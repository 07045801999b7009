"""Replace a video's audio: copy the video packets bit for bit, encode new audio beside them."""

import hashlib
import io
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from torch import Tensor

from cinefoley.errors import MediaError, MediaWarning, VideoError
from cinefoley.media.audio.reader import AudioReader, Samples, resample_blocks, slice_blocks
from cinefoley.media.audio.writer import as_samples
from cinefoley.media.containers import open_media, video_packets, video_stream
from cinefoley.media.files.atomic_write import atomic_write
from cinefoley.media.muxing.audio_track import AudioCodec, AudioTrack, place
from cinefoley.media.muxing.output import container_format, explained_muxing, muxer_options, output_format
from cinefoley.media.sections import Seconds, Section
from cinefoley.media.timing import exact_video_duration, first_frame_time

__all__ = ["fitting_suffixes", "replace_audio", "video_hash", "video_suffix"]

_LEAD_S = Fraction(1, 2)  # how far the audio is written ahead of the frames
_WEBM_CODECS = ("vp8", "vp9", "av1")
# Written by every muxer anew; copied, they would contradict the file.
_OWN_METADATA = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration"}


def replace_audio(
    video_path: str | os.PathLike[str],
    audio: str | os.PathLike[str] | Tensor | Samples,
    out_path: str | os.PathLike[str],
    *,
    sample_rate: int | None = None,
    start: Seconds = 0.0,
    duration: Seconds | None = None,
    codec: AudioCodec | None = None,
) -> None:
    """Write a video with new audio; its video stream is copied packet by packet.

    The video stream keeps its bits, timing, rotation, aspect and colour tags. Every other stream is dropped:
    the old audio, subtitles, data, chapters. The audio is exactly as long as the video (lossy codecs within
    one codec frame where the container cannot trim them): a shorter one is followed by silence, a longer
    one is cut. Packets are streamed, so memory does not grow with the length.

    The video is never cut. With ``start`` the audio begins there, ``duration`` cuts it short, and
    around it is silence: a video stream can be cut without re-encoding only at key frames.

    Args:
        video_path: The video; ``out_path`` may be the same file.
        audio: An audio file, or a waveform ``(N,)`` or ``(channels, N)`` with full scale at 1.
        out_path: ``.mp4``, ``.m4v``, ``.mov``, ``.mkv`` or ``.webm``.
        sample_rate: Samples per second of the waveform; of a file, the rate to convert to (None keeps its
            own).
        start: Where in the video the audio begins, in seconds from the first frame.
        duration: Seconds of audio to use at most.
        codec: The audio's codec; None takes AAC in mp4 and mov, FLAC in mkv, Opus in webm.

    Warns:
        MediaWarning: If a pixel aspect ratio gets lost (one that is not in the video stream, into mkv or
            webm), if the frames of an AVI are stored out of order, or if parts of an audio file are damaged.

    Raises:
        MediaError: If a file cannot be read, or the container cannot hold the video or the codec.
        VideoError: If the video has no video stream.
        AudioError: If the audio file has no audio.
        OutputError: If ``out_path`` cannot be written. Nothing is left behind then.
        ValueError: If a number is out of range, or a waveform comes without ``sample_rate``.

    Examples:
        >>> replace_audio("rain.mp4", waveform, "rain.take1.mp4", sample_rate=16000)  # doctest: +SKIP
    """
    out = Path(out_path)
    form = output_format(out)
    section = Section.of(start, duration)
    length_s = exact_video_duration(video_path)
    with (
        _open_audio(audio, sample_rate, section.duration) as (blocks, rate, channels),
        open_media(video_path) as video,
        atomic_write(out) as temporary,
        explained_muxing(video_path, out),
        av.open(str(temporary), "w", format=form, container_options=muxer_options(form, rate)) as target,
    ):
        source = video_stream(video, video_path)
        copy = _add_copy(target, source, Path(video_path), out)
        if video.format.name == "avi" and source.codec_context.has_b_frames:
            warnings.warn(
                f"{Path(video_path).name}: AVI does not say when frames are shown that are stored out of "
                f"order; the video of {out.name} may judder. Convert the video first.",
                MediaWarning,
                stacklevel=2,
            )
        target.metadata.update(_kept(video.metadata))
        placed = place(blocks, channels, round(section.start * rate), round(length_s * rate))
        track = AudioTrack(target, placed, rate, channels, codec)
        _write_header(target, copy, Path(video_path), out)
        _copy_packets(video, source, target, copy, track, first_frame_time(video_path))
        track.finish()


def video_hash(path: str | os.PathLike[str]) -> str:
    """SHA-256 over the coded frames of a video: equal where two video streams are the same bits.

    The order is that of decoding. Containers of one family keep the bits (mp4, mov, mkv and webm do among
    each other); a transport stream stores H.264 in another form, so a copy of it into mp4 hashes
    differently.

    Raises:
        MediaError: If the file cannot be read.
        VideoError: If it has no video stream.
    """
    digest = hashlib.sha256()
    with open_media(path) as container:
        for packet in video_packets(container, video_stream(container, path)):
            digest.update(bytes(packet))
    return digest.hexdigest()


def video_suffix(video_path: str | os.PathLike[str]) -> str:
    """The suffix for a video's takes: its own where :func:`replace_audio` writes it, else ``.mkv``."""
    suffix = Path(video_path).suffix
    return suffix if container_format(suffix) else ".mkv"


def fitting_suffixes(video_path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Containers that hold a video's stream as it is, the best first: its own, ``.mkv``, ``.mov``.

    Only headers are written, into memory.

    Raises:
        MediaError: If the file cannot be read.
        VideoError: If it has no video stream, or one that none of them takes, such as WMV's.
    """
    path = Path(video_path)
    tried = tuple(dict.fromkeys((video_suffix(path), ".mkv", ".mov")))
    with open_media(path) as video:
        source = video_stream(video, path)
        fitting = tuple(suffix for suffix in tried if _fits(source, path, suffix))
        if not fitting:
            codec = source.codec_context.codec.canonical_name
            raise VideoError(
                f"{path.name}: its {codec} video can be copied into none of {', '.join(tried)}, so no video "
                "of a take could be written. Convert it to H.264 first."
            )
    return fitting


def _fits(source: VideoStream, video: Path, suffix: str) -> bool:
    form = container_format(suffix)
    assert form is not None  # one of our own
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MediaWarning)
        try:
            with av.open(io.BytesIO(), "w", format=form) as target:
                copy = _add_copy(target, source, video, video.with_suffix(suffix))
                _write_header(target, copy, video, video.with_suffix(suffix))
        except (MediaError, av.FFmpegError):
            return False
    return True


@contextmanager
def _open_audio(
    audio: str | os.PathLike[str] | Tensor | Samples, sample_rate: int | None, duration: Fraction | None
) -> Iterator[tuple[Iterable[Samples], int, int]]:
    """Yield (blocks, sample rate, channels) of a file or of a waveform."""
    if isinstance(audio, (str, os.PathLike)):
        with AudioReader(audio, Section(Fraction(0), duration)) as reader:
            rate = sample_rate or reader.sample_rate
            yield resample_blocks(reader, reader.sample_rate, rate), rate, reader.channels
        return
    if sample_rate is None or sample_rate < 1:
        raise ValueError(f"a waveform needs its sample_rate, got {sample_rate}")
    samples = as_samples(audio)
    if duration is not None:
        samples = samples[:, : round(duration * sample_rate)]
    yield slice_blocks(samples), sample_rate, samples.shape[0]


def _add_copy(target: OutputContainer, source: VideoStream, video: Path, out: Path) -> VideoStream:
    """Add a stream that takes the packets of ``source`` as they are."""
    codec = source.codec_context.codec.canonical_name
    # Without a pixel format, where no frame decodes, mp4 and mov are written with an index nobody reads.
    lacks_format = source.codec_context.format is None and target.format.name in {"mp4", "mov"}
    if lacks_format or (target.format.name == "webm" and codec not in _WEBM_CODECS):
        raise _unfit(codec, video, out)
    try:
        copy = _from_template(target, source)
    except ValueError as exc:
        raise _unfit(codec, video, out) from exc
    copy.metadata.update(_kept(source.metadata))
    if codec == "hevc" and target.format.name in {"mp4", "mov"}:
        copy.codec_context.codec_tag = "hvc1"  # QuickTime does not play the other spelling
    if source.average_rate:
        copy.codec_context.framerate = source.average_rate
    aspect = source.sample_aspect_ratio
    if aspect:
        if target.format.name not in {"mp4", "mov"} and aspect not in {
            1,
            source.codec_context.sample_aspect_ratio,
        }:
            warnings.warn(
                f"{out.name}: loses the pixel aspect {aspect.numerator}:{aspect.denominator}, which only the "
                f"container of {video.name} states and PyAV cannot pass on. Write .mp4 or .mov to keep it.",
                MediaWarning,
                stacklevel=3,
            )
        copy.codec_context.sample_aspect_ratio = aspect
    return copy


def _write_header(target: OutputContainer, copy: VideoStream, video: Path, out: Path) -> None:
    try:
        target.start_encoding()
    except av.FFmpegError as exc:
        if isinstance(exc, OSError):
            raise
        raise _unfit(copy.codec_context.codec.canonical_name, video, out) from exc


def _kept(metadata: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in metadata.items() if key.lower() not in _OWN_METADATA}


def _from_template(target: OutputContainer, source: VideoStream) -> VideoStream:
    try:
        return target.add_stream_from_template(source)
    except av.codec.codec.UnknownCodecError:  # a codec that FFmpeg reads but does not write
        return target.add_stream_from_template(source, opaque=True)


def _unfit(codec: str, video: Path, out: Path) -> MediaError:
    others = {".mkv": ".mov", ".webm": ".mp4, .mov or .mkv"}.get(out.suffix.lower(), ".mkv")
    takes = f" (it takes {', '.join(_WEBM_CODECS)})" if out.suffix.lower() == ".webm" else ""
    return MediaError(
        f"{video.name}: its {codec} video cannot be copied into {out.suffix}{takes}. Write {others} instead."
    )


def _copy_packets(
    video: InputContainer,
    source: VideoStream,
    target: OutputContainer,
    copy: VideoStream,
    track: AudioTrack,
    origin: Fraction,
) -> None:
    """Copy every packet, moved in time so that the first frame is at 0, and the audio along with it."""
    for packet in video_packets(video, source):
        track.write_until(_move(packet, origin) + _LEAD_S)
        packet.stream = copy
        target.mux(packet)


def _move(packet: "Packet[VideoStream]", origin: Fraction) -> Fraction:
    """Shift a packet's times by ``-origin`` and return when it is decoded, in seconds."""
    shift = round(origin / packet.time_base)
    if packet.pts is not None:
        packet.pts -= shift
    if packet.dts is not None:
        packet.dts -= shift
    ticks = packet.pts if packet.dts is None else packet.dts
    return Fraction(0) if ticks is None else ticks * packet.time_base
