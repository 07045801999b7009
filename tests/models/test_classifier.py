"""The classifier judges each sound by itself, and its judgement can be followed back to the latents."""

import pytest
import torch

from cinefoley.models.classifier import AlignmentClassifier

Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@pytest.fixture(scope="module")
def classifier() -> AlignmentClassifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        classifier = AlignmentClassifier(
            block_out_channels=(8, 16, 16), feature_dim=16, max_frames=10, num_heads=2, norm_num_groups=4
        )
    classifier.eval()
    return classifier


@pytest.fixture
def inputs() -> Inputs:
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(3, 4, 8, 16, generator=generator)
    features = torch.nn.functional.normalize(torch.randn(3, 6, 16, generator=generator), dim=-1)
    return latents, torch.tensor([0.0, 500.0, 459.04]), features


def test_it_has_the_published_size() -> None:
    with torch.device("meta"):
        full = AlignmentClassifier()
    assert sum(parameter.numel() for parameter in full.parameters()) == 11_450_753 + 283_136


def test_probabilities_do_not_depend_on_the_batch(classifier: AlignmentClassifier, inputs: Inputs) -> None:
    latents, timesteps, features = inputs
    with torch.no_grad():
        together = classifier(latents, timesteps, features)
        apart = [classifier(*(value[i : i + 1] for value in inputs)) for i in range(3)]
    assert together.shape == (3,)
    assert bool(((together > 0) & (together < 1)).all())
    torch.testing.assert_close(torch.cat(apart), together)


def test_one_time_serves_all(classifier: AlignmentClassifier, inputs: Inputs) -> None:
    latents, _, features = inputs
    with torch.no_grad():
        scalar = classifier(latents, torch.tensor(7), features)
        spelled_out = classifier(latents, torch.full((3,), 7), features)
    assert torch.equal(scalar, spelled_out)


def test_a_step_along_the_gradient_raises_the_probability(
    classifier: AlignmentClassifier, inputs: Inputs
) -> None:
    latents, timesteps, features = inputs
    latents = latents.requires_grad_()
    before = classifier(latents, timesteps, features)
    [gradient] = torch.autograd.grad(before.log().sum(), latents)
    with torch.no_grad():
        after = classifier(latents + 1e-2 * gradient / gradient.abs().max(), timesteps, features)
    assert bool((after > before).all())


def test_embedded_features_are_taken_as_they_are(classifier: AlignmentClassifier, inputs: Inputs) -> None:
    latents, timesteps, features = inputs
    with torch.no_grad():
        ours = classifier(latents, timesteps, features)
        embedded = classifier(latents, timesteps, classifier.conditioner(features), is_embedded=True)
        raw = classifier(latents, timesteps, features, is_embedded=True)
    assert torch.equal(ours, embedded)
    assert not torch.allclose(ours, raw)
