import pytest

from cinefoley.evaluation.text_table import Format, write_table

ROWS = [["name", "a|b"], ["x_1 & $\\{~^<>", "50 % ± 2"]]


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert write_table([["clip", "n"], ["rain.mp4", "20"]]) == "clip      n\nrain.mp4  20"


def test_markdown_escapes_its_bars() -> None:
    assert write_table(ROWS, "markdown").splitlines()[0].replace("\\|", "").count("|") == 3


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("__rain__.mp4", r"\_\_rain\_\_.mp4"),
        ("dog_bark_1", "dog_bark_1"),
        ("<b>x", r"\<b>x"),
        ("a\\|b", r"a\\\|b"),
        ("`*`", r"\`\*\`"),
    ],
)
def test_markdown_means_every_sign_literally(text: str, written: str) -> None:
    assert write_table([[text]], "markdown").splitlines()[0] == f"| {written} |"


def test_latex_means_every_sign_literally() -> None:
    assert (
        r"x\_1 \& \$\textbackslash{}\{\textasciitilde{}\textasciicircum{}\textless{}\textgreater{}"
        r" & 50 \% $\pm$ 2 \\"
    ) in write_table(ROWS, "latex")


@pytest.mark.parametrize("format", ["text", "markdown", "latex"])
def test_every_form_has_every_row(format: Format) -> None:
    assert len(write_table([["a"], ["b"], ["c"]], format).splitlines()) >= 3
