"""Draw Figure 5: alignment accuracy of the categories in which a student gains most."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cinefoley.analysis.category_gains import CategoryGain
from cinefoley.analysis.style import COLUMN_IN, color_of, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_category_gains"]


def draw_category_gains(
    gains: Sequence[CategoryGain], *, overall_teacher: float, overall_student: float
) -> "Figure":
    """Alignment accuracy of teacher and student by category, in percent, the largest gain on top.

    Source: paper, Figure 5.

    Args:
        gains: Of :func:`category_gains`; one category or more.
        overall_teacher: The teacher's accuracy over all clips, in [0, 1]: a dashed line.
        overall_student: The student's.

    Raises:
        ValueError: If there is no category.
        ImportError: If matplotlib is missing.
    """
    if not gains:
        raise ValueError("gains must hold one category at least")
    with styled():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(COLUMN_IN, 0.8 + 0.2 * len(gains)), layout="constrained")
        axes = figure.add_subplot()
        for place, entry in enumerate(gains):
            axes.plot([100 * entry.teacher, 100 * entry.student], [place, place], color="0.7", zorder=1)
        for name, size, marker, overall in (
            ("teacher", 22, "o", overall_teacher),
            ("student", 9, "D", overall_student),  # smaller, so that it hides no equal
        ):
            color = color_of(name)
            values = [100 * float(getattr(entry, name)) for entry in gains]
            axes.scatter(values, range(len(gains)), s=size, color=color, marker=marker, label=name, zorder=2)
            axes.axvline(100 * overall, color=color, linestyle="--", linewidth=0.8, label=f"{name}, overall")
        axes.set_yticks(range(len(gains)), [entry.label for entry in gains])
        axes.invert_yaxis()
        axes.set_xlim(-2, 102)
        axes.set_xlabel("Alignment accuracy (%)")
        figure.legend(loc="outside upper center", ncols=2)
        return figure
