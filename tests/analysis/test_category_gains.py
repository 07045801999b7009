import pytest
import torch

from cinefoley.analysis.category_gains import category_gains

LABELS = [("drum",), ("drum", "bell"), ("bell",), ("step",)]
TEACHER = torch.tensor([[0.9, 0.1], [0.2, 0.3], [0.8, 0.7], [0.1, 0.6]])
STUDENT = torch.tensor([[0.9, 0.8], [0.9, 0.4], [0.8, 0.1], [0.1, 0.6]])


def test_gains_are_those_counted_by_hand() -> None:
    found = category_gains(LABELS, TEACHER, STUDENT)
    # drum: 1 of 4 against 3 of 4; bell: 2 of 4 against 2 of 4; step: 1 of 2 against 1 of 2
    assert [(g.label, g.clips, g.teacher, g.student) for g in found] == [
        ("drum", 2, 0.25, 0.75),
        ("bell", 2, 0.5, 0.5),
        ("step", 1, 0.5, 0.5),
    ]


def test_only_the_largest_gains_are_returned() -> None:
    assert [g.label for g in category_gains(LABELS, TEACHER, STUDENT, largest=1)] == ["drum"]


def test_takes_of_other_clips_are_refused() -> None:
    with pytest.raises(ValueError, match="4 rows"):
        category_gains(LABELS, TEACHER[:3], STUDENT)
