"""Check that the packages of an optional extra are installed."""

from importlib.util import find_spec

from cinefoley.errors import DependencyError

__all__ = ["check_extra"]

_PACKAGES = {
    "analysis": ("captum", "matplotlib"),
    "web": ("fastapi", "uvicorn", "gradio"),
}


def check_extra(extra: str) -> None:
    """Check that the packages of an extra are installed.

    Args:
        extra: ``analysis`` or ``web``.

    Raises:
        DependencyError: If one is missing; gives the command that installs it.
    """
    missing = [name for name in _PACKAGES[extra] if find_spec(name) is None]
    if missing:
        raise DependencyError(
            f"This needs {' and '.join(missing)}, which is not installed. Install it with "
            f"`pip install 'cinefoley[{extra}]'`."
        )
