"""Packages of the extra ``delivery``, imported when they are first needed."""

from importlib import import_module
from typing import Any

from cinefoley.errors import DependencyError

__all__ = ["need"]


def need(module: str) -> Any:
    """Import a module of the extra.

    Raises:
        DependencyError: If it is not installed; gives the command that installs it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as exc:
        raise DependencyError(
            f"This needs {exc.name}, which is not installed. Install it with "
            "`pip install 'cinefoley[delivery]'`."
        ) from exc
