"""``cinefoley reproduce``: the paper's tables and figures, one command each."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cinefoley.cli import options
from cinefoley.cli.reproduction.figure4 import figure4
from cinefoley.cli.reproduction.figure5 import figure5
from cinefoley.cli.reproduction.figure6 import figure6
from cinefoley.cli.reproduction.film_language import export_film_language, film_language
from cinefoley.cli.reproduction.tables import reproduce_tables
from cinefoley.cli.shared_generation import is_shared
from cinefoley.config.variations import check_scale_range

if TYPE_CHECKING:
    from cinefoley.cli.reproduction.setup import Given

__all__ = ["reproduce"]

_BACKBONES = ("panns", "vggish", "lite")
_SET_BY_QUICK = ("epochs", "num_inference_steps", "bootstrap")
_EVERY_FIGURE = {"out", "model", "num_inference_steps", "guidance_scale", "as_json", "quiet", "student"}
_OPTIONS_USED: dict[str, set[str]] = {
    "table2": {"out", "quiet"},
    "figure4": _EVERY_FIGURE | {"view"},
    "figure5": _EVERY_FIGURE | {"data", "csv", "backbone", "clips", "takes", "quick", "precision", "device"},
    "figure6": _EVERY_FIGURE | {"data", "clips", "quick"},
}
"""Options that each uses. The other tables use all but those of film_language, which uses all."""
_OF_FILM_LANGUAGE = {"student", "entry", "export"}


def reproduce(
    context: typer.Context,
    table: Annotated[
        Literal[
            "table1",
            "table2",
            "table3",
            "table4",
            "figure4",
            "figure5",
            "figure6",
            "film_language",
            "all",
        ],
        typer.Argument(help="Table or figure; all: tables 1, 3 and 4; film_language: every technique."),
    ],
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[STUDY.toml|VIDEO...]",
            help="For table2, the TOML file of a listening study. For figure4 and figure6, videos; default: "
            "clips of the Foley stage. stage:N is test clip N of the stage, for figure4.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="DIR",
            help="Output folder for tables and figures, trained encoders, and intermediate results. "
            "Required, except for table2.",
        ),
    ] = None,
    data: options.Data = "stage",
    csv: options.Csv = None,
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME|FOLDER|HUB-ID",
            help="Model that provides the teacher, the generator and the alignment classifier.",
        ),
    ] = "lite",
    backbone: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Network whose features the metrics compare: panns, vggish or lite; may be repeated. "
            "Default: lite on the Foley stage, otherwise panns and vggish.",
        ),
    ] = None,
    student: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="For figures: student video encoder to compare with the teacher. Default: the model's own; "
            "for figure5, the one that table1 trained.",
        ),
    ] = None,
    clips: Annotated[
        int | None, typer.Option(min=2, metavar="N", help="Number of test clips. Default: the table's.")
    ] = None,
    takes: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Number of takes per clip. Default: the table's.")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Number of training runs, each with its own seed. Default: the table's."
        ),
    ] = None,
    view: Annotated[
        list[str] | None,
        typer.Option(
            metavar="full|close_up|camera_movement|...",
            help="Evaluate only this view, and the full view for comparison; may be repeated. For "
            "film_language also the other techniques, such as zoom; for figure4, the views to draw. "
            "Default: all.",
        ),
    ] = None,
    entry: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FOLDER",
            help="For film_language: sounds of another system, FOLDER/zoom/test-000000.wav and so on, as a "
            "row of the table; may be repeated.",
        ),
    ] = None,
    export: Annotated[
        bool,
        typer.Option(
            "--export", help="For film_language: write the test sets as videos, and compute nothing."
        ),
    ] = False,
    method: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Evaluate only this row, such as student or f_cu, and the teacher's; may be repeated. "
            "Default: all rows.",
        ),
    ] = None,
    train_clips: Annotated[
        int | None,
        typer.Option(
            min=2, metavar="N", help="Number of training clips. Default: all; of the Foley stage, 2048."
        ),
    ] = None,
    epochs: Annotated[
        float | None, typer.Option(metavar="N", help="Number of passes over the training clips. Default: 25.")
    ] = None,
    scale_range: options.ScaleRange = None,
    max_grad_norm: options.MaxGradNorm = None,
    quality: Annotated[
        Literal["paper", "balanced", "draft"],
        typer.Option(help="Sampling preset of the takes; the protocol line states another than the paper's."),
    ] = "paper",
    num_inference_steps: Annotated[
        int | None,
        typer.Option(
            "--steps",
            min=1,
            metavar="N",
            help="Number of denoising steps per window. Default: the quality's; of paper, 25.",
        ),
    ] = None,
    guidance_scale: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="SCALE",
            help="Strength of classifier-free guidance by the video; 1: no guidance. Default: the quality's; "
            "of paper, 4.5.",
        ),
    ] = None,
    bootstrap: options.Bootstrap = 200,
    part: Annotated[
        str,
        typer.Option(
            metavar="K/N",
            help="Compute only the K-th of N parts of a table's encoders. Run the parts as separate "
            "processes or on several machines, and collect their DIR/scores. In a shared folder, torchrun "
            "shares more.",
        ),
    ] = "1/1",
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Smoke test: a few clips and steps, some minutes, no valid results."),
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(min=2, metavar="N", help="Pilot: use the first N training and the first N test clips."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the steps of a table and their cost in hours, computed from short measurements on "
            "this device, and stop.",
        ),
    ] = False,
    devices: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            metavar="N",
            help="With --dry-run: number of devices to compute the hours for; may be repeated. Default: 1, 4 "
            "and 64.",
        ),
    ] = None,
    engine: options.GenerationEngine = "local",
    scheduler: options.Scheduler = None,
    precision: Annotated[
        Literal["auto", "bf16", "fp32"], typer.Option(help="Number format in training and generation.")
    ] = "auto",
    workers: options.Workers = -1,
    device: options.Device = "auto",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Reproduce the tables and figures of the paper.

    A table takes several steps: distil students, build test sets, generate takes, and evaluate them. table2
    counts the votes of a listening study (see `cinefoley study`). figure4 shows clips as close-ups and camera
    movements, with the sound of teacher and student. figure5 shows the categories in which the student gains
    most on close-ups. figure6 shows where both encoders look (see `cinefoley explain`), and on the Foley
    stage measures how much of that is on the sound sources.

    film_language shows what every technique costs the teacher, and what the paper's student and the model's
    own recover, with the sounds of other systems beside them; --export writes its test sets as videos.

    Tables are printed beside the paper's, with a protocol line, and written to DIR. Finished work is stored
    in DIR, shared between tables, and resumed by the same command.

    On real data, the default is the paper's protocol: all test clips, 10 takes. torchrun shares all steps of
    a table among processes, each with its GPU or core; --engine dask lets a cluster generate and measure.
    """
    _reject_unused(context, table)
    _check_backbones(backbone or [])
    options.check_bootstrap(bootstrap)
    named = files or []
    if (table == "table2" and len(named) != 1) or (named and table not in ("table2", "figure4", "figure6")):
        raise typer.BadParameter("table2 needs the TOML file of one study; other tables take no file.")
    if table == "table2":
        _table2(named[0])
        return
    if out is None:
        raise typer.BadParameter("name an output folder with -o.")
    _check_training(epochs, scale_range)
    is_shared(engine, scheduler)  # options that do not fit together fail before any work
    given: Given = locals() | {"workers": options.count_workers(workers)}
    given |= _sampling(quality, num_inference_steps, guidance_scale)
    _compute(table, given, named)


def _compute(table: str, given: "Given", named: Sequence[Path]) -> None:
    match table:
        case "figure4":
            figure4(given, named)
        case "figure5":
            figure5(given)
        case "figure6":
            figure6(given, named)
        case "film_language" if given["export"]:
            export_film_language(given)
        case _ if given["dry_run"]:
            _print_costs(table, given)
        case "film_language":
            film_language(given, _read_part(given["part"]))
        case _:
            reproduce_tables(given, _read_part(given["part"]))


def _sampling(
    quality: Literal["paper", "balanced", "draft"], steps: int | None, scale: float | None
) -> "Given":
    """Steps and guidance: those that were given, or the quality's."""
    from cinefoley.pipelines.quality import QUALITIES

    preset = QUALITIES[quality]
    return {
        "num_inference_steps": preset.num_inference_steps if steps is None else steps,
        "guidance_scale": preset.guidance_scale if scale is None else scale,
    }


def _reject_unused(context: typer.Context, table: str) -> None:
    """Reject options without effect: a user would believe that they had one."""
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        is_given = source is not None and source.name == "COMMANDLINE"
        is_used = table == "film_language" or name not in _OF_FILM_LANGUAGE
        if table in _OPTIONS_USED:
            is_used = name in _OPTIONS_USED[table]
        if is_given and not (is_used or name in ("table", "files")):
            raise typer.BadParameter(f"{table} does not use {parameter.opts[0]}; leave it out.")
        if is_given and context.params["quick"] and name in _SET_BY_QUICK:
            raise typer.BadParameter(f"--quick sets {parameter.opts[0]}; leave one of them out.")


def _check_backbones(names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in _BACKBONES]
    if unknown:
        raise typer.BadParameter(f"--backbone is one of {', '.join(_BACKBONES)}; got {', '.join(unknown)}.")
    of_clips = sorted({*names} - {"vggish"})
    if len(of_clips) > 1:
        raise typer.BadParameter(
            f"--backbone {' and '.join(of_clips)} would both measure FD, KID, KL and IS; name one of them."
        )


def _check_training(epochs: float | None, scale_range: tuple[float, float] | None) -> None:
    if epochs is not None and not 0 < epochs < math.inf:
        raise typer.BadParameter(f"--epochs must be positive and finite, got {epochs:g}.")
    if scale_range is not None:
        try:
            check_scale_range(scale_range)
        except ValueError as exc:
            raise typer.BadParameter(f"{exc}.") from exc


def _read_part(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", text)
    if found is None or int(found[1]) > int(found[2]):
        raise typer.BadParameter(f"--part is K/N with K from 1 to N, such as 2/3; got {text!r}.")
    return int(found[1]), int(found[2])


def _print_costs(table: str, given: "Given") -> None:
    from cinefoley.cli.reproduction.dry_run import print_costs

    if table == "all":
        raise typer.BadParameter("--dry-run is for one table: table1, table3 or table4.")
    print_costs(table, given)  # type: ignore[arg-type]  # the other names have their own branches


def _table2(study: Path) -> None:
    from cinefoley.study.results import read_results
    from cinefoley.study.table2 import table2

    typer.echo(table2(read_results(study)))
