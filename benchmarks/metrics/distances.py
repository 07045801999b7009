"""Frechet and kernel distance of 2,000 x 2,048 features: ours against common implementations.

The usual way is what audioldm_eval and most others compute: ``scipy.linalg.sqrtm`` of the product of both
covariances, and for every subset three kernel matrices of its own, in numpy and float32.

Run: python benchmarks/metrics/distances.py [--rows 2000] [--runs 3]
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable

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


def measure(compute: Callable[[], float]) -> tuple[float, float, float]:
    """Wall seconds, processor seconds, and the answer."""
    begin, begin_processor = time.perf_counter(), time.process_time()
    answer = compute()
    return time.perf_counter() - begin, time.process_time() - begin_processor, answer


def compare(name: str, ways: dict[str, Callable[[], float]], runs: int) -> None:
    """Take turns, so that a busy moment of the machine meets all alike; print a line each, and ratios."""
    measured: dict[str, list[tuple[float, float, float]]] = {way: [] for way in ways}
    for _ in range(runs):
        for way, compute in ways.items():
            measured[way].append(measure(compute))
    medians = {}
    for way, results in measured.items():
        walls, processors, answers = zip(*results, strict=True)
        medians[way] = statistics.median(walls), statistics.median(processors), answers[0]
        spread = max(walls) - min(walls)
        wall, processor, answer = medians[way]
        print(f"{name}: {way:<5} {wall:.2f} ({spread:.2f}) s, processor {processor:.2f} s, {answer:.9g}")
    ours, usual = medians["ours"], medians["usual"]
    print(
        f"{name}: {usual[0] / ours[0]:.1f} times faster, {usual[1] / ours[1]:.1f} times less processor time; "
        f"the answers differ by {abs(ours[2] - usual[2]):.1e}"
    )


def main() -> None:
    """Print two lines and a ratio per distance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    print(f"device {platform.machine()} CPU, {torch.get_num_threads()} threads")
    print(f"torch {torch.__version__}, numpy {np.__version__}, scipy {scipy.__version__}")
    print(f"{arguments.rows} x {WIDTH} features a side; {arguments.runs} runs in turn, median (spread)")
    generated, real = draw(1, arguments.rows, -0.50), draw(2, arguments.rows, -0.45)
    tensors = torch.from_numpy(real), torch.from_numpy(generated)
    compare(
        "frechet distance",
        {
            "ours": lambda: float(frechet_distance(*tensors)),
            "usual": lambda: usual_frechet(real, generated),
        },
        arguments.runs,
    )
    compare(
        "kernel distance",
        {
            "ours": lambda: float(kernel_inception_distance(*tensors)[0]),
            "usual": lambda: usual_kernel(real, generated),
        },
        arguments.runs,
    )


if __name__ == "__main__":
    main()
