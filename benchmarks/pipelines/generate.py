"""Seconds from film to sound with a model, part by part: one take and ten.

Run: python benchmarks/pipelines/generate.py [--model lite] [--repeats 5]
"""

import argparse
import platform
import statistics
import tempfile
from pathlib import Path

import torch

from cinefoley.media.save import save_video
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
    pipeline = FoleyPipeline.from_pretrained(args.model)
    window_s = pipeline.foley_config.window_s
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        clip = render_clip(0, split="test", size=(360, 640), duration_s=window_s)
        save_video(film, torch.from_numpy(clip.frames).permute(0, 3, 1, 2), clip.fps)
        print(
            f"{args.model}, float32, film of {window_s:g} s at 640x360, 25 steps, guidance 4.5, "
            f"{args.repeats} runs"
        )
        print("| takes | total, median (range) | " + " | ".join(PARTS) + " |")
        print("| --- | --- | " + " | ".join("---" for _ in PARTS) + " |")
        for num_takes in (1, 10):
            pipeline(film, num_takes=num_takes, num_inference_steps=1)  # warm up
            runs = [pipeline(film, num_takes=num_takes, seed=seed).timings_s for seed in range(args.repeats)]
            totals = [sum(run.values()) for run in runs]
            parts = " | ".join(f"{statistics.median(run[part] for run in runs):.2f} s" for part in PARTS)
            spread = f"{statistics.median(totals):.2f} s ({min(totals):.2f} to {max(totals):.2f})"
            print(f"| {num_takes} | {spread} | {parts} |", flush=True)


PARTS = ("read", "encode", "sample", "decode", "vocode")

if __name__ == "__main__":
    main()
