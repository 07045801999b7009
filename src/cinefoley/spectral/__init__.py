"""Waveform to mel spectrogram and back."""

from cinefoley.spectral.inverse import invert_mel
from cinefoley.spectral.magnitude import mel_to_magnitude
from cinefoley.spectral.mel import mel_spectrogram

__all__ = ["invert_mel", "mel_spectrogram", "mel_to_magnitude"]
