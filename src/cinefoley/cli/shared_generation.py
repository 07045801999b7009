"""``cinefoley generate`` on several processes or machines, and into shards."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from cinefoley.cli.outputs import echo_error, print_json, resumable
from cinefoley.cli.progress import step_bar

if TYPE_CHECKING:
    from cinefoley.data.json_lines import Record
    from cinefoley.pipelines.takes.model_choice import ModelChoice
    from cinefoley.pipelines.takes.settings import GenerationSettings
    from cinefoley.pipelines.takes.video_source import VideoSource

__all__ = ["Sharing", "check_window_outputs", "is_shared", "run_shared"]

_MOST_ERRORS = 10  # the ledger has all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """How the work is shared, and what is printed."""

    engine: Literal["local", "dask"]
    """This process and torchrun's other ranks, or a cluster."""
    scheduler: str | None
    """Address of the cluster's scheduler."""
    videos_per_shard: int | None
    """Videos whose takes are in one shard; None writes files."""
    as_json: bool
    """Whether the result is printed as JSON."""
    is_quiet: bool
    """Whether no progress is drawn."""

    @property
    def is_shared(self) -> bool:
        """Whether several processes share the work, or takes go into shards."""
        return self.videos_per_shard is not None or is_shared(self.engine, self.scheduler)

    def check(self, settings: "GenerationSettings", redo: str | None) -> None:
        """Reject options that do not fit together.

        Raises:
            BadParameter: If there are some.
        """
        if self.is_shared and redo is not None:
            raise typer.BadParameter("--redo changes one take: leave out --to-shards, --engine and torchrun.")
        if self.videos_per_shard is not None and (settings.overwrites or settings.subtype == "FLOAT"):
            raise typer.BadParameter(
                "--to-shards needs an empty or its own folder and PCM samples: leave out --force and "
                "--subtype FLOAT."
            )


def is_shared(engine: str, scheduler: str | None) -> bool:
    """Whether several processes share the work.

    Raises:
        BadParameter: If engine and scheduler do not fit together.
    """
    if (engine == "dask") != (scheduler is not None):
        raise typer.BadParameter("--engine dask and --scheduler ADDRESS are used together.")
    return engine == "dask" or int(os.environ.get("WORLD_SIZE", "1")) > 1


def check_window_outputs(videos: "Sequence[VideoSource]", settings: "GenerationSettings") -> None:
    """Reject videos of windows of a test set that contains no videos.

    Raises:
        BadParameter: If there is such a test set, and videos are to be written.
    """
    from cinefoley.pipelines.takes.video_source import ViewVideo

    if settings.writes_video and any(isinstance(video, ViewVideo) for video in videos):
        raise typer.BadParameter(
            "a test set of windows has no videos: pass --sound-only or --to-shards, or build it "
            "without --view."
        )


def run_shared(
    out: Path,
    settings: "GenerationSettings",
    model: "ModelChoice",
    videos: "Sequence[VideoSource]",
    sharing: Sharing,
) -> None:
    """Generate, and print a summary on rank 0.

    Raises:
        CinefoleyError: As :func:`~cinefoley.pipelines.takes.shared_run.generate_shared`.
        Exit: With code 1, if a video was skipped.
    """
    from cinefoley.data.parallel import Engine
    from cinefoley.pipelines.takes.shared_run import generate_shared, generate_to_shards
    from cinefoley.pipelines.takes.take_job import TakeJob

    engine = Engine(name="dask", scheduler=sharing.scheduler) if sharing.engine == "dask" else None
    job = TakeJob(out=out.absolute(), settings=settings, model=model)
    size = sharing.videos_per_shard
    generate = generate_shared if size is None else partial(generate_to_shards, videos_per_shard=size)
    with (
        step_bar("generating", is_wanted=not sharing.is_quiet) as on_video,
        resumable("finished takes"),
    ):
        ledger = generate(job, videos, engine, on_video=on_video)
    if ledger is not None:  # rank 0 prints
        _report(out, ledger, as_json=sharing.as_json)


def _report(out: Path, ledger: "Sequence[Record]", *, as_json: bool) -> None:
    skipped = [line for line in ledger if line["outcome"] == "skipped"]
    made = [line for line in ledger if line["outcome"] == "made"]
    takes = sum(len(line["takes"]) for line in made)
    if as_json:
        totals = {"made": len(made), "skipped": len(skipped), "takes": takes}
        print_json({"out": str(out), "totals": totals, "ledger": list(ledger)})
    else:
        typer.echo(f"{out}: {takes} takes of {len(made)} videos, {len(skipped)} skipped (see ledger.jsonl)")
    for line in skipped[:_MOST_ERRORS]:
        echo_error(line["message"])
    if skipped:
        typer.echo(f"{len(skipped)} of {len(ledger)} videos failed.", err=True)
        raise typer.Exit(1)
