from pathlib import Path

import pytest

from cinefoley.config.foley import FoleyConfig
from cinefoley.config.mel import MelConfig
from cinefoley.config.presets import diff_foley, lite


def test_diff_foleys_window_has_the_published_lengths() -> None:
    config = diff_foley().foley
    assert config.window_samples == 131_072
    assert config.window_s == pytest.approx(8.192)
    assert (config.video_fps, config.video_frames, config.frame_size) == (4.0, 32, (224, 224))
    mel = config.mel
    assert (mel.sample_rate, mel.n_fft, mel.hop_length, mel.n_mels) == (16000, 1024, 256, 128)
    assert (mel.f_min, mel.f_max, mel.floor_db, mel.ceiling_db) == (125, 7600, -80, 20)


def test_lites_frames_and_mel_last_equally_long() -> None:
    config = lite().foley
    assert config.window_s == config.video_frames / config.video_fps == 8.0


def test_a_saved_configuration_is_read_back(tmp_path: Path) -> None:
    config = FoleyConfig(mel=MelConfig(hop_length=250), frame_size=(64, 96), null_condition="zero_features")
    config.save(tmp_path)
    assert FoleyConfig.load(tmp_path) == config


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(ValueError, match="FoleyConfig has no setting 'fps'"):
        FoleyConfig.from_dict({"fps": 4})
    with pytest.raises(ValueError, match="MelConfig has no setting 'hop'"):
        FoleyConfig.from_dict({"mel": {"hop": 250}})


def test_frames_that_outlast_the_window_are_refused() -> None:
    with pytest.raises(ValueError, match=r"40 frames at 4 fps do not fit into a window of 8\.192 s"):
        FoleyConfig(video_frames=40)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hop_length": 0}, "must be positive"),
        ({"f_max": 9000.0}, "8000 Hz"),
        ({"f_min": 700.0, "f_max": 600.0}, "f_min=700"),
        ({"floor_db": 30.0}, "must lie below"),
    ],
)
def test_mel_settings_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MelConfig(**settings)  # type: ignore[arg-type]
