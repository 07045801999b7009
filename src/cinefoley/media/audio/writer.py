"""Write WAV and FLAC files block by block, as one atomic write."""

import os
import warnings
from contextlib import ExitStack, suppress
from math import log10
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
import soundfile
from numpy.typing import NDArray
from torch import Tensor

from cinefoley.errors import AudioError, MediaWarning
from cinefoley.media.audio.reader import Samples
from cinefoley.media.files.atomic_write import atomic_write, cause_of_failed_write
from cinefoley.media.files.resources import OpenedTogether

__all__ = ["AudioWriter", "Subtype", "as_integers", "as_samples"]

Subtype = Literal["PCM_16", "PCM_24", "FLOAT"]
"""How samples are stored: 16 or 24 bit integers, or 32 bit floats (WAV only)."""

_FORMATS = {".wav": "WAV", ".flac": "FLAC"}
_LARGEST_WAV = 2**32 - 4096
_BYTES = {"PCM_16": 2, "PCM_24": 3, "FLOAT": 4}
_SFC_SET_ADD_PEAK_CHUNK = 0x1050  # sndfile.h


class AudioWriter(OpenedTogether):
    """Write a WAV or FLAC file block by block; it appears under its name only when the block succeeds.

    Integers hold nothing beyond full scale: such samples are clipped, and a warning at the end reports how
    many. The bytes depend on the samples alone, never on the date.

    Args:
        path: ``.wav`` or ``.flac``.
        sample_rate: Samples per second.
        channels: Number of channels.
        subtype: How samples are stored. FLAC takes integers only.

    Raises:
        AudioError: If the suffix or the subtype is not supported, samples are not finite, or a WAV outgrows
            its 4 GiB.
        OutputError: If the path cannot be written or the disk is full. Nothing is left behind then.

    Warns:
        MediaWarning: If samples were clipped.

    Examples:
        >>> with AudioWriter("rain.wav", 16000, channels=1) as writer:  # doctest: +SKIP
        ...     writer.write(torch.zeros(16000))
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        sample_rate: int,
        channels: int = 1,
        *,
        subtype: Subtype = "PCM_16",
    ) -> None:
        self.path = Path(path)
        self.sample_rate = sample_rate
        self.channels = channels
        self.subtype = subtype
        self.length = 0
        """Samples per channel written so far."""
        self._clipped = 0
        self._peak = 0.0
        self._format = _check_format(self.path, subtype)

    def _open(self, opening: ExitStack) -> None:
        self._temporary = opening.enter_context(atomic_write(self.path))
        self._file: Any = soundfile.SoundFile(
            str(self._temporary),
            "w",
            samplerate=self.sample_rate,
            channels=self.channels,
            format=self._format,
            subtype=self.subtype,
        )
        opening.callback(self._close)
        _leave_out_the_date(self._file)

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, exc, trace)
        if kind is None and self._clipped:
            warnings.warn(
                f"{self.path.name}: {self._clipped} samples beyond full scale were clipped "
                f"(peak {20 * log10(self._peak):+.1f} dB). Lower the level, or write with subtype FLOAT.",
                MediaWarning,
                stacklevel=2,
            )

    def write(self, block: Tensor | Samples) -> None:
        """Append ``(channels, N)`` or ``(N,)`` samples, full scale at 1."""
        samples = as_samples(block)
        if samples.shape[0] != self.channels:
            raise ValueError(
                f"expected {self.channels} channels, got a block of shape {tuple(samples.shape)}"
            )
        if not np.isfinite(samples).all():
            raise AudioError(f"{self.path.name}: the audio holds NaN or infinity and was not written.")
        if self._format == "WAV" and self._size_with(samples.shape[1]) > _LARGEST_WAV:
            raise AudioError(f"{self.path.name}: a WAV ends at 4 GiB. Write a .flac instead.")
        stored = samples if self.subtype == "FLOAT" else as_integers(self._clip(samples), self.subtype)
        try:
            self._file.write(stored.T)
        except (soundfile.LibsndfileError, AssertionError) as exc:  # soundfile asserts that all was written
            raise cause_of_failed_write(self._temporary) from exc
        self.length += samples.shape[1]

    def _clip(self, samples: Samples) -> Samples:
        magnitude = np.abs(samples)
        peak = float(magnitude.max(initial=0.0))
        if peak <= 1:
            return samples
        self._peak = max(self._peak, peak)
        self._clipped += int((magnitude > 1).sum())
        return samples.clip(-1, 1)

    def _size_with(self, more: int) -> int:
        return (self.length + more) * self.channels * _BYTES[self.subtype]

    def _close(self) -> None:
        try:
            self._file.close()
            is_whole = soundfile.info(str(self._temporary)).frames == self.length
        except soundfile.LibsndfileError as exc:
            raise cause_of_failed_write(self._temporary) from exc
        if not is_whole:
            raise cause_of_failed_write(self._temporary)


def as_samples(waveform: Tensor | Samples) -> Samples:
    """Convert ``(N,)`` or ``(channels, N)``, tensor or array, to ``(channels, N)`` float32 on the CPU.

    Raises:
        ValueError: If the shape is another.
    """
    array = waveform.detach().cpu().float().numpy() if isinstance(waveform, Tensor) else waveform
    samples = np.atleast_2d(np.asarray(array, np.float32))
    if samples.ndim != 2 or samples.shape[0] < 1:
        raise ValueError(f"a waveform must be (N,) or (channels, N), got shape {tuple(samples.shape)}")
    return samples


def as_integers(samples: Samples, subtype: Subtype) -> NDArray[np.signedinteger[Any]]:
    """Round to the nearest integer; libsndfile, when it clips, rounds down."""
    bits = 8 * _BYTES[subtype]
    full_scale = 2 ** (bits - 1)
    levels: NDArray[np.float32] = np.rint(samples * full_scale).clip(max=full_scale - 1)
    # soundfile stores an int32's upper bits
    stored: NDArray[np.signedinteger[Any]] = levels.astype(np.int32) << (32 - bits)
    return stored


def _check_format(path: Path, subtype: Subtype) -> str:
    try:
        form = _FORMATS[path.suffix.lower()]
    except KeyError:
        raise AudioError(f"{path.name}: audio is written as .wav or .flac, not '{path.suffix}'.") from None
    if not soundfile.check_format(form, subtype):
        raise AudioError(f"{path.name}: {form} cannot hold {subtype}. Use PCM_16, PCM_24, or a .wav.")
    return form


def _leave_out_the_date(file: Any) -> None:
    """Float WAVs otherwise carry the peak with the time of writing, so equal takes would differ in bytes."""
    with suppress(AttributeError):  # soundfile has no public name for it
        soundfile._snd.sf_command(file._file, _SFC_SET_ADD_PEAK_CHUNK, soundfile._ffi.NULL, 0)
