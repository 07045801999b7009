"""Write Broadcast WAV files: a bext chunk with the time reference, an iXML chunk with timecode and notes."""

import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import av
import numpy as np
from av.audio.frame import AudioFrame

from cinefoley.errors import AudioError
from cinefoley.media.audio.reader import Samples, join_blocks
from cinefoley.media.audio.writer import Subtype, as_integers, as_samples
from cinefoley.media.files.atomic_write import atomic_write

__all__ = ["BroadcastInfo", "write_broadcast_wav"]

_CODECS: dict[Subtype, tuple[str, str, int]] = {  # codec, sample format, bits
    "PCM_16": ("pcm_s16le", "s16", 16),
    "PCM_24": ("pcm_s24le", "s32", 24),
    "FLOAT": ("pcm_f32le", "flt", 32),
}
_LAYOUTS = {1: "mono", 2: "stereo", 4: "4.0", 6: "5.1", 8: "7.1"}
_BITEXACT = 1 << 10  # av.container.Flags.bitexact, whose stub says that it is no number
_BLOCK = 65536
_LARGEST = 2**32 - 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class BroadcastInfo:
    """What a Broadcast WAV states about its sound."""

    time_reference: int
    """Samples from midnight to the first sample, at the file's rate."""
    timecode_rate: Fraction
    """Frames per second of the timecode."""
    is_drop_frame: bool = False
    """Whether the timecode is drop-frame."""
    description: str = ""
    """Free text, at most 256 characters of ASCII."""
    originator: str = "cinefoley"
    """Program or person, at most 32 characters."""
    reference: str = ""
    """Identifier of the file, at most 32 characters."""
    created: datetime | None = None
    """When the sound was generated; None leaves it out."""
    project: str = ""
    """iXML: name of the film."""
    scene: str = ""
    """iXML: name of the shot."""
    take: str = ""
    """iXML: number of the take."""
    track_names: tuple[str, ...] = ()
    """iXML: a name for each channel."""
    note: str = ""
    """iXML: such as model and seed."""

    def bext(self, sample_rate: int, bits: int, channels: int) -> dict[str, str]:
        """Fields of the bext chunk, as FFmpeg names them."""
        mode = {1: "mono", 2: "stereo"}.get(channels, "multitrack")
        fields = {
            "description": _ascii(self.description, 256),
            "originator": _ascii(self.originator, 32),
            "originator_reference": _ascii(self.reference, 32),
            "time_reference": str(self.time_reference),
            "coding_history": f"A=PCM,F={sample_rate},W={bits},M={mode},T=cinefoley\r\n",
        }
        if self.created is not None:
            fields["origination_date"] = self.created.strftime("%Y-%m-%d")
            fields["origination_time"] = self.created.strftime("%H:%M:%S")
        return fields

    def ixml(self, sample_rate: int, bits: int) -> bytes:
        """The iXML document.

        Source: iXML specification 3.0: project, scene, take, note, SPEED and TRACK_LIST.
        """
        root = ElementTree.Element("BWFXML")
        rate = f"{self.timecode_rate.numerator}/{self.timecode_rate.denominator}"
        low, high = self.time_reference & 0xFFFFFFFF, self.time_reference >> 32
        texts = {"IXML_VERSION": "3.0", "PROJECT": self.project, "SCENE": self.scene, "TAKE": self.take}
        speed = {
            "NOTE": "",
            "MASTER_SPEED": rate,
            "CURRENT_SPEED": rate,
            "TIMECODE_RATE": rate,
            "TIMECODE_FLAG": "DF" if self.is_drop_frame else "NDF",
            "FILE_SAMPLE_RATE": str(sample_rate),
            "AUDIO_BIT_DEPTH": str(bits),
            "DIGITIZER_SAMPLE_RATE": str(sample_rate),
            "TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI": str(high),
            "TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO": str(low),
            "TIMESTAMP_SAMPLE_RATE": str(sample_rate),
        }
        _add(root, texts | {"NOTE": self.note})
        _add(ElementTree.SubElement(root, "SPEED"), speed)
        tracks = ElementTree.SubElement(root, "TRACK_LIST")
        _add(tracks, {"TRACK_COUNT": str(len(self.track_names))})
        for index, name in enumerate(self.track_names, start=1):
            about = {"CHANNEL_INDEX": str(index), "INTERLEAVE_INDEX": str(index), "NAME": name}
            _add(ElementTree.SubElement(tracks, "TRACK"), about)
        return bytes(ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True))


def write_broadcast_wav(
    path: str | os.PathLike[str],
    blocks: Iterable[Samples],
    sample_rate: int,
    info: BroadcastInfo,
    *,
    channels: int = 1,
    subtype: Subtype = "PCM_24",
) -> int:
    """Write a Broadcast WAV.

    Source: EBU Tech 3285 (bext, version 1), as FFmpeg writes it; the iXML chunk follows the samples.

    Args:
        path: ``.wav``; appears under its name only when all is written.
        blocks: ``(channels, N_i)`` float32, full scale at 1; integers clip beyond it.
        sample_rate: Samples per second.
        info: What the file states.
        channels: 1, 2, 4, 6 or 8.
        subtype: How samples are stored.

    Returns:
        The number of samples per channel.

    Raises:
        AudioError: If samples are not finite, or the file outgrows its 4 GiB.
        OutputError: If it cannot be written. Nothing is left behind then.
        ValueError: If a block has another number of channels, or there is no layout for it.
    """
    target = Path(path)
    codec, form, bits = _CODECS[subtype]
    if channels not in _LAYOUTS:
        raise ValueError(f"channels must be one of {', '.join(map(str, _LAYOUTS))}, got {channels}")
    length = 0
    with atomic_write(target) as temporary:
        with av.open(str(temporary), "w", format="wav", options={"write_bext": "1"}) as container:
            container.metadata.update(info.bext(sample_rate, bits, channels))
            stream: Any = container.add_stream(codec, rate=sample_rate, layout=_LAYOUTS[channels])
            container.flags |= _BITEXACT  # no version of FFmpeg in the file
            for block in join_blocks(blocks, _BLOCK):
                samples = _check(block, channels, target)
                length += samples.shape[1]
                if length * channels * bits // 8 > _LARGEST:
                    raise AudioError(f"{target.name}: a WAV ends at 4 GiB. Deliver shorter shots.")
                frame = AudioFrame.from_ndarray(
                    _packed(samples, subtype), format=form, layout=_LAYOUTS[channels]
                )
                frame.rate = sample_rate
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        _append_chunk(temporary, b"iXML", info.ixml(sample_rate, bits))
    return length


def _check(block: Samples, channels: int, path: Path) -> Samples:
    samples = as_samples(block)
    if samples.shape[0] != channels:
        raise ValueError(f"expected {channels} channels, got a block of shape {samples.shape}")
    if not np.isfinite(samples).all():
        raise AudioError(f"{path.name}: the audio holds NaN or infinity and was not written.")
    return samples


def _packed(samples: Samples, subtype: Subtype) -> Any:
    """``(1, N * channels)``, the channels interleaved, in the sample format of the subtype."""
    if subtype == "FLOAT":
        return np.ascontiguousarray(samples.T).reshape(1, -1)
    levels = as_integers(samples.clip(-1, 1), subtype)
    levels = (levels >> 16).astype(np.int16) if subtype == "PCM_16" else levels
    return np.ascontiguousarray(levels.T).reshape(1, -1)


def _append_chunk(path: Path, name: bytes, content: bytes) -> None:
    """Append a chunk to a RIFF file and correct the size in its header."""
    with path.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        file.write(b"\0" * (file.tell() % 2))
        file.write(name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2))
        size = file.tell() - 8
        file.seek(4)
        file.write(struct.pack("<I", size))


def _add(parent: ElementTree.Element, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        ElementTree.SubElement(parent, name).text = text


def _ascii(text: str, length: int) -> str:
    return text.encode("ascii", "replace").decode()[:length]
