"""Sounds are limited, and lowered if far beyond full scale, and left alone otherwise."""

import errno
import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from cinefoley.errors import AudioError, OutputError
from cinefoley.media.audio.fitted_writer import fit_to_full_scale, fitted_audio
from cinefoley.media.audio.writer import Subtype

TONE = torch.sin(0.05 * torch.arange(200_000))
CEILING = 10 ** (-1 / 20)


@pytest.mark.parametrize(("name", "subtype"), [("a.wav", "PCM_16"), ("a.flac", "PCM_24"), ("a.wav", "FLOAT")])
@pytest.mark.parametrize(
    ("peak", "gain", "limited_db"), [(0.25, 1, 0), (1.0, 1, 0), (1.5, 1, -4.52), (3.0, 0.5928, -6)]
)
def test_only_what_is_too_loud_is_changed(
    tmp_path: Path, name: str, subtype: Subtype, peak: float, gain: float, limited_db: float
) -> None:
    step = 2.0 ** -{"PCM_16": 15, "PCM_24": 23, "FLOAT": 22}[subtype]
    loud = peak * TONE
    loud[50_000:] *= 0.2
    with fitted_audio(tmp_path / name, 16000, subtype=subtype) as sound:
        for block in loud.split(7000):
            sound.write(block)

    read, rate = soundfile.read(tmp_path / name)
    assert rate == 16000
    assert sound.peak == pytest.approx(peak, rel=1e-3)
    assert sound.fitting.gain == pytest.approx(gain, rel=1e-3)
    assert sound.fitting.limited_db == pytest.approx(limited_db, abs=0.02)
    assert np.abs(read).max() <= max(CEILING, min(peak, 1)) + step
    # from 20 ms after the loud part on, only the gain of the whole
    assert np.abs(read - gain * loud.double().numpy())[50_320:].max() <= 1.5 * step + 1e-3 * (gain != 1)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_is_written_in_blocks_is_what_is_fitted_at_once(tmp_path: Path) -> None:
    stereo = 1.4 * torch.stack([TONE, 0.5 * TONE.flip(0)])
    with fitted_audio(tmp_path / "a.wav", 16000, 2, subtype="FLOAT") as sound:
        for block in stereo.split(9999, dim=1):
            sound.write(block)
    once, fitting = fit_to_full_scale(stereo, 16000)
    assert fitting == sound.fitting
    assert torch.equal(torch.from_numpy(soundfile.read(tmp_path / "a.wav", dtype="float32")[0].T), once)
    assert torch.allclose(once[1] / once[0], stereo[1] / stereo[0], rtol=1e-4)  # one gain for both


def test_nothing_is_left_where_it_fails(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="NaN"), fitted_audio(tmp_path / "a.wav", 16000) as sound:
        sound.write(torch.cat([TONE, torch.tensor([float("nan")])]))
    with pytest.raises(AudioError, match="written as"), fitted_audio(tmp_path / "a.mp3", 16000):
        pass
    nowhere = tmp_path / "nowhere" / "a.wav"
    with (
        pytest.raises(OutputError, match=r"a\.wav: the folder .* does not exist"),
        fitted_audio(nowhere, 16000),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_of_the_file_that_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **options: FullDisk())
    with (
        pytest.raises(OutputError, match=r"/a\.wav: no space left"),
        fitted_audio(tmp_path / "a.wav", 16000) as sound,
    ):
        sound.write(TONE)
    assert list(tmp_path.iterdir()) == []


def test_silence_and_an_empty_audio_stay_what_they_are(tmp_path: Path) -> None:
    for count in (0, 100):
        with fitted_audio(tmp_path / "a.wav", 16000) as sound:
            sound.write(torch.zeros(count))
        assert (sound.peak, sound.fitting.gain) == (0, 1)
        assert torch.equal(fit_to_full_scale(torch.zeros(count), 16000)[0], torch.zeros(count))
        assert soundfile.info(tmp_path / "a.wav").frames == count
