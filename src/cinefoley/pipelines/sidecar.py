"""The JSON file beside a film's takes: everything that makes them again."""

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from math import log10
from pathlib import Path
from typing import Any

from cinefoley.errors import MissingWeightsError, OutputError
from cinefoley.media.audio.fitted_writer import FittedSound
from cinefoley.media.files.atomic_write import written_aside

__all__ = [
    "ModelRecord",
    "TakeFiles",
    "TakeLevel",
    "check_film",
    "check_sidecar",
    "file_sha256",
    "made_otherwise",
    "read_versions",
    "recorded_takes",
    "write_sidecar",
]

_KIND = "cinefoley takes"
_AUDIBLE_DB = -50.0  # a peak below this is silence beside any other sound of a film
_OWN_ENCODER = "--video-encoder"  # before the names of files of an encoder with a folder of its own
_SPOKEN = {"num_inference_steps": "steps", "double_guidance_scale": "double guidance", "saves_mel": "mels"}
_NO_DIFFERENCE = {("saves_mel", False)}  # a take with mels is one without, too
_GENERATOR_PARTS = ("conditioner", "unet", "vae")
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
        """Read the digests of a model folder, and of the encoder's folder where that is another.

        Raises:
            MissingWeightsError: If there are no weights in the encoder's folder.
        """
        digests = _weight_digests(folder)
        if video_encoder not in (None, "teacher", "student"):
            other = _weight_digests(Path(str(video_encoder)).expanduser())
            if not other:
                raise MissingWeightsError(
                    f"{video_encoder}: no video encoder, since no weights are in there."
                )
            digests |= {f"{_OWN_ENCODER}/{key}": digest for key, digest in other.items()}
        return cls(name=name, video_encoder=video_encoder or "default", sha256=digests)

    def difference(self, there: Any, *, is_doubly_guided: bool = False) -> str | None:
        """In what the weights that made a take differ from these, in words; None if in nothing that is known.

        Args:
            there: A record of another run, as JSON has it.
            is_doubly_guided: Whether the guidance classifier has a say.
        """
        if not isinstance(there, dict) or not isinstance(there.get("sha256"), dict) or not there["sha256"]:
            return None
        other = ModelRecord(
            name=str(there.get("name")),
            video_encoder=str(there.get("video_encoder")),
            sha256=there["sha256"],
        )
        generator = (*_GENERATOR_PARTS, *(["guidance_classifier"] if is_doubly_guided else []))
        if other._digests_in(*generator) != self._digests_in(*generator):
            return _name_change("model", other.name, self.name)
        if other._encoder_digests() != self._encoder_digests():
            return _name_change("video encoder", other.video_encoder, self.video_encoder)
        return None

    def _encoder_digests(self) -> list[str]:
        if self.video_encoder not in ("default", "teacher", "student"):
            return self._digests_in(_OWN_ENCODER)
        student = [] if self.video_encoder == "teacher" else self._digests_in("video_encoder_student")
        return student or self._digests_in("video_encoder")

    def _digests_in(self, *parts: str) -> list[str]:
        return [digest for file, digest in sorted(self.sha256.items()) if file.split("/")[0] in parts]


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
    level: "TakeLevel | None" = field(default=None, compare=False)
    """How loud it was generated; None where that was not now."""

    def moved_to(self, folder: Path) -> "TakeFiles":
        """The same names in another folder."""
        mel = self.mel and folder / self.mel.name
        return replace(self, wav=folder / self.wav.name, film=folder / self.film.name, mel=mel)

    def describe(self) -> dict[str, Any]:
        """Take, file names without folders, and level, for JSON."""
        paths = {"wav": self.wav, "film": self.film, "mel": self.mel}
        names = {key: path.name for key, path in paths.items() if path is not None}
        return {"take": self.take} | names | (asdict(self.level) if self.level else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeLevel:
    """How loud a take was generated, and what was done about it."""

    peak_db: float
    """Its largest sample before any gain, in dB of full scale."""
    gain_db: float
    """By how much its files are louder than it was generated: 0, or less where it went beyond full scale."""

    @classmethod
    def of(cls, sound: FittedSound) -> "TakeLevel":
        """The level of a sound that has been written."""
        peak_db = 20 * log10(max(sound.peak, 1e-9))
        return cls(peak_db=round(peak_db, 2), gain_db=round(20 * log10(sound.gain), 2))

    def remark(self) -> str | None:
        """What whoever hears the take should know of its level; None if nothing."""
        if self.peak_db < _AUDIBLE_DB:
            return f"all but silent (peak {self.peak_db:.0f} dB)"
        return f"lowered by {-self.gain_db:.1f} dB to stay within full scale" if self.gain_db < 0 else None


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
    content = {"kind": _KIND, **record, "takes": [take.describe() for take in takes], "earlier": earlier}
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


def made_otherwise(
    path: Path, takes: Iterable[TakeFiles], wanted: Mapping[str, Any], model: ModelRecord | None = None
) -> dict[int, list[str]]:
    """In what the runs that made some takes differ from what is asked for now, in words.

    Args:
        path: The sidecar; none need be there.
        takes: The takes that stand.
        wanted: Seed and settings, by name.
        model: The weights; None leaves them out.

    Returns:
        The differences by take, without takes that have none or of which no record tells.
    """
    numbers = {take.take for take in takes}
    found: dict[int, list[str]] = {}
    for run in _standing_runs(path, set()):
        there = {"seed": run.get("seed"), **run.get("settings", {})}
        changes = [
            f"{_SPOKEN.get(name, name.replace('_', ' '))} {_speak(there[name])}, not {_speak(wanted[name])}"
            for name in sorted((there.keys() & wanted.keys()) - {"num_takes"})
            if there[name] != wanted[name] and (name, wanted[name]) not in _NO_DIFFERENCE
        ]
        if model is not None:
            is_doubly_guided = bool(wanted.get("double_guidance_scale"))
            change = model.difference(run.get("model"), is_doubly_guided=is_doubly_guided)
            changes += [] if change is None else [change]
        if changes:
            found |= {take["take"]: changes for take in run["takes"] if take["take"] in numbers}
    return found


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


def _speak(value: Any) -> str:
    if isinstance(value, bool):
        return "kept" if value else "left out"
    return "unset" if value is None else str(value)


def _name_change(what: str, there: str, here: str) -> str:
    return f"{what} {there}, not {here}" if there != here else f"another {what} by the name of {here}"


def _weight_digests(folder: Path) -> dict[str, str]:
    return {
        file.relative_to(folder).as_posix(): file_sha256(file)
        for file in sorted(folder.rglob("*.safetensors"))
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
