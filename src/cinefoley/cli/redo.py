"""``cinefoley generate --redo``: generate a stretch of an existing take anew."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cinefoley.cli.outputs import print_json
from cinefoley.cli.progress import progress_bar

if TYPE_CHECKING:
    from cinefoley.pipelines.foley import FoleyPipeline
    from cinefoley.pipelines.inpainting import Stretch
    from cinefoley.pipelines.takes.settings import GenerationSettings
    from cinefoley.pipelines.takes.video_source import VideoSource

__all__ = ["read_stretch", "redo"]

_STRETCH = re.compile(r"(\d+(?:\.\d*)?)-(\d+(?:\.\d*)?)")


def read_stretch(text: str) -> "Stretch":
    """Read ``FROM-TO``, in seconds.

    Raises:
        BadParameter: If it is not that, or ends before it begins.
    """
    from cinefoley.pipelines.inpainting import Stretch

    found = _STRETCH.fullmatch(text.strip())
    if not found or float(found[1]) >= float(found[2]):
        raise typer.BadParameter(
            f"write from and to in seconds, such as 2.0-3.5; got {text!r}.", param_hint="--redo"
        )
    return Stretch(float(found[1]), float(found[2]))


def redo(
    videos: "Sequence[VideoSource]",
    out: Path,
    take: int,
    stretch: "Stretch",
    settings: "GenerationSettings",
    load_pipeline: "Callable[[], FoleyPipeline]",
    *,
    as_json: bool,
    is_quiet: bool,
) -> None:
    """Redo a stretch of one take of one video, and print its files.

    Raises:
        BadParameter: If there are several videos.
        CinefoleyError: As :func:`~cinefoley.pipelines.takes.redo.redo_take`.
    """
    from cinefoley.pipelines.takes.redo import find_written, redo_take

    if len(videos) != 1:
        raise typer.BadParameter(f"is for one video, got {len(videos)}.", param_hint="--redo")
    find_written(videos[0], out, take)  # fails before the model is loaded
    pipeline = load_pipeline()
    with progress_bar(1, is_wanted=not is_quiet) as start_bar:
        step = start_bar(0, videos[0].path.name)
        files = redo_take(pipeline, videos[0], out, take, stretch, settings, step)
    if as_json:
        print_json({"take": take, "wav": str(files.wav), "film": str(files.video)})
    else:
        typer.echo(f"{files.wav}\n{files.video}")
