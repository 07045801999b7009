"""Diff-Foley's measure of synchrony at full size, from a mel to the probability.

The reference's outputs are in ``fixtures/classifiers.npz``. Its stand-in weights judge every pair below one
half, so the threshold of the accuracy has tests of its own in ``tests/metrics/test_alignment.py``.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cinefoley.metrics.alignment import AlignmentScorer, alignment_accuracy

pytestmark = pytest.mark.slow

Draw = Callable[..., torch.Tensor]
TOLERANCE = 1e-5  # of a probability in float32, as the fixture's makers recommend


@pytest.fixture(scope="module")
def judge(model_folder: Path) -> AlignmentScorer:
    return AlignmentScorer.from_model(model_folder)


@pytest.fixture(scope="module")
def expected(reference_fixture: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    return reference_fixture("classifiers")


@pytest.fixture(scope="module")
def mel(reference_input: Draw) -> torch.Tensor:
    return reference_input("spec", (1, 1, 128, 512), "uniform")[:, 0]


def test_the_probability_on_the_mean_of_the_posterior(
    judge: AlignmentScorer, mel: torch.Tensor, features: torch.Tensor, expected: Any, assert_close: Any
) -> None:
    found = judge.probability(mel, features, posterior="mean")
    assert_close(found[:, None], expected["ev_prob_on_mode"], TOLERANCE)


def test_the_probability_on_a_sample_of_the_posterior(
    judge: AlignmentScorer,
    mel: torch.Tensor,
    features: torch.Tensor,
    reference_input: Draw,
    expected: Any,
    assert_close: Any,
) -> None:
    noise = reference_input("posterior_eps", (1, 4, 16, 64))
    found = judge.probability(mel, features, noise=noise)
    assert_close(found[:, None], expected["ev_prob_on_sample"], TOLERANCE)
    longer = torch.cat([features, features], dim=1)  # only the window's first 32 frames count
    assert torch.equal(judge.probability(mel, longer, noise=noise), found)


@torch.no_grad()
def test_the_posterior_of_its_autoencoder(
    judge: AlignmentScorer, mel: torch.Tensor, expected: Any, assert_close: Any
) -> None:
    posterior = judge.autoencoder.encode(mel[:, None].expand(-1, 3, -1, -1)).latent_dist
    assert_close(posterior.parameters, expected["ev_vae_moments"], 1e-4)
    assert_close(judge.autoencoder.config.scaling_factor * posterior.mean, expected["ev_z_mode_scaled"], 1e-4)


@torch.no_grad()
def test_the_decisions_on_a_batch(
    judge: AlignmentScorer, reference_input: Draw, expected: Any, assert_close: Any
) -> None:
    batch_features = reference_input("video_feat_batch8", (8, 32, 512), has_unit_norm=True)
    batch = judge.classifier(reference_input("x_batch8", (8, 4, 16, 64)), torch.tensor(0.0), batch_features)
    assert_close(batch[:, None], expected["ev_prob_batch8"], TOLERANCE)
    assert alignment_accuracy(batch) == expected["ev_round_batch8"].mean()
