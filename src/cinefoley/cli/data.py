"""``cinefoley data``: whole data sets of clips, decoded once into shards, and a look at them."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cinefoley.cli.progress import progress_bar
from cinefoley.errors import CinefoleyError

if TYPE_CHECKING:
    from cinefoley.data.shards.prepare import PreparedShards
    from cinefoley.data.shards.summary import ShardSummary

__all__ = ["app"]

app = typer.Typer(
    help="VGGSound, or any folder of clips: decoded once into shards, and looked at.", no_args_is_help=True
)

# The defaults are ShardSettings', which a test holds them to; importing them would load torch.


@app.command()
def prepare(
    clips: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the films.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the shards; go on by repeating.")
    ],
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The list: id,start,label,split (VGGSound's). Default: every film, without labels.",
            show_default=False,
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only the list's rows of this split.", show_default=False),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Labels that the list may have, one a line.", show_default=False),
    ] = None,
    engine: Annotated[
        Literal["processes", "dask"], typer.Option(help="This machine's processes, or a Dask cluster.")
    ] = "processes",
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Of the Dask scheduler, e.g. tcp://10.0.0.1:8786.", show_default=False
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(metavar="N", help="Processes at work; -1 for every core.")] = -1,
    short_side: Annotated[
        int, typer.Option(min=16, metavar="PX", help="Pixels of a picture's shorter side at most.")
    ] = 560,
    quality: Annotated[int, typer.Option(min=1, max=95, metavar="N", help="Of the JPEG pictures.")] = 90,
    duration: Annotated[
        float, typer.Option(min=0.5, metavar="S", help="Seconds that are kept of a clip.")
    ] = 10.0,
    least: Annotated[
        float, typer.Option(min=0.25, metavar="S", help="A clip with less picture is too short.")
    ] = 8.067,
    clips_per_shard: Annotated[
        int, typer.Option(min=1, metavar="N", help="Rows of the list in one shard.")
    ] = 64,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar, no notes.")] = False,
) -> None:
    """Decode every clip of a list once into WebDataset shards, and account for every row.

    DIR gets shards/*.tar (JPEG pictures at 4 a second, FLAC of 16 kHz, mel, labels, digests), index.jsonl,
    and ledger.jsonl: used, or missing, unreadable, no picture, no sound, mute, still, too short. Shards are
    the same bytes for any number of workers. A run that was stopped goes on where it was.
    """
    from cinefoley.data.parallel import Engine
    from cinefoley.data.shards.layout import ShardSettings
    from cinefoley.data.shards.prepare import prepare_shards
    from cinefoley.data.source_argument import read_labels

    if csv is None and (split is not None or labels is not None):
        raise typer.BadParameter("--split and --labels are about a list: name it with --csv.")
    try:
        settings = ShardSettings(
            short_side=short_side,
            jpeg_quality=quality,
            duration_s=duration,
            least_s=min(least, duration),
            clips_per_shard=clips_per_shard,
        )
        worker = Engine(name=engine, jobs=jobs, scheduler=scheduler)
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc
    try:
        with ExitStack() as drawn:
            step = drawn.enter_context(progress_bar(1, is_wanted=not quiet)).film(0, "rows")
            prepared = prepare_shards(
                clips,
                out,
                csv=csv,
                split=split,
                label_names=None if labels is None else read_labels(labels),
                settings=settings,
                engine=worker,
                on_rows=step,
            )
    except KeyboardInterrupt:
        typer.echo("interrupted; finished shards are kept, and the same command makes the others.", err=True)
        raise
    _tell(prepared, as_json=as_json, quiet=quiet)


def _tell(prepared: "PreparedShards", *, as_json: bool, quiet: bool) -> None:
    if as_json:
        report = {
            "folder": str(prepared.folder),
            "num_rows": prepared.num_rows,
            "totals": prepared.totals,
            "num_shards": prepared.num_shards,
            "num_bytes": prepared.num_bytes,
            "num_made": prepared.num_made,
        }
        typer.echo(json.dumps(report, indent=2))
    else:
        typer.echo(prepared.folder)
    if not quiet:
        told = ", ".join(f"{number} {outcome}" for outcome, number in prepared.totals.items())
        size = f"{prepared.num_shards} shards, {prepared.num_bytes / 1e6:,.1f} MB"
        typer.echo(f"{prepared.num_rows} rows: {told}; {size}", err=True)
        if prepared.num_clips < prepared.num_rows:
            typer.echo(f"why: {prepared.folder / 'ledger.jsonl'}", err=True)
    if not prepared.num_clips:
        ledger = prepared.folder / "ledger.jsonl"
        raise CinefoleyError(f"{prepared.folder}: not one clip could be used; see {ledger}.")


@app.command()
def inspect(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of shards.")],
    page: Annotated[
        Path | None,
        typer.Option(
            "--page",
            metavar="FILE.html",
            help="Where the page goes. Default: DIR/inspect.html.",
            show_default=False,
        ),
    ] = None,
    clips: Annotated[int, typer.Option(min=0, metavar="N", help="Clips that the page shows.")] = 24,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Chooses them.")] = 0,
    check: Annotated[
        bool, typer.Option("--check", help="Read every shard again, and compare it with its digest.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Count what is in shards, and write a page that shows it: durations, labels, pictures and sound."""
    from cinefoley.data.shards.html_report import write_html_report
    from cinefoley.data.shards.summary import check_shards, summarize

    summary = summarize(folder)
    if check:
        check_shards(folder)
    path = write_html_report(folder, summary, page or folder / "inspect.html", num_clips=clips, seed=seed)
    if as_json:
        typer.echo(json.dumps(summary.as_json() | {"page": str(path)}, indent=2))
    else:
        _print(summary)
        typer.echo(path)


def _print(summary: "ShardSummary") -> None:
    for name, value in summary.lines():
        typer.echo(f"{name:<24} {value}")
