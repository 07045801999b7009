"""Cost of `cinefoley data prepare` and of reading shards, beside Diff-Foley's way of preparing clips.

1. Preparing: clips per second of one core, shards written, beside what Diff-Foley's scripts do for each clip:
   FFmpeg to a video of 4 frames per second (x264) and to a WAV of 16 kHz, OpenCV and PIL to frames of 224
   pixels, librosa to a mel. Measured in processor time, child processes included, so that other load matters
   little.
2. Reading for distillation: a window of 8 s as 32 frames, from shards and from videos: full frames;
   a close-up, the student's input; the whole frame, the teacher's input. Videos are resized by Pillow's
   antialiased filter, shards by PyTorch's kernel; the difference of the pixels is printed. Then what `train`
   streams: whole clips, 40 frames of 224x224 and the mel.
3. Memory of preparing 100 and 10,000 clips (hard links to small ones), and of reading as many.
4. Disk per clip; disk and time extrapolated to 200,000 clips.

Videos are rendered: 10 s, 640x360, 25 fps, with audio. Name a folder of real videos to measure those. The
reference needs FFmpeg (in PATH, or `pip install imageio-ffmpeg`) and librosa.

Run: python benchmarks/data/shards.py [FOLDER] [--clips N] [--rounds N] [--skip-memory]
"""

import argparse
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL
import torch
from PIL import Image

import cinefoley
from cinefoley.config.presets import diff_foley
from cinefoley.data.cache.shard_stream import stream_shards
from cinefoley.data.shards.layout import ShardSettings
from cinefoley.data.shards.prepare import prepare_shards
from cinefoley.data.shards.source import ShardSource
from cinefoley.data.sources.clip_reader import ClipSettings, read_clip
from cinefoley.data.sources.folder import FileClip, FolderSource
from cinefoley.data.sources.vggsound_stand_in import make_stand_in
from cinefoley.media.frames.jpeg import decode_jpeg
from cinefoley.media.frames.pixels import resize, resize_fast
from cinefoley.media.muxing.save_video import save_video
from cinefoley.media.versions import ffmpeg_versions
from cinefoley.pipelines.allocator import keep_freed_memory
from cinefoley.stage.render import render_clip
from cinefoley.variations.close_up import CloseUp

VGGSOUND = 200_000
CORES = (2, 64, 512)
PREPARES = """
import sys
from pathlib import Path
from cinefoley.data.shards.prepare import prepare_shards
from cinefoley.data.shards.layout import ShardSettings
from cinefoley.data.shards.source import ShardSource
made = Path(sys.argv[1])
settings = ShardSettings(duration_s=1.0, least_s=0.7)
prepare_shards(made / "clips", made / "out", csv=made / "vggsound.csv", settings=settings)
"""
READS = """
import sys, random
from cinefoley.data.shards.source import ShardSource
source = ShardSource(sys.argv[1])
for number in random.Random(0).choices(range(len(source)), k=200):
    source[number].video(fps=4, size=(64, 64)), source[number].waveform(16000)
"""
TELLS = """
import re
status = open("/proc/self/status").read()
print(int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) / 1024)
"""


def main() -> None:
    """Measure, and print what with."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("videos", nargs="?", type=Path)
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--skip-memory", action="store_true")
    options = parser.parse_args()
    keep_freed_memory()  # as every command does
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        videos = options.videos or render_videos(folder / "videos", options.clips)
        chosen = sorted(path for path in videos.iterdir() if path.suffix == ".mp4")[: options.clips]
        tell_versions(chosen)
        per_clip_s, per_clip_bytes = compare_preparing(chosen, folder, options.rounds)
        compare_reading(chosen, folder / "shards", options.rounds)
        if not options.skip_memory:
            for count in (100, 10_000):
                tell_memory(folder / f"many-{count}", count)
        project(per_clip_s, statistics.mean(path.stat().st_size for path in chosen), per_clip_bytes)


def render_videos(folder: Path, count: int) -> Path:
    """Films of the stage."""
    folder.mkdir()
    for seed in range(count):
        clip = render_clip(seed, fps=25, size=(360, 640), duration_s=10.0)
        frames = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)
        save_video(folder / f"{seed}.mp4", frames, 25, waveform=clip.waveform, sample_rate=clip.sample_rate)
    return folder


def tell_versions(videos: list[Path]) -> None:
    """The line above all tables."""
    import librosa

    size = statistics.mean(path.stat().st_size for path in videos) / 1e6
    first = subprocess.run([find_ffmpeg(), "-version"], check=True, capture_output=True, text=True).stdout
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    print(
        f"cinefoley {cinefoley.__version__}, libavcodec {ffmpeg_versions()['libavcodec']}, "
        f"Pillow {PIL.__version__}, torch {torch.__version__}, OpenCV {cv2.__version__}; "
        f"reference: {first.split('Copyright')[0].strip()}, librosa {librosa.__version__}"
    )
    print(f"{len(videos)} videos of {size:.2f} MB on average; processor seconds of one thread")


def compare_preparing(videos: list[Path], folder: Path, rounds: int) -> tuple[float, float]:
    """Print both ways. Returns our seconds and bytes per clip."""
    linked = folder / "linked"
    linked.mkdir()
    for number, video in enumerate(videos):
        (linked / f"{number:04d}.mp4").symlink_to(video.absolute())
    settings = ShardSettings(least_s=4.0)

    def ours() -> None:
        shutil.rmtree(folder / "shards", ignore_errors=True)
        prepare_shards(linked, folder / "shards", settings=settings)

    def theirs() -> None:
        shutil.rmtree(folder / "reference", ignore_errors=True)
        (folder / "reference").mkdir()
        for video in videos:
            prepare_as_reference(video, folder / "reference")

    theirs()  # librosa compiles and loads at its first call; nobody counts that
    ours()
    sides = {"cinefoley data prepare": ours, "ffmpeg, OpenCV, PIL, librosa": theirs}
    seconds = tell("preparing", sides, rounds, per=len(videos))
    kept = sum(path.stat().st_size for path in (folder / "shards" / "shards").glob("*.tar"))
    used = len(ShardSource(folder / "shards"))
    print(f"shards: {used} of {len(videos)} clips used, {kept / used / 1e3:.0f} kB a clip\n")
    return seconds, kept / used


def prepare_as_reference(video: Path, out: Path) -> None:
    """Diff-Foley's steps for one clip, each with the tool that its scripts use."""
    import librosa

    ffmpeg = [find_ffmpeg(), "-loglevel", "error", "-y", "-threads", "1", "-i", str(video)]
    slow, wav = out / f"{video.stem}.mp4", out / f"{video.stem}.wav"
    subprocess.run([*ffmpeg, "-r", "4", "-an", "-threads", "1", str(slow)], check=True)
    subprocess.run([*ffmpeg, "-vn", "-ac", "1", "-ar", "16000", str(wav)], check=True)
    capture, frames = cv2.VideoCapture(str(slow)), []
    while True:
        is_there, frame = capture.read()
        if not is_there:
            break
        image = Image.fromarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
        frames.append(np.asarray(image.resize((224, 224), Image.Resampling.BILINEAR)))
    capture.release()
    np.save(out / f"{video.stem}.frames.npy", np.stack(frames))
    waveform, _ = librosa.load(wav, sr=16000)
    spectrum = np.abs(librosa.stft(waveform[:-1], n_fft=1024, hop_length=256))
    basis = librosa.filters.mel(sr=16000, n_fft=1024, n_mels=128, fmin=125, fmax=7600)
    level = 20 * np.log10(np.maximum(basis @ spectrum, 1e-5)) - 20
    np.save(out / f"{video.stem}.mel.npy", np.clip((level + 100) / 100, 0, 1).astype(np.float16))


def compare_reading(videos: list[Path], shards: Path, rounds: int) -> None:
    """Print what a window of 8 s for distillation costs from either."""
    kept, decoded = ShardSource(shards), FolderSource(videos[0].parent)
    wanted = {video.stem for video in videos}
    numbers = [number for number, name in enumerate(decoded.ids) if name in wanted]

    window = CloseUp().draw((360, 640), generator=torch.Generator().manual_seed(0))
    kinds: dict[str, dict[str, Any]] = {
        "32 frames as they are": {},
        "a close-up of 32 frames, squashed to 224x224": {"size": (224, 224), "window": window},
        "32 frames, squashed to 224x224": {"size": (224, 224)},
    }
    for what, shown in kinds.items():
        section = {"fps": 4, "start": 1.0, "duration": 8.0} | shown

        def from_shards(section: dict[str, Any] = section) -> None:
            for number in range(len(kept)):
                kept[number].video(**section)

        def from_videos(section: dict[str, Any] = section) -> None:
            for number in numbers[: len(kept)]:
                decoded[number].video(**section)

        tell(f"reading {what}", {"shards": from_shards, "videos": from_videos}, rounds, per=len(kept))

    compare_streaming(kept, [decoded[number] for number in numbers[: len(kept)]], rounds)
    tell_difference(kept)


def compare_streaming(kept: ShardSource, videos: list[FileClip], rounds: int) -> None:
    """Print what whole clips cost as `train` asks for them; real ones may be shorter than a window."""
    settings = ClipSettings.of(diff_foley().foley)
    columns = stream_shards(kept, settings)
    if len(columns) < len(kept):
        return

    def read_streamed() -> None:
        for row in range(len(columns)):
            columns.frames[row], columns.mels[row]

    def decode_videos() -> None:
        for video in videos:
            read_clip(video, settings)

    sides = {"shards": read_streamed, "videos": decode_videos}
    tell("reading whole clips for training, 224x224 and mel", sides, rounds, per=len(columns))


def tell_difference(kept: ShardSource) -> None:
    """Print how far PyTorch's kernel is from Pillow's filter on the same jpegs, and what either costs."""
    jpegs = [decode_jpeg(still) for number in range(len(kept)) for still in kept[number].jpegs()]
    results, costs = [], []
    for bring in (resize_fast, resize):
        begin = processor_seconds()
        results.append([bring(pixels, (224, 224)) for pixels in jpegs])
        costs.append(1000 * (processor_seconds() - begin) / len(jpegs))
    errors = [np.abs(first.astype(int) - second) for first, second in zip(*results, strict=True)]
    share = np.mean([np.mean(error > 0) for error in errors])
    most = max(int(error.max()) for error in errors)
    print(
        f"\nsquashing alone: {costs[0]:.2f} ms a still by PyTorch, {costs[1]:.2f} ms by Pillow; "
        f"{100 * share:.3f} % of numbers differ, by {most} at most\n"
    )


def tell(what: str, sides: dict[str, Callable[[], None]], rounds: int, *, per: int) -> float:
    """Time both sides in turn, and print a table. Returns the median seconds of the first."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            begin = processor_seconds()
            side()
            times[name].append((processor_seconds() - begin) / per)
    medians = {name: statistics.median(values) for name, values in times.items()}
    slowest = max(medians.values())
    print(f"\n| {what} | clips/s of a core, median (range), {rounds} rounds | times as fast |")
    print("| --- | --- | --- |")
    for name, values in times.items():
        low, high = 1 / max(values), 1 / min(values)
        rate = 1 / medians[name]
        print(f"| {name} | {rate:.2f} ({low:.2f} to {high:.2f}) | {slowest / medians[name]:.2f} |")
    return next(iter(medians.values()))


def processor_seconds() -> float:
    """Of this process and all its children that have ended, in user and kernel."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def tell_memory(folder: Path, count: int) -> None:
    """Print the largest memory of a process that prepares, and of one that reads, many clips."""
    begin = time.perf_counter()
    make_stand_in(folder, count, faulty_share=0.12, num_distinct=4, size=(16, 16), fps=4, duration_s=1.0)
    peaks = []
    for script, path in ((PREPARES, folder), (READS, folder / "out")):
        command = [sys.executable, "-c", script + TELLS, str(path)]
        peaks.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    print(
        f"memory, {count:>6} clips: preparing {peaks[0]:.0f} MiB, reading {peaks[1]:.0f} MiB "
        f"({time.perf_counter() - begin:.0f} s)"
    )
    shutil.rmtree(folder)


def project(per_clip_s: float, film_bytes: float, shard_bytes: float) -> None:
    """Print what 200,000 clips come to, none of them missing, and what the disks must give."""
    print(f"\n{VGGSOUND:,} clips x {shard_bytes / 1e3:.0f} kB = {VGGSOUND * shard_bytes / 1e12:.2f} TB")
    for cores in CORES:
        hours = VGGSOUND * per_clip_s / cores / 3600
        read, written = (cores / per_clip_s * size / 1e9 for size in (film_bytes, shard_bytes))
        print(
            f"{VGGSOUND:,} clips x {per_clip_s:.3f} s / {cores} cores = {hours:.2f} h, "
            f"reading {read:.2f} GB/s and writing {written:.2f} GB/s"
        )


def find_ffmpeg() -> str:
    """The program, of the system or of a package."""
    there = shutil.which("ffmpeg")
    if there is not None:
        return there
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


if __name__ == "__main__":
    main()
