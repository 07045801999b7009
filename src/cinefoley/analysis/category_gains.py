"""Alignment accuracy by category: where a student gains most over its teacher."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from cinefoley.metrics.alignment import alignment_accuracy

__all__ = ["CategoryGain", "category_gains"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryGain:
    """One category's alignment accuracy, each in [0, 1]."""

    label: str
    """The category."""
    clips: int
    """Clips of it."""
    teacher: float
    """Share of the teacher's takes that are aligned."""
    student: float
    """The same of the student."""

    @property
    def gain(self) -> float:
        """Student less teacher."""
        return self.student - self.teacher


def category_gains(
    labels: Sequence[Sequence[str]], teacher: Tensor, student: Tensor, *, largest: int = 25
) -> tuple[CategoryGain, ...]:
    """Categories with the largest gain in alignment accuracy, largest first; ties in order of their names.

    Source: paper, Figure 5.

    Args:
        labels: Of ``N`` clips; a clip of several categories counts in each.
        teacher: ``(N, K)``, the alignment classifier's probability of every take.
        student: The same of the student; K may differ.
        largest: Categories to return, at most.

    Raises:
        ValueError: If the numbers of clips differ, a probability is not in [0, 1], or ``largest`` is below 1.
    """
    if teacher.ndim != 2 or student.ndim != 2 or not len(labels) == len(teacher) == len(student):
        raise ValueError(
            f"need {len(labels)} rows of takes, got {tuple(teacher.shape)} and {tuple(student.shape)}"
        )
    if largest < 1:
        raise ValueError(f"largest must be at least 1, got {largest}")
    rows: dict[str, list[int]] = {}
    for row, several in enumerate(labels):
        for label in dict.fromkeys(several):
            rows.setdefault(label, []).append(row)
    gains = [
        CategoryGain(
            label=label,
            clips=len(places),
            teacher=float(alignment_accuracy(teacher[places].flatten())),
            student=float(alignment_accuracy(student[places].flatten())),
        )
        for label, places in rows.items()
    ]
    return tuple(sorted(gains, key=lambda entry: (-entry.gain, entry.label))[:largest])
