"""Spread of the Frechet distance: first-order replicas and the bootstrap, against fresh samples.

Draws many pairs of sets from one model of correlated features, so that the true standard deviation of the
distance is known, and compares with what one pair of sets predicts. ``--ratio`` is clips over width: 7 for
VGGSound's 15,000 clips and the 2,048 numbers of PANNs.

Run: python benchmarks/metrics/frechet_intervals.py [--width 64] [--ratio 7] [--sets 80]
"""

import argparse
import statistics
import time

import torch
from torch import Tensor

from cinefoley.metrics.functional.frechet import frechet_distance, frechet_influences

TAKES = 2


def main() -> None:
    """Draw, compute and print the three standard deviations."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--ratio", type=float, default=7.0)
    parser.add_argument("--sets", type=int, default=80)
    args = parser.parse_args()
    clips = round(args.ratio * args.width)
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(args.width, args.width, generator=generator) / args.width**0.5
    pairs = [draw(clips, mixing, generator) for _ in range(args.sets)]
    true = statistics.stdev(float(frechet_distance(*pair)) for pair in pairs)
    began = time.perf_counter()
    linear = statistics.mean(first_order(*pair) for pair in pairs[:10])
    linear_s = (time.perf_counter() - began) / 10
    began = time.perf_counter()
    bootstrap = statistics.stdev(resample(*pairs[0], generator) for _ in range(args.sets))
    bootstrap_s = time.perf_counter() - began
    print(f"{clips} clips x {TAKES} takes, width {args.width}, {args.sets} sets, torch {torch.__version__}")
    print("| standard deviation of the distance | value | seconds |\n| --- | --- | --- |")
    print(f"| true, of fresh samples | {true:.4f} | - |")
    print(f"| first order, of one sample | {linear:.4f} | {linear_s:.2f} |")
    print(f"| bootstrap, {args.sets} resamplings of one sample | {bootstrap:.4f} | {bootstrap_s:.2f} |")


def draw(clips: int, mixing: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Features of real sounds and of takes that depend on them."""
    width = len(mixing)
    real = torch.relu(torch.randn(clips, width, generator=generator) @ mixing)
    noise = torch.randn(clips * TAKES, width, generator=generator) @ mixing
    return real.double(), torch.relu(0.7 * real.repeat_interleave(TAKES, dim=0) + 0.6 * noise).double()


def first_order(real: Tensor, generated: Tensor) -> float:
    """Standard deviation of the sum of the clips' influences."""
    of_real, of_generated = frechet_influences(real, generated)
    per_clip = of_real / len(of_real) + of_generated.view(-1, TAKES).sum(dim=1) / len(of_generated)
    return float(per_clip.square().sum().sqrt())


def resample(real: Tensor, generated: Tensor, generator: torch.Generator) -> float:
    """The distance of clips that are drawn with replacement."""
    drawn = torch.randint(len(real), (len(real),), generator=generator)
    rows = torch.stack([TAKES * drawn + take for take in range(TAKES)], dim=1).flatten()
    return float(frechet_distance(real[drawn], generated[rows]))


if __name__ == "__main__":
    main()
