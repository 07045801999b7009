"""The JSON file beside a film's takes: everything that makes them again."""

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from cinefoley.errors import OutputError
from cinefoley.media.writing import written_aside

__all__ = [
    "ModelRecord",
    "TakeFiles",
    "check_film",
    "check_sidecar",
    "file_sha256",
    "made_otherwise",
    "read_versions",
    "recorded_takes",
    "write_sidecar",
]

_KIND = "cinefoley takes"
_PACKAGES = ("cinefoley", "torch", "diffusers", "av", "numpy", "soundfile", "soxr")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """Which weights made a take."""

    name: str
    """The model as it was asked for: a bundled name, a folder or a hub id."""
    video_encoder: str = "default"
    """Who watched: ``default``, ``teacher``, ``student``, or a folder."""
    sha256: dict[str, str] = field(default_factory=dict)
    """Digest of every weight file, by its path inside the model folder."""

    @classmethod
    def of(cls, name: str, folder: Path, video_encoder: str | None = None) -> "ModelRecord":
        """Read the digests of a model folder, and of the encoder's folder where that is another."""
        digests = _weight_digests(folder)
        if video_encoder not in (None, "teacher", "student"):
            other = Path(str(video_encoder)).expanduser()
            digests |= {f"--video-encoder/{key}": digest for key, digest in _weight_digests(other).items()}
        return cls(name=name, video_encoder=video_encoder or "default", sha256=digests)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeFiles:
    """One take on disk."""

    take: int
    """Counted from 1."""
    wav: Path
    """The sound."""
    film: Path
    """The film's picture with that sound."""
    mel: Path | None = None
    """The mels of its windows, ``(windows, n_mels, frames)`` float32, where they were asked for."""

    def moved_to(self, folder: Path) -> "TakeFiles":
        """The same names in another folder."""
        mel = self.mel and folder / self.mel.name
        return TakeFiles(take=self.take, wav=folder / self.wav.name, film=folder / self.film.name, mel=mel)

    def names(self) -> dict[str, Any]:
        """Take and file names, without folders, for JSON."""
        paths = {"wav": self.wav, "film": self.film, "mel": self.mel}
        return {"take": self.take} | {key: path.name for key, path in paths.items() if path is not None}


def write_sidecar(path: Path, record: dict[str, Any], takes: Iterable[TakeFiles], *, staging: Path) -> None:
    """Write what made ``takes``, and keep what an older file says about takes that still stand.

    The newest run is at the top level; each older one with takes left is in ``earlier``.

    Args:
        path: The sidecar.
        record: The run: film, model, seed, settings and so on.
        takes: The takes that this run has finished.
        staging: A folder on the same disk, in which the file is made before it appears.

    Raises:
        OutputError: If it cannot be written.
    """
    takes = list(takes)
    earlier = _standing_runs(path, {take.take for take in takes})
    content = {"kind": _KIND, **record, "takes": [take.names() for take in takes], "earlier": earlier}
    with written_aside(staging / path.name) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")
    (staging / path.name).replace(path)


def check_sidecar(path: Path) -> None:
    """Refuse to overwrite somebody else's file.

    Raises:
        OutputError: If ``path`` exists and is no sidecar of ours.
    """
    if path.exists() and _read(path) is None:
        raise OutputError(
            f"{path}: exists and is no record of takes, so it was left alone. "
            "Choose another folder with -o, or pass --force to replace it."
        )


def check_film(path: Path, film: Mapping[str, Any]) -> None:
    """Refuse to take one film's takes for another's: ``rain.mp4`` and ``rain.mov`` have the same names.

    A film and a clip of shards that was made of it are not told apart: their takes belong to both.

    Args:
        path: The sidecar; none need be there.
        film: What describes the film.

    Raises:
        OutputError: If a take that stands was made for another film.
    """
    for run in _standing_runs(path, set()):
        there = run.get("film", {})
        if ("id" in there) == ("id" in film) and there.get("sha256") not in (None, film["sha256"]):
            raise OutputError(
                f"{path.with_suffix('')}: its takes there are of another film ({there.get('path')}). Choose "
                "another folder with -o, or pass --force to replace them."
            )


def made_otherwise(path: Path, takes: Iterable[TakeFiles], wanted: Mapping[str, Any]) -> str:
    """In what the runs that made some takes differ from what is asked for now, in words; empty if in nothing.

    Args:
        path: The sidecar; none need be there.
        takes: The takes that stand.
        wanted: Seed and settings, by name.
    """
    numbers = {take.take for take in takes}
    changes = set()
    for run in _standing_runs(path, set()):
        if numbers.isdisjoint(take["take"] for take in run["takes"]):
            continue
        there = {"seed": run.get("seed"), **run.get("settings", {})}
        changes |= {
            f"{name.replace('_', ' ')} {there[name]}, not {wanted[name]}"
            for name in (there.keys() & wanted.keys()) - {"num_takes"}
            if there[name] != wanted[name]
        }
    return "; ".join(sorted(changes))


def recorded_takes(path: Path) -> set[int]:
    """Numbers of the takes that a sidecar names; none where there is no sidecar."""
    newest = _read(path)
    runs = [] if newest is None else [newest, *newest.get("earlier", [])]
    return {take["take"] for run in runs for take in run["takes"]}


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_versions() -> dict[str, str]:
    """Versions of Python and of the packages that a take depends on."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:  # run from a source tree
            versions[package] = "not installed"
    return versions


def _weight_digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): file_sha256(file) for file in sorted(folder.rglob("*.safetensors"))
    }


def _standing_runs(path: Path, replaced: set[int]) -> list[dict[str, Any]]:
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
