"""Sounds are lowered as a whole where they go beyond full scale, and left alone otherwise."""

import errno
import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from cinefoley.errors import AudioError, OutputError
from cinefoley.media.audio.fitted_writer import fitted_audio
from cinefoley.media.audio.writer import Subtype

TONE = torch.sin(0.05 * torch.arange(200_000))
CEILING = 10 ** (-1 / 20)


@pytest.mark.parametrize(("name", "subtype"), [("a.wav", "PCM_16"), ("a.flac", "PCM_24"), ("a.wav", "FLOAT")])
@pytest.mark.parametrize("peak", [0.25, 1.0, 3.0])
def test_only_what_is_too_loud_is_lowered(tmp_path: Path, name: str, subtype: Subtype, peak: float) -> None:
    step = 2.0 ** -{"PCM_16": 15, "PCM_24": 23, "FLOAT": 22}[subtype]
    with fitted_audio(tmp_path / name, 16000, subtype=subtype) as sound:
        for block in (peak * TONE).split(7000):
            sound.write(block)

    read, rate = soundfile.read(tmp_path / name)
    assert rate == 16000
    assert sound.peak == pytest.approx(peak, rel=1e-3)
    assert sound.gain == (1 if peak <= 1 else pytest.approx(CEILING / sound.peak))
    assert np.abs(read - sound.gain * peak * TONE.double().numpy()).max() <= 1.5 * step
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_channels_share_one_gain(tmp_path: Path) -> None:
    with fitted_audio(tmp_path / "a.wav", 16000, 2) as sound:
        sound.write(torch.stack([2 * TONE, 0.5 * TONE]))
    left, right = soundfile.read(tmp_path / "a.wav")[0].T
    assert np.abs(left).max() == pytest.approx(CEILING, abs=1e-4)
    assert np.abs(right).max() == pytest.approx(CEILING / 4, abs=1e-4)


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
        assert (sound.peak, sound.gain) == (0, 1)
        assert soundfile.info(tmp_path / "a.wav").frames == count
