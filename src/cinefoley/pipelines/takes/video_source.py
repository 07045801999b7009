"""Input of ``generate``: a video file, a clip of shards or a window of either; how a take is written."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch.nn import functional as F

from cinefoley.config.foley import FoleyConfig
from cinefoley.data.cache.extracted_shards import write_shard_video
from cinefoley.data.shards.source import ShardClip
from cinefoley.data.test_sets.test_set import VariedClip
from cinefoley.errors import MediaError
from cinefoley.media.audio.files import read_audio
from cinefoley.media.muxing.replace_audio import fitting_suffixes, replace_audio, video_suffix
from cinefoley.media.timing import video_duration
from cinefoley.pipelines.takes.model_record import file_sha256
from cinefoley.pipelines.video_input import CroppedVideo, VideoInput

__all__ = ["ShardVideo", "VideoFile", "VideoSource", "ViewVideo", "as_video_source"]


class VideoSource(Protocol):
    """A video to generate sound for."""

    @property
    def path(self) -> Path:
        """Path in messages and records; the takes have its stem."""
        ...

    @property
    def suffix(self) -> str:
        """Suffix of the takes' videos."""
        ...

    def check(self) -> None:
        """Check that the video can be used, without decoding it.

        Raises:
            MediaError: If it cannot.
        """
        ...

    def model_input(self, config: FoleyConfig) -> VideoInput:
        """The pipeline's argument.

        Raises:
            MediaError: If the video cannot be read.
        """
        ...

    def write_take(self, sound: Path, out_path: Path, *, start: float) -> None:
        """Write a video with the unchanged video stream and another sound.

        Args:
            sound: A WAV.
            out_path: Output, with :attr:`suffix`.
            start: Where in the video the sound begins, in seconds.

        Raises:
            MediaError: If the video cannot be read, or the container does not accept the video stream.
            OutputError: If the output cannot be written.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """Name, path and digest for the record of the takes: JSON values."""
        ...

    def identity(self) -> list[Any]:
        """What changes when the video changes, found without reading it: JSON values.

        Raises:
            MediaError: If the video is missing.
        """
        ...


@dataclass(frozen=True, slots=True)
class VideoFile:
    """A video file; its video stream is copied packet by packet."""

    path: Path
    """The file."""

    @property
    def suffix(self) -> str:
        """The file's own suffix if sound can be written into such a container, else ``.mkv``."""
        return video_suffix(self.path)

    def check(self) -> None:
        """Check that there is a video stream that some container accepts.

        Raises:
            MediaError: If there is none.
        """
        video_duration(self.path)
        fitting_suffixes(self.path)

    def model_input(self, config: FoleyConfig) -> Path:
        """The file."""
        return self.path

    def write_take(self, sound: Path, out_path: Path, *, start: float) -> None:
        """As :func:`cinefoley.media.muxing.replace_audio.replace_audio`."""
        replace_audio(self.path, sound, out_path, start=start)

    def describe(self) -> dict[str, Any]:
        """Name, path and digest."""
        return {"name": self.path.name, "path": str(self.path), "sha256": file_sha256(self.path)}

    def identity(self) -> list[Any]:
        """Name, size and time of change."""
        try:
            state = self.path.stat()
        except OSError as exc:
            raise MediaError(f"{self.path}: cannot be read ({exc.strerror}).") from exc
        return [self.path.name, state.st_size, state.st_mtime_ns]


@dataclass(frozen=True, slots=True)
class ShardVideo:
    """A clip of shards, read from the shard; videos of its takes contain the same JPEGs.

    Takes have the name of the video that the clip was made of, so takes of either count for both.
    """

    clip: ShardClip
    """The clip."""
    stem: str
    """Name, without suffix, of the video that it was made of."""

    @classmethod
    def of(cls, clip: ShardClip) -> "ShardVideo":
        """Read the name of the original video.

        Raises:
            MediaError: If the shard is missing or damaged.
        """
        return cls(clip, Path(str(clip.about()["source"])).stem)

    @property
    def path(self) -> Path:
        """Path of the shard, followed by the video's name."""
        return self.clip.path / f"{self.stem}{self.suffix}"

    @property
    def suffix(self) -> str:
        """Suffix of Matroska, which accepts Motion JPEG."""
        return ".mkv"

    def check(self) -> None:
        """Check that the shard contains the clip.

        Raises:
            MediaError: If it does not.
        """
        fault = self.clip.find_fault()
        if fault is not None:
            raise MediaError(fault.message)

    def model_input(self, config: FoleyConfig) -> VideoInput:
        """The clip's frames, squashed to the model's frame size."""
        return self.clip.video(fps=config.frame_rate, size=config.frame_size)

    def write_take(self, sound: Path, out_path: Path, *, start: float) -> None:
        """As :func:`~cinefoley.data.cache.extracted_shards.write_shard_video`, at the shards' sample rate."""
        rate = self.clip.sample_rate
        waveform, _ = read_audio(sound, sample_rate=rate)
        write_shard_video(self.clip, out_path, waveform=F.pad(waveform, (round(start * rate), 0)))

    def describe(self) -> dict[str, Any]:
        """Name, path, id, and the digest of the clip's content."""
        entry = self.clip.entry
        return {"name": self.path.name, "path": str(self.path), "id": entry.id, "sha256": entry.digest}

    def identity(self) -> list[Any]:
        """Name, id and digest."""
        return [self.stem, self.clip.entry.id, self.clip.entry.digest]


@dataclass(frozen=True, slots=True)
class ViewVideo:
    """A clip of a test set that contains windows and no videos (``cinefoley vary --view``)."""

    clip: VariedClip
    """The clip and its window."""

    @property
    def path(self) -> Path:
        """Path of the original video; of a clip of shards, the shards' folder and the video's name."""
        return self.clip.source_path

    @property
    def suffix(self) -> str:
        """Suffix of the original video."""
        return self.path.suffix

    def check(self) -> None:
        """Check that the original video is there.

        Raises:
            MediaError: If it is not.
        """
        if self.clip.clip is not None:
            fault = self.clip.clip.find_fault()
            if fault is not None:
                raise MediaError(fault.message)
            return
        video_duration(self.path)

    def model_input(self, config: FoleyConfig) -> VideoInput:
        """The frames inside the window."""
        if self.clip.clip is not None:
            return self.clip.load_video(fps=config.video_fps, size=config.frame_size)
        crop = self.clip.crop()
        return self.path if crop is None else CroppedVideo(self.path, crop)

    def write_take(self, sound: Path, out_path: Path, *, start: float) -> None:
        """Not possible: there is no video of the window.

        Raises:
            MediaError: Always.
        """
        raise MediaError(
            f"{self.path.name}: this test set contains windows and no videos. Write only the sounds, or "
            "build the set without --view."
        )

    def describe(self) -> dict[str, Any]:
        """Name, path, id, window, and the digest of the original video or of the clip in shards."""
        record = self.clip.record
        digest = record.get("clip_sha256") or record["source_sha256"]
        own = {"name": self.path.name, "path": str(self.path), "id": self.clip.id, "sha256": digest}
        return own | {"window": record["window"]}

    def identity(self) -> list[Any]:
        """The line of the manifest, which contains digests and the window."""
        record = self.clip.record
        return [record.get(key) for key in ("id", "source", "source_sha256", "clip_sha256", "window")]


def as_video_source(video: str | os.PathLike[str] | VideoSource) -> VideoSource:
    """Wrap a path as :class:`VideoFile`; return a source unchanged."""
    return VideoFile(Path(video)) if isinstance(video, (str, os.PathLike)) else video
