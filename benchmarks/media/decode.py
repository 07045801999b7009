"""Frames at 4 fps: one sequential decode against a seek for every frame.

Run: python benchmarks/media/decode.py
"""

import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import torch

from cinefoley.media.frames.sampling import frame_count, sampling_instant
from cinefoley.media.frames.video import load_video
from cinefoley.media.muxing.save_video import save_video

DURATION_S = 8
FPS = 25
RUNS = 5


def make_clip(path: Path, height: int, width: int) -> None:
    """A clip with motion and grain, so that decoding it costs what a video's does."""
    generator = torch.Generator().manual_seed(0)
    grain = torch.randint(0, 40, (3, height, width), generator=generator, dtype=torch.uint8)
    ramp = (torch.arange(width) * 200 // width).to(torch.uint8).expand(3, height, width)
    frames = torch.stack([ramp.roll(8 * n, 2) + grain.roll(3 * n, 1) for n in range(DURATION_S * FPS)])
    save_video(path, frames, FPS, crf=23)


def sequential(path: Path) -> int:
    """What the library does."""
    return len(load_video(path, 4, (224, 224)))


def by_seeking(path: Path) -> int:
    """Seek to the key frame before each instant and decode up to it."""
    picked = 0
    for n in range(frame_count(Fraction(DURATION_S), Fraction(4))):
        instant = sampling_instant(n, Fraction(0), Fraction(4))
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "SLICE"
            container.seek(int(instant / (stream.time_base or 1)), stream=stream)
            held = None
            for frame in container.decode(stream):
                if frame.time >= instant:
                    break
                held = frame
            if held is not None:
                held.reformat(width=224, height=224, format="rgb24").to_ndarray()
                picked += 1
    return picked


def measure(run: Callable[[Path], int], path: Path) -> tuple[str, float, int]:
    """Median and spread in words, median wall seconds, and the number of frames."""
    wall, processor, count = [], [], 0
    for _ in range(RUNS):
        begin, begin_processor = time.perf_counter(), time.process_time()
        count = run(path)
        wall.append(time.perf_counter() - begin)
        processor.append(time.process_time() - begin_processor)
    median = statistics.median(wall)
    words = f"{median:.3f} ({max(wall) - min(wall):.3f}) s, processor {statistics.median(processor):.3f} s"
    return words, median, count


def main() -> None:
    """Print one line per frame size and way."""
    print(f"device {platform.machine()} CPU, {torch.get_num_threads()} threads")
    print(f"av {av.__version__}, torch {torch.__version__}")
    print(f"{DURATION_S} s at {FPS} fps, H.264, key frame every 250; {RUNS} runs, median (spread)")
    with tempfile.TemporaryDirectory() as folder:
        for name, height, width in (("360p", 360, 640), ("1080p", 1080, 1920)):
            path = Path(folder) / f"{name}.mp4"
            make_clip(path, height, width)
            one, one_s, count = measure(sequential, path)
            many, many_s, same = measure(by_seeking, path)
            print(f"{name} one decode:     {one}, {count} frames")
            print(f"{name} seek per frame: {many}, {same} frames, {many_s / one_s:.1f} times the wall time")


if __name__ == "__main__":
    main()
