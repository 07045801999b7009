"""One film as a shard keeps it: stills, sound, mel and what is known, by one decode."""

import hashlib
import io
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cinefoley.data.clips import ClipEvent, ClipFault
from cinefoley.data.folder_source import FilmClip
from cinefoley.data.reading_clips import fault_from, find_mute, find_short, find_still
from cinefoley.data.records import file_sha256
from cinefoley.data.shard_settings import ShardSettings
from cinefoley.data.split_csv import SplitRow
from cinefoley.errors import MediaWarning
from cinefoley.media.crop import last_picture_time
from cinefoley.media.decoding import PictureReader
from cinefoley.media.pictures import FilePictures, stack_frames
from cinefoley.media.pixels import Pixels
from cinefoley.media.sampling import Section, as_rate
from cinefoley.media.shrinking import ShrunkPictures, shrink
from cinefoley.media.sparse_decoding import decode_sparsely
from cinefoley.media.stills import decode_flac, encode_flac, encode_jpeg
from cinefoley.media.video import sample_pixels
from cinefoley.spectral.mel import mel_spectrogram

__all__ = ["ShardItem", "bounded_size", "read_item"]

_JUDGED_SIDE = 64  # at which it is judged whether anything moves: noise of encoding averages out


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardItem:
    """What a shard keeps of a clip."""

    clip: FilmClip
    """The film."""
    row: SplitRow
    """Its line in the list."""
    about: dict[str, object]
    """What is known: becomes the member ``json``."""
    duration_s: float
    """Seconds of picture."""
    size: tuple[int, int]
    """Height and width of the stills."""
    sound: bytes
    """FLAC of one channel."""
    mel: bytes
    """``(n_mels, frames)`` float16 as a NumPy file."""
    stills: tuple[bytes, ...]
    """JPEGs, one for each frame."""

    def members(self) -> Iterator[tuple[str, bytes]]:
        """Suffix and bytes of every member, in the order in which they are kept: sound before pictures."""
        yield "json", json.dumps(self.about, ensure_ascii=False, sort_keys=True).encode()
        yield "flac", self.sound
        yield "mel.npy", self.mel
        for number, still in enumerate(self.stills):
            yield f"{number:03d}.jpg", still

    @property
    def digest(self) -> str:
        """SHA-256 over all members."""
        digest = hashlib.sha256()
        for suffix, content in self.members():
            digest.update(f"{suffix} {len(content)}\n".encode())
            digest.update(content)
        return digest.hexdigest()


def read_item(clip: FilmClip, row: SplitRow, settings: ShardSettings) -> ShardItem | ClipFault:
    """Decode a film once into what a shard keeps, or say why it is of no use.

    A clip whose events are known may be mute or still: its silence is data.

    Args:
        clip: The film.
        row: Its line in the list.
        settings: What is kept.
    """
    found = clip.look()
    if isinstance(found, ClipFault):
        return found
    size = bounded_size((found.height, found.width), settings.short_side)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MediaWarning)  # what damage costs in length is judged below
        try:
            return _read(clip, row, size, settings)
        except Exception as exc:
            return fault_from(exc, clip.id)


def bounded_size(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    """Height and width with the shorter side at most ``short_side``, the shape kept to the nearest pixel.

    Example:
        >>> bounded_size((360, 640), 256)
        (256, 455)
    """
    scale = Fraction(short_side, min(size))
    if scale >= 1:
        return size
    height, width = (max(1, int(side * scale + Fraction(1, 2))) for side in size)
    return height, width


def _read(
    clip: FilmClip, row: SplitRow, size: tuple[int, int], settings: ShardSettings
) -> ShardItem | ClipFault:
    assert clip.path is not None  # it was looked into
    shown = _pictures(clip.path, size, settings)
    fault = find_short(clip.id, shown.duration_s, settings.least_s)
    if fault is not None:
        return fault
    sound = clip.waveform(settings.mel.sample_rate, duration=settings.duration_s)
    if clip.events is None or not len(sound):
        fault = find_mute(clip.id, sound, settings.mute_db)
    if fault is None and clip.events is None:
        fault = _find_still(clip.id, shown.pictures)
    if fault is not None:
        return fault
    flac = encode_flac(sound.nan_to_num(0.0, 0.0, 0.0), settings.mel.sample_rate)
    kept = shown.pictures[0].shape[:2]
    return ShardItem(
        clip=clip,
        row=row,
        about=_about(clip, row, shown, settings),
        duration_s=shown.duration_s,
        size=(kept[0], kept[1]),
        sound=flac,
        mel=_mel(flac, settings),
        stills=tuple(encode_jpeg(picture, quality=settings.jpeg_quality) for picture in shown.pictures),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """The pictures of a film as a shard keeps them."""

    pictures: list[Pixels]
    progress: list[float]
    """How far between the first and the last picture of the film each one is shown: for moving windows."""
    duration_s: float


def _pictures(path: Path, size: tuple[int, int], settings: ShardSettings) -> _Shown:
    fps, section = as_rate(settings.fps), Section.of(0, settings.duration_s)
    assert section.duration is not None
    sparse = decode_sparsely(path, fps, section.duration, lambda pixels: shrink(pixels, size))
    if sparse is not None:
        pictures, times, last, duration_s = sparse.pixels, sparse.times, sparse.last, float(sparse.duration)
    else:
        with PictureReader(path) as reader:
            source = ShrunkPictures(FilePictures(reader), size)
            pictures, indices, duration_s = sample_pixels(source, fps, None, section)
        times, last = [source.times[index] for index in indices], last_picture_time(path)
    progress = [min(1.0, float(time / last)) if last else 0.0 for time in times]
    return _Shown(pictures=pictures, progress=progress, duration_s=duration_s)


def _find_still(clip_id: str, pictures: list[Pixels]) -> ClipFault | None:
    small = stack_frames([shrink(picture, (_JUDGED_SIDE, _JUDGED_SIDE)) for picture in pictures])
    return find_still(clip_id, small)


def _mel(flac: bytes, settings: ShardSettings) -> bytes:
    """Of the sound as it is kept, so that whoever computes it from there finds the same."""
    kept = torch.from_numpy(decode_flac(flac)[0])
    count = max(2, round(settings.duration_s * settings.mel.sample_rate))
    padded: Tensor = torch.nn.functional.pad(kept[:count], (0, max(0, count - len(kept))))
    file = io.BytesIO()
    mel = mel_spectrogram(padded[None], settings.mel)[0].to(torch.float16)
    np.save(file, mel.numpy(), allow_pickle=False)
    return file.getvalue()


def _about(clip: FilmClip, row: SplitRow, shown: _Shown, settings: ShardSettings) -> dict[str, object]:
    assert clip.path is not None
    return {
        "id": clip.id,
        "labels": list(clip.labels),
        "split": row.split,
        "start_s": row.start_s,
        "source": clip.path.name,
        "source_sha256": file_sha256(clip.path),
        "fps": settings.fps,
        "size": list(shown.pictures[0].shape[:2]),
        "duration_s": shown.duration_s,
        "progress": shown.progress,
        "events": None if clip.events is None else [_event(event) for event in clip.events],
    }


def _event(event: ClipEvent) -> list[object]:
    return [event.time_s, event.kind, event.is_onset_like, event.strength]
