"""What commands may write, and what they leave alone."""

from collections.abc import Iterable
from pathlib import Path

from cinefoley.errors import OutputError

__all__ = ["check_free"]


def check_free(paths: Iterable[Path]) -> None:
    """See that files are not there yet.

    Raises:
        OutputError: If one is; ``--force`` is for those who mean it.
    """
    for path in paths:
        if path.exists() and not path.is_dir():
            raise OutputError(f"{path}: exists. Pass --force to replace it, or write elsewhere.")
