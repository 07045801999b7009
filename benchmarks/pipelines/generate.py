"""Seconds from film to sound with a model, part by part: one take and ten.

Run: python benchmarks/pipelines/generate.py [--model lite] [--repeats 5]
"""

import argparse
import platform
import statistics
import tempfile
from pathlib import Path

import torch

from cinefoley.media.muxing.save_video import save_video
from cinefoley.pipelines.allocator import keep_freed_memory
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.stage.render import render_clip


def main() -> None:
    """Generate again and again, print medians and ranges."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="lite")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    machine = platform.processor() or platform.machine()
    print(f"{machine}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    keep_freed_memory()
    pipelines = {"float32": FoleyPipeline.from_pretrained(args.model)}
    window_s = pipelines["float32"].foley_config.window_s
    packed = FoleyPipeline.from_pretrained(args.model, torch_dtype=torch.bfloat16)
    if packed.prepack():
        pipelines["bfloat16, packed"] = packed
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        clip = render_clip(0, split="test", size=(360, 640), duration_s=window_s)
        save_video(film, torch.from_numpy(clip.frames).permute(0, 3, 1, 2), clip.fps)
        print(f"{args.model}, film of {window_s:g} s at 640x360, 25 steps, guidance 4.5, {args.repeats} runs")
        print("| precision | takes | total, median (range) | " + " | ".join(PARTS) + " |")
        print("| --- | --- | --- | " + " | ".join("---" for _ in PARTS) + " |")
        for name, pipeline in pipelines.items():
            for num_takes in (1, 10):
                print(
                    f"| {name} | {num_takes} | {_measure(pipeline, film, num_takes, args.repeats)} |",
                    flush=True,
                )


def _measure(pipeline: FoleyPipeline, film: Path, num_takes: int, repeats: int) -> str:
    pipeline(film, num_takes=num_takes, num_inference_steps=1)  # warm up
    runs = [pipeline(film, num_takes=num_takes, seed=seed).timings_s for seed in range(repeats)]
    totals = [sum(run.values()) for run in runs]
    parts = " | ".join(f"{statistics.median(run[part] for run in runs):.2f} s" for part in PARTS)
    return f"{statistics.median(totals):.2f} s ({min(totals):.2f} to {max(totals):.2f}) | {parts}"


PARTS = ("read", "encode", "sample", "decode", "vocode")

if __name__ == "__main__":
    main()
