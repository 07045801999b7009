"""Shared run: generate takes of many videos with torchrun's ranks, or on the workers of a Dask cluster."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from cinefoley.data.json_lines import Record, json_digest, write_json, write_records
from cinefoley.data.parallel import Engine, run_tasks
from cinefoley.data.shards.take_shards import TakeShardLayout, read_shard_record
from cinefoley.errors import DataError, OutputError
from cinefoley.media.files.claims import claim_each
from cinefoley.pipelines.ranks import joined_ranks, rank, world_size
from cinefoley.pipelines.takes.model_choice import loaded_in_worker
from cinefoley.pipelines.takes.take_job import TakeJob, make_files
from cinefoley.pipelines.takes.take_shard import TakeShard, describe_takes, is_finished, make_shard
from cinefoley.pipelines.takes.video_source import VideoSource

__all__ = ["generate_shared", "generate_to_shards", "videos_in_turn"]

_OUTCOMES = ".cinefoley-outcomes-"


def generate_shared(
    job: TakeJob,
    videos: Sequence[VideoSource],
    engine: Engine | None = None,
    *,
    on_video: Callable[[int, int], None] | None = None,
) -> list[Record] | None:
    """Generate takes as files. Videos are handed out one by one, to whoever is free.

    Args:
        job: What is generated.
        videos: The videos; their names differ.
        engine: A Dask cluster; otherwise the ranks that torchrun started share the videos.
        on_video: Called with finished and all videos, those of other ranks not included.

    Returns:
        The ledger, also written to ``ledger.jsonl``: a line for each video, in order. None on every rank but
        the first.

    Raises:
        CinefoleyError: If the model or the output folder cannot be used, or workers keep dying. Finished
            takes stay.
    """
    if engine is not None and engine.name == "dask":
        job = replace(job, model=job.model.pinned())
        lines = {}
        for line in run_tasks(partial(make_files, job), videos, engine):
            lines[line["film"]] = line
            if on_video is not None:
                on_video(len(lines), len(videos))
    else:
        with joined_ranks() as run:
            outcomes = job.out / f"{_OUTCOMES}{run}"
            for done, video in enumerate(_own_share(job, videos, outcomes), start=1):
                write_json(_outcome(outcomes, video), make_files(job, video))
                if on_video is not None:
                    on_video(done, len(videos))
        if rank() > 0:
            return None
        paths = [_outcome(outcomes, video) for video in videos]
        lines = {line["film"]: line for path in paths for line in [_read_outcome(path)]}
        for folder in job.out.glob(f"{_OUTCOMES}*"):  # also of runs that were killed
            shutil.rmtree(folder, ignore_errors=True)
    ledger = [lines[str(video.path)] for video in videos]
    write_records(job.out / "ledger.jsonl", ledger)
    return ledger


def videos_in_turn(videos: Sequence[VideoSource], out_dir: Path) -> Iterator[VideoSource]:
    """Yield every video; those that another command is generating for in the same folder come last.

    So commands that were started one by one share the work of a folder, and none waits for another before
    the end.

    Raises:
        OutputError: If the folder cannot be made.
    """
    if out_dir.exists() and not os.access(out_dir, os.W_OK):
        yield from videos  # perhaps all takes exist
        return
    yield from claim_each(videos, out_dir, lambda video: f"share {video.path.stem}", lambda video: False)


def generate_to_shards(
    job: TakeJob,
    videos: Sequence[VideoSource],
    engine: Engine | None = None,
    *,
    videos_per_shard: int = 16,
    on_video: Callable[[int, int], None] | None = None,
) -> list[Record] | None:
    """Generate takes into shards. Shards are handed out one by one, to whoever is free.

    Any number of processes may run this for the same folder: ranks, commands that were started one by one,
    or the workers of a cluster. An interrupted run resumes with the unfinished shards.

    Args:
        job: What is generated.
        videos: The videos; their names differ.
        engine: A Dask cluster; otherwise this process and the other ranks generate.
        videos_per_shard: Videos whose takes are in one shard: what a killed worker loses at most.
        on_video: Called with finished and all videos.

    Returns:
        The ledger, also written to ``ledger.jsonl``. None on every rank but the first.

    Raises:
        DataError: If the folder holds takes of another model or other settings, or workers keep dying.
        OutputError: If the folder cannot be written.
        CinefoleyError: If the model cannot be used. Finished shards stay.
    """
    layout = TakeShardLayout(job.out)
    about = describe_takes(job, loaded_in_worker(job.model).record)
    _begin(layout, about)
    numbers = range(0, len(videos), videos_per_shard)
    shards = [
        TakeShard.of(f"takes-{count:06d}", tuple(videos[start : start + videos_per_shard]), about)
        for count, start in enumerate(numbers)
    ]
    done = 0
    with joined_ranks():
        for size in _make_missing(job, shards, layout, engine):
            done += size
            if on_video is not None:
                on_video(done, len(videos))
    return _finish(layout, shards) if rank() == 0 else None


def _own_share(job: TakeJob, videos: Sequence[VideoSource], outcomes: Path) -> Iterator[VideoSource]:
    try:
        outcomes.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise OutputError(
            f"{job.out}: cannot be written ({exc.strerror}). Choose a writable folder with -o."
        ) from exc
    if job.settings.overwrites:  # no take shows that it is a new one
        yield from videos[rank() :: world_size()]
        return
    yield from claim_each(
        videos,
        job.out,
        lambda video: f"share {video.path.stem}",
        lambda video: _outcome(outcomes, video).exists(),
    )


def _outcome(outcomes: Path, video: VideoSource) -> Path:
    return outcomes / f"{json_digest(str(video.path))[:32]}.json"


def _read_outcome(path: Path) -> Record:
    try:
        line: Record = json.loads(path.read_bytes())
    except (OSError, ValueError) as exc:
        raise DataError(f"{path}: an outcome has disappeared ({exc}). Run the same command again.") from exc
    return line


def _begin(layout: TakeShardLayout, about: Record) -> None:
    """Make the folder; it must be empty, or hold takes of the same model and settings."""
    try:
        layout.shards.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise OutputError(
            f"{layout.folder}: cannot be written ({exc.strerror}). Choose a writable folder."
        ) from exc
    there = layout.read_about()
    if there is None:
        own = (layout.shards, layout.about)  # other ranks may be as far
        if any(path not in own and path.name[0] != "." for path in layout.folder.iterdir()):
            raise DataError(f"{layout.folder}: holds other files. Choose an empty folder with -o.")
        write_json(layout.about, layout.new_about(about))
        return
    changes = [key for key, value in about["settings"].items() if there["settings"].get(key) != value]
    if there["model"]["sha256"] != about["model"]["sha256"]:
        changes.append("model")
    if changes:
        raise DataError(
            f"{layout.folder}: holds takes with another {', '.join(changes)}. Choose another folder with -o."
        )


def _make_missing(
    job: TakeJob, shards: Sequence[TakeShard], layout: TakeShardLayout, engine: Engine | None
) -> Iterator[int]:
    """Numbers of videos as they are finished; the first is that of earlier runs."""
    missing = [shard for shard in shards if not is_finished(layout, shard)]
    if missing and rank() == 0:
        layout.ledger.unlink(missing_ok=True)  # it is written when all shards are finished
    yield sum(map(len, shards)) - sum(map(len, missing))
    if engine is not None and engine.name == "dask":
        job = replace(job, model=job.model.pinned())
        yield from run_tasks(partial(make_shard, job), missing, engine)
        return
    for shard in claim_each(
        missing,
        layout.shards,
        lambda shard: f"share {shard.name}",
        lambda shard: is_finished(layout, shard),
    ):
        yield make_shard(job, shard)


def _finish(layout: TakeShardLayout, shards: Sequence[TakeShard]) -> list[Record]:
    ledger: list[Record] = []
    for shard in shards:
        record = read_shard_record(layout, shard.name)
        if record is None:
            raise DataError(f"{layout.tar(shard.name)}: has disappeared or is damaged. Run again.")
        ledger += record["rows"]
    write_records(layout.ledger, ledger)
    return ledger
