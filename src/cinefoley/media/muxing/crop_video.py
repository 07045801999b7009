"""Crop a video file, or change its frames: encode what is shown, copy its audio."""

import os
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from cinefoley.media.containers import open_media
from cinefoley.media.files.atomic_write import atomic_write
from cinefoley.media.frames.crop import Crop, FrameChange
from cinefoley.media.frames.decoder import FrameReader
from cinefoley.media.muxing.audio_copy import AudioCopy, codec_name, kept_titles
from cinefoley.media.muxing.frame_changer import FrameChanger
from cinefoley.media.muxing.output import (
    container_format,
    explained_muxing,
    muxer_options,
    output_format,
    supported_codecs,
)
from cinefoley.media.muxing.plane_crop import PlaneCropper

__all__ = ["crop_video", "cropped_video_suffix"]

_LEAD_S = Fraction(1, 2)  # how far the audio is written ahead of the frames
_CRF = {"libx264": 14, "libvpx-vp9": 14}  # 42 dB on web video, at about the size of the source
_OPTIONS = {
    # Without B-frames the stored order is the shown order: every container keeps each one's time exactly.
    # With mbtree, one encoding of small frames in a hundred came out in other bytes, from the same frames.
    "libx264": {"bf": "0", "x264-params": "mbtree=0"},
    "libvpx-vp9": {"b": "0", "row-mt": "1"},
}


def crop_video(
    video_path: str | os.PathLike[str],
    out_path: str | os.PathLike[str],
    crop: Crop | FrameChange,
    *,
    encoder_threads: int = 1,
) -> None:
    """Write a video that shows a window of another, at full quality; the audio packets are copied.

    The video is encoded again (H.264 or, in webm, VP9 at CRF 14), in the source's pixel format where the
    encoder has it: chroma, bit depth, colour tags, pixel aspect and every frame's time are kept. It is stored
    upright; what is transparent is shown over black; interlaced frames stay woven. Frames that cannot be
    decoded are left out, the one before is shown longer. Subtitles, data and chapters are dropped. Frame
    and audio are streamed, so memory does not grow with the video.

    Args:
        video_path: The video.
        out_path: ``.mp4``, ``.m4v``, ``.mov``, ``.mkv`` or ``.webm``: :func:`cropped_video_suffix` finds one
            that holds the audio.
        crop: The box of every frame, all of one size, on even pixels (4:2:0 shares colour among 2x2). Or a
            change of every frame: then the frames are 8-bit 4:2:0 in BT.709.
        encoder_threads: Threads of the encoder; the same number gives the same bytes. 0 takes what there is.

    Raises:
        MediaError: If the video cannot be read, or the container cannot hold its audio.
        VideoError: If it has no frame, or its frames change their size on the way.
        OutputError: If ``out_path`` cannot be written. Nothing is left behind then.
        ValueError: If boxes differ in size, lie on odd pixels, or reach outside the frame.

    Warns:
        MediaWarning: If frames are damaged, or the video is cut off.
    """
    out = Path(out_path)
    form = output_format(out)
    with AudioCopy(video_path) as audio, FrameReader(video_path) as reader, atomic_write(out) as temporary:
        options = muxer_options(form, audio.sample_rate) | {"fflags": "+bitexact"}  # no random ids
        with (
            explained_muxing(video_path, out),
            av.open(str(temporary), "w", format=form, container_options=options) as target,
        ):
            frames = iter(reader)
            time, frame = next(frames)
            encoder = _VideoEncoder(
                target, frame, audio.video, crop, threads=encoder_threads, name=Path(video_path).name
            )
            audio.begin(target, out)
            for next_time, next_frame in frames:
                audio.write_until(time + _LEAD_S)
                encoder.write(frame, time, next_time)
                time, frame = next_time, next_frame
            encoder.write(frame, time, reader.end)
            encoder.finish()
            audio.write_until(None)


def cropped_video_suffix(video_path: str | os.PathLike[str]) -> str:
    """The suffix for a video made of another: its own where that container holds the audio, else ``.mkv``.

    AAC out of a transport stream lacks the header that Matroska wants, but mp4 makes; there it is ``.mp4``.

    Raises:
        MediaError: If the file cannot be read.
    """
    form = container_format(Path(video_path).suffix)
    with open_media(video_path) as container:
        streams = [stream for stream in container.streams.audio if stream.codec_context]
        codecs = {codec_name(stream) for stream in container.streams.audio}
        lacks_header = any(stream.codec_context.extradata is None for stream in streams)
    if form is not None and codecs <= supported_codecs(form):
        return Path(video_path).suffix
    return ".mp4" if lacks_header and codecs == {"aac"} else ".mkv"


class _VideoEncoder:
    """The video stream of the new video."""

    def __init__(
        self,
        target: OutputContainer,
        first: VideoFrame,
        source: VideoStream,
        crop: Crop | FrameChange,
        *,
        threads: int,
        name: str,
    ) -> None:
        encoder = "libvpx-vp9" if target.format.name == "webm" else "libx264"
        self._shower = (
            FrameChanger(first, crop.change, name)
            if isinstance(crop, FrameChange)
            else PlaneCropper(first, encoder, name, crop)
        )
        self._target = target
        height, width = self._shower.shown_size
        rate = source.average_rate or Fraction(25)
        options = {"crf": str(_CRF[encoder])} | _OPTIONS[encoder]
        stream = target.add_stream(encoder, rate=rate, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = width, height
        stream.pix_fmt = self._shower.pixel_format
        context = stream.codec_context
        context.thread_count = threads
        context.time_base = self._time_base = source.time_base or Fraction(1, 90000)
        aspect = source.sample_aspect_ratio
        if aspect:
            context.sample_aspect_ratio = 1 / aspect if self._shower.is_turned else aspect
        self._shower.tag(context, source.codec_context)
        stream.metadata.update(kept_titles(source.metadata))
        self._stream = stream
        self._ticks = -1
        self._durations: dict[int, int] = {}

    def write(self, frame: VideoFrame, time: Fraction, end: Fraction) -> None:
        """Encode what is shown of one frame from ``time`` to ``end``."""
        cut = self._shower.show(frame, time)
        # encoders refuse two frames at one instant, which damaged files have
        self._ticks = max(self._ticks + 1, round(time / self._time_base))
        cut.pts, cut.time_base = self._ticks, self._time_base
        self._durations[self._ticks] = max(1, round((end - time) / self._time_base))
        self._mux(self._stream.encode(cut))

    def finish(self) -> None:
        """Empty the encoder."""
        self._mux(self._stream.encode(None))

    def _mux(self, packets: list["Packet[VideoStream]"]) -> None:
        for packet in packets:
            if packet.pts in self._durations:  # nothing else states the last one's
                packet.duration = self._durations.pop(packet.pts)
            self._target.mux(packet)
