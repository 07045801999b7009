"""Training-free baseline of synchrony on real videos: onsets where motion decelerates.

    python recipes/motion_baseline.py FOLDER              # videos whose sound has clear onsets
    python recipes/motion_baseline.py FOLDER --fps 12.5

An impact stops what moved. Optical flow at 25 fps (``--fps``) is sorted by direction; the decrease of its
magnitude, summed over directions, peaks at impacts (Davis & Agrawala, Visual Rhythm and Beat, SIGGRAPH 2018).
The camera's own motion is removed by an affine fit. Events are the onsets of the video's sound. F1 counts
matches within 100 ms, over all clips together. The F1 of the same peaks with the onsets of every other clip
(derangement) stands beside it: the rate of the peaks alone reaches that.

The grid below is searched on the given videos themselves, so the best row is optimistic: it says how much
motion can tell about onsets, not what a method would reach on other videos.
"""

import argparse
import itertools
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import ndimage, signal

from cinefoley.media import load_video, read_audio
from cinefoley.metrics.onsets import OnsetCounts, detect_onsets, match_onsets

SIZE = (96, 128)
DIRECTIONS = 8
LAGS = (1, 2, 3)
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)  # of the envelope's 99th percentile
OFFSETS = (-3, -2, -1, 0, 1)  # frames
Array = NDArray[np.float64]


def main() -> None:
    """Print the best row of the grid per input, and the best row's clips."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", nargs="*", help="stems of the videos to use; default: all")
    parser.add_argument("--fps", type=float, default=25.0)
    args = parser.parse_args()
    paths = [p for p in sorted(args.folder.glob("*.mp4")) if not args.clips or p.stem in args.clips]
    onsets = {path.stem: sound_onsets(path) for path in paths}
    flows = {path.stem: optical_flow(path, args.fps) for path in paths}
    table = Table("flow", "lag", "threshold", "offset", "F1", "deranged F1", title=f"{len(paths)} clips")
    best_counts: dict[str, OnsetCounts] = {}
    best_f1 = -1.0
    for has_camera in (True, False):
        inputs = flows if has_camera else {name: without_camera(flow) for name, flow in flows.items()}
        rows = []
        for lag in LAGS:
            envelopes = {name: deceleration(flow, lag) for name, flow in inputs.items()}
            rows += [
                ((lag, threshold, offset), *score(envelopes, onsets, threshold, offset, args.fps))
                for threshold, offset in itertools.product(THRESHOLDS, OFFSETS)
            ]
        setting, counts, deranged = max(rows, key=lambda row: total(row[1]).f1)
        f1 = total(counts).f1
        name = "as decoded" if has_camera else "camera removed"
        table.add_row(name, *map(str, setting), f"{f1:.3f}", f"{deranged.f1:.3f}")
        if f1 > best_f1:
            best_f1, best_counts = f1, counts
    console = Console()
    console.print(table)
    for name, count in best_counts.items():
        console.print(f"{name}: F1 {count.f1:.2f}, {count.hits + count.missed} onsets")


def sound_onsets(path: Path) -> Array:
    """Onsets of a video's own sound, seconds."""
    waveform, rate = read_audio(path, mono=True)
    return detect_onsets(waveform[0], sample_rate=rate)


def optical_flow(path: Path, fps: float) -> NDArray[np.float32]:
    """Dense flow between neighbouring frames at a rate, ``(T - 1, H, W, 2)`` pixels a frame."""
    video = load_video(path, fps=fps, size=SIZE)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in video.frames.permute(0, 2, 3, 1).numpy()]
    estimator = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return np.stack([estimator.calc(a, b, None) for a, b in itertools.pairwise(grey)])


def without_camera(flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """Flow less an affine field fitted to each frame, robustly: small residuals weigh most."""
    height, width = flow.shape[1:3]
    y, x = np.mgrid[:height, :width]
    basis = np.stack([np.ones(x.size), x.ravel() / width - 0.5, y.ravel() / height - 0.5], axis=1)
    residual = np.empty_like(flow)
    for number, field in enumerate(flow.reshape(len(flow), -1, 2)):
        weight = np.ones(len(field))
        for _ in range(4):
            fit = np.linalg.lstsq(basis * weight[:, None], field * weight[:, None], rcond=None)[0]
            rest = field - basis @ fit
            size = np.linalg.norm(rest, axis=1)
            weight = 1 / np.sqrt(np.maximum(size, np.median(size) + 1e-3))
        residual[number] = rest.reshape(height, width, 2)
    return residual


def deceleration(flow: NDArray[np.float32], lag: int) -> Array:
    """Decrease of motion over ``lag`` frames, summed over directions, ``(T - 1,)``."""
    size = np.linalg.norm(flow, axis=-1)
    angle = np.arctan2(flow[..., 1], flow[..., 0])
    direction = ((angle + np.pi) / (2 * np.pi) * DIRECTIONS).astype(int) % DIRECTIONS
    motion = np.stack([(size * (direction == k)).mean(axis=(1, 2)) for k in range(DIRECTIONS)], axis=1)
    motion = ndimage.gaussian_filter1d(motion.astype(np.float64), 0.5, axis=0)
    envelope = np.zeros(len(motion))
    envelope[lag:] = np.maximum(0, motion[:-lag] - motion[lag:]).sum(axis=1)
    return envelope


def pick(envelope: Array, threshold: float, offset: int, fps: float) -> Array:
    """Times of the envelope's peaks, at least 0.2 s apart, seconds."""
    height = max(1e-4, threshold * float(np.percentile(envelope, 99)))
    gap = max(1, round(fps / 5))
    peaks, _ = signal.find_peaks(np.concatenate([[0.0], envelope, [0.0]]), height=height, distance=gap)
    return np.asarray((peaks + offset) / fps, dtype=np.float64)


def score(
    envelopes: dict[str, Array], onsets: dict[str, Array], threshold: float, offset: int, fps: float
) -> tuple[dict[str, OnsetCounts], OnsetCounts]:
    """Counts by clip, and counts of all clips with every other clip's onsets."""
    found = {name: pick(envelope, threshold, offset, fps) for name, envelope in envelopes.items()}
    counts = {name: match_onsets(times, onsets[name]) for name, times in found.items()}
    deranged = OnsetCounts()
    for name, other in itertools.permutations(onsets, 2):
        duration_s = len(envelopes[name]) / fps
        deranged += match_onsets(found[name], onsets[other][onsets[other] < duration_s])
    return counts, deranged


def total(counts: dict[str, OnsetCounts]) -> OnsetCounts:
    """Counts over all clips."""
    return sum(counts.values(), OnsetCounts())


if __name__ == "__main__":
    main()
