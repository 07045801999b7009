"""Read and write media files: videos, frames, audio. The only package that imports PyAV."""

from cinefoley.media.audio.files import read_audio, write_audio
from cinefoley.media.audio.writer import AudioWriter
from cinefoley.media.files.atomic_write import atomic_write
from cinefoley.media.frames.crop import Crop
from cinefoley.media.frames.video import Video, load_video, resample_video, video_from_frames
from cinefoley.media.frames.windows import sample_windows, stream_windows
from cinefoley.media.muxing.crop_video import crop_video, cropped_video_suffix
from cinefoley.media.muxing.replace_audio import fitting_suffixes, replace_audio, video_hash, video_suffix
from cinefoley.media.muxing.save_video import save_video
from cinefoley.media.probe import AudioInfo, MediaInfo, VideoInfo, probe
from cinefoley.media.timing import video_duration

__all__ = [
    "AudioInfo",
    "AudioWriter",
    "Crop",
    "MediaInfo",
    "Video",
    "VideoInfo",
    "atomic_write",
    "crop_video",
    "cropped_video_suffix",
    "fitting_suffixes",
    "load_video",
    "probe",
    "read_audio",
    "replace_audio",
    "resample_video",
    "sample_windows",
    "save_video",
    "stream_windows",
    "video_duration",
    "video_from_frames",
    "video_hash",
    "video_suffix",
    "write_audio",
]
