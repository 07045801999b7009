"""One take of one window with Diff-Foley's full-size model on the CPU: plain float32 against what is used.

A model of stand-in weights (those of the parity tests) is made once and imported by the public command;
FOLDER gives another one. Every variant runs in a process of its own, with the same noise, threads and
allocator settings:

- ``float32``: PyTorch as it comes;
- ``bfloat16``: the same code with another type;
- ``packed``: what the command line does where the processor has bfloat16 (norms folded, weights packed).

Errors are those of the latents relative to float32's, and the change of the alignment classifier's
probability for the decoded mel.

Run: python benchmarks/pipelines/full_size.py [--model FOLDER] [--takes 1 10] [--repeats 3] [--steps 25]
"""

import argparse
import importlib.util
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

PARTS = ("encode", "sample", "decode", "vocode")
VARIANTS = ("float32", "bfloat16", "packed")
PARITY = Path(__file__).parents[2] / "tests" / "parity"
FILES = {"cavp": "cavp", "ldm": "ldm", "alignment": "eval_classifier"}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--takes", type=int, nargs="+", default=[1])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--one", choices=VARIANTS, help="measure this one here and print JSON")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.model, args.one, args.takes, args.repeats, args.steps)))
        return
    with tempfile.TemporaryDirectory() as folder:
        model = args.model or make_model(Path(folder))
        print(
            f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch "
            f"{torch.__version__}; {args.steps} steps, guidance 4.5, one window, {args.repeats} runs each"
        )
        results = {name: run(name, model, args) for name in args.variants}
    report(results, args.takes)


def run(name: str, model: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Measure one variant in a process of its own."""
    command = [sys.executable, __file__, "--one", name, "--model", str(model)]
    command += ["--repeats", str(args.repeats), "--steps", str(args.steps)]
    command += ["--takes", *(str(takes) for takes in args.takes)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def report(results: dict[str, dict[str, Any]], takes: list[int]) -> None:
    """Two tables: time by part, and what the shorter type costs."""
    first = next(iter(results))
    print(f"\n| takes | variant | total, median (range) | times {first} | " + " | ".join(PARTS) + " |")
    print("| --- " * (4 + len(PARTS)) + "|")
    for count in takes:
        baseline = _median_total(results[first], count)
        for name, result in results.items():
            totals = [sum(run.values()) for run in result["seconds"][str(count)]]
            median = statistics.median(totals)
            spread = f"{median:.2f} s ({min(totals):.2f} to {max(totals):.2f})"
            parts = " | ".join(
                f"{statistics.median(run[part] for run in result['seconds'][str(count)]):.2f}"
                for part in PARTS
            )
            print(f"| {count} | {name} | {spread} | {baseline / median:.2f} | {parts} |")
    reference = torch.tensor(results[first]["latents"])
    print(f"\n| variant | relative error of the latents | probability | its change |\n{'| --- ' * 4}|")
    for name, result in results.items():
        error = float((torch.tensor(result["latents"]) - reference).norm() / reference.norm())
        change = result["probability"] - results[first]["probability"]
        print(f"| {name} | {error:.1e} | {result['probability']:.4f} | {change:+.4f} |")


def _median_total(result: dict[str, Any], takes: int) -> float:
    return statistics.median(sum(run.values()) for run in result["seconds"][str(takes)])


def measure(model: Path, variant: str, takes: list[int], repeats: int, steps: int) -> dict[str, Any]:
    """Seconds by part, the latents and the judge's probability, of one variant."""
    from cinefoley.metrics.alignment import AlignmentScorer
    from cinefoley.pipelines.allocator import keep_freed_memory
    from cinefoley.pipelines.foley import FoleyPipeline

    keep_freed_memory()
    dtype = torch.float32 if variant == "float32" else torch.bfloat16
    pipeline = FoleyPipeline.from_pretrained(model, torch_dtype=dtype)
    if variant == "packed":
        pipeline.prepack()
    generator = torch.Generator().manual_seed(0)
    config = pipeline.foley_config
    frames = torch.rand(1, config.video_frames, 3, *config.frame_size, generator=generator)
    noise = torch.randn(max(takes), *pipeline.latent_shape, generator=generator)
    seconds: dict[int, list[dict[str, float]]] = {}
    kept: dict[str, torch.Tensor] = {}
    for count in takes:
        _once(pipeline, frames, noise[:count], 1)  # warm up: packing, caches of primitives
        runs = [_once(pipeline, frames, noise[:count], steps) for _ in range(repeats)]
        seconds[count] = [times for times, _ in runs]
        kept = kept or runs[0][1]
    del pipeline
    judge = AlignmentScorer.from_model(model)
    probability = judge.probability(kept["mel"][:1].clamp(0, 1), kept["features"], posterior="mean")
    return {
        "seconds": seconds,
        "latents": kept["latents"][:1].flatten().tolist(),
        "probability": float(probability[0]),
    }


def _once(
    pipeline: Any, frames: torch.Tensor, noise: torch.Tensor, steps: int
) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
    times: dict[str, float] = {}

    def timed(part: str, call: Callable[[], torch.Tensor]) -> torch.Tensor:
        began = time.perf_counter()
        result = call()
        times[part] = time.perf_counter() - began
        return result

    features = timed("encode", lambda: pipeline.encode_video(frames))
    each = features.expand(len(noise), -1, -1)
    latents = timed("sample", lambda: pipeline.sample(each, latents=noise, num_inference_steps=steps))
    mel = timed("decode", lambda: pipeline.decode(latents))
    timed("vocode", lambda: pipeline.vocode(mel.clamp(0, 1)))
    return times, {"features": features, "latents": latents, "mel": mel}


def make_model(folder: Path) -> Path:
    """Import stand-ins of the public checkpoints, filled as for the parity tests."""
    from cinefoley.cli.main import main as command

    spec = importlib.util.spec_from_file_location("reference_weights", PARITY / "reference_weights.py")
    assert spec is not None
    assert spec.loader is not None
    weights = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(weights)
    arguments = ["models", "import"]
    for option, name in FILES.items():
        manifest = json.loads((PARITY / "manifests" / f"{name}.json").read_text())
        state = {
            key: torch.zeros(shape, dtype=getattr(torch, dtype)) for key, (shape, dtype) in manifest.items()
        }
        weights.fill_(state)
        torch.save({"state_dict": state}, folder / f"{name}.ckpt")
        arguments += [f"--{option}", str(folder / f"{name}.ckpt")]
    if command([*arguments, str(folder / "model")]) != 0:
        sys.exit("the stand-ins could not be imported")
    for name in FILES.values():
        (folder / f"{name}.ckpt").unlink()
    return folder / "model"


if __name__ == "__main__":
    main()
