"""How probable it is that a sound belongs to a film, and how many sounds are said to."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from hypothesis import given
from hypothesis import strategies as st

from cinefoley.config.foley import FoleyConfig
from cinefoley.config.mel import MelConfig
from cinefoley.errors import MissingWeightsError
from cinefoley.metrics.alignment import AlignmentScorer, alignment_accuracy
from cinefoley.models.classifier import AlignmentClassifier

CONFIG = FoleyConfig(
    mel=MelConfig(n_mels=16), mel_frames=32, video_fps=12.0, video_frames=6, frame_size=(32, 32)
)


def classifier() -> AlignmentClassifier:
    return AlignmentClassifier(
        block_out_channels=(8, 16, 16), feature_dim=16, max_frames=10, num_heads=2, norm_num_groups=4
    ).eval()


def autoencoder() -> Any:
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8),
        norm_num_groups=4,
        scaling_factor=0.5,
    ).eval()


@pytest.fixture(scope="module")
def judge() -> AlignmentScorer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AlignmentScorer(classifier(), autoencoder(), CONFIG)


@pytest.fixture(scope="module")
def mel() -> torch.Tensor:
    return torch.rand(3, 16, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def video_features() -> torch.Tensor:
    drawn = torch.randn(3, 6, 16, generator=torch.Generator().manual_seed(2))
    return torch.nn.functional.normalize(drawn, dim=-1)


def above(value: float) -> float:
    return float(np.nextafter(np.float32(value), np.float32(1)))


@pytest.mark.parametrize(
    ("probability", "expected"),
    [(0.0, 0), (0.49999997, 0), (0.5, 0), (above(0.5), 1), (0.51, 1), (1.0, 1)],
)
def test_a_sound_is_aligned_above_one_half_and_not_at_it(probability: float, expected: int) -> None:
    assert alignment_accuracy(torch.tensor([probability])) == expected


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20))
def test_the_accuracy_is_the_mean_of_the_rounded_probabilities(probabilities: list[float]) -> None:
    values = torch.tensor(probabilities)
    accuracy = alignment_accuracy(values)
    assert accuracy.dtype == torch.float64
    assert accuracy == values.round().double().mean()  # round half to even: 0.5 becomes 0
    assert alignment_accuracy(values.flip(0)) == accuracy


@pytest.mark.parametrize("values", [[], [[0.5]], [1.1], [-0.1], [float("nan")], [0.2, float("inf")]])
def test_what_are_no_probabilities_is_refused(values: Any) -> None:
    with pytest.raises(ValueError, match="probabilities must be"):
        alignment_accuracy(torch.tensor(values))


@torch.no_grad()
def test_it_is_the_classifier_on_the_scaled_mean(
    judge: AlignmentScorer, mel: torch.Tensor, video_features: torch.Tensor
) -> None:
    moments = judge.autoencoder.encode(torch.stack([mel, mel, mel], dim=1)).latent_dist
    expected = judge.classifier(0.5 * moments.mean, torch.tensor(0.0), video_features)
    found = judge.probability(mel, video_features, posterior="mean")
    assert found.shape == (3,)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        judge.probability(mel, video_features, noise=torch.zeros_like(moments.mean)), expected
    )
    noise = torch.randn(moments.mean.shape, generator=torch.Generator().manual_seed(3))
    sampled = judge.classifier(0.5 * (moments.mean + moments.std * noise), torch.tensor(0.0), video_features)
    torch.testing.assert_close(judge.probability(mel, video_features, noise=noise), sampled)
    assert not torch.allclose(sampled, expected, atol=1e-6)


def test_a_seeded_sample_can_be_made_again(
    judge: AlignmentScorer, mel: torch.Tensor, video_features: torch.Tensor
) -> None:
    def sample(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return judge.probability(mel, video_features, generator=generator)

    assert torch.equal(sample(7), sample(7))
    assert not torch.equal(sample(7), sample(8))
    assert torch.equal(judge.probability(mel, video_features), sample(0))


def test_both_posteriors_at_once_are_each_by_itself(
    judge: AlignmentScorer, mel: torch.Tensor, video_features: torch.Tensor
) -> None:
    generator = torch.Generator().manual_seed(7)
    mean, sample = judge.probabilities(mel, video_features, generator=generator)
    assert torch.equal(mean, judge.probability(mel, video_features, posterior="mean"))
    assert torch.equal(
        sample, judge.probability(mel, video_features, generator=torch.Generator().manual_seed(7))
    )
    with pytest.raises(ValueError, match="mel must be"):
        judge.probabilities(mel[:, :3], video_features)


def test_judging_leaves_the_global_generator_alone(
    judge: AlignmentScorer, mel: torch.Tensor, video_features: torch.Tensor
) -> None:
    before = torch.get_rng_state()
    judge.probability(mel, video_features)
    assert torch.equal(torch.get_rng_state(), before)


def test_one_generator_serves_all_batches_of_a_set(
    judge: AlignmentScorer, mel: torch.Tensor, video_features: torch.Tensor
) -> None:
    together = judge.probability(mel, video_features, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    apart = [
        judge.probability(mel[i : i + 1], video_features[i : i + 1], generator=generator) for i in range(3)
    ]
    torch.testing.assert_close(torch.cat(apart), together)


def test_only_the_frames_of_the_window_count(
    judge: AlignmentScorer, mel: torch.Tensor, video_features: torch.Tensor
) -> None:
    longer = torch.cat([video_features, torch.ones(3, 4, 16)], dim=1)
    assert torch.equal(judge.probability(mel, longer), judge.probability(mel, video_features))
    swapped = video_features.flip(1)
    assert not torch.equal(judge.probability(mel, swapped), judge.probability(mel, video_features))


@pytest.mark.parametrize(
    ("mel_shape", "features_shape", "message"),
    [
        ((3, 16, 31), (3, 6, 16), r"mel must be \(B, 16, 32\), got \(3, 16, 31\)"),
        ((3, 3, 16, 32), (3, 6, 16), "mel must be"),
        ((3, 16, 32), (2, 6, 16), r"video_features must be \(3, 6 or more, 16\), got \(2, 6, 16\)"),
        ((3, 16, 32), (3, 5, 16), "video_features must be"),
        ((3, 16, 32), (3, 6, 12), "video_features must be"),
        ((3, 16, 32), (6, 16), "video_features must be"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    judge: AlignmentScorer, mel_shape: tuple[int, ...], features_shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        judge.probability(torch.zeros(mel_shape), torch.zeros(features_shape))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("place", [0, 1])
def test_numbers_that_are_not_finite_are_refused(
    judge: AlignmentScorer, mel: torch.Tensor, video_features: torch.Tensor, place: int, bad: float
) -> None:
    inputs = [mel.clone(), video_features.clone()]
    inputs[place][1, 2, 3] = bad
    with pytest.raises(ValueError, match="NaN or infinite"):
        judge.probability(*inputs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"posterior": "mode"}, "posterior must be 'sample' or 'mean', got 'mode'"),
        ({"posterior": "mean", "noise": torch.zeros(3, 4, 8, 16)}, "noise needs"),
        ({"generator": torch.Generator(), "noise": torch.zeros(3, 4, 8, 16)}, "noise needs"),
        (
            {"noise": torch.zeros(1, 4, 8, 16)},
            r"noise must be \(3, 4, 8, 16\), got \(1, 4, 8, 16\)",
        ),
    ],
)
def test_options_that_say_nothing_are_refused(
    judge: AlignmentScorer,
    mel: torch.Tensor,
    video_features: torch.Tensor,
    options: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        judge.probability(mel, video_features, **options)


@pytest.mark.parametrize("has_own_autoencoder", [True, False])
def test_it_is_read_from_a_model_folder_with_its_own_autoencoder_where_there_is_one(
    has_own_autoencoder: bool,
    tmp_path: Path,
    judge: AlignmentScorer,
    mel: torch.Tensor,
    video_features: torch.Tensor,
) -> None:
    CONFIG.save(tmp_path)
    judge.classifier.save_pretrained(tmp_path / "alignment")
    judge.autoencoder.save_pretrained(tmp_path / ("alignment_vae" if has_own_autoencoder else "vae"))
    if has_own_autoencoder:
        autoencoder().save_pretrained(tmp_path / "vae")
    loaded = AlignmentScorer.from_model(tmp_path)
    assert torch.equal(loaded.probability(mel, video_features), judge.probability(mel, video_features))


def test_a_model_without_a_judge_names_the_command(tmp_path: Path, tiny_model: Path) -> None:
    with pytest.raises(MissingWeightsError, match=r"--alignment eval_classifier\.ckpt"):
        AlignmentScorer.from_model(tiny_model)
    with pytest.raises(MissingWeightsError, match="is not a model folder"):
        AlignmentScorer.from_model(tmp_path)
