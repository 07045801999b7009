"""Sampling presets with the full-size model: time of one take, distance of its latents from ``paper``'s.

Stand-in weights (those of the parity tests) in float32, one window, frames to waveform, the same noise for
every preset. Seconds are processor time over all threads; presets run in turn in one process. The alignment
classifier's probability is of the decoded mel.

Run: python benchmarks/pipelines/full_size_quality.py [--model FOLDER] [--repeats 1]
"""

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from full_size import make_model
from torch import Tensor

from cinefoley.metrics.alignment import AlignmentScorer
from cinefoley.pipelines.allocator import keep_freed_memory
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.pipelines.quality import QUALITIES

PARTS = ("encode", "sample", "decode", "vocode")


def main() -> None:
    """Print one row per preset."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--repeats", type=int, default=1)
    args = parser.parse_args()
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        model = args.model or make_model(Path(folder))
        measure(FoleyPipeline.from_pretrained(model), AlignmentScorer.from_model(model), args.repeats)


@torch.no_grad()
def measure(pipeline: FoleyPipeline, alignment: AlignmentScorer, repeats: int) -> None:
    """Generate one take with every preset in turn."""
    generator = torch.Generator().manual_seed(0)
    config = pipeline.foley_config
    frames = torch.rand(1, config.video_frames, 3, *config.frame_size, generator=generator)
    noise = torch.randn(1, *pipeline.latent_shape, generator=generator)
    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch "
        f"{torch.__version__}, {pipeline.unet.dtype}, {repeats} runs"
    )
    print(
        f"\n| quality | total, s | times as fast | {' | '.join(PARTS)} | error of the latents | probability |"
    )
    print("| --- " * (5 + len(PARTS)) + "|")
    seconds: dict[str, list[dict[str, float]]] = {name: [] for name in QUALITIES}
    for _ in range(repeats):
        for name in QUALITIES:
            times, latents, probability = generate(pipeline, alignment, frames, noise, name)
            seconds[name].append(times)
            if name == "paper":
                reference = latents
            total = statistics.median(sum(run.values()) for run in seconds[name])
            paper = statistics.median(sum(run.values()) for run in seconds["paper"])
            parts = " | ".join(
                f"{statistics.median(run[part] for run in seconds[name]):.2f}" for part in PARTS
            )
            error = float((latents - reference).norm() / reference.norm())
            print(
                f"| {name} | {total:.2f} | {paper / total:.2f} | {parts} | {error:.2f} | {probability:.3f} |",
                flush=True,
            )


def generate(
    pipeline: FoleyPipeline, alignment: AlignmentScorer, frames: Tensor, noise: Tensor, quality: str
) -> tuple[dict[str, float], Tensor, float]:
    """Seconds by part, latents, and the alignment classifier's probability."""
    times: dict[str, float] = {}

    def timed(part: str, call: Callable[[], Tensor]) -> Tensor:
        began = time.process_time()
        result = call()
        times[part] = time.process_time() - began
        return result

    features = timed("encode", lambda: pipeline.encode_video(frames))
    latents = timed("sample", lambda: pipeline.sample(features, latents=noise, quality=quality))  # type: ignore[typeddict-item]
    mel = timed("decode", lambda: pipeline.decode(latents))
    timed("vocode", lambda: pipeline.vocode(mel.clamp(0, 1)))
    probability = alignment.probability(mel.clamp(0, 1), features, posterior="mean")
    return times, latents, float(probability[0])


if __name__ == "__main__":
    main()
