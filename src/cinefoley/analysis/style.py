"""Figure style: column width, fonts, colours that colour-blind readers can distinguish."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cinefoley.media.files.atomic_write import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLUMN_IN", "HEAT", "SPECTRUM", "color_of", "save_figure", "styled"]

COLUMN_IN = 3.35
"""Width of a column of a two-column page, in inches."""
SPECTRUM, HEAT = "cividis", "inferno"
"""Colour maps of spectrograms and of heat, both even in lightness."""

_REAL, _TEACHER, _STUDENT = "#555555", "#d55e00", "#0072b2"  # grey, vermilion, blue (Okabe and Ito)


def color_of(name: str) -> str:
    """The colour of a sound or an encoder: the student blue, the real sound grey, all others red."""
    return _REAL if name.startswith("real") else _STUDENT if name.startswith("student") else _TEACHER


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the project's style while the block runs."""
    import matplotlib as mpl

    settings: dict[Any, Any] = {
        "font.family": "sans-serif",
        "font.size": 7,
        "axes.titlesize": 7,
        "axes.labelsize": 7,
        "xtick.labelsize": 6,
        "ytick.labelsize": 6,
        "legend.fontsize": 6,
        "axes.linewidth": 0.5,
        "xtick.major.width": 0.5,
        "ytick.major.width": 0.5,
        "lines.linewidth": 0.8,
        "pdf.fonttype": 42,  # letters stay letters, which publishers ask for
        "savefig.dpi": 300,
    }
    with mpl.rc_context(settings):
        yield


def save_figure(figure: "Figure", stem: Path) -> tuple[Path, Path]:
    """Write a figure as ``STEM.png`` (300 dpi) and ``STEM.pdf`` (vector), by atomic writes.

    Raises:
        OutputError: If the folder cannot be written.
    """
    written = []
    for form in ("png", "pdf"):
        path = stem.with_name(f"{stem.name}.{form}")
        with styled(), atomic_write(path) as temporary:
            # without the date, the same figure is the same file
            metadata = {"CreationDate": None} if form == "pdf" else {}
            figure.savefig(temporary, format=form, metadata=metadata)
        written.append(path)
    return written[0], written[1]
