"""Files to tensors and back: films, frames, sound. The only room that knows PyAV."""

from cinefoley.media.audio.files import read_audio, write_audio
from cinefoley.media.audio.writer import AudioWriter
from cinefoley.media.files.atomic_write import written_aside
from cinefoley.media.frames.crop import Crop
from cinefoley.media.frames.timing import picture_duration
from cinefoley.media.frames.video import Video, load_video, resample_video, video_from_frames
from cinefoley.media.frames.windows import sample_windows, stream_windows
from cinefoley.media.muxing.cropped_video import crop_film, cropped_film_suffix
from cinefoley.media.muxing.replace_audio import film_suffix, fitting_suffixes, picture_hash, replace_audio
from cinefoley.media.muxing.save_video import save_video
from cinefoley.media.probe import AudioInfo, MediaInfo, VideoInfo, probe

__all__ = [
    "AudioInfo",
    "AudioWriter",
    "Crop",
    "MediaInfo",
    "Video",
    "VideoInfo",
    "crop_film",
    "cropped_film_suffix",
    "film_suffix",
    "fitting_suffixes",
    "load_video",
    "picture_duration",
    "picture_hash",
    "probe",
    "read_audio",
    "replace_audio",
    "resample_video",
    "sample_windows",
    "save_video",
    "stream_windows",
    "video_from_frames",
    "write_audio",
    "written_aside",
]
