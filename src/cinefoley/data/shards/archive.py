"""Shard archives: tar files that WebDataset reads, with the byte range of every clip."""

import hashlib
import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from cinefoley.data.json_lines import Record
from cinefoley.data.shards.clip_encoder import EncodedClip
from cinefoley.data.sources.clip_source import ClipEvent, events_as_json
from cinefoley.errors import MediaError
from cinefoley.media.files.atomic_write import atomic_write

__all__ = ["ShardEntry", "ShardWriter", "TarWriter", "escaped_key", "read_members", "writing_shard"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardEntry:
    """Index entry: all about one clip of a shard but its frames and audio."""

    id: str
    """As in the split CSV."""
    labels: tuple[str, ...]
    """What makes sound."""
    split: str
    """Part of the dataset; empty if the split CSV names none."""
    events: tuple[ClipEvent, ...] | None
    """Known events, in order of time."""
    shard: str
    """Name of the shard, without suffix."""
    offset: int
    """Byte at which its first member begins in the shard."""
    stills_offset: int
    """Byte at which its frames begin."""
    end: int
    """Byte at which its last member ends."""
    num_frames: int
    """Number of frames."""
    duration_s: float
    """Seconds of video."""
    size: tuple[int, int]
    """Height and width of the frames."""
    digest: str
    """SHA-256 over its members."""
    damage: str | None = None
    """What was lost of the video and is replaced by the frame before; None if nothing was."""

    def to_record(self) -> Record:
        """The entry as a line of the index."""
        record = {name: getattr(self, name) for name in self.__slots__}
        return record | {
            "events": events_as_json(self.events),
            "labels": list(self.labels),
            "size": list(self.size),
        }

    @classmethod
    def from_record(cls, record: Record) -> Self:
        """Build from what :meth:`to_record` returns.

        Raises:
            ValueError: If a value is missing or of another type.
        """
        try:
            known = record["events"]
            events = None if known is None else tuple(ClipEvent(**event) for event in known)
            height, width = record["size"]
            labels = tuple(record["labels"])
            return cls(**record | {"events": events, "labels": labels, "size": (height, width)})
        except (KeyError, TypeError) as exc:
            raise ValueError(f"not an entry of an index ({exc})") from exc


class TarWriter:
    """Appends members to an archive.

    The bytes depend on the members alone: no times, owners or file modes of this machine.

    Args:
        file: Where the archive goes.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._hashed = _Hashed(file)
        self._tar = tarfile.open(fileobj=self._hashed, mode="w", format=tarfile.GNU_FORMAT)  # type: ignore[call-overload]  # noqa: SIM115  # closed by close

    @property
    def offset(self) -> int:
        """Byte at which the next member begins."""
        return int(self._tar.offset)

    def append(self, name: str, content: bytes) -> int:
        """Append a member. Returns the byte at which its content begins."""
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), 0o444
        self._tar.addfile(member, io.BytesIO(content))
        padded = -(-len(content) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
        return self.offset - padded

    def close(self) -> tuple[int, str]:
        """Finish the archive. Returns its size in bytes and its SHA-256."""
        self._tar.close()
        return self._hashed.size, self._hashed.digest.hexdigest()


class ShardWriter:
    """Appends clips to a shard; made by :func:`writing_shard`.

    Args:
        file: Where the archive goes.
        name: The shard's name.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._tar = TarWriter(file)
        self._name = name

    def add(self, item: EncodedClip) -> ShardEntry:
        """Append a clip."""
        offset, stills_offset = self._tar.offset, 0
        for suffix, content in item.members():
            if suffix.endswith("jpg") and not stills_offset:
                stills_offset = self._tar.offset
            self._tar.append(f"{escaped_key(item.clip.id)}.{suffix}", content)
        return ShardEntry(
            id=item.clip.id,
            labels=item.clip.labels,
            split=item.row.split,
            events=item.clip.events,
            shard=self._name,
            offset=offset,
            stills_offset=stills_offset,
            end=self._tar.offset,
            num_frames=len(item.jpegs),
            duration_s=item.duration_s,
            size=item.size,
            digest=item.digest,
            damage=item.damage,
        )

    def close(self) -> tuple[int, str]:
        """Finish the archive. Returns its size in bytes and its SHA-256."""
        return self._tar.close()


@contextmanager
def writing_shard(path: Path, name: str) -> Iterator[ShardWriter]:
    """Write a shard atomically: it appears under its name when the block has closed the writer.

    Raises:
        OutputError: If it cannot be written, for example because the disk is full.
    """
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        yield ShardWriter(file, name)


def read_members(path: Path, begin: int, end: int) -> dict[str, bytes]:
    """Members of one clip by suffix, from a byte range of a shard.

    Args:
        path: The shard.
        begin: Byte at which the first one begins.
        end: Byte at which the last one ends.

    Raises:
        MediaError: If the shard is missing, truncated, or holds something else there.
    """
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(begin)
            content = file.read(end - begin)
    except OSError as exc:
        raise MediaError(f"{path}: cannot be read ({exc.strerror}). Prepare the clips again.") from exc
    if len(content) < end - begin:
        raise MediaError(f"{path}: ends before byte {end}; it was truncated. Prepare the clips again.")
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            return {
                member.name.partition(".")[2]: content[member.offset_data : member.offset_data + member.size]
                for member in tar
            }
    except tarfile.TarError as exc:
        raise MediaError(
            f"{path}: holds no clip at byte {begin} ({exc}); it was changed. Prepare the clips again."
        ) from exc


def escaped_key(clip_id: str) -> str:
    """The id as WebDataset's key, which ends at the first dot."""
    return clip_id.replace("%", "%25").replace(".", "%2E")


class _Hashed:
    """A file to write to that computes the digest of what was written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.size, self.digest = file, 0, hashlib.sha256()

    def write(self, content: bytes) -> int:
        self.size += len(content)
        self.digest.update(content)
        return self._file.write(content)

    def tell(self) -> int:
        return self.size
