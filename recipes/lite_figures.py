"""Measure a model on unseen stage clips: do its sounds start when the events happen?

python recipes/lite_figures.py                       # 200 clips of the test split
python recipes/lite_figures.py --card                # ... and write the figures into the model's card
python recipes/lite_figures.py --split valid --clips 64 --model runs/trial
"""

import argparse
import json
import sys
import time
from dataclasses import asdict
from datetime import date

import torch

from cinefoley.evaluation.synchrony import SynchronyReport, measure_synchrony
from cinefoley.metrics.onsets import OnsetCounts
from cinefoley.pipelines.devices import choose_dtype
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.pipelines.loading import resolve_model

MARK = "<!-- figures -->"


def main() -> None:
    """Measure, print, and fill the card if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="lite")
    parser.add_argument("--split", choices=["valid", "test"], default="test")
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--guidance-scale", type=float, default=4.5)
    parser.add_argument("--seed", type=int, default=0, help="of the noise")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--card", action="store_true", help="write the figures into the model's README.md")
    args = parser.parse_args()
    dtype = choose_dtype(torch.device("cpu"), args.precision)
    pipeline = FoleyPipeline.from_pretrained(args.model, torch_dtype=dtype)
    pipeline.prepack()
    began = time.perf_counter()
    report = measure_synchrony(
        pipeline,
        range(args.clips),
        split=args.split,
        num_inference_steps=args.steps,
        guidance_scale=args.guidance_scale,
        noise_seed=args.seed,
        on_clip=lambda done: print(f"\r{done} of {args.clips}", end="", file=sys.stderr),
    )
    print(f"\r{time.perf_counter() - began:.0f} s for {args.clips} clips", file=sys.stderr)
    protocol = (
        f"stage, split {args.split}, clips 0 to {args.clips - 1}, 1 take, noise seed {args.seed}, "
        f"{args.steps} steps, guidance {args.guidance_scale:g}, {args.precision}; {report.judged} clips "
        f"judged (kinds with sharp onsets), ±{1000 * report.tolerance_s:.0f} ms; the other clip is of the "
        "same kind of action"
    )
    table = _table(report)
    if args.json:
        print(json.dumps({"protocol": protocol, **asdict(report), "f1": report.true.f1}))
    else:
        print(f"{table}\n\n{protocol}")
    if args.card:
        card = resolve_model(args.model) / "README.md"
        text = card.read_text()
        if MARK not in text:
            sys.exit(f"{card} has no line {MARK!r} to write the figures after")
        head = text[: text.index(MARK)]
        card.write_text(f"{head}{MARK}\n## Measured {date.today()}\n\n{table}\n\nProtocol: {protocol}.\n")


def _table(report: SynchronyReport) -> str:
    rows = {
        "generated, own events": report.true,
        "generated, another clip's events": report.deranged,
        "real sound, own events": report.real,
    } | {f"generated, {kind} only": counts for kind, counts in sorted(report.by_kind.items())}
    lines = ["| sound | onset F1 | precision | recall | events |", "| --- | --- | --- | --- | --- |"]
    return "\n".join(lines + [_row(name, counts) for name, counts in rows.items()])


def _row(name: str, counts: OnsetCounts) -> str:
    ratios = f"{counts.f1:.3f} | {counts.precision:.3f} | {counts.recall:.3f}"
    return f"| {name} | {ratios} | {counts.hits + counts.missed} |"


if __name__ == "__main__":
    main()
