"""Settings of the mel front-end."""

from dataclasses import dataclass

__all__ = ["MelConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MelConfig:
    """The mel front-end: from a waveform to a mel spectrogram in [0, 1], and back.

    Source: Diff-Foley, second stage (``data_preprocess/wav2spec.py``). The defaults are its numbers.
    """

    sample_rate: int = 16000
    """Samples per second of the waveform."""
    n_fft: int = 1024
    """Length of the Fourier transform and of its Hann window, in samples."""
    hop_length: int = 256
    """Samples from one mel frame to the next. Diff-Foley's first stage used 250."""
    n_mels: int = 128
    """Mel bands, on Slaney's scale with Slaney's area normalisation."""
    f_min: float = 125.0
    """Lower edge of the lowest band, in Hz."""
    f_max: float = 7600.0
    """Upper edge of the highest band, in Hz."""
    floor_db: float = -80.0
    """Level that maps to 0, in dB re magnitude 1."""
    ceiling_db: float = 20.0
    """Level that maps to 1, in dB re magnitude 1."""

    def __post_init__(self) -> None:
        if min(self.sample_rate, self.n_fft, self.hop_length, self.n_mels) < 1:
            raise ValueError(f"sample_rate, n_fft, hop_length and n_mels must be positive: {self}")
        if not 0 <= self.f_min < self.f_max <= self.sample_rate / 2:
            raise ValueError(
                f"mel bands must lie in 0 <= f_min < f_max <= {self.sample_rate / 2:g} Hz, "
                f"got f_min={self.f_min:g}, f_max={self.f_max:g}"
            )
        if not self.floor_db < self.ceiling_db:
            raise ValueError(f"floor_db {self.floor_db:g} must lie below ceiling_db {self.ceiling_db:g}")
