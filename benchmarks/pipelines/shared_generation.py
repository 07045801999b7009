"""Generation shared by several processes: ledger, equal bytes, overhead, memory, and what saturates first.

Videos of a few pixels with many names, and a model of no size, so that sharing itself is what is timed. Each
run is a set of ranks as torchrun starts them, writing shards. Efficiency is the processor time of one worker
divided by that of all workers for the same takes: what they would reach on as many cores of their own; wall
time depends on how many cores are free. Importing the libraries is counted, once for each worker.

The last table divides measured bytes and claims of a sound by assumed speeds of GPU and disk, for 64 workers.

Run: python benchmarks/pipelines/shared_generation.py [--videos 1000] [--takes 10] [--workers 1 2 4]
"""

import argparse
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from cinefoley.config.foley import FoleyConfig
from cinefoley.config.mel import MelConfig
from cinefoley.config.model import AutoencoderConfig, DenoiserConfig, ModelConfig, VideoEncoderConfig
from cinefoley.media.muxing.save_video import save_video
from cinefoley.models import build
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.stage.render import render_clip

ASSUMED_TAKE_S = (0.1, 0.4)
ASSUMED_WRITE_MB_S = 500
RUNNER = """
import resource, sys
from pathlib import Path
from cinefoley.cli.main import main
code = main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(f"USED {used.ru_utime + used.ru_stime:.3f} {int(peak.split()[1]) / 1024:.0f}", file=sys.stderr)
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
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_videos(folder / "videos", args.videos)
        make_model(folder / "model")
        head = ["workers", "wall, s", "processor, s", "efficiency", "peak memory of a worker, MiB"]
        print("| " + " | ".join([*head, "shards of one worker"]) + " |\n|" + " --- |" * 6)
        first, expected = 0.0, ""
        for workers in args.workers:
            out = folder / f"out{workers}"
            wall, used, peak = run(folder, out, workers, args)
            digest = digest_of(out)
            first, expected = first or used, expected or digest
            is_equal = "the same bytes" if digest == expected else "OTHER BYTES"
            print(f"| {workers} | {wall:.1f} | {used:.1f} | {first / used:.2f} | {peak:.0f} | {is_equal} |")
            ledger = [json.loads(line) for line in (out / "ledger.jsonl").read_text().splitlines()]
            made = sum(len(line["takes"]) for line in ledger)
            print(f"ledger: {len(ledger)} videos, {made} takes", file=sys.stderr)
        print_limits(out, args)


def run(folder: Path, out: Path, workers: int, args: argparse.Namespace) -> tuple[float, float, float]:
    """Wall time, processor time of all workers, and the largest peak of memory in MiB."""
    command = [
        sys.executable,
        "-c",
        RUNNER,
        "generate",
        str(folder / "videos"),
        "--model",
        str(folder / "model"),
    ]
    command += [
        "--to-shards",
        "--takes",
        str(args.takes),
        "--steps",
        "2",
        "--device",
        "cpu",
        "-q",
        "-o",
        str(out),
    ]
    command += ["--videos-per-shard", str(args.videos_per_shard)]
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
    found = [re.search(r"USED ([\d.]+) (\d+)", text) for text in told]
    if any(match is None for match in found):
        raise SystemExit("\n".join(told))
    figures = [(float(match[1]), float(match[2])) for match in found if match is not None]
    return wall, sum(used for used, _ in figures), max(peak for _, peak in figures)


def digest_of(out: Path) -> str:
    """SHA-256 over all shards."""
    digest = hashlib.sha256()
    for path in sorted(out.glob("shards/*.tar")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def print_limits(out: Path, args: argparse.Namespace) -> None:
    """What 64 workers ask of the disk and of the claims, at assumed speeds of a GPU."""
    size = sum(path.stat().st_size for path in out.glob("shards/*.tar")) / (args.videos * args.takes)
    print(
        f"\n64 workers; {size / 1000:.0f} kB a sound here; assumed: a disk writes {ASSUMED_WRITE_MB_S} MB/s"
    )
    print(
        "| assumed seconds a take | sounds/s | written MB/s | share of the disk | claims/s |\n|"
        + " --- |" * 5
    )
    for take_s in ASSUMED_TAKE_S:
        rate = 64 / take_s
        written = rate * size / 1e6
        claims = rate / (args.takes * args.videos_per_shard)
        print(
            f"| {take_s} | {rate:.0f} | {written:.1f} | {written / ASSUMED_WRITE_MB_S:.3f} | {claims:.2f} |"
        )


def make_videos(folder: Path, count: int) -> None:
    """Four videos of 2 s under many names."""
    folder.mkdir()
    for number in range(min(4, count)):
        clip = render_clip(number, split="test", fps=4, size=(32, 32), duration_s=2.0)
        frames = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)
        save_video(folder / f"clip{number:06d}.mp4", frames, 4)
    for number in range(4, count):
        (folder / f"clip{number:06d}.mp4").hardlink_to(folder / f"clip{number % 4:06d}.mp4")


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
