"""Takes of a table generated and measured by the workers of a Dask cluster."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from cinefoley.cli.reproduction.setup import Given, open_experiment, table_plan
from cinefoley.data.json_lines import Record
from cinefoley.data.parallel import Engine, one_thread, run_tasks
from cinefoley.evaluation.paper.experiment import Experiment, RealClips
from cinefoley.models.folder import load_part
from cinefoley.models.video_encoder import VideoEncoder

if TYPE_CHECKING:
    from cinefoley.evaluation.paper.tables import TableName
    from cinefoley.evaluation.views import View

__all__ = ["cluster_measure"]

_USED = (
    *("quick", "clips", "takes", "seeds", "view", "method", "model", "data", "csv", "backbone", "device"),
    *("out", "num_inference_steps", "guidance_scale", "quality", "precision", "limit"),
)
_PATHS = ("csv", "out")
_ROUNDS = 2  # tasks for each worker, so that workers which join later have some


@dataclass(frozen=True, slots=True)
class _Share:
    """What a worker does: whatever files of one encoder in one view are still missing."""

    table: "TableName"
    given: str
    dtype: str
    view: "View"
    video_encoder: str


def cluster_measure(
    table: "TableName", given: Given, experiment: Experiment
) -> "Callable[[View, Path | None], None] | None":
    """A function that lets the workers of ``--scheduler`` measure an encoder in a view; None without one.

    Workers divide the work by the claims of the experiment's cache, as ranks do, so the cluster only starts
    them; one that dies is replaced.

    Args:
        table: The table.
        given: Values of the command's options.
        experiment: Decides the number format.
    """
    if given["engine"] != "dask":
        return None
    engine = Engine(name="dask", scheduler=given["scheduler"])
    content: Record = {key: given[key] for key in _USED}
    content |= {key: None if given[key] is None else str(Path(given[key]).absolute()) for key in _PATHS}
    text = json.dumps(content | {"data": _absolute(given["data"]), "model": _absolute(given["model"])})
    dtype = str(experiment.dtype).removeprefix("torch.")

    def measure(view: "View", folder: Path | None) -> None:
        encoder = "teacher" if folder is None else str(folder.absolute())
        share = _Share(table, text, dtype, view, encoder)
        for _ in run_tasks(partial(_measure, share), range(_ROUNDS * engine.count_workers()), engine):
            pass

    return measure


def _absolute(name: str) -> str:
    return str(Path(name).absolute()) if Path(name).is_dir() else name


def _measure(share: _Share, _: int) -> None:
    with one_thread():
        experiment, real = _opened_in_worker(share.table, share.given, share.dtype)
        experiment.measure(real, share.view, share.video_encoder)


@lru_cache(maxsize=1)
def _opened_in_worker(table: "TableName", text: str, dtype: str) -> tuple[Experiment, RealClips]:
    given: Given = json.loads(text)
    given |= {key: None if given[key] is None else Path(given[key]) for key in _PATHS}
    plan = table_plan(table, given)
    experiment = open_experiment(plan, given)
    experiment = replace(
        experiment,
        dtype=getattr(torch, dtype),
        settings=replace(experiment.settings, num_takes=plan.takes),
    )
    teacher = load_part(experiment.model_folder / "video_encoder", VideoEncoder)
    return experiment, experiment.read_real(teacher.to(experiment.device))
