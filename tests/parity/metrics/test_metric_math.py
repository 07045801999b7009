"""Distances and scores that audioldm_eval computed (``fixtures/metrics/metric_math.npz``)."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from cinefoley.metrics import frechet_distance, inception_score, kernel_inception_distance, kl_divergence

Reference = Mapping[str, Any]
# what its own sqrtm is off by; beyond that, float32 sums: a few units of their last digit
FRECHET: dict[str, Any] = {"rel": 2e-6, "abs": 1e-5}
KERNEL: dict[str, Any] = {"rel": 0, "abs": 2e-6}
EXACT: dict[str, Any] = {"rel": 1e-9, "abs": 1e-12}


@pytest.fixture(scope="module")
def reference(reference_fixture: Callable[[str], dict[str, Any]]) -> Reference:
    return reference_fixture("metrics/metric_math")


def tensors(pair: tuple[np.ndarray, np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """(generated, reference) as (real, generated)."""
    return torch.from_numpy(pair[1]), torch.from_numpy(pair[0])


def test_inputs_are_those_of_the_fixtures(metric_inputs: Any) -> None:
    drawn = metric_inputs.features(11, 600, 64, -0.2, is_rectified=True)
    assert drawn.sum(dtype=np.float64) == pytest.approx(10125.758194, abs=1e-6)
    assert metric_inputs.logits(51, 120).sum(dtype=np.float64) == pytest.approx(-315537.386189, abs=1e-6)
    assert metric_inputs.sound(1, 32000).sum(dtype=np.float64) == pytest.approx(-6.724391, abs=1e-6)
    assert int(metric_inputs.film_pair(9, 1)[0].astype(np.int64).sum()) == 47597861


def test_frechet_distances(metric_inputs: Any, reference: Reference) -> None:
    for case, pair in metric_inputs.frechet_pairs().items():
        if case.startswith("one_row"):
            continue
        distance = float(frechet_distance(*tensors(pair)))
        assert distance == pytest.approx(float(reference[f"fd/{case}/fd"]), **FRECHET), case
        assert distance == pytest.approx(float(reference[f"fd/{case}/exact64"]), **EXACT), case


def test_kernel_distances(metric_inputs: Any, reference: Reference) -> None:
    for case, pair in metric_inputs.kernel_pairs().items():
        if case == "one_row":
            continue
        _check_kernel(kernel_inception_distance(*tensors(pair)), reference, f"kid/{case}")


def test_kernel_distances_with_other_settings(metric_inputs: Any, reference: Reference) -> None:
    pair = tensors(metric_inputs.kernel_pairs()["small_uneven"])
    settings: dict[str, dict[str, Any]] = {
        "subset50_n20": {"subsets": 20, "subset_size": 50},
        "degree2_gamma_half_coef0": {
            "subsets": 10,
            "subset_size": 100,
            "degree": 2,
            "gamma": 0.5,
            "coef0": 0.0,
        },
        "seed7": {"subsets": 10, "subset_size": 100, "seed": 7},
    }
    for name, options in settings.items():
        found = kernel_inception_distance(*pair, **options)
        for value, part in zip(found, ("mean", "std"), strict=True):
            assert float(value) == pytest.approx(float(reference[f"kid/options/{name}/{part}"]), rel=1e-5)


def test_kl_divergences(metric_inputs: Any, reference: Reference) -> None:
    for case, pair in metric_inputs.kl_pairs().items():
        for activation in ("softmax", "sigmoid"):
            found = float(kl_divergence(*tensors(pair), activation=activation))
            expected = float(reference[f"kl/{case}/{activation}"])
            assert found == pytest.approx(expected, rel=1e-5, abs=1e-7), case
        if f"kl/{case}/eps64" in reference:
            found = float(kl_divergence(*tensors(pair)))
            assert found == pytest.approx(float(reference[f"kl/{case}/eps64"]), **EXACT), case
            found = float(kl_divergence(*tensors(pair), epsilon=0))
            assert found == pytest.approx(float(reference[f"kl/{case}/no_eps64"]), **EXACT), case
            found = float(kl_divergence(*tensors(pair), activation="sigmoid", epsilon=0))
            expected = float(reference[f"kl/{case}/av_benchmark_sigmoid"])
            assert found == pytest.approx(expected, rel=1e-5), case


def test_inception_scores(metric_inputs: Any, reference: Reference) -> None:
    for case, logits in metric_inputs.inception_sets().items():
        if len(logits) >= 10:
            _check_score(inception_score(torch.from_numpy(logits)), reference, f"isc/{case}")
    logits = torch.from_numpy(metric_inputs.inception_sets()["divisible"])
    _check_score(inception_score(logits, seed=None), reference, "isc/options/no_shuffle")
    _check_score(inception_score(logits, splits=1), reference, "isc/options/one_split")


@pytest.mark.parametrize("case", ["one_row_both", "one_row_vs_many"])
def test_where_the_reference_fails_or_is_nan_we_refuse(metric_inputs: Any, case: str) -> None:
    with pytest.raises(ValueError, match="Frechet distance needs at least 2 rows"):
        frechet_distance(*tensors(metric_inputs.frechet_pairs()[case]))
    with pytest.raises(ValueError, match="Kernel inception distance needs at least 2 rows"):
        kernel_inception_distance(*tensors(metric_inputs.kernel_pairs()["one_row"]))
    with pytest.raises(ValueError, match=r"at least 10 rows of generated logits \(10 splits\), got 7"):
        inception_score(torch.from_numpy(metric_inputs.inception_sets()["fewer_rows_than_splits"]))


def _check_kernel(found: tuple[torch.Tensor, torch.Tensor], reference: Reference, key: str) -> None:
    for value, part in zip(found, ("mean", "std"), strict=True):
        assert float(value) == pytest.approx(float(reference[f"{key}/{part}"]), **KERNEL), key
        assert float(value) == pytest.approx(float(reference[f"{key}/{part}64"]), **EXACT), key


def _check_score(found: tuple[torch.Tensor, torch.Tensor], reference: Reference, key: str) -> None:
    for value, part in zip(found, ("mean", "std"), strict=True):
        assert float(value) == pytest.approx(float(reference[f"{key}/{part}"]), **EXACT), key
