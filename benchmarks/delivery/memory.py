"""Peak memory of a delivery and of moving a take to cues, by length of the video.

``deliver``: two takes of three shots, with loudness, 2-pop and a mix over the video's own sound. ``cues``:
what ``generate --cues`` does with a take after it was generated. Each runs in a process of its own; the base
is what the process needs for two seconds.

Run: python benchmarks/delivery/memory.py [--tasks deliver cues] [--lengths 60 300]
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np
import torch

from cinefoley.delivery.moving import move_to_cues
from cinefoley.delivery.package import deliver
from cinefoley.delivery.settings import DeliverySettings
from cinefoley.delivery.stems import Stem
from cinefoley.delivery.timecode import clock_of
from cinefoley.media.audio.fitted_writer import fitted_audio
from cinefoley.media.audio.raw_sound import RawSound
from cinefoley.media.audio.reader import AudioReader
from cinefoley.media.audio.writer import AudioWriter
from cinefoley.media.muxing.replace_audio import replace_audio
from cinefoley.media.muxing.save_video import save_video
from cinefoley.media.sections import Section

FPS = 5
RATE = 16000
EVENT_EVERY_S = 1.5


def write_take(path: Path, length_s: int, seed: int) -> None:
    """Hits of noise over faint noise, written second by second."""
    generator = torch.Generator().manual_seed(seed)
    decay = torch.exp(-torch.arange(RATE // 2) / 800)
    with AudioWriter(path, RATE) as writer:
        for second in range(length_s):
            sound = 1e-4 * torch.randn(RATE, generator=generator)
            if second % EVENT_EVERY_S < 1:
                sound[3000 : 3000 + len(decay)] += 0.15 * decay * torch.randn(len(decay), generator=generator)
            writer.write(sound)


def prepare(task: str, folder: Path, length_s: int) -> None:
    """A take; for a delivery, another one and a small video with sound."""
    write_take(folder / "film.take1.wav", length_s, 1)
    if task == "cues":
        return
    write_take(folder / "film.take2.wav", length_s, 2)
    save_video(folder / "silent.mp4", torch.zeros(length_s * FPS, 3, 32, 48, dtype=torch.uint8), FPS)
    replace_audio(folder / "silent.mp4", folder / "film.take2.wav", folder / "film.mp4")


def run_deliver(folder: Path, length_s: int) -> None:
    """Deliver both takes in three shots."""
    cuts = [0.0, length_s / 3, length_s / 2, float(length_s)]
    stems = [
        Stem(
            shot=shot,
            take=take,
            start_s=cuts[shot - 1],
            end_s=cuts[shot],
            wav=folder / f"film.take{take}.wav",
            is_used=take == 1,
        )
        for shot in (1, 2, 3)
        for take in (1, 2)
    ]
    settings = DeliverySettings(
        handle_s=1.0, has_two_pop=True, loudness_lufs=-23.0, mix_gain_db=-6.0, duck_db=6.0
    )
    deliver(folder / "film.mp4", stems, folder / "out", clock_of(folder / "film.mp4"), settings)


def run_cues(folder: Path, length_s: int) -> None:
    """Move the events of a take."""
    cues = np.arange(0.3, length_s, EVENT_EVERY_S).tolist()
    target = folder / "moved.wav"
    with RawSound(target) as raw, fitted_audio(target, RATE) as sound:
        with AudioReader(folder / "film.take1.wav", Section.of(0.0, None)) as reader:
            for block in reader:
                raw.write(block)
        moved, _ = move_to_cues(raw.mapped()[0], RATE, cues)
        for block in moved:
            sound.write(block)


def main() -> None:
    """Print a row per task and length."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", default=["deliver", "cues"], choices=("deliver", "cues"))
    parser.add_argument("--lengths", type=int, nargs="+", default=[60, 300], help="seconds")
    args = parser.parse_args()
    print(f"device {platform.machine()} CPU; av {av.__version__}, torch {torch.__version__}")
    for task in args.tasks:
        base = measure(task, 2)["peak_mib"]
        for length_s in args.lengths:
            found = measure(task, length_s)
            print(
                f"{task:8} {length_s:5d} s: peak {found['peak_mib']:.0f} MiB, {found['peak_mib'] - base:.0f} "
                f"above the base; {found['processor_s']:.0f} s of processor time, {found['wall_s']:.0f} s"
            )


def measure(task: str, length_s: int) -> dict[str, float]:
    """Run a task on a video of a length in another process."""
    with tempfile.TemporaryDirectory() as folder:
        prepare(task, Path(folder), length_s)
        command = [sys.executable, __file__, "--task", task, folder, str(length_s)]
        found = subprocess.run(command, check=True, capture_output=True, text=True)
        return dict(json.loads(found.stdout))


def run_task(task: str, folder: str, length_s: str) -> None:
    """Run a task here, and print what it took."""
    began = time.perf_counter()
    {"deliver": run_deliver, "cues": run_cues}[task](Path(folder), int(length_s))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "peak_mib": usage.ru_maxrss / 1024,
                "processor_s": usage.ru_utime + usage.ru_stime,
                "wall_s": time.perf_counter() - began,
            }
        )
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--task"]:
        run_task(*sys.argv[2:])
    else:
        main()
