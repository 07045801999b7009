"""Frechet and kernel distance of 2,000 x 2,048 features: ours against the usual way.

The usual way is what audioldm_eval and most others compute: ``scipy.linalg.sqrtm`` of the product of both
covariances, and for every subset three kernel matrices of its own, in numpy and float32.

Run: python benchmarks/metrics/distances.py [--rows 2000] [--runs 3] [--usual-runs 1]
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy
import scipy.linalg
import torch

from cinefoley.metrics import frechet_distance, kernel_inception_distance

WIDTH = 2048
Array = npt.NDArray[np.float32]


def draw(seed: int, rows: int, shift: float) -> Array:
    """Features as a rectified layer gives them: correlated, of uneven scale, half of them zero."""
    rng = np.random.Generator(np.random.PCG64(seed))
    drawn = rng.standard_normal((rows, WIDTH), dtype=np.float32)
    drawn[:, 1:] += np.float32(0.5) * drawn[:, :-1].copy()
    scale = np.float32(0.25) + np.random.Generator(np.random.PCG64(0)).random(WIDTH, dtype=np.float32)
    return np.maximum(drawn * scale + np.float32(shift), 0).astype(np.float32)


def usual_frechet(real: Array, generated: Array) -> float:
    """Root of a matrix."""
    shift = generated.mean(axis=0) - real.mean(axis=0)
    covariances = np.cov(generated, rowvar=False), np.cov(real, rowvar=False)
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1])
    traces = sum(np.trace(covariance) for covariance in covariances)
    return float(shift @ shift + traces - 2 * np.trace(root.real))


def usual_kernel(real: Array, generated: Array) -> float:
    """A hundred subsets of a thousand."""
    rng = np.random.RandomState(2020)
    size = min(1000, len(real), len(generated))
    values = []
    for _ in range(100):
        x = generated[rng.choice(len(generated), size, replace=False)]
        y = real[rng.choice(len(real), size, replace=False)]
        kernels = [(a @ b.T / WIDTH + 1) ** 3 for a, b in ((x, x), (y, y), (x, y))]
        within = sum(kernel.sum() - np.trace(kernel) for kernel in kernels[:2])
        values.append(within / (size * (size - 1)) - 2 * kernels[2].mean())
    return float(np.mean(values))


def measure(compute: Callable[[], float], runs: int) -> tuple[float, float, float]:
    """Median and spread in seconds, and the answer."""
    seconds, answer = [], 0.0
    for _ in range(runs):
        begin = time.perf_counter()
        answer = compute()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds), max(seconds) - min(seconds), answer


def main() -> None:
    """Print two lines and a ratio per distance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--usual-runs", type=int, default=1)
    arguments = parser.parse_args()
    print(f"device {platform.machine()} CPU, {torch.get_num_threads()} threads")
    print(f"torch {torch.__version__}, numpy {np.__version__}, scipy {scipy.__version__}")
    print(f"{arguments.rows} x {WIDTH} features a side; {arguments.runs} runs, median (spread)")
    generated, real = draw(1, arguments.rows, -0.50), draw(2, arguments.rows, -0.45)
    tensors = torch.from_numpy(real), torch.from_numpy(generated)
    pairs: list[tuple[str, Callable[[], Any], Callable[[], Any]]] = [
        (
            "frechet distance",
            lambda: float(frechet_distance(*tensors)),
            lambda: usual_frechet(real, generated),
        ),
        (
            "kernel distance",
            lambda: float(kernel_inception_distance(*tensors)[0]),
            lambda: usual_kernel(real, generated),
        ),
    ]
    for name, ours, usual in pairs:
        our_s, our_spread, our_answer = measure(ours, arguments.runs)
        usual_s, usual_spread, usual_answer = measure(usual, arguments.usual_runs)
        print(f"{name}: ours  {our_s:.2f} ({our_spread:.2f}) s, {our_answer:.9g}")
        print(f"{name}: usual {usual_s:.2f} ({usual_spread:.2f}) s, {usual_answer:.9g}")
        difference = abs(our_answer - usual_answer)
        print(f"{name}: {usual_s / our_s:.1f} times faster, the answers differ by {difference:.1e}")


if __name__ == "__main__":
    main()
