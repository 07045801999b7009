"""Write a table of strings as plain text, Markdown or LaTeX."""

import re
from collections.abc import Iterator, Sequence
from typing import Literal

__all__ = ["Format", "write_table"]

Format = Literal["text", "markdown", "latex"]
"""Output formats."""

_MARKDOWN = re.compile(r"[\\`*<|]|(?<![^\W_])_|_(?![^\W_])")  # inside a word an underscore is one
_LATEX = {character: "\\" + character for character in "&%#_$"} | {
    "{": r"\{",
    "}": r"\}",
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
}


def write_table(rows: Sequence[Sequence[str]], format: Format = "text") -> str:
    """Columns of cells.

    Args:
        rows: One or more of equal length; the first holds the headings.
        format: Output format. Characters with a meaning in Markdown or LaTeX are escaped.

    Examples:
        >>> print(write_table([["clip", "votes"], ["rain.mp4", "20"]]))
        clip      votes
        rain.mp4  20
    """
    if format == "latex":
        return "\n".join(_latex(rows))
    if format == "markdown":
        rows = [[_MARKDOWN.sub(r"\\\g<0>", cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    if format == "text":
        return "\n".join("  ".join(line).rstrip() for line in lines)
    rule = ["-" * width for width in widths]
    return "\n".join("| " + " | ".join(line) + " |" for line in (lines[0], rule, *lines[1:]))


def _latex(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield r"\begin{tabular}{l" + "r" * (len(rows[0]) - 1) + "}"
    yield r"\hline"
    for number, row in enumerate(rows):
        yield " & ".join("".join(_LATEX.get(c, c) for c in cell) for cell in row) + r" \\"
        if number == 0:
            yield r"\hline"
    yield r"\hline"
    yield r"\end{tabular}"
