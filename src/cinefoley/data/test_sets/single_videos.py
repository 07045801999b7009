"""Single videos with a variation, each with a JSON file that records its window."""

import json
import os
from pathlib import Path

import torch

from cinefoley.data.json_lines import Record, write_json
from cinefoley.data.sources.file_digests import file_sha256
from cinefoley.errors import MediaError, OutputError
from cinefoley.media.muxing.crop_video import cropped_video_suffix
from cinefoley.variations.variation import Variation
from cinefoley.variations.videos import draw_for_video, vary_video

__all__ = ["describe_variation", "varied_file_paths", "vary_file"]

_KIND = "cinefoley variation"


def vary_file(
    video_path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    variation: Variation,
    *,
    seed: int = 0,
    overwrites: bool = False,
) -> Record:
    """Write a video that shows a window of another, and a JSON file that records the window.

    For ``rain.mp4`` these are ``rain.close-up.mp4`` and ``rain.close-up.json``, or the same with
    ``camera-movement``. Files of an earlier call with the same arguments are reused.

    Args:
        video_path: The video.
        out: Folder; made if it is missing.
        variation: What to show.
        seed: The same seed gives the same window.
        overwrites: Whether to replace existing files that were made with other arguments.

    Returns:
        What the JSON file holds.

    Raises:
        MediaError: If the video cannot be used.
        OutputError: If files of these names exist, or cannot be written.
    """
    source, folder = Path(video_path), Path(out)
    video, sidecar = varied_file_paths(source, folder, variation)
    request = {
        "kind": _KIND,
        "source": source.name,
        "source_sha256": file_sha256(source),
        **describe_variation(variation),
        "seed": seed,
    }
    standing = _standing_record(video, sidecar, request)
    if standing is not None and not overwrites:
        return standing
    if not overwrites:
        _check_free(video, sidecar)
    _make_folder(folder)
    generator = torch.Generator().manual_seed(seed)
    window = draw_for_video(variation, source, generator=generator)
    vary_video(source, video, window, encoder_threads=0)
    record = request | {
        "film": video.name,
        "film_sha256": file_sha256(video),
        "window": window.to_dict(),
    }
    write_json(sidecar, record)
    return record


def varied_file_paths(video_path: Path, folder: Path, variation: Variation) -> tuple[Path, Path]:
    """Paths of the video and the JSON file that :func:`vary_file` writes.

    Raises:
        MediaError: If the video cannot be read.
    """
    stem = f"{video_path.stem}.{describe_variation(variation)['variation'].replace('_', '-')}"
    return folder / (stem + cropped_video_suffix(video_path)), folder / (stem + ".json")


def describe_variation(variation: Variation) -> Record:
    """Kind and settings of a variation, as JSON values."""
    record: Record = json.loads(json.dumps(variation.describe()))
    return record


def _standing_record(video: Path, sidecar: Path, request: Record) -> Record | None:
    """The record of an earlier call with this request, if its video is unchanged."""
    try:
        record = json.loads(sidecar.read_bytes())
        is_same = request.items() <= record.items() and record["film_sha256"] == file_sha256(video)
    except (OSError, ValueError, AttributeError, KeyError, TypeError, MediaError):
        return None
    return record if is_same else None


def _check_free(*paths: Path) -> None:
    for path in paths:
        if path.exists():
            raise OutputError(
                f"{path}: exists, and was made with other arguments. Choose another folder with -o, "
                "or pass --force."
            )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise OutputError(f"{folder}: cannot be made ({exc.strerror}). Choose another with -o.") from exc
