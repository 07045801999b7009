"""Clips per second that `prepare_clips` decodes and renders, and the memory of reading many of them.

Films are rendered ones of 10 s at 640x360 and 25 fps with sound; name a folder of real ones to measure those
instead. One process; N are N times as fast while there are cores. The memory is that of a process that maps
the clips and reads 200 batches of 16 at random, pages of files not counted; one video is linked many times,
and so are few clips of the cache, because content is what they are keyed by.

Run: python benchmarks/data/prepare.py [FOLDER]
"""

import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from cinefoley.config.presets import lite
from cinefoley.data.cache.clip_cache import prepare_clips
from cinefoley.data.sources.clip_source import ClipSource
from cinefoley.data.sources.folder import FolderSource
from cinefoley.data.sources.stage import StageSource
from cinefoley.media.muxing.save_video import save_video
from cinefoley.stage.render import render_clip

FILMS = 16
COUNTS = (100, 1000, 10_000)
READS = """
import re, sys, torch
from pathlib import Path
from cinefoley.data.cache.tensor_files import read_chunk
from cinefoley.data.cache.tensor_rows import Column
chunks = [read_chunk(path)[0] for path in sorted(Path(sys.argv[1]).glob("*.safetensors"))]
frames, mels = (Column([chunk[name] for chunk in chunks]) for name in ("frames", "mels"))
generator = torch.Generator().manual_seed(0)
for _ in range(200):
    rows = torch.randint(len(frames), (16,), generator=generator)
    frames[rows], mels[rows]
print(len(frames), int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024)
"""


def render(path: Path, seed: int) -> None:
    """Write one video."""
    clip = render_clip(seed, fps=25, size=(360, 640), duration_s=10.0)
    frames = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)
    save_video(path, frames, 25, waveform=clip.waveform, sample_rate=clip.sample_rate)


def time_source(source: ClipSource, cache: Path) -> float:
    """Clips per second."""
    begin = time.perf_counter()
    clips = prepare_clips(source, lite().foley, cache)
    return (len(clips) + len(clips.ledger)) / (time.perf_counter() - begin)


def measure_memory(folder: Path, cache: Path) -> None:
    """Print the memory of reading 100, 1,000 and 10,000 clips."""
    prepare_clips(StageSource("train", 25), lite().foley, cache, clips_per_file=25)
    (whole,) = cache.glob("clips-*/*.safetensors")
    for count in COUNTS:
        linked = folder / str(count)
        linked.mkdir()
        for number in range(count // 25):
            (linked / f"{number:04d}.safetensors").hardlink_to(whole)
        run = subprocess.run(
            [sys.executable, "-c", READS, str(linked)], check=True, capture_output=True, text=True
        )
        clips, mebibytes = run.stdout.split()
        print(f"reading {int(clips):>6} clips: {float(mebibytes):.0f} MiB")


def main() -> None:
    """Measure, and print what with."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        videos = Path(sys.argv[1]) if len(sys.argv) > 1 else folder / "videos"
        if len(sys.argv) == 1:
            videos.mkdir()
            for seed in range(FILMS):
                render(videos / f"{seed}.mp4", seed)
        print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one process, lite")
        print(f"videos, decoded: {time_source(FolderSource(videos), folder / 'a'):.1f} clips/s")
        print(f"stage, rendered: {time_source(StageSource('train', 2 * FILMS), folder / 'b'):.1f} clips/s")
        measure_memory(folder, folder / "c")


if __name__ == "__main__":
    main()
