"""Copy the audio packets of a video beside frames that are encoded again."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from cinefoley.errors import MediaError
from cinefoley.media.containers import open_media, stored_packets, video_stream
from cinefoley.media.files.resources import OpenedTogether
from cinefoley.media.muxing.output import supported_codecs
from cinefoley.media.timing import first_frame_time

__all__ = ["AudioCopy", "codec_name", "kept_titles"]

_TITLES = {"title", "artist", "album", "date", "comment", "copyright", "description", "language"}


class AudioCopy(OpenedTogether):
    """Copies all audio of a video into another one, packet by packet, in time with the frames.

    Args:
        path: The video.

    Raises:
        MediaError: If it cannot be read.
        VideoError: If it has no video stream.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    def _open(self, opening: ExitStack) -> None:
        self._origin = first_frame_time(self._path)
        self._container: InputContainer = opening.enter_context(open_media(self._path))
        self.video = video_stream(self._container, self._path)
        self._streams = list(self._container.streams.audio)

    @property
    def sample_rate(self) -> int:
        """Samples per second of the first stream that states them; 48000 where there is none."""
        contexts = (stream.codec_context for stream in self._streams if stream.codec_context)
        return next((context.sample_rate for context in contexts if context.sample_rate), 48000)

    def begin(self, target: OutputContainer, out: Path) -> None:
        """Add a stream to the new video for each there is in the old one."""
        for stream in self._streams:
            if codec_name(stream) not in supported_codecs(target.format.name):
                raise self._unfit(stream, out)
        self._target = target
        self._copies = {s.index: target.add_stream_from_template(s) for s in self._streams}
        for stream in self._streams:
            self._copies[stream.index].metadata.update(kept_titles(stream.metadata))
        target.metadata.update(kept_titles(self._container.metadata))
        try:
            target.start_encoding()
        except av.FFmpegError as exc:
            if isinstance(exc, OSError):
                raise
            if self._streams:
                raise self._unfit(self._streams[0], out) from exc
            raise MediaError(f"{self._path.name}: cannot be encoded into {out.suffix} ({exc}).") from exc
        self._packets = self._moved_packets()
        self._held = next(self._packets, None)

    def write_until(self, time: Fraction | None) -> None:
        """Copy the packets up to ``time`` in seconds, or all that are left."""
        while self._held is not None and (time is None or self._held[0] <= time):
            self._target.mux(self._held[1])
            self._held = next(self._packets, None)

    def _unfit(self, stream: AudioStream, out: Path) -> MediaError:
        other = ".mp4" if out.suffix.lower() == ".mkv" else ".mkv"
        return MediaError(
            f"{self._path.name}: its {codec_name(stream)} audio cannot be copied into {out.suffix}. "
            f"Write {other} instead, or convert the audio to AAC first."
        )

    def _moved_packets(self) -> Iterator[tuple[Fraction, "Packet[AudioStream]"]]:
        """Yield (seconds, packet), moved in time as the video is: its first frame is at 0."""
        if not self._streams:
            return
        time = Fraction(0)
        for packet in stored_packets(self._container, self._streams):
            if packet.size == 0:
                continue
            shift = round(self._origin / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts - shift
            packet.dts = None if packet.dts is None else packet.dts - shift
            time = time if packet.dts is None else packet.dts * packet.time_base
            packet.stream = self._copies[packet.stream.index]
            yield time, packet


def kept_titles(metadata: dict[str, str]) -> dict[str, str]:
    """Metadata that stays true when a video or a stream is encoded again, such as titles."""
    return {key: value for key, value in metadata.items() if key.lower() in _TITLES}


def codec_name(stream: AudioStream) -> str:
    """FFmpeg's name of an audio stream's codec; ``unknown`` where it has none."""
    return stream.codec_context.codec.canonical_name if stream.codec_context else "unknown"
