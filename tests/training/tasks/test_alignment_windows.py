from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL

from cinefoley.config.recipes import TrainingPreset
from cinefoley.data.cache.clip_cache import prepare_clips
from cinefoley.data.sources.stage import StageSource
from cinefoley.models.build import build_autoencoder, build_video_encoder
from cinefoley.training.tasks.alignment_windows import draw_pair_starts, prepare_pairs


def test_shifted_sounds_are_half_a_second_off_or_more() -> None:
    starts = draw_pair_starts(torch.tensor([8] * 50), 4.0, seed=0)
    assert starts.shape == (50, 4)
    assert ((starts[:, 1:] - starts[:, :1]).abs() >= 2).all()
    assert int(starts.min()) >= 0
    assert int(starts.max()) <= 8
    assert len(starts[:, 0].unique()) > 4
    assert all(len(set(row)) == 4 for row in starts.tolist())


def test_without_room_for_shifts_the_own_sound_is_repeated() -> None:
    starts = draw_pair_starts(torch.tensor([0, 1, 3]), 4.0, seed=0)
    assert starts[0].tolist() == [0] * 4
    assert len(set(starts[1].tolist())) == 1
    assert len(set(starts[2].tolist())) <= 3


def test_places_depend_on_the_seed_and_the_clips_number() -> None:
    last = torch.tensor([8] * 6)
    assert torch.equal(draw_pair_starts(last, 4.0, seed=1)[:3], draw_pair_starts(last[:3], 4.0, seed=1))
    assert not torch.equal(draw_pair_starts(last, 4.0, seed=1), draw_pair_starts(last, 4.0, seed=2))


@pytest.fixture
def autoencoder(tiny_training: TrainingPreset) -> AutoencoderKL:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vae = build_autoencoder(tiny_training.model.autoencoder).eval()
    vae.register_to_config(scaling_factor=2.0)
    return vae


def test_pairs_are_encoded_window_by_window(
    tiny_training: TrainingPreset, autoencoder: AutoencoderKL, tmp_path: Path
) -> None:
    model = tiny_training.model
    clips = prepare_clips(StageSource("train", 4, duration_s=6.0), model.foley, tmp_path, duration_s=6.0)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        encoder = build_video_encoder(model.video_encoder).eval()
    pairs = prepare_pairs(clips, model.foley, encoder, autoencoder, tmp_path, seed=3)
    starts = draw_pair_starts(torch.tensor([8] * 4), 4.0, seed=3)
    assert len(pairs) == 4
    assert pairs.means.shape == pairs.stds.shape == (4, 4, 4, 16, 64)
    with torch.no_grad():
        video = clips.frames[2, int(starts[2, 0]) :][:16].float()[None] / 255
        assert torch.allclose(pairs.video_features[2], encoder(video)[0], atol=1e-5)
        begin = 16 * int(starts[2, 3])
        mel = clips.mels[2, :, begin : begin + 256].float()[None, None]
        mean = 2.0 * autoencoder.encode(mel).latent_dist.mean
    assert torch.allclose(pairs.means[torch.tensor([2]), torch.tensor([3])], mean, atol=1e-4)
    assert not pairs.is_negative[:, 0].any()
    assert pairs.is_silent.shape == (4,)
