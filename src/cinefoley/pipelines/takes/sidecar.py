"""Sidecar JSON file of a video's takes: how each was generated, enough to generate it again."""

import json
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from cinefoley.errors import OutputError
from cinefoley.media.files.atomic_write import atomic_write
from cinefoley.pipelines.takes.files import TakeFiles
from cinefoley.pipelines.takes.model_record import ModelRecord

__all__ = [
    "check_same_video",
    "check_sidecar",
    "find_differences",
    "find_take",
    "read_versions",
    "recorded_takes",
    "update_take",
    "write_sidecar",
]

_KIND = "cinefoley takes"
_SPOKEN = {
    "num_inference_steps": "steps",
    "double_guidance_scale": "double guidance",
    "saves_mel": "mels",
    "cues_s": "cues",
}
_ADDED = {  # settings that older records lack, with the value that was used
    "guidance_rescale": 0.0,
    "guidance_interval": [0.0, 1.0],
    "adaptive_projected_guidance_eta": 1.0,
    "adaptive_projected_guidance_rescale": 0.0,
    "adaptive_projected_guidance_momentum": 0.0,
    "use_karras_sigmas": False,
    "cache_interval": 1,
    "cues_s": None,
    "like": None,
    "kind": None,
    "unlike": None,
    "shots": "auto",  # the same takes for videos without cuts
}
_NOT_COMPARED = {"num_takes", "quality"}  # the numbers of a quality are compared, not its name
_NO_DIFFERENCE = {("saves_mel", False)}  # a take with mels also serves where none are requested
_PACKAGES = ("cinefoley", "torch", "diffusers", "av", "numpy", "soundfile", "soxr")


def write_sidecar(path: Path, record: dict[str, Any], takes: Iterable[TakeFiles], *, staging: Path) -> None:
    """Write the record of a run, and carry over the records of older takes that still exist.

    The newest run is at the top level; each older one with remaining takes is in ``earlier``.

    Args:
        path: The sidecar.
        record: The run: video, model, seed, settings and so on.
        takes: The takes that this run has finished.
        staging: A folder on the same disk, for the temporary file.

    Raises:
        OutputError: If it cannot be written.
    """
    takes = list(takes)
    earlier = _existing_runs(path, {take.take for take in takes})
    content = {"kind": _KIND, **record, "takes": [take.describe() for take in takes], "earlier": earlier}
    with atomic_write(staging / path.name) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")
    (staging / path.name).replace(path)


def update_take(path: Path, take: int, changes: Mapping[str, Any], *, staging: Path) -> None:
    """Change what the record says of one take.

    Args:
        path: The sidecar.
        take: Number of a take that it names.
        changes: Entries of the take to add or replace.
        staging: A folder on the same disk, for the temporary file.

    Raises:
        OutputError: If it cannot be written.
    """
    content = _read(path) or {}
    for run in (content, *content.get("earlier", [])):
        for record in run.get("takes", []):
            if record["take"] == take:
                record.update(changes)
    with atomic_write(staging / path.name) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")
    (staging / path.name).replace(path)


def check_sidecar(path: Path) -> None:
    """Refuse to overwrite a file that is no sidecar.

    Raises:
        OutputError: If ``path`` exists and is no sidecar.
    """
    if path.exists() and _read(path) is None:
        raise OutputError(
            f"{path}: exists and is no record of takes, so it was not replaced. "
            "Choose another folder with -o, or pass --force to replace it."
        )


def check_same_video(path: Path, video: Mapping[str, Any]) -> None:
    """Refuse takes of another video with the same name, such as ``rain.mov`` after ``rain.mp4``.

    A video and a clip of shards that was made of it count as the same.

    Args:
        path: The sidecar; need not exist.
        video: Description of the video.

    Raises:
        OutputError: If an existing take was generated for another video.
    """
    for run in _existing_runs(path, set()):
        there = run.get("film", {})
        if ("id" in there) == ("id" in video) and there.get("sha256") not in (None, video["sha256"]):
            raise OutputError(
                f"{path.with_suffix('')}: the existing takes belong to another video ({there.get('path')}). "
                "Choose another folder with -o, or pass --force to replace them."
            )


def find_differences(
    path: Path, takes: Iterable[TakeFiles], wanted: Mapping[str, Any], model: ModelRecord | None = None
) -> dict[int, list[str]]:
    """Compare how existing takes were generated with what is requested now.

    Args:
        path: The sidecar; need not exist.
        takes: The existing takes.
        wanted: Seed and settings, by name.
        model: The weights; None does not compare them.

    Returns:
        The differences in words, by take; without takes that have none or no record.
    """
    numbers = {take.take for take in takes}
    found: dict[int, list[str]] = {}
    for run in _existing_runs(path, set()):
        there = {"seed": run.get("seed"), **_ADDED, **run.get("settings", {})}
        changes = [
            f"{_SPOKEN.get(name, name.replace('_', ' '))} {_speak(there[name])}, not {_speak(wanted[name])}"
            for name in sorted((there.keys() & wanted.keys()) - _NOT_COMPARED)
            if there[name] != _as_json(wanted[name]) and (name, wanted[name]) not in _NO_DIFFERENCE
        ]
        if model is not None:
            is_doubly_guided = bool(wanted.get("double_guidance_scale"))
            change = model.difference(run.get("model"), is_doubly_guided=is_doubly_guided)
            changes += [] if change is None else [change]
        if changes:
            found |= {take["take"]: changes for take in run["takes"] if take["take"] in numbers}
    return found


def recorded_takes(path: Path) -> set[int]:
    """Numbers of the takes in a sidecar; empty if there is none."""
    newest = _read(path)
    runs = [] if newest is None else [newest, *newest.get("earlier", [])]
    return {take["take"] for run in runs for take in run["takes"]}


def find_take(path: Path, take: int) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The records of a take's run and of the take itself; None if the sidecar does not name it."""
    newest = _read(path)
    runs = [] if newest is None else [newest, *newest.get("earlier", [])]
    return next(
        ((run, record) for run in runs for record in run["takes"] if record["take"] == take),
        None,
    )


def read_versions() -> dict[str, str]:
    """Versions of Python and of the packages that a take depends on."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:  # run from a source tree
            versions[package] = "not installed"
    return versions


def _as_json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _speak(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return " to ".join(str(part) for part in value)
    if isinstance(value, bool):
        return "on" if value else "off"
    return "unset" if value is None else str(value)


def _existing_runs(path: Path, replaced: set[int]) -> list[dict[str, Any]]:
    newest = _read(path)
    if newest is None:
        return []
    runs = [newest, *newest.pop("earlier", [])]
    for run in runs:
        run["takes"] = [
            take
            for take in run["takes"]
            if take["take"] not in replaced and (path.parent / take["wav"]).exists()
        ]
    return [run for run in runs if run["takes"]]


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and content.get("kind") == _KIND else None
