"""Find the videos of a study, and check that they can be compared in a browser."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cinefoley.errors import MediaError, StudyError
from cinefoley.media.muxing.replace_audio import video_hash
from cinefoley.media.probe import MediaInfo, probe
from cinefoley.media.timing import video_duration
from cinefoley.study.definition import StudySettings

__all__ = ["CONTENT_TYPES", "StudyVideo", "StudyVideos", "find_videos"]

CONTENT_TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm"}
"""Content types of the formats that browsers play, by suffix."""

_VIDEO_CODECS = {".webm": ("vp8", "vp9", "av1")}
_MP4_VIDEO_CODECS = ("h264", "av1", "vp9")
_AUDIO_CODECS = {".webm": ("opus", "vorbis")}
_MP4_AUDIO_CODECS = ("aac", "mp3", "opus", "flac")
_TOLERANCE_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyVideo:
    """A video with the sound of one method."""

    path: Path
    """The file."""
    duration_s: float
    """Duration of its video stream, in seconds."""
    content_type: str
    """Content type for the browser."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyVideos:
    """All videos of a study."""

    clips: Sequence[str]
    """File names, the same in every method's folder, sorted."""
    videos: Mapping[tuple[str, str], StudyVideo]
    """Videos by method and clip."""
    checks: Sequence[str] = ()
    """File names of the attention checks, sorted."""
    check_videos: Mapping[tuple[bool, str], StudyVideo]
    """Videos of the attention checks, by whether the sound fits, and file name."""

    def digests(self) -> dict[str, str]:
        """SHA-256 of every file, by ``method/clip``: votes are valid for these files only."""
        named = {f"{method}/{clip}": video for (method, clip), video in self.videos.items()}
        named |= {f"check {fits}/{clip}": video for (fits, clip), video in self.check_videos.items()}
        return {name: _sha256(video.path) for name, video in sorted(named.items())}


def find_videos(study: StudySettings) -> StudyVideos:
    """Find and check the videos of a study.

    Hidden files, other files and sub-folders are ignored.

    Args:
        study: Settings of the study.

    Raises:
        StudyError: If a folder is missing or empty, the folders contain different file names, a video cannot
            be played in a browser or has no sound, or the videos of a clip differ in duration or video
            stream.
    """
    clips = _common_names(study.path, study.methods)
    videos = {
        (method, clip): _open(folder / clip) for method, folder in study.methods.items() for clip in clips
    }
    for clip in clips:
        _check_alike([videos[method, clip] for method in study.methods], same_picture=study.same_picture)
    attention = study.attention
    if attention is None:
        return StudyVideos(clips=clips, videos=videos, check_videos={})
    sides = {True: attention.better, False: attention.worse}
    checks = _common_names(study.path, {str(folder): folder for folder in sides.values()})
    if len(checks) < attention.per_participant:
        raise StudyError(
            f"{study.path}: attention.per_participant is {attention.per_participant}, but {attention.better} "
            f"contains {len(checks)} videos. Add videos, or ask for fewer."
        )
    check_videos = {(fits, clip): _open(folder / clip) for fits, folder in sides.items() for clip in checks}
    for clip in checks:
        _check_alike([check_videos[fits, clip] for fits in sides], same_picture=study.same_picture)
    return StudyVideos(clips=clips, videos=videos, checks=checks, check_videos=check_videos)


def _common_names(study: Path, folders: Mapping[str, Path]) -> list[str]:
    found = {name: _video_names(folder) for name, folder in folders.items()}
    all_names = set().union(*found.values())
    for name, names in found.items():
        lacking = sorted(all_names - names)
        if lacking:
            first = ", ".join(lacking[:3]) + (", ..." if len(lacking) > 3 else "")
            raise StudyError(
                f"{study}: {folders[name]} lacks {len(lacking)} of the {len(all_names)} videos of the other "
                f"folders ({first}). All folders need the same file names: add these, or delete them in the "
                "others."
            )
    return sorted(all_names)


def _video_names(folder: Path) -> set[str]:
    if not folder.is_dir():
        raise StudyError(f"{folder}: no such folder; expected a folder of a method's videos.")
    names = {
        path.name
        for path in folder.iterdir()
        if path.suffix.lower() in CONTENT_TYPES and not path.name.startswith(".") and path.is_file()
    }
    if not names:
        raise StudyError(f"{folder}: no video in this folder. Browsers play {', '.join(CONTENT_TYPES)}.")
    return names


def _open(path: Path) -> StudyVideo:
    suffix = path.suffix.lower()
    try:
        info = probe(path)
        _check_playable(info, suffix)
        return StudyVideo(path=path, duration_s=video_duration(path), content_type=CONTENT_TYPES[suffix])
    except MediaError as exc:
        raise StudyError(f"{path}: cannot be part of a study. {exc}") from exc


def _check_playable(info: MediaInfo, suffix: str) -> None:
    video_codecs = _VIDEO_CODECS.get(suffix, _MP4_VIDEO_CODECS)
    audio_codecs = _AUDIO_CODECS.get(suffix, _MP4_AUDIO_CODECS)
    if info.video is None or info.audio is None:
        missing = "video stream" if info.video is None else "sound"
        raise StudyError(f"{info.path}: has no {missing}; a study compares videos with sound.")
    if info.video.codec not in video_codecs or info.audio.codec not in audio_codecs:
        raise StudyError(
            f"{info.path}: contains {info.video.codec} and {info.audio.codec}, which not every browser "
            f"plays in {suffix}. Expected {' or '.join(video_codecs)} with {' or '.join(audio_codecs)}."
        )


def _check_alike(videos: Sequence[StudyVideo], *, same_picture: bool) -> None:
    first = videos[0]
    for other in videos[1:]:
        if abs(other.duration_s - first.duration_s) > _TOLERANCE_S:
            raise StudyError(
                f"{other.path}: lasts {other.duration_s:.2f} s, but {first.path} {first.duration_s:.2f} s. "
                "The videos of a clip must have the same duration."
            )
        if same_picture and video_hash(other.path) != video_hash(first.path):
            raise StudyError(
                f"{other.path}: its video stream differs from that of {first.path}, so votes would not "
                "depend on the sound alone. Mux both from one video, or set same_picture = false."
            )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
