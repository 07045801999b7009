"""Model record: names and SHA-256 digests of the weights that generated a take."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cinefoley.errors import MissingWeightsError

__all__ = ["ModelRecord", "file_sha256"]

_OWN_ENCODER = "--video-encoder"  # prefix of the files of an encoder in a folder of its own
_GENERATOR_PARTS = ("conditioner", "unet", "vae")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """Which weights generated a take."""

    name: str
    """The model as the user named it: a bundled name, a folder or a hub id."""
    video_encoder: str = "default"
    """Video encoder: ``default``, ``teacher``, ``student``, or a folder."""
    sha256: dict[str, str] = field(default_factory=dict)
    """Digest of every weight file, by its path inside the model folder."""

    @classmethod
    def of(cls, name: str, folder: Path, video_encoder: str | None = None) -> "ModelRecord":
        """Compute the digests of a model folder, and of the encoder's folder where that is another.

        Raises:
            MissingWeightsError: If the encoder's folder has no weights.
        """
        digests = _weight_digests(folder)
        if video_encoder not in (None, "teacher", "student"):
            other = _weight_digests(Path(str(video_encoder)).expanduser())
            if not other:
                raise MissingWeightsError(
                    f"{video_encoder}: no weights in this folder, so it is no video encoder. Name a folder "
                    "with config.json and safetensors files."
                )
            digests |= {f"{_OWN_ENCODER}/{key}": digest for key, digest in other.items()}
        return cls(name=name, video_encoder=video_encoder or "default", sha256=digests)

    def difference(self, there: Any, *, is_doubly_guided: bool = False) -> str | None:
        """Difference to the weights of an earlier take, in words; None if equal, or if they are unknown.

        Args:
            there: The model record of the earlier take, as read from JSON.
            is_doubly_guided: Whether the guidance classifier is used.
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


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _name_change(what: str, there: str, here: str) -> str:
    return f"{what} {there}, not {here}" if there != here else f"another {what} with the name {here}"


def _weight_digests(folder: Path) -> dict[str, str]:
    return {
        file.relative_to(folder).as_posix(): file_sha256(file)
        for file in sorted(folder.rglob("*.safetensors"))
    }
