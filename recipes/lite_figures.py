"""Measure a model on unseen stage clips: features, alignment classifier, and generated sound.

    python recipes/lite_figures.py                      # 500 clips of the test split, 4 takes each
    python recipes/lite_figures.py --card               # ... and write the metrics into the model's card
    python recipes/lite_figures.py --split valid --clips 64 --takes 1 --view close_up --model runs/trial

Every finished batch is cached under ``--runs``, so an interrupted run resumes.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from cinefoley.config.foley import Quality
from cinefoley.data.cache.stage_cache import StageClips, prepare_stage_clips
from cinefoley.evaluation.stage.encoder_metrics import (
    PairProbabilities,
    calibration_curve,
    classify_pairs,
    retrieve_kinds,
    retrieve_windows,
)
from cinefoley.evaluation.stage.take_metrics import measure_takes
from cinefoley.evaluation.stage.take_summary import Estimate, MeasuredTake, summarise_takes
from cinefoley.evaluation.views import View
from cinefoley.media.files.atomic_write import atomic_write
from cinefoley.metrics.alignment import AlignmentScorer
from cinefoley.metrics.backbones.lite import LiteBackbone
from cinefoley.metrics.backbones.weights import file_digest
from cinefoley.metrics.onsets import OnsetCounts
from cinefoley.models.audio_encoder import AudioEncoder
from cinefoley.models.folder import load_part
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.pipelines.devices import choose_dtype
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.pipelines.loading import resolve_model
from cinefoley.pipelines.quality import QUALITIES
from cinefoley.stage import stage_digest
from cinefoley.stage.kinds import KINDS
from cinefoley.training.tasks.alignment_pairs import longer_window, make_pairs

MARK = "<!-- figures -->"
BARS = {
    "right sound of 3 windows": 0.70,
    "right kind of 100 clips": 0.85,
    "pairs told right, balanced": 0.93,
    "alignment accuracy": 0.85,
    "onset F1": 0.70,
    "onset F1 margin": 0.35,
    "kind heard": 0.80,
    "silence kept": 0.80,
}
"""Lowest values that the project accepts for its default model."""
PAIR_SEED = 0
_CHUNK = 100


def main() -> None:
    """Compute the metrics, print them, and write the card with ``--card``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="lite")
    parser.add_argument("--split", choices=["valid", "test"], default="test")
    parser.add_argument("--clips", type=int, default=500)
    parser.add_argument("--takes", type=int, default=4)
    parser.add_argument(
        "--view", choices=get_args(View), default="full", help="View that the generator gets."
    )
    parser.add_argument("--only", choices=["towers", "takes"], help="Compute one half of the metrics.")
    parser.add_argument("--quality", choices=get_args(Quality), default="balanced")
    parser.add_argument("--seed", type=int, default=0, help="Seed of the noise.")
    parser.add_argument("--precision", choices=["fp32", "bf16", "auto"], default="auto")
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/figures"), help="Folder for finished batches."
    )
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    parser.add_argument("--card", action="store_true", help="Write the metrics into the model's README.md.")
    args = parser.parse_args()
    began = time.perf_counter()
    figures: dict[str, Estimate] = {}
    details = ""
    if args.only != "takes":
        towers, pairs = _towers(args)
        figures |= towers
        details += _calibration(pairs)
    if args.only != "towers":
        takes = _takes(args)
        figures |= summarise_takes(takes)
        details += _by_kind(takes)
    print(f"\r{time.perf_counter() - began:.0f} s", file=sys.stderr)
    text = f"{_table(figures, args.view)}\n\nProtocol: {_protocol(args)}.\n{details}"
    if args.json:
        report = {name: asdict(figure) for name, figure in figures.items()}
        print(json.dumps({"protocol": _protocol(args), "figures": report}))
    else:
        print(text)
    if args.card:
        card = resolve_model(args.model) / "README.md"
        head, mark, _ = card.read_text().partition(MARK)
        if not mark:
            sys.exit(f"{card} has no line {MARK!r} to write the figures after")
        card.write_text(f"{head}{MARK}\n## Measured {date.today()}\n\n{text}")


def _towers(args: argparse.Namespace) -> tuple[dict[str, Estimate], PairProbabilities]:
    """Metrics of the teacher's features and of the alignment classifier on real sounds."""
    folder = resolve_model(args.model)
    pipeline = FoleyPipeline.from_pretrained(args.model, video_encoder="teacher")
    config = pipeline.foley_config
    clips = _clips(args, longer=False)
    video_encoder = load_part(folder / "video_encoder", VideoEncoder)
    audio_encoder = load_part(folder / "audio_encoder", AudioEncoder)
    sharp = torch.tensor([actor.is_onset_like for actor in KINDS])[clips.kinds].all(dim=1)
    judged = sharp & ~clips.events_s[:, 0].isnan()
    windows = retrieve_windows(video_encoder, audio_encoder, clips)[judged].double().mean(dim=1)
    figures = {"right sound of 3 windows": _figure(windows.tolist())}
    if len(clips) >= 100:
        kinds = retrieve_kinds(video_encoder, audio_encoder, clips)
        figures["right kind of 100 clips"] = _figure(kinds.double().tolist())
    judge = AlignmentScorer.from_model(folder)
    long_clips = _clips(args, longer=True)
    long_sharp = torch.tensor([actor.is_onset_like for actor in KINDS])[long_clips.kinds].all(dim=1)
    rows = long_sharp.nonzero()[:, 0]
    pairs = make_pairs(
        _select(long_clips, rows),
        config,
        video_encoder,
        judge.autoencoder,
        seed=PAIR_SEED,
        scale=judge.autoencoder.config.scaling_factor,
    )
    told = classify_pairs(judge.classifier, pairs)
    figures["pairs told right, balanced"] = _balanced(told)
    return figures, told


def _takes(args: argparse.Namespace) -> list[MeasuredTake]:
    """Generate and measure a hundred clips at a time; finished hundreds are cached."""
    folder = resolve_model(args.model)
    dtype = choose_dtype(torch.device("cpu"), args.precision)
    pipeline = FoleyPipeline.from_pretrained(args.model, torch_dtype=dtype, video_encoder="teacher")
    pipeline.prepack()
    judge, backbone = AlignmentScorer.from_model(folder).eval(), LiteBackbone()
    digests = [file_digest(path)[:16] for path in sorted(folder.rglob("*.safetensors"))]
    key = [digests, backbone.digest, stage_digest(), args.split, args.takes, args.view, args.quality]
    settings = json.dumps([*key, args.seed, str(dtype)])
    args.runs.mkdir(parents=True, exist_ok=True)
    ledger = args.runs / f"{args.split}-{args.view}.jsonl"
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    if not lines or lines[0] != settings:
        lines = [settings]
    takes = [_read(json.loads(line)) for line in lines[1:]]
    whole = len(takes) // args.takes // _CHUNK * _CHUNK
    takes = takes[: whole * args.takes]
    began = time.perf_counter()
    # a clip's partner is another of its kind in the same chunk, so chunks lie where they lie
    for first in range(whole, args.clips, _CHUNK):
        fresh = measure_takes(
            pipeline,
            judge,
            backbone,
            range(first, min(first + _CHUNK, args.clips)),
            split=args.split,
            num_takes=args.takes,
            view=args.view,
            noise_seed=args.seed,
            quality=args.quality,
        )
        takes += fresh
        with atomic_write(ledger) as aside:
            aside.write_text("\n".join([settings, *(json.dumps(take.to_dict()) for take in takes)]) + "\n")
        done = len(takes) // args.takes - whole
        print(f"\r{done} clips, {(time.perf_counter() - began) / done:.1f} s each", end="", file=sys.stderr)
    return takes[: args.clips * args.takes]


def _read(entry: dict[str, Any]) -> MeasuredTake:
    other = entry.pop("other")
    return MeasuredTake(
        **entry
        | {"own": OnsetCounts(**entry["own"]), "other": None if other is None else OnsetCounts(**other)}
    )


def _clips(args: argparse.Namespace, *, longer: bool) -> StageClips:
    config = FoleyPipeline.from_pretrained(args.model).foley_config
    return prepare_stage_clips(
        args.clips,
        split=args.split,
        config=longer_window(config) if longer else config,
        cache_dir=args.runs / "cache",
        workers=os.cpu_count() or 1,
    )


def _select(clips: StageClips, rows: torch.Tensor) -> StageClips:
    names = ("frames", "mels", "kinds", "events_s", "is_onset_like")
    return StageClips(**{name: getattr(clips, name)[rows] for name in names})


def _figure(values: Sequence[float]) -> Estimate:
    """Mean over clips with its bootstrap interval."""
    column = np.asarray(values, dtype=np.float64)
    draws = np.random.default_rng(0).integers(len(column), size=(2000, len(column)))
    low, high = np.percentile(column[draws].mean(axis=1), [2.5, 97.5])
    return Estimate(value=float(column.mean()), low=float(low), high=float(high), clips=len(column))


def _balanced(told: PairProbabilities) -> Estimate:
    rng = np.random.default_rng(0)
    values = []
    for _ in range(2000):
        parts = (told.aligned, told.shifted, told.foreign)
        drawn = [part[torch.from_numpy(rng.integers(len(part), size=len(part)))] for part in parts]
        values.append(
            PairProbabilities(aligned=drawn[0], shifted=drawn[1], foreign=drawn[2]).balanced_accuracy
        )
    low, high = np.percentile(values, [2.5, 97.5])
    return Estimate(value=told.balanced_accuracy, low=float(low), high=float(high), clips=len(told.aligned))


def _table(figures: dict[str, Estimate], view: str) -> str:
    lines = ["| figure | value | 95 % interval | clips | asked |", "| --- | --- | --- | --- | --- |"]
    for name, figure in figures.items():
        bar = f"{BARS[name]:.2f}" if name in BARS and view == "full" else ""
        span = f"{figure.low:.3f} to {figure.high:.3f}"
        lines.append(f"| {name} | {figure.value:.3f} | {span} | {figure.clips} | {bar} |")
    return "\n".join(lines)


def _calibration(told: PairProbabilities) -> str:
    rates = (
        f"aligned {float((told.aligned > 0.5).float().mean()):.3f}, shifted "
        f"{float((told.shifted <= 0.5).float().mean()):.3f}, other clip "
        f"{float((told.foreign <= 0.5).float().mean()):.3f}"
    )
    lines = [f"\nPairs told right: {rates}.\n", "| probability | aligned | pairs |", "| --- | --- | --- |"]
    lines += [f"| {said:.2f} | {share:.2f} | {count} |" for said, share, count in calibration_curve(told)]
    return "\n".join(lines) + "\n"


def _by_kind(takes: Sequence[MeasuredTake]) -> str:
    lines = ["\n| kind | takes | aligned | onset F1 | kind heard |", "| --- | --- | --- | --- | --- |"]
    for kind in sorted({take.kind for take in takes}):
        own = [take for take in takes if take.kind == kind]
        aligned = sum(take.probability > 0.5 for take in own) / len(own)
        counts = sum((take.own for take in own if take.is_onset_like), OnsetCounts())
        f1 = f"{counts.f1:.3f}" if any(take.is_onset_like for take in own) else ""
        heard = [take.is_kind_heard for take in own if take.is_kind_heard is not None]
        lines.append(
            f"| {kind} | {len(own)} | {aligned:.3f} | {f1} | {sum(heard) / max(1, len(heard)):.3f} |"
        )
    return "\n".join(lines) + "\n"


def _protocol(args: argparse.Namespace) -> str:
    settings = QUALITIES[args.quality]
    return (
        f"stage {stage_digest()[:12]}, split {args.split}, clips 0 to {args.clips - 1}, {args.takes} takes, "
        f"view {args.view}, noise seed {args.seed}, quality {args.quality}, "
        f"{settings.num_inference_steps} steps, guidance {settings.guidance_scale:g}, {args.precision}; "
        f"alignment by {args.model}'s classifier, teacher's features of the whole clip, "
        " posterior mean; onsets ±100 ms over clips whose sources all start sharply; the other clip is "
        "of the same kind; kinds by the lite audio classifier over clips in which anything sounds; silences "
        "of 1 s or more; intervals over clips, 2,000 resamplings"
    )


if __name__ == "__main__":
    main()
