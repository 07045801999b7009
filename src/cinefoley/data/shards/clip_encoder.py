"""Clip encoder: a video as a shard stores it (JPEGs, FLAC, mel, JSON), decoded once."""

import hashlib
import io
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cinefoley.data.shards.layout import ShardSettings
from cinefoley.data.sources.clip_reader import fault_from, find_mute, find_short, find_still
from cinefoley.data.sources.clip_source import ClipEvent, ClipFault
from cinefoley.data.sources.file_digests import file_sha256
from cinefoley.data.sources.folder import FileClip
from cinefoley.data.sources.split_csv import SplitRow
from cinefoley.data.sources.video_frames import VideoFrames, bounded_size, read_video_frames
from cinefoley.errors import MediaWarning
from cinefoley.media.audio.flac import decode_flac, encode_flac
from cinefoley.media.frames.downscaling import downscale
from cinefoley.media.frames.frame_source import stack_frames
from cinefoley.media.frames.pixels import Pixels
from cinefoley.spectral.mel import mel_spectrogram

__all__ = ["EncodedClip", "encode_clip"]

_JUDGED_SIDE = 64  # pixels, at which movement is detected: coding noise averages out


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedClip:
    """What a shard stores of a clip."""

    clip: FileClip
    """The video."""
    row: SplitRow
    """Its line in the split CSV."""
    about: dict[str, object]
    """Labels, events, source and times: becomes the member ``json``."""
    duration_s: float
    """Seconds of video."""
    size: tuple[int, int]
    """Height and width of the JPEGs."""
    damage: str | None
    """What was lost of the video; None if nothing was."""
    sound: bytes
    """FLAC of one channel."""
    mel: bytes
    """``(n_mels, frames)`` float16 as a NumPy file."""
    jpegs: tuple[bytes, ...]
    """JPEGs, one for each frame."""

    def members(self) -> Iterator[tuple[str, bytes]]:
        """Suffix and bytes of every member in the order of the archive: audio before frames."""
        yield "json", json.dumps(self.about, ensure_ascii=False, sort_keys=True).encode()
        yield "flac", self.sound
        yield "mel.npy", self.mel
        for number, jpeg in enumerate(self.jpegs):
            yield f"{number:03d}.jpg", jpeg

    @property
    def digest(self) -> str:
        """SHA-256 over all members."""
        digest = hashlib.sha256()
        for suffix, content in self.members():
            digest.update(f"{suffix} {len(content)}\n".encode())
            digest.update(content)
        return digest.hexdigest()


def encode_clip(clip: FileClip, row: SplitRow, settings: ShardSettings) -> EncodedClip | ClipFault:
    """Decode a video once into what a shard stores, or return why it is skipped.

    A clip whose events are known may be mute or without movement: its silence is data.

    Args:
        clip: The video.
        row: Its line in the split CSV.
        settings: What is stored.
    """
    found = clip.probe()
    if isinstance(found, ClipFault):
        return found
    size = bounded_size((found.height, found.width), settings.short_side)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MediaWarning)  # whether damage leaves enough video is checked below
        try:
            return _read(clip, row, size, settings)
        except Exception as exc:
            return fault_from(exc, clip.id)


def _read(
    clip: FileClip, row: SplitRow, size: tuple[int, int], settings: ShardSettings
) -> EncodedClip | ClipFault:
    assert clip.path is not None  # its header was read
    shown = read_video_frames(clip.path, size, fps=settings.frame_rate, duration_s=settings.duration_s)
    fault = find_short(clip.id, shown.duration_s, settings.least_s)
    if fault is not None:
        return fault
    sound = clip.waveform(settings.mel.sample_rate, duration=settings.duration_s)
    if clip.events is None or not len(sound):
        fault = find_mute(clip.id, sound, settings.mute_db)
    if fault is None and clip.events is None:
        fault = _find_still(clip.id, shown.frames)
    if fault is not None:
        return fault
    flac = encode_flac(sound.nan_to_num(0.0, 0.0, 0.0), settings.mel.sample_rate)
    return EncodedClip(
        clip=clip,
        row=row,
        about=_about(clip, row, shown, settings),
        duration_s=shown.duration_s,
        size=shown.size,
        damage=shown.damage,
        sound=flac,
        mel=_mel(flac, settings),
        jpegs=tuple(shown.jpegs(settings.jpeg_quality)),
    )


def _find_still(clip_id: str, frames: list[Pixels]) -> ClipFault | None:
    small = stack_frames([downscale(frame, (_JUDGED_SIDE, _JUDGED_SIDE)) for frame in frames])
    return find_still(clip_id, small)


def _mel(flac: bytes, settings: ShardSettings) -> bytes:
    """Computed from the stored FLAC, so that computing it again gives the same."""
    kept = torch.from_numpy(decode_flac(flac)[0])
    count = max(2, round(settings.duration_s * settings.mel.sample_rate))
    padded: Tensor = torch.nn.functional.pad(kept[:count], (0, max(0, count - len(kept))))
    file = io.BytesIO()
    mel = mel_spectrogram(padded[None], settings.mel)[0].to(torch.float16)
    np.save(file, mel.numpy(), allow_pickle=False)
    return file.getvalue()


def _about(clip: FileClip, row: SplitRow, shown: VideoFrames, settings: ShardSettings) -> dict[str, object]:
    assert clip.path is not None
    return {
        "id": clip.id,
        "labels": list(clip.labels),
        "split": row.split,
        "start_s": row.start_s,
        "source": clip.path.name,
        "source_sha256": file_sha256(clip.path),
        "fps": settings.fps,
        "size": list(shown.size),
        "duration_s": shown.duration_s,
        "progress": shown.progress,
        "events": None if clip.events is None else [_event(event) for event in clip.events],
    }


def _event(event: ClipEvent) -> list[object]:
    return [event.time_s, event.kind, event.is_onset_like, event.strength]
