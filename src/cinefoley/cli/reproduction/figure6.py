"""Figure 6: where teacher and student look (Grad-CAM), and how much of it is on the sound sources."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cinefoley.cli.explanations import (
    check_video,
    describe,
    event_times,
    load_audio_encoder,
    load_encoders,
    video_clip,
    write_explanation,
)
from cinefoley.cli.extras import check_extra
from cinefoley.cli.outputs import print_json, write_texts
from cinefoley.cli.progress import Preparation
from cinefoley.cli.reproduction.setup import Given
from cinefoley.cli.training_run import data_name

if TYPE_CHECKING:
    from cinefoley.analysis.target_heat import TargetHeat
    from cinefoley.evaluation.scores import Score

__all__ = ["figure6"]

_CLIPS, _QUICK_CLIPS = 200, 12


def figure6(given: Given, videos: Sequence[Path]) -> None:
    """Draw Figure 6 for videos; without any, for the Foley stage, with the heat on its sound sources."""
    check_extra("analysis")
    if not videos and given["data"] != "stage":
        raise typer.BadParameter(
            "figure6 is drawn of videos or of the Foley stage: pass videos, or leave out --data."
        )
    if len({video.stem for video in videos}) < len(videos):
        raise typer.BadParameter(
            "two videos have the same name, so their figures would overwrite each other."
        )
    if videos:
        _explain_videos(given, videos)
    else:
        _explain_stage(given)


def _explain_videos(given: Given, videos: Sequence[Path]) -> None:
    from cinefoley.analysis.explanation import explain_clip

    for video in videos:
        check_video(video)
    pipeline, encoders = load_encoders(given["model"], given["student"])
    audio_encoder = load_audio_encoder(given["model"])
    answers = []
    for video in videos:
        explanation = explain_clip(
            video_clip(video),
            pipeline,
            encoders=encoders,
            audio_encoder=audio_encoder,
            num_inference_steps=given["num_inference_steps"],
            guidance_scale=given["guidance_scale"],
        )
        times = event_times(video, start=0.0, duration_s=explanation.duration_s)
        files = write_explanation(explanation, given["out"], f"figure6.{video.stem}", events_s=times)
        answers.append(describe(explanation, files))
    if given["as_json"]:
        print_json(answers)
    else:
        for answer in answers:
            for path in answer["files"]:
                typer.echo(f"wrote {path}")


def _explain_stage(given: Given) -> None:
    from cinefoley.analysis.explanation import explain_clip
    from cinefoley.analysis.target_heat import measure_target_heat
    from cinefoley.data.events.stage_events import stage_events
    from cinefoley.data.sources.stage import StageSource
    from cinefoley.errors import MissingWeightsError
    from cinefoley.evaluation.views import VIEWS, window_of

    pipeline, encoders = load_encoders(given["model"], given["student"])
    audio_encoder = load_audio_encoder(given["model"])
    if audio_encoder is None:
        raise MissingWeightsError(f"{given['model']}: has no audio_encoder/, which figure6 needs.")
    foley = pipeline.foley_config
    count = given["clips"] or (_QUICK_CLIPS if given["quick"] else _CLIPS)
    source = StageSource("test", count, duration_s=foley.window_s)
    compared = {"teacher": pipeline.video_encoder}
    if pipeline.video_encoder_student is not None:
        compared["student"] = pipeline.video_encoder_student
    clips = [source[number] for number in range(count)]
    with Preparation(is_wanted=not given["quiet"]) as preparation:
        found = {
            view: measure_target_heat(
                clips,
                view,
                compared,
                audio_encoder,
                foley,
                on_clip=lambda *done, what=view: preparation.show(what, *done),
            )
            for view in VIEWS
        }
    window = window_of(clips[0], "close_up")
    events = stage_events(clips[0], window)
    explanation = explain_clip(
        clips[0],
        pipeline,
        encoders=encoders,
        audio_encoder=audio_encoder,
        window=window,
        num_inference_steps=given["num_inference_steps"],
        guidance_scale=given["guidance_scale"],
    )
    times = [] if events is None else events.times.tolist()
    files = write_explanation(explanation, given["out"], "figure6", events_s=times)
    protocol = _protocol(given, count)
    text = _page(found, protocol)
    write_texts(given["out"], {"figure6.md": text})
    if given["as_json"]:
        numbers: dict[str, Any] = {view: _as_json(heat) for view, heat in found.items()}
        print_json({"protocol": protocol, "files": [str(path) for path in files]} | numbers)
        return
    typer.echo(text)
    for path in files:
        typer.echo(f"wrote {path}")


def _page(found: "dict[Any, TargetHeat]", protocol: str) -> str:
    names = {"full": "full view", "close_up": "CU", "camera_movement": "CM"}
    encoders = list(next(iter(found.values())).shares)
    heads = [
        "test set",
        "clips",
        *encoders,
        *(["student minus teacher"] if len(encoders) > 1 else []),
        "area",
    ]
    rows = ["| " + " | ".join(heads) + " |", "| --- " * len(heads) + "|"]
    for view, heat in found.items():
        cells = [_percent(score) for score in heat.shares.values()]
        cells += [] if heat.gain is None else [_percent(heat.gain, "+")]
        rows.append(f"| {names[view]} | {heat.clips} | " + " | ".join([*cells, _percent(heat.area)]) + " |")
    return (
        "# Figure 6: heat on the sound sources\n\n"
        "Share of Grad-CAM's heat that is inside the boxes of the sound sources, in %. Area: the boxes' "
        "share of the frame, which evenly spread heat would give.\n\n"
        + "\n".join(rows)
        + f"\n\nProtocol: {protocol}.\n"
    )


def _protocol(given: Given, count: int) -> str:
    from cinefoley import __version__
    from cinefoley.evaluation.paper.model_parts import part_name
    from cinefoley.pipelines.loading import resolve_model

    folder = resolve_model(given["model"])
    student = given["student"] or folder / "video_encoder_student"
    encoders = f"teacher {part_name(folder / 'video_encoder')}"
    if student.is_dir():
        encoders += f", student {part_name(student)}"
    return (
        f"{data_name(given)}, split test, clips 0 to {count - 1}, windows of seed 0; model "
        f"{given['model']}, {encoders}; "
        "similarity to the real sound, maps of the deepest stage of 7 rows or more; mean over frames that "
        "show a sound source, then over clips; intervals over clips, paired, 2,000 resamplings; "
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
