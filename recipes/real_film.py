"""Measure timing on real videos: onset F1 of teacher and student against the onsets of the real sound.

    python recipes/real_film.py DIR                       # a folder of videos with sound; lite, 4 takes
    python recipes/real_film.py DIR --clips drum chopping --model FOLDER --takes 2 --quality balanced

The events of such videos are not known, so the onsets of their own sound are the events. A match is within
100 ms. "Other clips" are the onsets of other videos' sound: the F1 that the rate of onsets alone reaches.
Videos without sound are skipped. Existing takes are used, so the same command resumes a stopped run.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cinefoley import __version__
from cinefoley.errors import MediaError
from cinefoley.evaluation.folder.pairing import find_sounds, pair_by_name
from cinefoley.evaluation.folder.per_clip_metrics import ratio_scores
from cinefoley.evaluation.folder.reference_onsets import REFERENCE_F1, SHUFFLED_F1, ReferenceOnsetMetric
from cinefoley.evaluation.folder.synchrony import read_for_onsets
from cinefoley.evaluation.paper.model_parts import part_name
from cinefoley.evaluation.scores import score_as_json
from cinefoley.pipelines.loading import resolve_model

ENCODERS = {"teacher": "video_encoder", "student": "video_encoder_student"}
SILENT = 0.01  # -40 dB re full scale


def main() -> None:
    """Generate, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of videos with sound")
    parser.add_argument("--clips", nargs="+", metavar="NAME", help="only these videos, by stem; default: all")
    parser.add_argument("--model", default="lite")
    parser.add_argument("--takes", type=int, default=4)
    parser.add_argument("--quality", choices=("paper", "balanced", "draft"), default="paper")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--replicas", type=int, default=2000)
    parser.add_argument("--runs", type=Path, default=Path("runs/real-film"), help="folder of the takes")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    found = find_sounds(args.folder, prefers_videos=True)
    if unknown := sorted({*(args.clips or ())} - found.keys()):
        parser.error(f"{args.folder} has no video named {', '.join(unknown)}")
    videos = with_sound({name: path for name, path in found.items() if name in (args.clips or found)})
    results = {}
    for encoder in ENCODERS:
        out = args.runs / encoder
        generate(args, encoder, list(videos.values()), out)
        results[encoder] = measure(out, videos, replicas=args.replicas)
    if args.json:
        print(json.dumps({"protocol": protocol(args, videos), "encoders": results}, indent=2))
        return
    print("\n".join(table(results)))
    print("\n".join(["", *clip_table(results)]))
    print(f"\nProtocol: {protocol(args, videos)}.")


def with_sound(videos: dict[str, Path]) -> dict[str, Path]:
    """Videos whose sound can be read; others are named on stderr."""
    found = {}
    for name, path in videos.items():
        try:
            read_for_onsets(path)
        except MediaError as exc:
            print(f"skipped: {exc}", file=sys.stderr)
        else:
            found[name] = path
    return found


def generate(args: argparse.Namespace, encoder: str, videos: Sequence[Path], out: Path) -> None:
    """Takes of every video from one encoder's features; existing ones stay."""
    command = [sys.executable, "-m", "cinefoley.cli.main", "generate", *map(str, videos), "-o", str(out)]
    command += ["--model", args.model, "--video-encoder", encoder, "--takes", str(args.takes)]
    command += ["--quality", args.quality, "--seed", str(args.seed)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def measure(out: Path, videos: dict[str, Path], *, replicas: int) -> dict[str, Any]:
    """Both F1 with intervals over all clips, F1 by clip, and the takes that are all but silent."""
    pairs = pair_by_name(find_sounds(out), videos)
    measurement = ReferenceOnsetMetric(videos).measure(pairs.samples)
    scores = ratio_scores(measurement.ratios, set(videos), replicas=replicas)
    by_clip = {
        clip: {name: score.value for name, score in ratio_scores(measurement.ratios, {clip}).items()}
        for clip in videos
    }
    silent = [s.path.name for s in pairs.samples if float(read_for_onsets(s.path).abs().max()) < SILENT]
    return {
        "scores": {name: score_as_json(score) for name, score in scores.items()},
        "clips": by_clip,
        "silent_takes": silent,
        "takes": len(pairs.samples),
    }


def table(results: dict[str, dict[str, Any]]) -> list[str]:
    """One row for each encoder."""
    rows = [
        "| encoder | onset F1 | 95 % interval | other clips' onsets | 95 % interval | times | silent takes |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for encoder, result in results.items():
        own, other = result["scores"][REFERENCE_F1], result["scores"][SHUFFLED_F1]
        times = f"{own['value'] / other['value']:.1f}" if other["value"] else "-"
        silent = f"{len(result['silent_takes'])} of {result['takes']}"
        cells = [
            f"{own['value']:.3f}",
            interval(own),
            f"{other['value']:.3f}",
            interval(other),
            times,
            silent,
        ]
        rows.append(f"| {encoder} | {' | '.join(cells)} |")
    return rows


def interval(score: dict[str, float]) -> str:
    """``low to high``; ``-`` for too few clips."""
    return f"{score['low']:.3f} to {score['high']:.3f}" if "low" in score else "-"


def clip_table(results: dict[str, dict[str, Any]]) -> list[str]:
    """Onset F1 of every clip, and in brackets that with other clips' onsets."""
    rows = [f"| clip | {' | '.join(results)} |", "| --- " * (1 + len(results)) + "|"]
    for clip in next(iter(results.values()))["clips"]:
        cells = [
            f"{result['clips'][clip][REFERENCE_F1]:.2f} ({result['clips'][clip][SHUFFLED_F1]:.2f})"
            for result in results.values()
        ]
        rows.append(f"| {clip} | {' | '.join(cells)} |")
    return rows


def protocol(args: argparse.Namespace, videos: dict[str, Path]) -> str:
    """What the numbers depend on."""
    folder = resolve_model(args.model)
    encoders = ", ".join(part_name(folder / part) for part in ENCODERS.values())
    others = min(10, len(videos) - 1)
    return (
        f"{len(videos)} videos, {args.takes} takes, seed {args.seed}, quality {args.quality}, generator "
        f"{args.model}; {encoders}; onsets of the real sound's mean of channels, ±100 ms, counts added over "
        f"clips and takes; other clips: the next {others} by name, to the end of the shorter sound; silent: "
        f"peak below -40 dB; intervals over clips, {args.replicas} resamplings; cinefoley {__version__}"
    )


if __name__ == "__main__":
    main()
