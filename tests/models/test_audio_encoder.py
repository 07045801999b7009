"""The spectrogram encoder: one feature for the time of each video frame."""

from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from cinefoley.config.presets import diff_foley
from cinefoley.models.audio_encoder import AudioEncoder
from cinefoley.models.build import build_audio_encoder
from cinefoley.models.folder import load_part


def tiny(**changes: object) -> AudioEncoder:
    settings: dict[str, object] = {
        "n_mels": 16,
        "channels": (4, 8, 8, 16),
        "time_pools": (2, 2, 1, 1),
        "band_pools": (2, 2, 2, 1),
        "feature_dim": 12,
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder: AudioEncoder = AudioEncoder(**(settings | changes))
        for module in encoder.modules():  # statistics of a norm that has seen nothing would hide its place
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 1.5)
    return encoder.eval()


def sound(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def test_the_default_is_cavps_encoder() -> None:
    config = diff_foley().audio_encoder
    assert config is not None
    with torch.device("meta"):
        encoders = [AudioEncoder(), build_audio_encoder(config)]
    for encoder in encoders:
        assert {name: encoder.config[name] for name in asdict(config)} == asdict(config)
        tower = [value for name, value in encoder.named_parameters() if name != "logit_scale"]
        assert sum(parameter.numel() for parameter in tower) == 80_723_008
        assert encoder.time_reduction == 16


@pytest.mark.parametrize(("frames", "steps"), [(4, 1), (7, 1), (8, 2), (32, 8), (35, 8)])
def test_the_time_reduction_says_how_many_features_there_are(frames: int, steps: int) -> None:
    encoder = tiny()
    assert encoder.time_reduction == 4
    assert encoder(sound(2, 16, frames)).shape == (2, steps, 12)


def test_a_small_encoder_can_keep_cavps_time_reduction() -> None:
    encoder = tiny(
        n_mels=128,
        channels=(16, 32, 64, 96, 128),
        time_pools=(2, 2, 2, 2, 1),
        band_pools=(2, 2, 2, 2, 1),
        feature_dim=512,
    )
    assert encoder(sound(1, 128, 256)).shape == (1, 16, 512)


@torch.no_grad()
def test_sounds_of_a_batch_do_not_hear_each_other() -> None:
    encoder, mel = tiny(), sound(3, 16, 16)
    alone = torch.cat([encoder(one[None]) for one in mel])
    torch.testing.assert_close(encoder(mel), alone)


@torch.no_grad()
def test_normalized_features_are_the_raw_ones_at_unit_norm() -> None:
    encoder, mel = tiny(), sound(2, 16, 16)
    raw = encoder(mel)
    assert not torch.allclose(raw.norm(dim=-1), torch.ones(2, 4))
    torch.testing.assert_close(encoder(mel, normalize=True), F.normalize(raw, dim=-1))


@torch.no_grad()
def test_every_band_has_a_norm_of_its_own() -> None:
    encoder, mel = tiny(), sound(1, 16, 16)
    changed = mel.clone()
    changed[:, 3] += 1
    shifted = tiny()
    assert shifted.norm.running_mean is not None
    shifted.norm.running_mean[3] -= 1
    torch.testing.assert_close(shifted(mel), encoder(changed))
    assert not torch.allclose(encoder(changed), encoder(mel))


@torch.no_grad()
def test_dropout_acts_in_training_only() -> None:
    encoder, mel = tiny(dropout=0.5), sound(2, 16, 16)
    assert torch.equal(encoder(mel), encoder(mel))
    encoder.training = True  # and not its norms
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert not torch.equal(encoder(mel), encoder(mel))


def test_the_temperature_starts_where_cavps_training_does() -> None:
    scale = tiny().logit_scale
    assert scale.requires_grad
    assert float(scale.detach().exp()) == pytest.approx(1 / 0.07)


def test_it_is_saved_and_loaded_like_every_part(tmp_path: Path) -> None:
    encoder, mel = tiny(), sound(1, 16, 16)
    encoder.save_pretrained(tmp_path)
    loaded = load_part(tmp_path, AudioEncoder)
    assert torch.equal(loaded(mel), encoder(mel))


@pytest.mark.parametrize("shape", [(16, 16), (1, 15, 16), (1, 1, 16, 16), (1, 16, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"mel must be \(B, 16, 4 or more\), got"):
        tiny()(torch.zeros(shape))


def test_sequences_that_do_not_fit_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        tiny(time_pools=(2, 2))
    with pytest.raises(ValueError, match="band_pools merge 32 bands, but the mel has 16"):
        tiny(band_pools=(2, 2, 2, 4))
