"""What takes are generated for: a film on disk, or a clip of shards; and how a take of it is written."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch.nn import functional as F

from cinefoley.config.foley import FoleyConfig
from cinefoley.data.cache.extracted_shards import write_shard_video
from cinefoley.data.shards.source import ShardClip
from cinefoley.errors import MediaError
from cinefoley.media.audio.files import read_audio
from cinefoley.media.frames.timing import picture_duration
from cinefoley.media.muxing.replace_audio import film_suffix, fitting_suffixes, replace_audio
from cinefoley.pipelines.film import VideoInput
from cinefoley.pipelines.sidecar import file_sha256

__all__ = ["ClipFilm", "FileFilm", "Film", "as_film"]


class Film(Protocol):
    """Moving pictures that want a sound."""

    @property
    def path(self) -> Path:
        """What messages and records call it; its stem is that of the takes."""
        ...

    @property
    def suffix(self) -> str:
        """Of the takes' films."""
        ...

    def check(self) -> None:
        """See whether it can be used, without decoding it.

        Raises:
            MediaError: If it cannot.
        """
        ...

    def watch(self, config: FoleyConfig) -> VideoInput:
        """What the pipeline is given.

        Raises:
            MediaError: If it cannot be read.
        """
        ...

    def write_take(self, sound: Path, out_path: Path, *, start: float) -> None:
        """Write a film of its pictures as they are and of another sound.

        Args:
            sound: A WAV.
            out_path: Where the film goes, with :attr:`suffix`.
            start: Where in the film the sound begins, in seconds.

        Raises:
            MediaError: If the pictures cannot be read, or the container does not take them.
            OutputError: If the film cannot be written.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """Which film it is, for the record of its takes: JSON values."""
        ...


@dataclass(frozen=True, slots=True)
class FileFilm:
    """A film on disk; its picture is copied packet by packet."""

    path: Path
    """The file."""

    @property
    def suffix(self) -> str:
        """The film's own where sound can be written into such a container, else ``.mkv``."""
        return film_suffix(self.path)

    def check(self) -> None:
        """See whether there is a picture that lasts, and that some container takes.

        Raises:
            MediaError: If there is none.
        """
        picture_duration(self.path)
        fitting_suffixes(self.path)

    def watch(self, config: FoleyConfig) -> Path:
        """The file."""
        return self.path

    def write_take(self, sound: Path, out_path: Path, *, start: float) -> None:
        """As :func:`cinefoley.media.muxing.replace_audio.replace_audio`."""
        replace_audio(self.path, sound, out_path, start=start)

    def describe(self) -> dict[str, Any]:
        """Name, path and digest."""
        return {"name": self.path.name, "path": str(self.path), "sha256": file_sha256(self.path)}


@dataclass(frozen=True, slots=True)
class ClipFilm:
    """A clip of shards, which is read where it lies; films of its takes hold the very JPEGs.

    Takes have the name of the film that the clip was made of, so sounds that were generated for the one
    belong to the other too.
    """

    clip: ShardClip
    """The clip."""
    stem: str
    """The name, without suffix, of the film that it was made of."""

    @classmethod
    def of(cls, clip: ShardClip) -> "ClipFilm":
        """Read the film's name.

        Raises:
            MediaError: If the shard is gone or damaged.
        """
        return cls(clip, Path(str(clip.about()["source"])).stem)

    @property
    def path(self) -> Path:
        """The shard, and the film's name in it."""
        return self.clip.path / f"{self.stem}{self.suffix}"

    @property
    def suffix(self) -> str:
        """Motion JPEG lies in Matroska."""
        return ".mkv"

    def check(self) -> None:
        """See whether the shard holds the clip.

        Raises:
            MediaError: If it does not.
        """
        fault = self.clip.find_fault()
        if fault is not None:
            raise MediaError(fault.message)

    def watch(self, config: FoleyConfig) -> VideoInput:
        """Its pictures, squashed for the model."""
        return self.clip.video(fps=config.video_fps, size=config.frame_size)

    def write_take(self, sound: Path, out_path: Path, *, start: float) -> None:
        """As :func:`~cinefoley.data.cache.extracted_shards.write_shard_video`, at the shards' sample rate."""
        rate = self.clip.sample_rate
        waveform, _ = read_audio(sound, sample_rate=rate)
        write_shard_video(self.clip, out_path, waveform=F.pad(waveform, (round(start * rate), 0)))

    def describe(self) -> dict[str, Any]:
        """Name, path, id, and the digest of what is kept of it."""
        entry = self.clip.entry
        return {"name": self.path.name, "path": str(self.path), "id": entry.id, "sha256": entry.digest}


def as_film(video: str | os.PathLike[str] | Film) -> Film:
    """A path is a film on disk; what is one already is given back."""
    return FileFilm(Path(video)) if isinstance(video, (str, os.PathLike)) else video
