"""Figure 4: clips with techniques of film language, with the sound of teacher and student."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cinefoley.cli.explanations import check_video, load_encoders, video_clip
from cinefoley.cli.extras import check_extra
from cinefoley.cli.outputs import make_folder, print_json
from cinefoley.cli.reproduction.setup import Given

if TYPE_CHECKING:
    from cinefoley.analysis.comparison import Comparison
    from cinefoley.data.sources.clip_source import Clip

__all__ = ["figure4"]

_STAGE = re.compile(r"stage:(\d+)")
_DEFAULT = ("stage:0", "stage:1", "stage:2")


def figure4(given: Given, named: Sequence[Path]) -> None:
    """Draw Figure 4 for videos and for clips of the Foley stage.

    Args:
        given: Values of the command's options.
        named: Videos, or ``stage:N`` for clips of the stage's test split; its first three if empty.

    Raises:
        VideoError: If a file has no video stream.
        OutputError: If the folder cannot be created or written.
    """
    check_extra("analysis")
    from cinefoley.analysis.comparison import compare_encoders
    from cinefoley.analysis.comparison_figure import draw_comparison
    from cinefoley.analysis.style import save_figure
    from cinefoley.data.known_events import known_events
    from cinefoley.evaluation.views import FILM_VIEWS

    views = given["view"] or ["close_up", "camera_movement"]
    unknown = sorted(set(views) - set(FILM_VIEWS))
    if unknown:
        raise typer.BadParameter(f"--view is one of {', '.join(FILM_VIEWS)}; got {unknown[0]!r}.")
    names = [str(path) for path in named] or list(_DEFAULT)
    stems = [_stem(name) for name in names]
    if len(set(stems)) < len(stems):
        raise typer.BadParameter("two clips have the same name, so their figures would overwrite each other.")
    for name in names:
        if not _STAGE.fullmatch(name):
            check_video(Path(name))
    pipeline, encoders = load_encoders(given["model"], given["student"])
    out: Path = given["out"]
    make_folder(out)
    answers = []
    for name, stem in zip(names, stems, strict=True):
        clip, clip_s = _open(name, pipeline.foley_config.window_s)
        comparisons = [
            compare_encoders(
                clip,
                view,
                pipeline,
                encoders=encoders,
                clip_s=clip_s,
                events=known_events,
                num_inference_steps=given["num_inference_steps"],
                guidance_scale=given["guidance_scale"],
            )
            for view in views
        ]
        files = save_figure(draw_comparison(comparisons), out / f"figure4.{stem}")
        answers.append(_describe(name, comparisons, files))
    if given["as_json"]:
        print_json(answers)
        return
    for answer in answers:
        for path in answer["files"]:
            typer.echo(f"wrote {path}")


def _stem(name: str) -> str:
    number = _STAGE.fullmatch(name)
    return Path(name).stem if number is None else f"test-{int(number[1]):06d}"


def _open(name: str, window_s: float) -> "tuple[Clip, float]":
    """The clip and its length in seconds."""
    from cinefoley.data.sources.stage import StageSource
    from cinefoley.media.probe import probe

    number = _STAGE.fullmatch(name)
    if number is None:
        return video_clip(Path(name)), probe(name).duration_s or window_s
    return StageSource("test", 1, duration_s=window_s, first_seed=int(number[1]))[0], window_s


def _describe(name: str, comparisons: "Sequence[Comparison]", files: Sequence[Path]) -> dict[str, Any]:
    return {
        "clip": name,
        "files": [str(path) for path in files],
        "onsets_in_the_picture": {
            comparison.view: {encoder: asdict(counts) for encoder, counts in comparison.counts.items()}
            for comparison in comparisons
        },
    }
