import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL

from cinefoley.config.foley import FoleyConfig
from cinefoley.config.mel import MelConfig
from cinefoley.config.model import AutoencoderConfig, VideoEncoderConfig
from cinefoley.data.cache.clip_cache import prepare_clips
from cinefoley.data.cache.clip_windows import ClipWindows, DecodedClips
from cinefoley.data.cache.feature_cache import network_digest, prepare_features, prepare_latents
from cinefoley.data.sources.stage import StageSource
from cinefoley.errors import OutputError
from cinefoley.models.build import build_autoencoder, build_video_encoder
from cinefoley.models.video_encoder import VideoEncoder

CONFIG = FoleyConfig(
    mel=MelConfig(hop_length=250, n_mels=16), mel_frames=96, video_frames=6, frame_size=(16, 16)
)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> DecodedClips:
    source = StageSource("train", 5, duration_s=2.5)
    cache = tmp_path_factory.mktemp("clips")
    return prepare_clips(source, CONFIG, cache, duration_s=2.5, clips_per_file=2)


@pytest.fixture
def windows(clips: DecodedClips) -> ClipWindows:
    return clips.windows(CONFIG, 2)


@pytest.fixture
def encoder() -> VideoEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_video_encoder(VideoEncoderConfig(width=4, blocks=(1, 1, 1, 1), feature_dim=8)).eval()


@pytest.fixture
def autoencoder() -> AutoencoderKL:
    config = AutoencoderConfig(
        channels=1,
        block_out_channels=(4, 8),
        layers_per_block=1,
        norm_num_groups=2,
        has_middle_attention=False,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_autoencoder(config).eval()


def build_like(autoencoder: AutoencoderKL) -> AutoencoderKL:
    twin = AutoencoderKL.from_config(autoencoder.config)
    twin.load_state_dict(autoencoder.state_dict())
    twin.register_to_config(scaling_factor=7.0)
    return twin


def cached(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}


def test_every_window_is_encoded_on_its_own(
    windows: ClipWindows, encoder: VideoEncoder, tmp_path: Path
) -> None:
    encoder.train()
    told: list[tuple[int, int]] = []
    features = prepare_features(
        windows, encoder, tmp_path, batch_size=3, on_row=lambda done, total: told.append((done, total))
    )
    assert features.shape == (10, 6, 8)
    assert features.dtype == torch.float32
    with torch.no_grad():
        for row in range(10):
            expected = encoder(windows.frames[row][None].float() / 255)[0]
            assert torch.allclose(features[row], expected, atol=1e-5)
    assert told == [(4, 10), (8, 10), (10, 10)]


def test_latents_are_posteriors_that_can_be_scaled(
    windows: ClipWindows, autoencoder: AutoencoderKL, tmp_path: Path
) -> None:
    latents = prepare_latents(windows, autoencoder, tmp_path)
    with torch.no_grad():
        posterior = autoencoder.encode(windows.mels[:].float()[:, None]).latent_dist
    assert torch.allclose(latents.means[:], posterior.mean, atol=1e-5)
    assert torch.allclose(latents.stds[:], posterior.std, atol=1e-5)
    assert torch.equal(latents.scaled(2.0).means[3], 2 * latents.means[3])
    assert torch.equal(latents.scaled(2.0).stds[3], 2 * latents.stds[3])


def test_what_a_network_has_encoded_is_not_encoded_again(
    windows: ClipWindows, encoder: VideoEncoder, tmp_path: Path
) -> None:
    first = prepare_features(windows, encoder, tmp_path)[:]
    before = cached(tmp_path)
    assert len(before) == 3
    assert torch.equal(prepare_features(windows, encoder, tmp_path)[:], first)
    assert cached(tmp_path) == before


def test_another_network_or_other_windows_never_meet_stale_numbers(
    clips: DecodedClips, windows: ClipWindows, encoder: VideoEncoder, tmp_path: Path
) -> None:
    first = prepare_features(windows, encoder, tmp_path)[:]
    with torch.no_grad():
        encoder.projection.bias[0] += 0.5
    assert not torch.equal(prepare_features(windows, encoder, tmp_path)[:], first)
    assert len(prepare_features(clips.windows(CONFIG, 1), encoder, tmp_path)) == 5
    assert prepare_features(clips.windows(CONFIG, 1, num_frames=4), encoder, tmp_path).shape[1] == 4
    assert len(cached(tmp_path)) == 12


def test_a_digest_tells_weights_and_shape(encoder: VideoEncoder, autoencoder: AutoencoderKL) -> None:
    digest = network_digest(encoder)
    assert network_digest(encoder) == digest
    encoder.backbone.state_dict()["conv1.bn.running_mean"][0] += 1  # buffers count too
    assert network_digest(encoder) != digest
    before = network_digest(autoencoder)
    autoencoder.register_to_config(scaling_factor=0.5)
    assert network_digest(autoencoder) != before
    assert network_digest(autoencoder, ignoring=["scaling_factor"]) == network_digest(
        build_like(autoencoder), ignoring=["scaling_factor"]
    )


@pytest.mark.parametrize("prepare", [prepare_features, prepare_latents])
def test_a_file_that_was_cut_off_is_made_again(
    windows: ClipWindows,
    encoder: VideoEncoder,
    autoencoder: AutoencoderKL,
    tmp_path: Path,
    prepare: Callable[..., Any],
) -> None:
    network = encoder if prepare is prepare_features else autoencoder
    prepare(windows, network, tmp_path)
    before = cached(tmp_path)
    path = Path(next(iter(before)))
    path.write_bytes(path.read_bytes()[:-9])
    prepare(windows, network, tmp_path)
    after = cached(tmp_path)
    assert {name for name in after if after[name] != before[name]} == {str(path)}


def test_a_full_disk_is_told_and_what_is_finished_is_kept(
    windows: ClipWindows, encoder: VideoEncoder, tmp_path: Path
) -> None:
    prepare_features(windows, encoder, tmp_path)
    lost = list(cached(tmp_path))[-1]
    Path(lost).unlink()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OutputError, match=r"no space left .* windows are cached in .*features-"):
            prepare_features(windows, encoder, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(cached(tmp_path)) == 2
    assert len(prepare_features(windows, encoder, tmp_path)) == 10
