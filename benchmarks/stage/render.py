"""Speed of the stage: frames and sound, kind by kind and over a draw of all kinds.

    python benchmarks/stage/render.py [--clips 6] [--seconds 4] [--version plain|filmed]

One thread; processor time, so that other work on the machine counts little. Frames: 25 a second at 112x112
(``--size``), and as training takes them (16:9 squashed to 64x64, whole and cropped). Sound: seconds of
waveform per second, at 16 and 48 kHz.
For every kind the median over its clips and the slowest; ``all`` draws kinds as seeds do.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from typing import get_args

import cv2
import numpy as np

from cinefoley.stage.digest import stage_digest
from cinefoley.stage.kinds import KINDS
from cinefoley.stage.render import StageTake, draw_take
from cinefoley.stage.version import DEFAULT_VERSION, StageVersion

WINDOW = np.array([0.2, 0.3, 0.7, 0.8])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=6, help="for each kind")
    parser.add_argument("--seconds", type=float, default=4.0, help="of every clip")
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--version", choices=get_args(StageVersion), default=DEFAULT_VERSION)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    machine = platform.processor() or platform.machine()
    print(f"{machine}, one thread; Python {platform.python_version()},", end=" ")
    print(f"numpy {np.__version__}, OpenCV {cv2.__version__};", end=" ")
    print(f"{args.version} stage {stage_digest(args.version)[:12]}")
    print(f"{args.clips} clips of {args.seconds:g} s of each kind: median (slowest)\n")
    titles = (
        f"frames/s {args.size}x{args.size}",
        "frames/s 64x64",
        "64x64 crop",
        "x real time 16 kHz",
        "48 kHz",
    )
    print(f"{'':10s}" + "".join(f"{title:>22s}" for title in titles))
    for actor in KINDS:
        takes = [_clip(seed, actor.kind, args.seconds, args.version) for seed in range(args.clips)]
        _report(actor.kind, takes, args.size)
    _report("all", [_clip(n, None, args.seconds, args.version) for n in range(4 * args.clips)], args.size)


def _clip(seed: int, kind: str | None, seconds: float, version: StageVersion) -> StageTake:
    return draw_take(seed, split="valid", duration_s=seconds, kind=kind, version=version)


def _report(name: str, takes: Sequence[StageTake], side: int) -> None:
    seconds = takes[0].duration_s
    times = np.arange(round(25 * seconds)) / 25
    sparse = np.arange(round(4 * seconds)) / 4
    columns = (
        (len(times), lambda take: take.frames(times, size=(side, side))),
        (len(sparse), lambda take: take.frames(sparse, size=(64, 64), aspect=take.aspect)),
        (len(sparse), lambda take: take.frames(sparse, size=(64, 64), aspect=take.aspect, windows=WINDOW)),
        (seconds, lambda take: take.waveform(16000)),
        (seconds, lambda take: take.waveform(48000)),
    )
    cells = [_rates(amount, work, takes) for amount, work in columns]
    print(
        f"{name:10s}" + "".join(f"{statistics.median(c):12.0f} ({min(c):6.0f}) " for c in cells), flush=True
    )


def _rates(amount: float, work: Callable[[StageTake], object], takes: Sequence[StageTake]) -> list[float]:
    work(takes[0])
    rates = []
    for take in takes:
        began = time.process_time()
        work(take)
        rates.append(amount / (time.process_time() - began))
    return rates


if __name__ == "__main__":
    main()
