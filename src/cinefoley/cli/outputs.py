"""What commands print and write: notes, JSON, folders and reports."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from cinefoley.errors import OutputError

__all__ = [
    "check_free",
    "echo_error",
    "make_folder",
    "note",
    "print_json",
    "resumable",
    "summarize_skipped",
    "write_texts",
]


def note(text: str) -> None:
    """Print a note on stderr."""
    typer.echo(f"note: {text}", err=True)


def echo_error(text: object) -> None:
    """Print an error as one line on stderr."""
    typer.echo(f"error: {' '.join(str(text).split())}", err=True)


def print_json(report: object) -> None:
    """Print JSON on stdout."""
    typer.echo(json.dumps(report, indent=2))


def summarize_skipped(ledger: Iterable[Mapping[str, Any]], path: Path) -> str:
    """Such as ``, 1 missing (see ledger.jsonl)``; empty if no clip was skipped.

    Args:
        ledger: Entries with a ``reason`` each.
        path: The ledger's file.
    """
    reasons = Counter(entry["reason"] for entry in ledger)
    counts = "".join(f", {number} {reason}" for reason, number in sorted(reasons.items()))
    return f"{counts} (see {path})" if reasons else ""


@contextmanager
def resumable(outputs: str) -> Iterator[None]:
    """On Ctrl-C, report that the same command resumes the work.

    Args:
        outputs: What has been written so far, such as ``finished clips``.
    """
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"interrupted: {outputs} are saved; run the same command again to resume.", err=True)
        raise


def check_free(paths: Iterable[Path]) -> None:
    """Check that files do not exist yet.

    Raises:
        OutputError: If one does.
    """
    for path in paths:
        if path.exists() and not path.is_dir():
            raise OutputError(f"{path}: exists. Pass --force to replace it, or write elsewhere.")


def make_folder(folder: Path) -> None:
    """Create a folder and its parents.

    Raises:
        OutputError: If it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise OutputError(f"{folder}: cannot be created ({exc.strerror}). Choose another with -o.") from exc


def write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Write text files, each atomically.

    Args:
        folder: Created if missing.
        texts: Content by file name.

    Raises:
        OutputError: If the folder or a file cannot be written.
    """
    from cinefoley.media.files.atomic_write import atomic_write

    make_folder(folder)
    for name, text in texts.items():
        with atomic_write(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
