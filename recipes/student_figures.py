"""Measure a model's student beside its teacher on unseen stage clips, in full view and varied.

    python recipes/student_figures.py                     # 500 clips of the test split, one take of each
    python recipes/student_figures.py --card              # ... and write the figures into the student's card
    python recipes/student_figures.py --split valid --clips 60 --student runs/student/video_encoder

Finished clips are cached under ``--runs``, so an interrupted run resumes.
"""

import argparse
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import get_args

import torch

from cinefoley import __version__
from cinefoley.config.foley import Quality
from cinefoley.data.events.stage_events import stage_events
from cinefoley.data.sources.stage import StageSource
from cinefoley.evaluation.paper.experiment import Experiment, ExperimentSettings
from cinefoley.evaluation.paper.method_scores import average, score_method
from cinefoley.evaluation.paper.model_parts import part_name
from cinefoley.evaluation.paper.table_report import render_table
from cinefoley.evaluation.paper.tables import Table
from cinefoley.evaluation.scores import Score
from cinefoley.evaluation.views import VIEWS, View
from cinefoley.media.files.atomic_write import atomic_write
from cinefoley.metrics.alignment import AlignmentScorer
from cinefoley.metrics.backbones.lite import LiteBackbone
from cinefoley.metrics.backbones.segments import SegmentBackbone
from cinefoley.models.folder import load_foley_config, load_part
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.pipelines.devices import choose_dtype
from cinefoley.pipelines.loading import resolve_model
from cinefoley.pipelines.quality import QUALITIES
from cinefoley.stage import stage_digest

MARK = "<!-- figures -->"


def main() -> None:
    """Generate, compute metrics, print them, and with ``--card`` write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="lite")
    parser.add_argument(
        "--student", type=Path, help="A video_encoder/ folder. Default: the model's own student."
    )
    parser.add_argument("--split", default="test", choices=("valid", "test"))
    parser.add_argument("--clips", type=int, default=500)
    parser.add_argument("--takes", type=int, default=1)
    parser.add_argument("--quality", choices=get_args(Quality), default="balanced")
    parser.add_argument("--replicas", type=int, default=200)
    parser.add_argument("--runs", type=Path, default=Path("runs/student-figures"))
    parser.add_argument("--card", action="store_true")
    args = parser.parse_args()
    folder = resolve_model(args.model)
    student = args.student or folder / "video_encoder_student"
    backbone, sampling = LiteBackbone(), QUALITIES[args.quality]
    experiment = Experiment(
        source=StageSource(args.split, args.clips, duration_s=load_foley_config(folder).window_s),
        model=args.model,
        model_folder=folder,
        alignment=AlignmentScorer.from_model(folder).eval(),
        backbones=[SegmentBackbone(backbone), backbone],
        cache_dir=args.runs,
        settings=ExperimentSettings(
            num_takes=args.takes,
            num_inference_steps=sampling.num_inference_steps,
            guidance_scale=sampling.guidance_scale,
            quality=args.quality,
        ),
        dtype=choose_dtype(torch.device("cpu"), "auto"),
        events=stage_events,
    )
    real = experiment.read_real(load_part(folder / "video_encoder", VideoEncoder))
    scores: dict[tuple[View, str], Mapping[str, Score]] = {}
    seconds = 0.0
    for view in VIEWS:
        for name, encoder in (("teacher", "teacher"), ("student", student)):
            print(f"{view}: {name}", flush=True)
            measured = experiment.measure(real, view, encoder)
            seconds += measured.seconds
            scores[view, name] = average([score_method(real, measured, replicas=args.replicas)])
    table = Table(
        name="table1",
        scores=scores,
        skipped={},
        clips=len(real),
        left_out=real.ledger,
        runs={},
        hours=seconds / 3600,
    )
    takes = "1 take" if args.takes == 1 else f"{args.takes} takes"
    protocol = (
        f"student {part_name(student)}; "
        f"stage {stage_digest()[:12]}, split {args.split}, clips 0 to {args.clips - 1}, {takes}, "
        f"the same noise for both; quality {args.quality}, {sampling.num_inference_steps} steps, guidance "
        f"{sampling.guidance_scale:g}, {experiment.dtype}; Align Acc by "
        f"{args.model}'s alignment classifier, teacher's features of the whole clip, posterior mean; "
        "onsets within ±100 ms; "
        f"backbone lite (FAD: on segments of 0.96 s); intervals over clips, paired, {args.replicas} "
        f"resamplings; cinefoley {__version__}, {date.today()}, {table.hours:.2f} hours"
    )
    text = render_table(table, protocol, title="Measured")
    print(text)
    if args.card:
        card = student / "README.md"
        kept = card.read_text(encoding="utf-8").partition(MARK)[0]
        with atomic_write(card) as temporary:
            temporary.write_text(f"{kept}{MARK}\n#{text}", encoding="utf-8")


if __name__ == "__main__":
    main()
