"""Public weights of the metric backbones (PANNs, VGGish): addresses, download and checksums."""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cinefoley.errors import MissingWeightsError, OutputError, WeightsError
from cinefoley.models.importing.output import explain_os_error, is_out_of_space
from cinefoley.models.importing.published import cache_home

__all__ = ["PUBLISHED_BACKBONES", "PublishedBackbone", "find_backbone", "pull_backbone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedBackbone:
    """One file of weights on the web."""

    name: str
    """Name in cinefoley."""
    title: str
    """Network and the metrics that use it."""
    file: str
    """File name, the same as on the web."""
    url: str
    """Download address."""
    page: str
    """Address of the page that describes it."""
    num_bytes: int
    """File size."""
    sha256: str
    """SHA-256, or as many of its first digits as the authors published."""

    def check(self, path: Path, digest: str) -> None:
        """Raise an error if a file is not the published one.

        Raises:
            WeightsError: If the digest differs.
        """
        if not digest.startswith(self.sha256):
            raise WeightsError(
                f"{path}: SHA-256 is {digest}, the published file's "
                f"{'is' if len(self.sha256) == 64 else 'begins with'} {self.sha256}. Delete it and fetch it "
                f"again with `cinefoley models pull {self.name}`."
            )


# Sizes and digests as several public repositories record them; the first pull checks them against the files.
PUBLISHED_BACKBONES: dict[str, PublishedBackbone] = {
    backbone.name: backbone
    for backbone in (
        PublishedBackbone(
            name="panns",
            title="PANNs Cnn14, 16 kHz (FD, KID, KL, IS)",
            file="Cnn14_16k_mAP=0.438.pth",
            url="https://zenodo.org/records/3987831/files/Cnn14_16k_mAP%3D0.438.pth?download=1",
            page="https://zenodo.org/records/3987831",
            num_bytes=358_668_570,
            sha256="e2ee543a27919542c2ea03eabaa70b24dcd4e6c8e05621de6b67a94e4c5058e6",
        ),
        PublishedBackbone(
            name="vggish",
            title="VGGish (FAD)",
            file="vggish-10086976.pth",
            url="https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth",
            page="https://github.com/harritaylor/torchvggish",
            num_bytes=288_567_937,
            sha256="10086976",  # torch hub's convention: the file name holds the digest's first digits
        ),
    )
}
"""Backbones that ``cinefoley models pull`` knows."""


def find_backbone(backbone: PublishedBackbone, home: Path | None = None) -> Path:
    """Find the file of a downloaded backbone.

    Args:
        backbone: One of :data:`PUBLISHED_BACKBONES`.
        home: Cache folder; the default one if None.

    Raises:
        MissingWeightsError: If the file has not been downloaded.
        WeightsError: If the file size differs.
    """
    path = _place(backbone, home)
    if not path.is_file():
        raise MissingWeightsError(
            f"The weights of {backbone.name!r} are not on this computer (looked for {path}). "
            f"Fetch them with `cinefoley models pull {backbone.name}`."
        )
    if path.stat().st_size != backbone.num_bytes:
        raise WeightsError(
            f"{path}: {path.stat().st_size:,} bytes, expected {backbone.num_bytes:,}. Delete it and fetch it "
            f"again with `cinefoley models pull {backbone.name}`."
        )
    return path


def pull_backbone(
    backbone: PublishedBackbone,
    *,
    home: Path | None = None,
    overwrites: bool = False,
    on_note: Callable[[str], None] | None = None,
) -> Path:
    """Download a backbone's file and check its digest. An interrupted download is resumed.

    Args:
        backbone: Backbone to download.
        home: Folder to download into; the cache folder if None.
        overwrites: Download an existing file again.
        on_note: Called with a message at each step.

    Returns:
        Path of the file. If the file exists, only its digest is checked.

    Raises:
        MissingWeightsError: If the download fails.
        WeightsError: If the file is not the published one; a new download is deleted.
        OutputError: If the disk is full or not writable.
    """
    note = on_note or (lambda _: None)
    path = _place(backbone, home)
    if path.exists() and not overwrites:
        path = find_backbone(backbone, home)
        backbone.check(path, _sha256(path))
        note(f"{backbone.name} is already downloaded, and its digest is correct")
        return path
    part = path.with_name(path.name + ".part")
    note(f"fetching {backbone.file} ({backbone.num_bytes / 1e6:.0f} MB) from {backbone.url}")
    _fetch(backbone, part)
    note(f"checking {backbone.file}")
    try:
        backbone.check(part, _sha256(part))
    except WeightsError:
        part.unlink()
        raise
    part.replace(path)
    return path


def _place(backbone: PublishedBackbone, home: Path | None) -> Path:
    return (home or cache_home()) / "backbones" / backbone.name / backbone.file


def _fetch(backbone: PublishedBackbone, part: Path) -> None:
    """Download with huggingface_hub's HTTP client, which retries and resumes. No token is sent."""
    from huggingface_hub.file_download import http_get

    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        there = part.stat().st_size if part.exists() else 0
        if there > backbone.num_bytes:
            part.unlink()
        _check_space(backbone, part, there)
        with part.open("ab") as content:
            http_get(
                backbone.url,
                content,
                resume_size=content.tell(),
                expected_size=backbone.num_bytes,
                displayed_filename=backbone.file,
            )
    except OutputError:
        raise
    except Exception as exc:  # the client raises many unrelated classes: HTTP, OS and value errors
        if isinstance(exc, OSError) and (is_out_of_space(exc) or isinstance(exc, PermissionError)):
            raise OutputError(explain_os_error(exc, part)) from exc
        reason = str(exc).strip().splitlines()
        raise MissingWeightsError(
            f"{backbone.file} could not be fetched from {backbone.url} ({type(exc).__name__}: "
            f"{reason[0] if reason else 'no details'}). The partial download stays: run the same command "
            f"again to resume, or download the file from {backbone.page} to {part.with_suffix('')}."
        ) from exc


def _check_space(backbone: PublishedBackbone, part: Path, there: int) -> None:
    needed, free = backbone.num_bytes - there, shutil.disk_usage(part.parent).free
    if free < needed:
        raise OutputError(
            f"{part.parent}: fetching {backbone.name} takes {needed / 1e6:.0f} MB, {free / 1e6:.0f} MB are "
            "free. Free some space, or set CINEFOLEY_HOME to another disk."
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
