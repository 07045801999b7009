from pathlib import Path

import pytest

from cinefoley.analysis.category_figure import draw_category_gains
from cinefoley.analysis.category_gains import CategoryGain
from cinefoley.analysis.style import save_figure
from cinefoley.errors import OutputError

GAINS = [
    CategoryGain(label=f"category {n}", clips=4, teacher=0.3 + 0.01 * n, student=0.9 - 0.02 * n)
    for n in range(25)
]


@pytest.mark.parametrize("count", [1, 25])
def test_both_files_are_whole(tmp_path: Path, count: int) -> None:
    figure = draw_category_gains(GAINS[:count], overall_teacher=0.4, overall_student=0.6)
    png, pdf = save_figure(figure, tmp_path / "figure5")
    assert pdf.read_bytes().startswith(b"%PDF")
    assert b"%%EOF" in pdf.read_bytes()[-16:]
    assert png.read_bytes().startswith(b"\x89PNG")
    assert b"IEND" in png.read_bytes()[-16:]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        g.label for g in GAINS[:count]
    ]


def test_without_a_category_there_is_no_figure() -> None:
    with pytest.raises(ValueError, match="one category"):
        draw_category_gains([], overall_teacher=0.4, overall_student=0.6)


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    figure = draw_category_gains(GAINS[:1], overall_teacher=0.4, overall_student=0.6)
    with pytest.raises(OutputError):
        save_figure(figure, tmp_path / "nowhere" / "figure5")
