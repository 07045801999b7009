"""Generation shared by several processes: ledger, equal bytes, efficiency, memory, and what saturates first.

Videos of a few pixels with many names, and a model of no size, so that sharing itself is what is timed. Each
run is a set of ranks as torchrun starts them, writing shards; the first run makes a tenth of the takes.
Efficiency is the processor time of one worker divided by that of all workers for the same takes: what they
would reach on as many cores of their own; wall time depends on how many cores are free.

From the two runs of one worker follows a formula for the processor time of any number of workers:

    workers x start + sounds x seconds per sound

which the table compares with the measured time of every run. The last table divides what 64 GPUs would ask,
at assumed speeds, by what one disk (assumed), one Dask scheduler, claims by locks on files, and the cores
beside each GPU that decode videos (measured here) can give: the largest share saturates first.

Run: python benchmarks/pipelines/shared_generation.py [--videos 1000] [--takes 10] [--workers 1 2 4]
"""

import argparse
import hashlib
import json
import logging
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from distributed import LocalCluster

from cinefoley.config.foley import FoleyConfig
from cinefoley.config.mel import MelConfig
from cinefoley.config.model import AutoencoderConfig, DenoiserConfig, ModelConfig, VideoEncoderConfig
from cinefoley.config.presets import diff_foley
from cinefoley.data.parallel import Engine, run_tasks
from cinefoley.media.files.claims import claim_each
from cinefoley.media.frames.video import load_video
from cinefoley.media.muxing.save_video import save_video
from cinefoley.models import build
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.stage.render import render_clip

ASSUMED_TAKE_S = (0.1, 0.4)
ASSUMED_WRITE_MB_S = 500
ASSUMED_CORES_PER_GPU = 8
GPUS = 64
TASKS = 1000
RUNNER = r"""
import re, resource, sys, threading
from pathlib import Path
from cinefoley.cli.main import main

sizes, ended = [], threading.Event()

def sample():
    while not ended.wait(0.25):
        sizes.append(int(re.search(r"VmRSS:\s+([0-9]+)", Path("/proc/self/status").read_text())[1]) / 1024)

sampler = threading.Thread(target=sample)
sampler.start()
code = main(sys.argv[1:])
ended.set()
sampler.join()
used = resource.getrusage(resource.RUSAGE_SELF)
half, end = sizes[len(sizes) // 2], max(sizes[len(sizes) // 2:])
print(f"USED {used.ru_utime + used.ru_stime:.3f} {half:.0f} {end:.0f}", file=sys.stderr)
sys.exit(code)
"""


def main() -> None:
    """Make videos and model, run with each number of workers, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=1000)
    parser.add_argument("--takes", type=int, default=10)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--videos-per-shard", type=int, default=16)
    args = parser.parse_args()
    print(f"{args.videos} videos x {args.takes} takes, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    head = ["workers", "sounds", "wall, s", "processor, s", "by the formula, s", "efficiency"]
    head += ["memory half way, MiB", "at most after, MiB", "ledger", "shards of one worker"]
    print("\n| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_model(folder / "model")
        few = make_videos(folder / "few", max(1, args.videos // 10))
        many = make_videos(folder / "many", args.videos)
        small = run(folder, few, 1, args)
        report(small, args, None, small)
        runs = [run(folder, many, workers, args) for workers in [1, *(w for w in args.workers if w > 1)]]
        sound_s = (runs[0].used - small.used) / ((args.videos - len(few.names)) * args.takes)
        start_s = small.used - sound_s * len(few.names) * args.takes
        for found in runs:
            report(found, args, found.workers * start_s + args.videos * args.takes * sound_s, runs[0])
        print(f"\nstart of a worker {start_s:.1f} s, a sound {sound_s:.4f} s of processor time")
        print_limits(folder)


@dataclass(frozen=True)
class Videos:
    """A folder of videos."""

    folder: Path
    names: list[str]


@dataclass(frozen=True)
class Run:
    """What one run took and made."""

    workers: int
    wall: float
    used: float
    half_mib: float
    end_mib: float
    ledger: str
    sounds: int
    digest: str


def run(folder: Path, videos: Videos, workers: int, args: argparse.Namespace) -> Run:
    """Generate into shards with some ranks, and check the ledger."""
    out = folder / f"{videos.folder.name}{workers}"
    command = [sys.executable, "-c", RUNNER, "generate", str(videos.folder), "--model", str(folder / "model")]
    command += ["--to-shards", "--takes", str(args.takes), "--steps", "2", "--device", "cpu", "-q"]
    command += ["-o", str(out), "--videos-per-shard", str(args.videos_per_shard)]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = os.environ | {"WORLD_SIZE": str(workers), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    began = time.perf_counter()
    ranks = [
        subprocess.Popen(
            command,
            env=shared | {"RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(workers)
    ]
    told = [process.communicate()[1] for process in ranks]
    wall = time.perf_counter() - began
    found = [re.search(r"USED ([\d.]+) (\d+) (\d+)", text) for text in told]
    if any(match is None for match in found):
        raise SystemExit("\n".join(told))
    used, half, end = zip(*[map(float, match.groups()) for match in found if match is not None], strict=True)
    ledger = [json.loads(line) for line in (out / "ledger.jsonl").read_text().splitlines()]
    every = list(range(1, args.takes + 1))
    made = [
        Path(line["film"]).name for line in ledger if line["outcome"] == "made" and line["takes"] == every
    ]
    digest = hashlib.sha256()
    for path in sorted(out.glob("shards/*.tar")):
        digest.update(path.read_bytes())
    return Run(
        workers=workers,
        wall=wall,
        used=sum(used),
        half_mib=max(half),
        end_mib=max(end),
        ledger="exact" if made == videos.names == [Path(line["film"]).name for line in ledger] else "WRONG",
        sounds=len(made) * args.takes,
        digest=digest.hexdigest(),
    )


def report(found: Run, args: argparse.Namespace, predicted: float | None, first: Run) -> None:
    """Print a row of the table."""
    row = [f"{found.workers}", f"{found.sounds:,}", f"{found.wall:.1f}", f"{found.used:.1f}"]
    if predicted is None:  # the small run, which the formula is made of
        row += ["", ""]
    else:
        row += [
            f"{predicted:.1f} ({100 * (predicted / found.used - 1):+.0f} %)",
            f"{first.used / found.used:.2f}",
        ]
    row += [f"{found.half_mib:.0f}", f"{found.end_mib:.0f}", found.ledger]
    print(
        "| " + " | ".join([*row, "the same bytes" if found.digest == first.digest else "OTHER BYTES"]) + " |"
    )


def print_limits(folder: Path) -> None:
    """What 64 GPUs ask of the disk, of a scheduler, of claims and of decoding cores, as shares of each."""
    takes, videos_per_shard = 10, 16
    config = diff_foley().foley
    stored = 2 * config.window_samples + 4 * config.mel.n_mels * config.mel_frames  # FLAC is smaller than PCM
    claim_s, task_s, decode_s = time_claims(folder / "claims"), time_scheduler(), time_decoding(folder)
    cores = GPUS * ASSUMED_CORES_PER_GPU
    print(
        f"measured: a claim {1e3 * claim_s:.2f} ms on this disk; a task {1e3 * task_s:.2f} ms of scheduler, "
        f"client and worker on one core; decoding 8 s of 360 x 640 at 25 fps {decode_s:.2f} s of one core\n"
        f"\n{GPUS} GPUs; {takes} takes a video, {videos_per_shard} videos a shard, "
        f"{stored / 1000:.0f} kB a sound; assumed: a disk writes {ASSUMED_WRITE_MB_S} MB/s, "
        f"{ASSUMED_CORES_PER_GPU} cores a GPU"
    )
    head = [
        "assumed seconds a take",
        "sounds/s",
        "disk",
        "scheduler",
        "claims",
        "decoding",
        "first to saturate",
    ]
    print("\n| " + " | ".join(head) + " | GPUs until then |\n|" + " --- |" * (len(head) + 1))
    for take_s in ASSUMED_TAKE_S:
        rate = GPUS / take_s
        shards = rate / (takes * videos_per_shard)
        shares = {
            "disk": rate * stored / 1e6 / ASSUMED_WRITE_MB_S,
            "scheduler": shards * task_s,
            "claims": shards * claim_s,
            "decoding": rate / takes * decode_s / cores,
        }
        first = max(shares, key=lambda name: shares[name])
        row = [f"{take_s}", f"{rate:,.0f}", *(f"{share:.4f}" for share in shares.values()), first]
        # cores grow with the GPUs: decoding either fits or does not
        grows = [share for name, share in shares.items() if name != "decoding"]
        print("| " + " | ".join([*row, f"{GPUS / max(grows):,.0f}"]) + " |")


def time_claims(folder: Path) -> float:
    """Seconds of one claim on a file, taken and given back."""
    done: set[int] = set()
    began = time.perf_counter()
    for task in claim_each(range(TASKS), folder, str, done.__contains__):
        done.add(task)
    return (time.perf_counter() - began) / TASKS


def time_scheduler() -> float:
    """Processor seconds of an empty task: of scheduler, client and four workers, all in this process."""
    with LocalCluster(
        n_workers=4,
        threads_per_worker=1,
        processes=False,
        dashboard_address=None,
        silence_logs=logging.ERROR,
    ) as cluster:
        engine = Engine(name="dask", scheduler=cluster.scheduler_address)
        began = time.process_time()
        count = len(list(run_tasks(abs, range(TASKS), engine)))
        return (time.process_time() - began) / count


def time_decoding(folder: Path) -> float:
    """Processor seconds of decoding a clip as the model takes it."""
    config = diff_foley().foley
    clip = render_clip(0, split="test", fps=25, size=(360, 640), duration_s=config.window_s)
    save_video(folder / "clip.mp4", torch.from_numpy(clip.frames).permute(0, 3, 1, 2), 25)
    began = time.process_time()
    load_video(folder / "clip.mp4", fps=config.frame_rate, size=config.frame_size)
    return time.process_time() - began


def make_videos(folder: Path, count: int) -> Videos:
    """Four videos of 2 s under many names."""
    folder.mkdir()
    names = [f"clip{number:06d}.mp4" for number in range(count)]
    for number, name in enumerate(names):
        if number < 4:
            clip = render_clip(number, split="test", fps=4, size=(32, 32), duration_s=2.0)
            save_video(folder / name, torch.from_numpy(clip.frames).permute(0, 3, 1, 2), 4)
        else:
            (folder / name).hardlink_to(folder / names[number % 4])
    return Videos(folder, names)


def make_model(folder: Path) -> None:
    """A model of random weights and no size."""
    config = ModelConfig(
        foley=FoleyConfig(
            mel=MelConfig(hop_length=250, n_mels=64), mel_frames=160, video_frames=10, frame_size=(32, 32)
        ),
        video_encoder=VideoEncoderConfig(width=4, blocks=(1, 1, 1, 1), feature_dim=16),
        autoencoder=AutoencoderConfig(
            channels=1,
            block_out_channels=(4, 4, 8),
            layers_per_block=1,
            norm_num_groups=2,
            has_middle_attention=False,
        ),
        denoiser=DenoiserConfig(
            block_out_channels=(8, 16),
            has_attention=(False, True),
            layers_per_block=1,
            num_heads=2,
            context_dim=16,
            norm_num_groups=4,
        ),
        max_frames=10,
    )
    torch.manual_seed(0)
    FoleyPipeline(
        video_encoder=build.build_video_encoder(config.video_encoder),
        conditioner=build.build_conditioner(config),
        unet=build.build_denoiser(config.denoiser),
        vae=build.build_autoencoder(config.autoencoder),
        scheduler=build.build_scheduler(config.denoiser),
        foley_config=config.foley,
    ).save_pretrained(folder)


if __name__ == "__main__":
    main()
