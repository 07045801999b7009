"""Properties of the distances and scores, and what they refuse."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cinefoley.metrics.functional import frechet as frechet_module
from cinefoley.metrics.functional import kernel as kernel_module
from cinefoley.metrics.functional.divergence import kl_divergence, kl_divergence_terms
from cinefoley.metrics.functional.frechet import frechet_distance
from cinefoley.metrics.functional.inception import inception_score
from cinefoley.metrics.functional.kernel import kernel_inception_distance

counts = st.integers(2, 40)
seeds = st.integers(0, 2**31)


def rows(seed: int, count: int, width: int = 8, rank: int | None = None) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(count, rank or width, generator=generator, dtype=torch.float64)
    return drawn if rank is None else drawn @ torch.randn(rank, width, generator=generator).double()


@given(first=seeds, second=seeds, num_first=counts, num_second=counts, rank=st.integers(1, 8))
def test_frechet_distance_is_symmetric_and_not_negative(
    first: int, second: int, num_first: int, num_second: int, rank: int
) -> None:
    x, y = rows(first, num_first, rank=rank), rows(second, num_second) + 1
    there, back = float(frechet_distance(x, y)), float(frechet_distance(y, x))
    assert there == pytest.approx(back, rel=1e-9)
    assert there > 0


@given(seed=seeds, count=counts, rank=st.integers(1, 8))
def test_frechet_distance_of_a_set_from_itself_is_nothing(seed: int, count: int, rank: int) -> None:
    x = rows(seed, count, rank=rank)
    spread = float(x.var(dim=0).sum())
    assert abs(float(frechet_distance(x, x.clone()))) <= 1e-9 * spread


@pytest.mark.parametrize("exponent", [0, 4, 9])
@pytest.mark.parametrize(("num_real", "num_generated"), [(30, 40), (300, 40), (300, 200)])
def test_frechet_distance_holds_for_steep_spectra(
    num_real: int, num_generated: int, exponent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fast way loses digits there, and must notice."""
    monkeypatch.setattr(frechet_module, "_SMALL", 0)
    scale = torch.logspace(0, -exponent, 64, dtype=torch.float64)
    x, y = rows(1, num_real, 64) * scale, rows(2, num_generated, 64) * scale
    centred_x, centred_y = x - x.mean(0), y - y.mean(0)
    product = centred_x @ centred_y.T / math.sqrt((num_real - 1) * (num_generated - 1))
    spread = x.var(dim=0).sum() + y.var(dim=0).sum() + (x.mean(0) - y.mean(0)).square().sum()
    exact = float(spread - 2 * torch.linalg.svdvals(product).sum())
    assert float(frechet_distance(x, y)) == pytest.approx(exact, rel=2e-7)


def test_the_fast_way_is_taken_where_it_is_right_and_has_the_same_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, y = rows(1, 30, 64), rows(2, 40, 64)
    slow = torch.autograd.functional.jacobian(frechet_distance, (x, y))
    monkeypatch.setattr(frechet_module, "_SMALL", 0)
    monkeypatch.setattr(torch.linalg, "svdvals", None)
    fast = torch.autograd.functional.jacobian(frechet_distance, (x, y))
    torch.testing.assert_close(fast, slow, rtol=1e-6, atol=1e-9)


def test_a_tall_set_is_folded_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = rows(1, 500), rows(2, 300)
    whole = float(frechet_distance(x, y))
    monkeypatch.setattr(frechet_module, "_BLOCK", 10)
    assert float(frechet_distance(x, y)) == pytest.approx(whole, rel=1e-12)


@given(real=seeds, generated=seeds, num_real=counts, num_generated=counts, size=st.integers(2, 50))
@settings(max_examples=30)
def test_both_ways_to_the_kernel_distance_agree(
    real: int, generated: int, num_real: int, num_generated: int, size: int
) -> None:
    x, y = rows(real, num_real), rows(generated, num_generated)
    size = min(size, num_real, num_generated)
    draws = kernel_module._draw(num_real, num_generated, 4, size, 7)

    def cube(products: torch.Tensor) -> torch.Tensor:
        return (products / 8 + 1) ** 3

    whole = kernel_module._whole_kernels(x, y, draws, cube)
    single = kernel_module._subset_kernels(x, y, draws, cube)
    torch.testing.assert_close(whole, single, rtol=1e-9, atol=1e-9)


def test_a_large_set_takes_the_way_subset_by_subset() -> None:
    x, y = rows(1, 400), rows(2, 300)
    mean, _ = kernel_inception_distance(x, y, subsets=400, subset_size=100)
    few, _ = kernel_inception_distance(x, y, subsets=2, subset_size=100)
    unbiased, spread = kernel_inception_distance(x, y, subsets=1, subset_size=300)
    assert float(spread) == 0
    assert float(mean) == pytest.approx(float(unbiased), abs=0.02)
    assert float(few) != float(mean)


def test_kernel_distance_of_equal_samplings_is_near_nothing() -> None:
    mean, spread = kernel_inception_distance(rows(1, 3000), rows(2, 3000), subsets=50, subset_size=500)
    assert abs(float(mean)) < 3 * float(spread)


@given(seed=seeds, count=st.integers(1, 20))
def test_kl_of_equal_logits_is_nothing_and_else_positive(seed: int, count: int) -> None:
    logits = rows(seed, count)
    assert float(kl_divergence(logits, logits.clone(), epsilon=0)) == pytest.approx(0, abs=1e-12)
    assert float(kl_divergence(logits, logits.roll(1, dims=1), epsilon=0)) > 0


def test_kl_is_capped_by_epsilon_and_its_terms_average_to_it() -> None:
    real, generated = torch.tensor([[90.0, 0.0]]), torch.tensor([[0.0, 90.0]])
    assert float(kl_divergence(real, generated)) == pytest.approx(-math.log(1e-6))
    assert float(kl_divergence(real, generated, epsilon=0)) == pytest.approx(90)
    x, y = rows(1, 9), rows(2, 9)
    assert float(kl_divergence_terms(x, y).mean()) == float(kl_divergence(x, y))


def test_inception_score_is_one_for_equal_rows_and_the_classes_for_one_of_each() -> None:
    assert float(inception_score(torch.zeros(30, 6))[0]) == pytest.approx(1)
    assert float(inception_score(100 * torch.eye(6).repeat(10, 1), splits=1)[0]) == pytest.approx(6)


def test_numpy_arrays_are_taken_too() -> None:
    x, y = rows(1, 20), rows(2, 20)
    assert float(frechet_distance(x.numpy(), y.numpy())) == float(frechet_distance(x, y))  # type: ignore[arg-type]


REFUSED: list[tuple[Callable[..., object], tuple[torch.Tensor, ...], str]] = [
    (frechet_distance, (rows(1, 1), rows(2, 9)), "Frechet distance needs at least 2 rows of real .*, got 1"),
    (frechet_distance, (rows(1, 9), rows(2, 9, 7)), "real rows have width 8, generated rows 7"),
    (frechet_distance, (rows(1, 9)[0], rows(2, 9)), r"must be \(N, D\) floating point numbers, got \(8,\)"),
    (frechet_distance, (torch.ones(3, 2, dtype=torch.int64), rows(2, 9)), "torch.int64"),
    (frechet_distance, (rows(1, 9) * math.inf, rows(2, 9)), "9 of 9 rows of real features contain NaN"),
    (kernel_inception_distance, (rows(1, 9), rows(2, 1)), "at least 2 rows of generated features, got 1"),
    (kl_divergence, (rows(1, 9), rows(2, 8)), "needs pairs, got 9 real and 8 generated rows"),
    (kl_divergence, (rows(1, 0), rows(2, 0)), "KL divergence needs at least 1 rows of real .*, got 0"),
    (inception_score, (rows(1, 9),), r"Inception score needs at least 10 rows .* \(10 splits\), got 9"),
]


@pytest.mark.parametrize(("metric", "arguments", "message"), REFUSED)
def test_what_a_metric_is_undefined_on_is_refused(
    metric: Callable[..., object], arguments: tuple[torch.Tensor, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        metric(*arguments)


def test_settings_out_of_range_are_refused() -> None:
    x = rows(1, 9)
    with pytest.raises(ValueError, match="at least 1 subset of at least 2 rows, got 3 of 1"):
        kernel_inception_distance(x, x, subsets=3, subset_size=1)
    with pytest.raises(ValueError, match="at least 1 split, got 0"):
        inception_score(x, splits=0)
    with pytest.raises(ValueError, match="got 'tanh'"):
        kl_divergence(x, x, activation="tanh")  # type: ignore[arg-type]


def test_the_functions_draw_from_no_global_generator() -> None:
    x = rows(1, 30)
    before = torch.get_rng_state(), str(np.random.get_state())  # noqa: NPY002
    kernel_inception_distance(x, x + 1, subsets=3, subset_size=9)
    inception_score(x)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == str(np.random.get_state())  # noqa: NPY002
