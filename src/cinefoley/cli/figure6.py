"""``cinefoley reproduce figure6``: where teacher and student look."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cinefoley.cli.explain import (
    check_extra,
    check_picture,
    describe,
    event_times,
    film_clip,
    load_encoders,
    load_hearing,
    write_explanation,
)
from cinefoley.cli.training_run import Preparation, data_name

if TYPE_CHECKING:
    from cinefoley.analysis.target_heat import TargetHeat
    from cinefoley.evaluation.folder.scores import Score

__all__ = ["figure6"]

_CLIPS, _QUICK_CLIPS = 200, 12


def figure6(given: dict[str, Any], films: Sequence[Path]) -> None:
    """Draw Figure 6 for films, or for the stage and count there how much heat lies on the targets."""
    check_extra()
    if not films and given["data"] != "stage":
        raise typer.BadParameter("name the films of figure6; without any it is about the stage.")
    if len({film.stem for film in films}) < len(films):
        raise typer.BadParameter("two films have the same name, and their figures would replace each other.")
    if films:
        _explain_films(given, films)
    else:
        _explain_stage(given)


def _explain_films(given: dict[str, Any], films: Sequence[Path]) -> None:
    from cinefoley.analysis.explanation import explain_clip

    for film in films:
        check_picture(film)
    pipeline, encoders = load_encoders(given["model"], given["student"])
    hearing = load_hearing(given["model"])
    answers = []
    for film in films:
        explanation = explain_clip(
            film_clip(film),
            pipeline,
            encoders=encoders,
            audio_encoder=hearing,
            num_inference_steps=given["num_inference_steps"],
            guidance_scale=given["guidance_scale"],
        )
        times = event_times(film, start=0.0, duration_s=explanation.duration_s)
        files = write_explanation(explanation, given["out"], f"figure6.{film.stem}", events_s=times)
        answers.append(describe(explanation, files))
    if given["as_json"]:
        typer.echo(json.dumps(answers, indent=2))
    else:
        for answer in answers:
            for path in answer["files"]:
                typer.echo(f"wrote {path}")


def _explain_stage(given: dict[str, Any]) -> None:
    from cinefoley.analysis.explanation import explain_clip
    from cinefoley.analysis.target_heat import measure_target_heat
    from cinefoley.data.events.stage_events import stage_events
    from cinefoley.data.sources.stage import StageSource
    from cinefoley.errors import MissingWeightsError
    from cinefoley.evaluation.paper.experiment import window_of
    from cinefoley.evaluation.paper.reproduction import VIEWS
    from cinefoley.media.files.atomic_write import written_aside

    pipeline, encoders = load_encoders(given["model"], given["student"])
    hearing = load_hearing(given["model"])
    if hearing is None:
        raise MissingWeightsError(f"{given['model']}: has no audio_encoder/, whose features heat is about.")
    foley = pipeline.foley_config
    count = given["clips"] or (_QUICK_CLIPS if given["quick"] else _CLIPS)
    source = StageSource("test", count, duration_s=foley.window_s)
    watchers = {"teacher": pipeline.video_encoder}
    if pipeline.video_encoder_student is not None:
        watchers["student"] = pipeline.video_encoder_student
    clips = [source[number] for number in range(count)]
    with Preparation(is_wanted=not given["quiet"]) as preparation:
        found = {
            view: measure_target_heat(
                clips,
                view,
                watchers,
                hearing,
                foley,
                on_clip=lambda done, total, what=view: preparation.tell(what, done, total),  # type: ignore[misc]
            )
            for view in VIEWS
        }
    window = window_of(clips[0], "close_up")
    events = stage_events(clips[0], window)
    explanation = explain_clip(
        clips[0],
        pipeline,
        encoders=encoders,
        audio_encoder=hearing,
        window=window,
        num_inference_steps=given["num_inference_steps"],
        guidance_scale=given["guidance_scale"],
    )
    times = [] if events is None else events.times.tolist()
    files = write_explanation(explanation, given["out"], "figure6", events_s=times)
    protocol = _protocol(given, count)
    text = _page(found, protocol)
    with written_aside(given["out"] / "figure6.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    if given["as_json"]:
        numbers: dict[str, Any] = {view: _as_json(heat) for view, heat in found.items()}
        answer = {"protocol": protocol, "files": [str(path) for path in files]} | numbers
        typer.echo(json.dumps(answer, indent=2))
        return
    typer.echo(text)
    for path in files:
        typer.echo(f"wrote {path}")


def _page(found: "dict[Any, TargetHeat]", protocol: str) -> str:
    names = {"full": "full view", "close_up": "CU", "camera_movement": "CM"}
    encoders = list(next(iter(found.values())).shares)
    heads = ["test set", "clips", *encoders, *(["student less teacher"] if len(encoders) > 1 else []), "area"]
    rows = ["| " + " | ".join(heads) + " |", "| --- " * len(heads) + "|"]
    for view, heat in found.items():
        cells = [_percent(score) for score in heat.shares.values()]
        cells += [] if heat.gain is None else [_percent(heat.gain, "+")]
        rows.append(f"| {names[view]} | {heat.clips} | " + " | ".join([*cells, _percent(heat.area)]) + " |")
    return (
        "# Figure 6: heat on what sounds\n\n"
        "Share of Grad-CAM's heat inside the targets' boxes, %, and the boxes' share of the picture, which "
        "is what heat that lies anywhere would give.\n\n" + "\n".join(rows) + f"\n\nProtocol: {protocol}.\n"
    )


def _protocol(given: dict[str, Any], count: int) -> str:
    from cinefoley import __version__
    from cinefoley.evaluation.paper.experiment import name_of_part
    from cinefoley.pipelines.loading import resolve_model

    folder = resolve_model(given["model"])
    student = given["student"] or folder / "video_encoder_student"
    watching = f"teacher {name_of_part(folder / 'video_encoder')}"
    if student.is_dir():
        watching += f", student {name_of_part(student)}"
    return (
        f"{data_name(given)}, split test, clips 0 to {count - 1}, windows of seed 0; model "
        f"{given['model']}, {watching}; "
        "similarity to the real sound, maps of the deepest stage of 7 rows or more; mean over frames that "
        "show a target, then over clips; intervals over clips, paired, 2,000 resamplings; "
        f"cinefoley {__version__}, {date.today()}"
    )


def _percent(score: "Score", sign: str = "") -> str:
    assert score.value is not None
    span = (
        ""
        if score.low is None or score.high is None
        else f" [{100 * score.low:.1f} to {100 * score.high:.1f}]"
    )
    return f"{100 * score.value:{sign}.1f}{span}"


def _as_json(heat: "TargetHeat") -> dict[str, Any]:
    scores = {**heat.shares, "area": heat.area} | ({} if heat.gain is None else {"gain": heat.gain})
    return {"clips": heat.clips} | {
        name: {"value": score.value, "low": score.low, "high": score.high} for name, score in scores.items()
    }
