"""``cinefoley explain``: Grad-CAM heat maps of teacher and student, with their generated sound."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cinefoley.cli import options
from cinefoley.cli.explanations import ExplainJob, check_video, explain_shared, loaded_explainer
from cinefoley.cli.extras import check_extra
from cinefoley.cli.inputs import check_stems_differ
from cinefoley.cli.outputs import check_free, note, print_json
from cinefoley.cli.shared_generation import is_shared
from cinefoley.config.variations import Technique

__all__ = ["explain"]


def explain(
    videos: Annotated[
        list[Path],
        typer.Argument(metavar="VIDEO...", help="Videos, with or without sound; their names differ."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Output folder.")] = Path(
        "explained"
    ),
    model: options.Model = "lite",
    student: options.Student = None,
    start: Annotated[
        float, typer.Option(min=0, metavar="S", help="Start of the section to explain, in seconds.")
    ] = 0.0,
    takes: Annotated[
        int, typer.Option(min=1, metavar="N", help="Number of takes to generate with each video encoder.")
    ] = 1,
    seed: options.TakeSeed = 0,
    steps: options.DenoisingSteps = 25,
    guidance_scale: options.GuidanceScale = 4.5,
    columns: Annotated[
        int, typer.Option(min=1, metavar="N", help="Number of frames side by side in the figure.")
    ] = 6,
    layer: Annotated[
        str | None,
        typer.Option(
            metavar="layer1|...|layer4",
            help="Layer of the video encoder to compute Grad-CAM for. Default: the deepest with feature "
            "maps of 7 rows or more.",
        ),
    ] = None,
    view: Annotated[
        Literal["full", Technique],
        typer.Option(help="Technique with which the video is shown, as in a test set of seed 0."),
    ] = "full",
    engine: options.GenerationEngine = "local",
    scheduler: options.Scheduler = None,
    force: options.Force = False,
    as_json: options.Json = False,
) -> None:
    """Show where teacher and student look (Grad-CAM).

    For rain.mp4 this writes the figure rain.explain.png and .pdf: heat maps, the real sound and the takes of
    each encoder. It also writes rain.explain.mp4: the frames with the heat of each encoder, and the real
    sound. If there is none, the last encoder's take is used. One window of the model is explained (8 s with
    lite); --start moves it. Several videos are shared by torchrun's processes or, with --engine dask, by the
    workers of a cluster.
    """
    check_extra("analysis")
    from cinefoley.data.parallel import Engine
    from cinefoley.pipelines.takes.model_choice import ModelChoice

    is_shared(engine, scheduler)  # options that do not fit together fail before any work
    check_stems_differ(videos)
    for video in videos:
        check_video(video)
    job = ExplainJob(
        out=out,
        model=ModelChoice(name=model, video_encoder=None if student is None else str(student)),
        start=start,
        num_takes=takes,
        seed=seed,
        num_inference_steps=steps,
        guidance_scale=guidance_scale,
        columns=columns,
        layer=layer,
        view=view,
    )
    if not force:
        suffixes = (".png", ".pdf", ".mp4")
        check_free(out / f"{job.stem(video)}{suffix}" for video in videos for suffix in suffixes)
    if "student" not in loaded_explainer(job.model)[1]:
        note(f"{model} has no student; only the teacher is explained. Name one with --student.")
    cluster = Engine(name="dask", scheduler=scheduler) if engine == "dask" else None
    described = {}
    try:
        for video, found in explain_shared(job, videos, cluster):
            described[video] = found
            if not as_json:
                _report(found)
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc
    if as_json and described:  # a rank may have had no video
        found_in_order = [described[video] for video in videos if video in described]
        print_json(found_in_order[0] if len(videos) == 1 else found_in_order)


def _report(found: dict[str, Any]) -> None:
    for name, mean in found["mean"].items():
        typer.echo(f"{name}: {found['explained']} {mean:.3f} (mean over frames)")
    for path in found["files"]:
        typer.echo(f"wrote {path}")
