"""Clips per hour of `cinefoley vary SPLIT.csv`, as videos and as a view, and the memory of a long video.

The clips are rendered ones of 10 s at 640x360 and 25 fps with audio, as VGGSound's are; their frames are
simpler than filmed ones, so name a folder of real clips to measure those instead. One process encodes with
one thread; N processes are N times as fast while there are cores.

Run: python benchmarks/variations/vary.py [FOLDER]
"""

import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import torch

from cinefoley.data.test_sets.video_set import build_test_set
from cinefoley.media.muxing.save_video import save_video
from cinefoley.stage.render import render_clip
from cinefoley.variations.camera_movement import CameraMovement
from cinefoley.variations.close_up import CloseUp

TAKES = 3
MAKES_LONG = """
import re, sys, torch
from pathlib import Path
from cinefoley.variations import CameraMovement
from cinefoley.variations.videos import draw_for_video, vary_video
video, out = sys.argv[1:]
vary_video(video, out, draw_for_video(CameraMovement(), video, generator=torch.Generator().manual_seed(0)))
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024)
"""


def render(path: Path, seed: int, *, duration_s: float = 10.0, size: tuple[int, int] = (360, 640)) -> None:
    """Write one clip."""
    clip = render_clip(seed, fps=25, size=size, duration_s=duration_s)
    frames = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)
    save_video(path, frames, 25, waveform=clip.waveform, sample_rate=clip.sample_rate)


def time_set(clips: Path, folder: Path, *, is_view: bool) -> list[float]:
    """Seconds per clip of several builds, close-ups and camera movements in turn."""
    names = sorted(path.stem for path in clips.glob("*.mp4"))
    listed = folder / "list.csv"
    listed.write_text("\n".join(["id", *names]) + "\n")
    seconds = []
    for take in range(TAKES):
        for variation in (CloseUp(), CameraMovement()):
            out = folder / f"{is_view}-{take}-{type(variation).__name__}"
            begin = time.perf_counter()
            built = build_test_set(listed, out, variation, clips=clips, is_view=is_view)
            seconds.append((time.perf_counter() - begin) / len(built.clips))
    return seconds


def peak_mib(folder: Path, duration_s: float) -> float:
    """Peak memory of a process that varies one video."""
    film = folder / f"long-{duration_s:g}.mp4"
    render(film, 0, duration_s=duration_s, size=(180, 320))
    command = [sys.executable, "-c", MAKES_LONG, str(film), str(film.with_stem("out"))]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Print medians, spread and peaks."""
    print(f"device {platform.machine()} CPU; av {av.__version__}, torch {torch.__version__}; 1 job, 1 thread")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = Path(sys.argv[1]) if len(sys.argv) > 1 else folder / "clips"
        if len(sys.argv) == 1:
            clips.mkdir()
            for seed in range(4):
                render(clips / f"{seed}.mp4", seed)
        for label, is_view in (("films", False), ("view", True)):
            taken = time_set(clips, folder, is_view=is_view)
            median = statistics.median(taken)
            print(
                f"{label:<6} {median:6.3f} s a clip (min {min(taken):.3f}, max {max(taken):.3f}), "
                f"{3600 / median:8.0f} clips an hour; 15,000 clips: {15000 * median / 3600:.2f} h"
            )
        for duration_s in (10, 120):
            print(f"one video of {duration_s} s, 320x180: {peak_mib(folder, duration_s):.0f} MiB peak")


if __name__ == "__main__":
    main()
