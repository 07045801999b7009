"""Figure 5: the categories in which the student gains most on close-ups."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import typer

from cinefoley.cli.extras import check_extra
from cinefoley.cli.outputs import note, print_json, write_texts
from cinefoley.cli.progress import Preparation
from cinefoley.cli.reproduction.protocol import sampling_words
from cinefoley.cli.reproduction.setup import Given, open_experiment, table_plan
from cinefoley.cli.training_run import data_name

if TYPE_CHECKING:
    from cinefoley.evaluation.paper.experiment import Experiment

__all__ = ["figure5"]


def figure5(given: Given) -> None:
    """Draw Figure 5: the categories of close-ups in which the student gains most.

    Existing takes of Table 1 in the output folder are used. The student is the one that ``--student`` names,
    else Table 1's first, else the model's own.

    Raises:
        DataError: If the clips have no categories.
        MissingWeightsError: If there is no student.
    """
    from cinefoley.analysis.category_figure import draw_category_gains
    from cinefoley.analysis.category_gains import category_gains
    from cinefoley.analysis.style import save_figure
    from cinefoley.errors import DataError, MissingWeightsError
    from cinefoley.evaluation.paper.model_parts import part_name
    from cinefoley.metrics.alignment import alignment_accuracy
    from cinefoley.models.folder import load_part
    from cinefoley.models.video_encoder import VideoEncoder

    check_extra("analysis")
    plan = table_plan("table1", given)
    experiment = open_experiment(plan, given)
    experiment = replace(experiment, settings=replace(experiment.settings, num_takes=plan.takes))
    trained = given["out"] / "runs" / "paper-0" / "video_encoder"
    choices = (given["student"], trained, experiment.model_folder / "video_encoder_student")
    student = next((path for path in choices if path is not None and path.is_dir()), None)
    if student is None or given["student"] not in (None, student):
        raise MissingWeightsError(f"{given['student'] or given['model']}: no student found.")
    if given["student"] is None and student != trained and not given["quiet"]:
        note(f"{trained} does not exist; using the student of {given['model']}.")
    teacher = load_part(experiment.model_folder / "video_encoder", VideoEncoder).to(experiment.device)
    with Preparation(is_wanted=not given["quiet"]) as preparation:
        real = experiment.read_real(teacher, on_clip=lambda *done: preparation.show("real clips", *done))
        probabilities = {
            name: experiment.measure(
                real,
                "close_up",
                encoder,
                on_clip=lambda *done, what=name: preparation.show(what, *done),
            ).probability
            for name, encoder in (("teacher", "teacher"), ("student", student))
        }
    gains = category_gains(real.labels, probabilities["teacher"], probabilities["student"])
    if not gains:
        raise DataError(
            f"{experiment.source.name}: its clips have no categories. Pass a split CSV with labels with "
            "--csv."
        )
    overall = {name: float(alignment_accuracy(value.flatten())) for name, value in probabilities.items()}
    figure = draw_category_gains(
        gains, overall_teacher=overall["teacher"], overall_student=overall["student"]
    )
    files = [str(path) for path in save_figure(figure, given["out"] / "figure5")]
    rows: list[dict[str, Any]] = [
        {"category": g.label, "clips": g.clips, "teacher": g.teacher, "student": g.student} for g in gains
    ]
    everything: dict[str, Any] = {"category": "overall", "clips": len(real), **overall}
    protocol = _protocol(given, experiment, len(real), part_name(student))
    text = _page([everything, *rows], protocol)
    write_texts(given["out"], {"figure5.md": text})
    if given["as_json"]:
        print_json({"protocol": protocol, "files": files, "overall": overall, "categories": rows})
        return
    typer.echo(text)
    for path in files:
        typer.echo(f"wrote {path}")


def _page(rows: Sequence[dict[str, Any]], protocol: str) -> str:
    lines = ["| category | clips | teacher | student | gain |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        teacher, student = 100 * float(row["teacher"]), 100 * float(row["student"])
        shares = f"{teacher:.1f} | {student:.1f} | {student - teacher:+.1f}"
        lines.append(f"| {row['category']} | {row['clips']} | {shares} |")
    table = "\n".join(lines)
    return (
        "# Figure 5: alignment accuracy by category, on close-ups\n\nIn %, the categories with the largest "
        f"gains first, 25 at most.\n\n{table}\n\nProtocol: {protocol}.\n"
    )


def _protocol(given: Given, experiment: "Experiment", clips: int, student: str) -> str:
    from cinefoley import __version__

    settings = experiment.settings
    return (
        f"{data_name(given)}, {clips} test clips as close-ups, windows of seed {settings.window_seed}, "
        f"{settings.num_takes} takes, the same noise for both; generator {given['model']}, "
        f"{sampling_words(settings)}, {experiment.dtype}; "
        f"student {student}; Align Acc by the model's classifier, of the generated mel, posterior mean, "
        f"with the teacher's features of the whole clip; cinefoley {__version__}, {date.today()}"
    )
