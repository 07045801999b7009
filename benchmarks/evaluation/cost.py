"""Cost of a whole evaluation: sounds per hour for generation and for metrics, and hours for VGGSound.

Everything is measured on this machine's device, one sound after the other as the commands do it: generation
with ``lite`` and with networks of Diff-Foley's shapes (random weights), one take and several of a video of
one window; then each backbone, the alignment classifier and onset detection per sound; then each metric at
``--rows``. On a CPU the seconds are processor time, summed over threads: on a shared machine wall time also
counts other processes. On a GPU they are wall time. The last tables insert these into

    hours = sounds x seconds per sound / 3600 / devices

for 15,000 test clips x 10 samples x 3 test sets. Without a GPU, one table divides the counted
operations of a sound by assumed speeds, and says so.

Run: python benchmarks/evaluation/cost.py [--device cuda] [--takes 1 10] [--full-takes 1] [--clips 3]
"""

import argparse
import copy
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import torch
from safetensors.torch import save_file
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cinefoley.config.presets import diff_foley
from cinefoley.evaluation.folder.feature_cache import FeatureCache
from cinefoley.evaluation.folder.features import embed_file
from cinefoley.media.muxing.save_video import save_video
from cinefoley.metrics import (
    frechet_distance,
    inception_score,
    kernel_inception_distance,
    kl_divergence,
    load_backbone,
)
from cinefoley.metrics.alignment import AlignmentScorer
from cinefoley.metrics.backbones.panns import Cnn14
from cinefoley.metrics.backbones.protocol import Backbone
from cinefoley.metrics.backbones.reading import AUDIOLDM_EVAL
from cinefoley.metrics.backbones.vggish import VggishNet
from cinefoley.metrics.functional.kernel import weighted_kernel_distance
from cinefoley.metrics.onsets import detect_onsets
from cinefoley.models.build import (
    build_autoencoder,
    build_conditioner,
    build_denoiser,
    build_scheduler,
    build_video_encoder,
)
from cinefoley.models.classifier import AlignmentClassifier
from cinefoley.pipelines.allocator import keep_freed_memory
from cinefoley.pipelines.devices import choose_device
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.stage.render import render_clip

CLIPS, SAMPLES, SETS = 15_000, 10, 3
SOUNDS = CLIPS * SAMPLES * SETS
STEPS = 25
REPLICAS = 100
PARTS = ("generation", "scoring", "metrics")
ASSUMED_TFLOPS = (25, 50, 100, 200)


def main() -> None:
    """Measure, part by part, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--takes", type=int, nargs="*", default=[1, 10], help="none skips lite")
    parser.add_argument(
        "--full-takes", type=int, nargs="*", default=None, help="none skips Diff-Foley's size"
    )
    parser.add_argument("--clips", type=int, default=3, help="runs of everything that is timed per sound")
    parser.add_argument("--rows", type=int, default=2000, help="sounds on either side, for the metrics")
    args = parser.parse_args()
    device = choose_device(args.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    print(f"device {device} ({name}), {torch.get_num_threads()} threads of {os.cpu_count()} cores")
    clock = "processor time" if device.type == "cpu" else "wall time"
    print(f"load {os.getloadavg()[0]:.1f}, torch {torch.__version__}")
    print(f"seconds are {clock}, medians (range) of {args.clips} runs")
    full_takes = args.full_takes
    if full_takes is None:
        full_takes = [1] if device.type == "cpu" else [1, 10]
    keep_freed_memory()
    speeds, scored = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        if "generation" in args.parts:
            speeds = time_generation(Path(folder), device, args.takes, full_takes, args.clips)
        if "scoring" in args.parts:
            scored = time_scoring(Path(folder), device, args.clips)
    if "metrics" in args.parts:
        time_metrics(args.rows)
    estimate(speeds, scored, count_operations())


def time_generation(
    folder: Path, device: torch.device, takes: list[int], full_takes: list[int], runs: int
) -> dict[str, float]:
    """Seconds per sound by model, at its best number of takes."""
    print(
        "\n| generation | takes of a video | seconds a video | seconds a sound | sounds an hour |\n" + rule(5)
    )
    best: dict[str, float] = {}
    models: dict[str, tuple[Callable[[], FoleyPipeline], list[int]]] = {
        "lite": (lambda: FoleyPipeline.from_pretrained("lite", torch_dtype=torch.bfloat16), takes),
        "Diff-Foley's size": (build_full_size, full_takes),
    }
    for name, (build, counts) in models.items():
        if not counts:
            continue
        pipeline = build().to(device)
        if device.type == "cpu":
            pipeline.prepack()
        video = write_shard_video(folder / f"{len(best)}.mp4", pipeline.foley_config.window_s)
        pipeline(video, num_inference_steps=1)  # warm up
        for count in counts:
            generate = partial(pipeline, video, num_takes=count, num_inference_steps=STEPS)
            seconds = timed(lambda seed, generate=generate: generate(seed=seed), runs, device)
            each = statistics.median(seconds) / count
            best[name] = min(each, best.get(name, each))
            print(f"| {name} | {count} | {spread(seconds)} | {each:.3f} | {3600 / each:,.0f} |", flush=True)
        del pipeline
    return best


def build_full_size() -> FoleyPipeline:
    """A pipeline of Diff-Foley's shapes; what it makes is noise, what it costs is not."""
    config = diff_foley()
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    try:
        return FoleyPipeline(
            video_encoder=build_video_encoder(config.video_encoder).eval(),
            conditioner=build_conditioner(config).eval(),
            unet=build_denoiser(config.denoiser).eval(),
            vae=build_autoencoder(config.autoencoder).eval(),
            scheduler=build_scheduler(config.denoiser),
            foley_config=config.foley,
        )
    finally:
        torch.set_default_dtype(torch.float32)


def time_scoring(folder: Path, device: torch.device, runs: int) -> dict[str, float]:
    """Seconds per sound of everything that is computed from it, reading included."""
    print("\n| scoring, per sound | seconds | sounds an hour |\n" + rule(3))
    sounds = [write_sound(folder / f"{number}.wav", number) for number in range(runs + 1)]
    torch.manual_seed(0)
    save_file(Cnn14().state_dict(), folder / "panns.safetensors")
    save_file(VggishNet().state_dict(), folder / "vggish.safetensors")
    panns = load_backbone("panns", folder / "panns.safetensors", device=device)
    vggish = load_backbone("vggish", folder / "vggish.safetensors", device=device)
    scorer, encode = build_scorer(device)
    frames = torch.rand(1, 32, 3, 224, 224, device=device)
    mel, features = torch.rand(1, 128, 512), torch.randn(1, 32, 512, device=device)

    def embed(number: int, backbone: Backbone) -> None:
        embed_file(sounds[number], [backbone], reading=AUDIOLDM_EVAL, cache=FeatureCache(None))

    def find_onsets(number: int) -> None:
        waveform = torch.from_numpy(soundfile.read(sounds[number], dtype="float32")[0][:128000, 0])
        detect_onsets(waveform, sample_rate=16000)

    parts: dict[str, Callable[[int], object]] = {
        "PANNs (FD, KID, KL, IS)": lambda number: embed(number, panns),
        "VGGish (FAD)": lambda number: embed(number, vggish),
        "onset detection, without reading": find_onsets,
        "alignment: mel and classifier": lambda _: scorer.probabilities(mel, features),
        "alignment: features, once a video": lambda _: encode(frames),
    }
    medians = {}
    for name, part in parts.items():
        part(0)  # warm up
        seconds = timed(part, runs, device)
        medians[name] = statistics.median(seconds)
        print(f"| {name} | {spread(seconds)} | {3600 / medians[name]:,.0f} |", flush=True)
    return medians


def build_scorer(device: torch.device) -> tuple[AlignmentScorer, nn.Module]:
    """Diff-Foley's alignment classifier and video encoder, random weights, float32 as in an evaluation."""
    config = diff_foley()
    autoencoder = build_autoencoder(config.autoencoder)
    scorer = AlignmentScorer(AlignmentClassifier(), autoencoder, config.foley).eval().to(device)
    encoder = build_video_encoder(config.video_encoder).eval().to(device)
    return scorer, torch.no_grad()(encoder)


def time_metrics(rows: int) -> None:
    """Each metric once, on features of the widths that the backbones give; always on the CPU.

    An interval resamples: KID's weightings are computed together, the others one after the other.
    """
    print(f"\n| metric, {rows:,} sounds on either side | seconds | {REPLICAS} resamplings |\n" + rule(3))
    generator = torch.Generator().manual_seed(0)

    def draw(count: int, width: int) -> torch.Tensor:
        return torch.rand(count, width, generator=generator) ** 2

    segments, features, logits = (
        [draw(count, width) for _ in range(2)]
        for count, width in ((8 * rows, 128), (rows, 2048), (rows, 527))
    )
    weights = torch.randint(0, 3, (rows, REPLICAS), generator=generator).double()
    metrics: dict[str, tuple[Callable[[], object], Callable[[], object] | None]] = {
        "FAD (8 segments a sound)": (lambda: frechet_distance(*segments), None),
        "FD": (lambda: frechet_distance(*features), None),
        "KID": (
            lambda: kernel_inception_distance(*features),
            lambda: weighted_kernel_distance(*features, weights, weights),
        ),
        "KL": (lambda: kl_divergence(*logits), None),
        "IS": (lambda: inception_score(logits[1]), None),
    }
    for name, (compute, resample) in metrics.items():
        seconds = time_once(compute)
        resampled = REPLICAS * seconds if resample is None else time_once(resample)
        counted = "computed" if resample is None else "measured"
        print(f"| {name} | {seconds:.2f} | {resampled:.1f} ({counted}) |", flush=True)


def time_once(compute: Callable[[], object]) -> float:
    """Processor time of one call."""
    return timed(lambda _: compute(), 1, torch.device("cpu"))[0]


def count_operations() -> dict[str, float]:
    """Multiplications and additions of one sound of Diff-Foley's size, counted on shapes alone."""
    config = diff_foley()
    counts: dict[str, float] = {}
    with torch.device("meta"), torch.no_grad():
        encoder, denoiser = build_video_encoder(config.video_encoder), build_denoiser(config.denoiser)
        autoencoder = build_autoencoder(config.autoencoder)
        latents, context = torch.empty(2, 4, 16, 64), torch.empty(2, 32, 768)
        parts: dict[str, Callable[[], object]] = {
            "features, once a video": lambda: encoder(torch.empty(1, 32, 3, 224, 224)),
            f"{STEPS} guided steps": lambda: denoiser(latents, torch.zeros(2), context),
            "decoder": lambda: autoencoder.decode(latents[:1]),
        }
        for name, part in parts.items():
            with FlopCounterMode(display=False) as counter:
                part()
            counts[name] = counter.get_total_flops() * (STEPS if "steps" in name else 1) / 1e12
    return counts


def estimate(speeds: dict[str, float], scored: dict[str, float], operations: dict[str, float]) -> None:
    """The hours of 15,000 clips x 10 samples x 3 sets."""
    rows = {f"generate, {name}": seconds for name, seconds in speeds.items()}
    if scored:
        scoring = copy.copy(scored)
        video = scoring.pop("alignment: features, once a video") / SAMPLES
        each = sum(scoring.values()) * (1 + 1 / (SETS * SAMPLES)) + video  # real sounds are scored once
        rows["scoring: all of the above"] = each
    if rows:
        product = f"{CLIPS:,} clips x {SAMPLES} samples x {SETS} sets"
        print(f"\n{product} = {SOUNDS:,} sounds; hours of this device:\n")
        print("| | seconds a sound | 1 device | 8 devices |\n" + rule(4))
    for name, seconds in rows.items():
        hours = SOUNDS * seconds / 3600
        print(f"| {name} | {seconds:.3f} | {hours:,.1f} | {hours / 8:,.1f} |")
    total = operations["features, once a video"] / SAMPLES
    total += sum(count for name, count in operations.items() if "video" not in name)
    counted = ", ".join(f"{name} {count:.2f}" for name, count in operations.items())
    print(f"\nDiff-Foley's size, TFLOP counted: {counted}; a sound, with 10 samples a video: {total:.2f}\n")
    print(
        "| ASSUMED speed of one GPU, TFLOP/s sustained | seconds a sound | 1 GPU, hours | 8 GPUs |\n"
        + rule(4)
    )
    for speed in ASSUMED_TFLOPS:
        hours = SOUNDS * total / speed / 3600
        print(f"| {speed} | {total / speed:.3f} | {hours:,.1f} | {hours / 8:,.1f} |")


def timed(part: Callable[[int], object], runs: int, device: torch.device) -> list[float]:
    """Seconds of each run: of the processor on a CPU, by the clock elsewhere."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    seconds = []
    for number in range(1, runs + 1):
        began = clock()
        part(number)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(clock() - began)
    return seconds


def spread(seconds: list[float]) -> str:
    """Median and range."""
    return f"{statistics.median(seconds):.3f} ({min(seconds):.3f} to {max(seconds):.3f})"


def rule(columns: int) -> str:
    """The line under a table's head."""
    return "| --- " * columns + "|"


def write_shard_video(path: Path, seconds: float) -> Path:
    """A clip of the stage, as large as VGGSound's usual ones."""
    clip = render_clip(0, split="test", size=(360, 640), duration_s=seconds)
    save_video(path, torch.from_numpy(clip.frames).permute(0, 3, 1, 2), clip.fps)
    return path


def write_sound(path: Path, seed: int) -> Path:
    """Eight seconds of noise, 44.1 kHz stereo."""
    noise = np.random.Generator(np.random.PCG64(seed)).standard_normal((8 * 44100, 2))
    soundfile.write(path, 0.1 * noise, 44100)
    return path


if __name__ == "__main__":
    main()
