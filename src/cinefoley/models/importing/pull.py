"""Download published checkpoints and import them."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from cinefoley.errors import CinefoleyError, MissingWeightsError, OutputError, WeightsError
from cinefoley.models.importing.output import explain_os_error, is_out_of_space
from cinefoley.models.importing.published import (
    PublishedFile,
    PublishedModel,
    cache_home,
    find_pulled,
    read_record,
)

if TYPE_CHECKING:
    import torch

    from cinefoley.config.model import ModelConfig
    from cinefoley.models.importing.layout import KindName

__all__ = ["pull_model", "verify_parts"]

_DIGESTS = "digests.json"


def pull_model(
    model: PublishedModel,
    *,
    home: Path | None = None,
    dtype: "torch.dtype | None" = None,
    overwrites: bool = False,
    keeps_files: bool = False,
    endpoint: str | None = None,
    config: "ModelConfig | None" = None,
    on_note: Callable[[str], None] | None = None,
    on_bytes: Callable[[int, int], None] | None = None,
) -> Path:
    """Download a model's checkpoints and import them.

    Files are downloaded with huggingface_hub, so its proxies, mirrors and tokens apply. An interrupted
    download is resumed. The checkpoints are deleted when the model folder is complete.

    Args:
        model: Model to download.
        home: Cache folder; :func:`~cinefoley.models.importing.published.cache_home` if None.
        dtype: Dtype of the stored weights; float32 if None. An existing folder is not converted.
        overwrites: Import the model again if it exists.
        keeps_files: Do not delete the checkpoints in ``HOME/downloads/NAME``.
        endpoint: Address of the hub; huggingface_hub's setting (``HF_ENDPOINT``) if None.
        config: Widths of the networks, for tests.
        on_note: Called with a message at each step.
        on_bytes: Called with written and total bytes while the weights are converted.

    Returns:
        The model folder. If it exists, its digests are checked, and nothing is downloaded.

    Raises:
        MissingWeightsError: If a download fails.
        WeightsError: If a digest differs from the published one, or from the one that an earlier download
            recorded.
        OutputError: If the disk is full or not writable.
    """
    home = home or cache_home()
    note = on_note or (lambda _: None)
    out = home / "models" / model.name
    if out.exists() and not overwrites:
        folder = find_pulled(model.name, home)
        verify_parts(folder)
        wanted = "float32" if dtype is None else str(dtype).removeprefix("torch.")
        if (stored := read_record(folder).get("dtype", wanted)) != wanted:
            note(
                f"{model.name} is already imported, in {stored}; "
                f"with --force it is imported again in {wanted}"
            )
        else:
            note(f"{model.name} is already imported, and its digests are correct")
        return folder
    downloads = home / "downloads" / model.name
    _check_space(model, home, downloads)
    files = {}
    for kind, file in model.files.items():
        note(f"fetching {file.path} from {model.repo_id}")
        files[kind] = _fetch(model, file, downloads, endpoint)
        note(f"checking {file.path}")
        _check_digest(files[kind], file, downloads)
    note(f"converting into {out}")
    _convert(model, files, out, dtype, overwrites, config, on_bytes)
    if not keeps_files:
        shutil.rmtree(downloads, ignore_errors=True)
    return out


def verify_parts(folder: Path) -> None:
    """Compare every weight file of an imported folder with the digest that the import recorded.

    Raises:
        WeightsError: If a file is missing or its digest differs.
    """
    for part, entry in read_record(folder).get("parts", {}).items():
        found = _sha256(folder / part) if (folder / part).is_file() else "nothing"
        if found != entry["sha256"]:
            raise WeightsError(
                f"{folder / part}: SHA-256 is {found}, expected {entry['sha256']}. "
                "Make it again with --force."
            )


def _fetch(model: PublishedModel, file: PublishedFile, downloads: Path, endpoint: str | None) -> Path:
    """Download one file, or resume its partial download.

    huggingface_hub's ``hf_hub_download`` would start again: since 2.0 it deletes partial files.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    path = downloads / file.path
    part = path.with_name(path.name + ".part")
    with _explained(model, file, downloads):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            url = hf_hub_url(model.repo_id, file.path, revision=model.revision, endpoint=endpoint)
            size = get_hf_file_metadata(url, endpoint=endpoint).size
            with part.open("ab") as content:
                http_get(
                    url,
                    content,
                    resume_size=content.tell(),
                    headers=build_hf_headers(),
                    expected_size=size,
                    displayed_filename=path.name,
                )
            part.rename(path)
    return path


@contextmanager
def _explained(model: PublishedModel, file: PublishedFile, downloads: Path) -> Iterator[None]:
    try:
        yield
    except CinefoleyError:
        raise
    except (
        Exception
    ) as exc:  # the hub's client raises many unrelated classes: HTTP, OS, value and cache errors
        if isinstance(exc, OSError) and (is_out_of_space(exc) or isinstance(exc, PermissionError)):
            raise OutputError(explain_os_error(exc, downloads)) from exc
        reason = str(exc).strip().splitlines()
        raise MissingWeightsError(
            f"{file.path} of {model.repo_id} could not be fetched ({type(exc).__name__}: "
            f"{reason[0] if reason else 'no details'}). The partial download stays: run the same command "
            "again to resume, check the network and HF_ENDPOINT, or download the files yourself and use "
            "`cinefoley models import`."
        ) from exc


def _check_digest(path: Path, file: PublishedFile, downloads: Path) -> None:
    """Compare with the published digest; without one, with the digest that the first download recorded."""
    found = _sha256(path)
    record = downloads / _DIGESTS
    known: dict[str, str] = json.loads(record.read_text()) if record.is_file() else {}
    expected = file.sha256 or known.setdefault(file.path, found)
    if found != expected:
        path.unlink()
        raise WeightsError(
            f"{path}: SHA-256 is {found}, expected {expected}; the file was deleted. Fetch it again, or, if "
            "its authors have replaced it and you trust it, import it with `cinefoley models import`."
        )
    record.write_text(json.dumps(known | {file.path: found}, indent=2) + "\n")


def _check_space(model: PublishedModel, home: Path, downloads: Path) -> None:
    """Raise an error before the download if the disk is too small."""
    sizes = {kind: file.approximate_bytes for kind, file in model.files.items()}
    there = sum(path.stat().st_size for path in downloads.rglob("*") if path.is_file())
    # the model folder is no larger than its files together: optimiser states are not imported
    needed = 2 * sum(sizes.values()) - there
    place = next(folder for folder in (home, *home.absolute().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise OutputError(
            f"{home}: fetching and converting {model.name} takes up to {needed / 1e9:.1f} GB, "
            f"{free / 1e9:.1f} GB are free. Free some space, or set CINEFOLEY_HOME to another disk."
        )


def _convert(
    model: PublishedModel,
    files: dict[str, Path],
    out: Path,
    dtype: "torch.dtype | None",
    overwrites: bool,
    config: "ModelConfig | None",
    on_bytes: Callable[[int, int], None] | None,
) -> None:
    from cinefoley.models.importing.diff_foley import import_diff_foley

    options: dict[str, Any] = {} if dtype is None else {"dtype": dtype}
    import_diff_foley(
        out,
        cast("dict[KindName, Path]", files),
        overwrites=overwrites,
        origin=model.origin,
        config=config,
        on_bytes=on_bytes,
        **options,
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
