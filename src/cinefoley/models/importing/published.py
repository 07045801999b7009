"""Published models: download addresses, checksums and local cache folder."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cinefoley.errors import MissingWeightsError, WeightsError

__all__ = ["PUBLISHED", "PublishedFile", "PublishedModel", "cache_home", "find_pulled", "read_record"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFile:
    """One file on the hub."""

    path: str
    """Path in the repository."""
    sha256: str | None
    """SHA-256; None if none is published, in which case the first download records it."""
    approximate_bytes: int
    """Size, as precise as the hub's page states it; for the check of free disk space."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedModel:
    """A set of checkpoints on the hub."""

    name: str
    """Name in cinefoley, for ``--model`` after the download."""
    repo_id: str
    """Repository on the hub."""
    revision: str
    """Commit to download; a branch could change."""
    licence: str
    """Licence according to the hub's page."""
    files: Mapping[str, PublishedFile]
    """Files, by the kind that they are imported as."""

    @property
    def origin(self) -> str:
        """Address and revision, for the card."""
        return f"https://huggingface.co/{self.repo_id}, revision {self.revision}"


# Repository, revision, paths and digests are what the hub's own pages show for this commit (the Git LFS
# details of each file). The exact size of cavp is from a third party that pins the same digest. They were not
# checked against the files themselves: each download is, and a file that differs is an error.
_DIFF_FOLEY = PublishedModel(
    name="diff-foley",
    repo_id="SimianLuo/Diff-Foley",
    revision="b17ddbe76e6d42f4b4135eeb443b1c1644267e3e",
    licence="MIT",
    files={
        "cavp": PublishedFile(
            path="diff_foley_ckpt/cavp_epoch66.ckpt",
            sha256="3472c2217a9481f530a96e32611c9e4611766f10b7f0d185a1ce35be7b7f9c80",
            approximate_bytes=1_361_483_035,
        ),
        "ldm": PublishedFile(
            path="diff_foley_ckpt/ldm_epoch240.ckpt",
            sha256="d4dd0b32468f36359d9a60667d9ff9d3cebb96ca278efad6eeb310e3ef91d386",
            approximate_bytes=3_774_879_943,
        ),
        "guidance_classifier": PublishedFile(
            path="diff_foley_ckpt/double_guidance_classifier.ckpt",
            sha256="fca9ac62b55f0c15f77e05dec7364674d8e6e159b33017ffddbcba6d8bdb1c41",
            approximate_bytes=476_000_000,
        ),
        "alignment": PublishedFile(
            path="diff_foley_ckpt/eval_classifier.ckpt",
            sha256="fac47f90edf494572c2127a4afba7d85ae3a1d4ff269d90e3eaed9e47e623223",
            approximate_bytes=476_000_000,
        ),
    },
)

PUBLISHED: dict[str, PublishedModel] = {_DIFF_FOLEY.name: _DIFF_FOLEY}
"""Models that ``cinefoley models pull`` can download; their names are reserved."""


def cache_home() -> Path:
    """Folder for all downloads: ``$CINEFOLEY_HOME``, or ``~/.cache/cinefoley``."""
    return Path(os.environ.get("CINEFOLEY_HOME") or "~/.cache/cinefoley").expanduser()


def find_pulled(name: str, home: Path | None = None) -> Path:
    """Find the folder of a downloaded model.

    Args:
        name: One of :data:`PUBLISHED`.
        home: Cache folder; :func:`cache_home` if None.

    Raises:
        MissingWeightsError: If the model has not been downloaded.
        WeightsError: If the size of a weight file differs from the recorded one.
    """
    folder = (home or cache_home()) / "models" / name
    if not (folder / "model_index.json").is_file():
        raise MissingWeightsError(
            f"Model {name!r} is not on this computer (looked in {folder}). "
            f"Fetch it with `cinefoley models pull {name}`."
        )
    for part, entry in read_record(folder).get("parts", {}).items():
        found = (folder / part).stat().st_size if (folder / part).is_file() else None
        if found != entry["bytes"]:
            raise WeightsError(
                f"{folder / part}: {found or 'no'} bytes, expected {entry['bytes']}. "
                f"Make it again with `cinefoley models pull {name} --force`."
            )
    return folder


def read_record(folder: Path) -> dict[str, Any]:
    """Read ``import.json`` of a model folder; empty if the file does not exist.

    Raises:
        WeightsError: If the file is damaged.
    """
    path = folder / "import.json"
    if not path.is_file():
        return {}
    try:
        record = json.loads(path.read_text())
        sizes = [entry["bytes"] for entry in record["parts"].values()]
        if record["kind"] != "cinefoley import" or not all(isinstance(size, int) for size in sizes):
            raise ValueError("of another kind")
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise WeightsError(f"{path}: damaged. Import the model again.") from exc
    return dict(record)
