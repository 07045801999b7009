"""Containers that videos are written to: suffixes, options, codecs, and errors in plain words."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import av

from cinefoley.errors import MediaError

__all__ = [
    "container_format",
    "explained_muxing",
    "muxer_options",
    "output_format",
    "supported_codecs",
]

_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}


def container_format(suffix: str) -> str | None:
    """FFmpeg's name of the container for a file suffix; None for one that videos are not written to."""
    return _FORMATS.get(suffix.lower())


def muxer_options(form: str, sample_rate: int) -> dict[str, str]:
    """Options that let a container trim audio to the sample: by itself mp4 counts milliseconds."""
    return {"movie_timescale": str(sample_rate)} if form in {"mp4", "mov"} else {}


def output_format(path: str | os.PathLike[str]) -> str:
    """FFmpeg's name of the container of a video that is to be written.

    Raises:
        MediaError: If videos are not written with this suffix.
    """
    form = container_format(Path(path).suffix)
    if form is None:
        name, suffix = Path(path).name, Path(path).suffix
        raise MediaError(f"{name}: videos are written as {', '.join(_FORMATS)}, not '{suffix}'.")
    return form


@contextmanager
def explained_muxing(video: str | os.PathLike[str], out: Path) -> Iterator[None]:
    """Explain in plain words why a container does not accept a video's packets inside the block.

    Raises:
        MediaError: If FFmpeg refuses one, as it does where times step back.
    """
    try:
        yield
    except av.FFmpegError as exc:
        if isinstance(exc, OSError):  # the disk's
            raise
        raise MediaError(
            f"{Path(video).name}: cannot be written into {out.suffix} ({exc.strerror}). Its times may step "
            "back, as where files were joined; convert the video first."
        ) from exc


def supported_codecs(form: str) -> set[str]:
    """Names of the codecs that a container holds."""
    with av.open(BytesIO(), "w", format=form) as container:
        return container.supported_codecs
