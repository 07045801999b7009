"""``cinefoley data``: decode datasets of clips into WebDataset shards, and inspect shards."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cinefoley.cli import options
from cinefoley.cli.outputs import print_json, resumable
from cinefoley.cli.progress import step_bar
from cinefoley.cli.renamed_options import with_old_names
from cinefoley.errors import CinefoleyError

if TYPE_CHECKING:
    from cinefoley.data.shards.prepare import PreparedShards

__all__ = ["app"]

app = typer.Typer(
    help="Prepare datasets as shards, and inspect shards.",
    no_args_is_help=True,
)

# A test checks that the defaults are those of ShardSettings; importing it here would load torch.


@app.command(cls=with_old_names(clips="data", jobs="workers", quality="jpeg-quality", least="min-duration"))
def prepare(
    data: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the videos.")],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Output folder for the shards. If the command was stopped, the same command resumes it.",
        ),
    ],
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Split CSV of the clips, in VGGSound's format: id,start,label,split. Default: all videos, "
            "without labels.",
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Use only the rows of this split.")
    ] = None,
    labels: options.Labels = None,
    engine: Annotated[
        Literal["processes", "dask"],
        typer.Option(help="Where to run the workers: processes on this machine, or a Dask cluster."),
    ] = "processes",
    scheduler: options.Scheduler = None,
    workers: options.Workers = -1,
    short_side: Annotated[
        int,
        typer.Option(min=16, metavar="PX", help="Shorter side of the stored frames, in pixels, at most."),
    ] = 560,
    jpeg_quality: Annotated[
        int, typer.Option(min=1, max=95, metavar="N", help="JPEG quality of the stored frames.")
    ] = 90,
    fps: Annotated[
        float,
        typer.Option(
            min=0.1, metavar="N", help="Frames per second to store: those that the model reads (models info)."
        ),
    ] = 4.0,
    frame_choice: Annotated[
        Literal["before_middle", "nearest"],
        typer.Option(help="Frame to store for each instant: as the model chooses it (models info)."),
    ] = "before_middle",
    duration: Annotated[
        float, typer.Option(min=0.5, metavar="S", help="Length to store of each clip, in seconds.")
    ] = 10.0,
    min_duration: Annotated[
        float, typer.Option(min=0.25, metavar="S", help="Skip clips with a shorter video stream, in seconds.")
    ] = 8.067,
    clips_per_shard: Annotated[
        int, typer.Option(min=1, metavar="N", help="Number of rows of the split CSV per shard.")
    ] = 64,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Decode every clip of a dataset once, into WebDataset shards.

    DIR gets shards/*.tar (JPEG frames, FLAC audio at 16 kHz, mel spectrogram, label, digests),
    index.jsonl, and ledger.jsonl with the outcome of every row: used, or skipped as missing, unreadable, no
    picture, no sound, mute, still or too short. The shards are the same bytes for any number of workers.
    """
    from cinefoley.data.parallel import Engine
    from cinefoley.data.shards.layout import ShardSettings
    from cinefoley.data.shards.prepare import prepare_shards
    from cinefoley.data.source_argument import read_labels

    if csv is None and (split is not None or labels is not None):
        raise typer.BadParameter("--split and --labels are for a split CSV: pass one with --csv.")
    try:
        settings = ShardSettings(
            short_side=short_side,
            jpeg_quality=jpeg_quality,
            fps=fps,
            frame_choice=frame_choice,
            duration_s=duration,
            least_s=min(min_duration, duration),
            clips_per_shard=clips_per_shard,
        )
        worker = Engine(name=engine, jobs=workers, scheduler=scheduler)
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc
    with resumable("finished shards"), step_bar("rows", is_wanted=not quiet) as step:
        prepared = prepare_shards(
            data,
            out,
            csv=csv,
            split=split,
            label_names=None if labels is None else read_labels(labels),
            settings=settings,
            engine=worker,
            on_rows=step,
        )
    _report(prepared, as_json=as_json, quiet=quiet)


def _report(prepared: "PreparedShards", *, as_json: bool, quiet: bool) -> None:
    if as_json:
        report = {
            "folder": str(prepared.folder),
            "num_rows": prepared.num_rows,
            "totals": prepared.totals,
            "num_shards": prepared.num_shards,
            "num_bytes": prepared.num_bytes,
            "num_made": prepared.num_made,
        }
        print_json(report)
    else:
        typer.echo(prepared.folder)
    if not quiet:
        counts = ", ".join(f"{number} {outcome}" for outcome, number in prepared.totals.items())
        size = f"{prepared.num_shards} shards, {prepared.num_bytes / 1e6:,.1f} MB"
        typer.echo(f"{prepared.num_rows} rows: {counts}; {size}", err=True)
        if prepared.num_clips < prepared.num_rows:
            typer.echo(f"reasons: {prepared.folder / 'ledger.jsonl'}", err=True)
    if not prepared.num_clips:
        ledger = prepared.folder / "ledger.jsonl"
        raise CinefoleyError(f"{prepared.folder}: no clip could be used; {ledger} lists the reasons.")


@app.command()
def inspect(
    folder: Annotated[Path, typer.Argument(metavar="SHARDS", help="Folder of shards.")],
    page: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="HTML report to write. Default: SHARDS/inspect.html."),
    ] = None,
    clips: Annotated[
        int, typer.Option(min=0, metavar="N", help="Number of clips to show in the report.")
    ] = 24,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Random seed that chooses the clips.")] = 0,
    check: Annotated[
        bool, typer.Option("--check", help="Also compare every shard with its recorded digest.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Summarise shards: print counts, and write an HTML report with durations, labels, frames and sound."""
    from cinefoley.data.shards.html_report import write_html_report
    from cinefoley.data.shards.summary import check_shards, summarize

    summary = summarize(folder)
    if check:
        check_shards(folder)
    path = write_html_report(folder, summary, page or folder / "inspect.html", num_clips=clips, seed=seed)
    if as_json:
        print_json(summary.as_json() | {"page": str(path)})
    else:
        for name, value in summary.lines():
            typer.echo(f"{name:<24} {value}")
        typer.echo(path)
