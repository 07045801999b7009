"""One tester for every metric: function, class, two processes, half precision and gradients."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.special
import torch
from tests.metrics.two_ranks import accumulate_as_rank
from torch import Tensor

from cinefoley.metrics import accumulators
from cinefoley.metrics.functional.divergence import kl_divergence
from cinefoley.metrics.functional.envelope import envelope_distance
from cinefoley.metrics.functional.frechet import frechet_distance
from cinefoley.metrics.functional.inception import inception_score
from cinefoley.metrics.functional.kernel import kernel_inception_distance

Update = tuple[tuple[Tensor, ...], dict[str, Any]]
Numbers = tuple[float, ...]
Array = np.ndarray[Any, np.dtype[np.float64]]
WIDTH = 12


def rows(seed: int, count: int, shift: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, WIDTH, generator=generator) + shift


def numbers(result: Any) -> Numbers:
    return tuple(float(value) for value in (result if isinstance(result, tuple) else (result,)))


class MetricTester:
    """The five proofs; a metric's own test class says what it is and gives a reference of other making."""

    name: str
    options: dict[str, Any] = {}  # noqa: RUF012  # read only
    num_sets = 2
    is_paired = False
    is_differentiable = True

    def function(self, *sets: Tensor) -> Any:
        raise NotImplementedError

    def reference(self, *sets: Array) -> Numbers:
        raise NotImplementedError

    def sets(self) -> tuple[Tensor, ...]:
        """Real and generated rows, or the latter alone; 67 and 53, unless they are pairs."""
        real, generated = rows(1, 53 if self.is_paired else 67), rows(2, 53, 0.3)
        return (real, generated)[-self.num_sets :]

    def updates(self, sets: Sequence[Tensor], batch_size: int) -> list[Update]:
        """Calls that together show the sets to the metric."""
        if self.is_paired or len(sets) == 1:
            return [
                ((*(rows[clips] for rows in sets), clips), {})
                for clips in torch.arange(len(sets[0])).split(batch_size)
            ]
        return [
            ((rows[clips], clips), {"is_real": is_real})
            for rows, is_real in zip(sets, (True, False), strict=True)
            for clips in torch.arange(len(rows)).split(batch_size)
        ]

    def accumulate(self, updates: Sequence[Update]) -> Numbers:
        metric = getattr(accumulators, self.name)(WIDTH, **self.options)
        for positional, options in updates:
            metric.update(*positional, **options)
        return numbers(metric.compute())

    def test_the_function_agrees_with_the_reference(self) -> None:
        sets = self.sets()
        expected = self.reference(*(rows.double().numpy() for rows in sets))
        assert numbers(self.function(*sets)) == pytest.approx(expected, rel=1e-6, abs=1e-9)

    def test_batches_of_one_and_of_64_give_what_the_function_gives(self) -> None:
        sets = self.sets()
        expected = numbers(self.function(*sets))
        assert self.accumulate(self.updates(sets, 1)) == expected
        assert self.accumulate(self.updates(sets, 64)) == expected

    def test_neither_order_nor_repetition_of_clips_matters(self) -> None:
        sets = self.sets()
        updates = self.updates(sets, 5)
        assert self.accumulate([*updates[::-1], updates[0]]) == numbers(self.function(*sets))

    def test_two_ranks_give_what_one_gives(self, two_ranks: Callable[[], dict[str, Any]]) -> None:
        assert tuple(two_ranks()[self.name]) == numbers(self.function(*self.sets()))

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_rows_are_summed_in_double(self, dtype: torch.dtype) -> None:
        halves = [rows.to(dtype) for rows in self.sets()]
        expected = numbers(self.function(*(rows.double() for rows in halves)))
        assert numbers(self.function(*halves)) == expected
        assert self.accumulate(self.updates(halves, 16)) == expected

    def test_gradients_are_those_of_finite_differences(self) -> None:
        if not self.is_differentiable:
            pytest.skip("drawn from sets by their size alone")
        sets = [rows[:14].double().requires_grad_() for rows in self.sets()]

        def first(*sets: Tensor) -> Tensor:
            result = self.function(*sets)
            value: Tensor = result[0] if isinstance(result, tuple) else result
            return value

        assert torch.autograd.gradcheck(first, sets)

    def test_a_reset_forgets(self) -> None:
        sets = self.sets()
        metric = getattr(accumulators, self.name)(WIDTH, **self.options)
        for _ in range(2):
            for positional, options in self.updates(sets, 16):
                metric.update(*positional, **options)
            assert numbers(metric.compute()) == numbers(self.function(*sets))
            metric.reset()

    def test_what_is_not_finite_is_named(self) -> None:
        sets = self.sets()
        sets[-1][3, 2] = float("nan")
        with pytest.raises(ValueError, match=r"1 of 53 rows of generated .* first row 3"):
            self.function(*sets)

    def test_rows_of_another_width_are_refused(self) -> None:
        positional, options = self.updates(self.sets(), 4)[0]
        metric = getattr(accumulators, self.name)(WIDTH + 1, **self.options)
        with pytest.raises(ValueError, match=rf"expected rows \(R, {WIDTH + 1}\)"):
            metric.update(*positional, **options)


class TestFrechetDistance(MetricTester):
    name = "FrechetDistance"

    def function(self, *sets: Tensor) -> Any:
        return frechet_distance(*sets)

    def reference(self, *sets: Array) -> Numbers:
        real, generated = sets
        product = np.cov(real, rowvar=False) @ np.cov(generated, rowvar=False)
        root = scipy.linalg.sqrtm(product).real
        traces = np.cov(real, rowvar=False).trace() + np.cov(generated, rowvar=False).trace()
        shift = real.mean(0) - generated.mean(0)
        return (float(shift @ shift + traces - 2 * root.trace()),)


class TestKernelInceptionDistance(MetricTester):
    name = "KernelInceptionDistance"
    options = {"subsets": 5, "subset_size": 20}  # noqa: RUF012

    def function(self, *sets: Tensor) -> Any:
        return kernel_inception_distance(*sets, **self.options)

    def reference(self, *sets: Array) -> Numbers:
        real, generated = sets
        rng = np.random.RandomState(2020)
        values = []
        for _ in range(5):
            y, x = generated[rng.permutation(53)[:20]], real[rng.permutation(67)[:20]]
            off_diagonal = ~np.eye(20, dtype=bool)
            within = sum(((side @ side.T / WIDTH + 1) ** 3)[off_diagonal].mean() for side in (x, y))
            values.append(within - 2 * ((x @ y.T / WIDTH + 1) ** 3).mean())
        return float(np.mean(values)), float(np.std(values))


class TestKLDivergence(MetricTester):
    name = "KLDivergence"
    is_paired = True

    def function(self, *sets: Tensor) -> Any:
        return kl_divergence(*sets)

    def reference(self, *sets: Array) -> Numbers:
        real, generated = (scipy.special.softmax(logits, axis=1) for logits in sets)
        return (float(scipy.special.rel_entr(real, generated + 1e-6).sum(axis=1).mean()),)


class TestEnvelopeDistance(MetricTester):
    name = "EnvelopeDistance"
    is_paired = True

    def function(self, *sets: Tensor) -> Any:
        return envelope_distance(*sets)

    def reference(self, *sets: Array) -> Numbers:
        real, generated = sets
        return (float(np.abs(real - generated).mean()),)


class TestInceptionScore(MetricTester):
    name = "InceptionScore"
    num_sets = 1

    def function(self, *sets: Tensor) -> Any:
        return inception_score(*sets)

    def reference(self, *sets: Array) -> Numbers:
        chances = scipy.special.softmax(sets[0], axis=1)[np.random.RandomState(2020).permutation(53)]
        parts = [chances[part * 53 // 10 : (part + 1) * 53 // 10] for part in range(10)]
        scores = [np.exp(scipy.special.rel_entr(p, p.mean(0)).sum(axis=1).mean()) for p in parts]
        return float(np.mean(scores)), float(np.std(scores))


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], dict[str, Any]]:
    """Run every metric over two gloo ranks, in batches of 7, once for all tests."""
    folder = tmp_path_factory.mktemp("ranks")
    testers: list[MetricTester] = [
        TestFrechetDistance(),
        TestKernelInceptionDistance(),
        TestKLDivergence(),
        TestEnvelopeDistance(),
        TestInceptionScore(),
    ]
    for tester in testers:
        _save_job(folder / f"{tester.name}.npz", tester)
    results: dict[str, Any] = {}

    def run() -> dict[str, Any]:
        if not results:
            command = [sys.executable, "-m", "tests.metrics.two_ranks", str(folder / "store"), str(folder)]
            with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as other:
                results.update(accumulate_as_rank(0, folder / "store", folder))
            assert other.returncode == 0
        return results

    return run


def _save_job(path: Path, tester: MetricTester) -> None:
    arrays: dict[str, Any] = {"options": json.dumps({"width": WIDTH} | tester.options)}
    calls = []
    for number, (positional, options) in enumerate(tester.updates(tester.sets(), 7)):
        keys = [f"{number}_{place}" for place in range(len(positional))]
        arrays |= {key: rows.numpy() for key, rows in zip(keys, positional, strict=True)}
        calls.append([keys, options])
    np.savez(path, updates=json.dumps(calls), **arrays)


def test_rows_of_one_clip_keep_their_order_and_are_not_taken_for_repetitions() -> None:
    segments, clips = rows(3, 9), torch.tensor([2, 2, 2, 0, 0, 1, 1, 1, 1])
    metric = accumulators.FrechetDistance(WIDTH)
    metric.update(segments[5:], clips[5:], is_real=True)
    metric.update(segments[:5], clips[:5], is_real=True)
    metric.update(segments[5:], clips[5:], is_real=True)
    metric.update(segments, clips, is_real=False)
    assert float(metric.compute()) == pytest.approx(0, abs=1e-9)
    assert torch.equal(metric._ordered("real"), segments[[3, 4, 5, 6, 7, 8, 0, 1, 2]])


@pytest.mark.parametrize("metric", [accumulators.InceptionScore(WIDTH), accumulators.KLDivergence(WIDTH)])
def test_samples_under_one_number_are_refused(metric: Any) -> None:
    clips, real = torch.arange(20), rows(0, 20)
    sides = (real,) if isinstance(metric, accumulators.KLDivergence) else ()
    metric.update(*sides, rows(1, 20), clips)
    metric.update(*sides, rows(1, 20) + 1e-4, clips)  # again, as another batch gives it
    metric.compute()
    metric.update(*sides, rows(2, 20), clips)
    with pytest.raises(ValueError, match="same clip number but different rows"):
        metric.compute()


def test_a_metric_that_saw_too_little_says_what_it_needs() -> None:
    metric = accumulators.FrechetDistance(WIDTH)
    metric.update(rows(1, 1), torch.tensor([0]), is_real=True)
    with pytest.raises(ValueError, match="at least 2 rows of real features, got 1"):
        metric.compute()


def test_no_width_is_refused() -> None:
    with pytest.raises(ValueError, match="width must be positive"):
        accumulators.InceptionScore(0)
