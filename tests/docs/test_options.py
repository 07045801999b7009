"""Every option in a `cinefoley` command of the docs exists, under its current name."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from cinefoley.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.glob("*.md"), *(DOCS / "tutorials").glob("*.md")])
CODE = re.compile(r"^```\w*\n(.*?)^```|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
HISTORY = {"log.md"}
"""Pages that report commands of their day."""


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_options_in_commands_of_the_docs_exist(page: Path) -> None:
    unknown = [
        f"cinefoley {' '.join(path)} {option}"
        for path, options in _commands(page.read_text(encoding="utf-8"))
        for option in options - _options(path)
        if page.name not in HISTORY
    ]

    assert unknown == []


def _commands(text: str) -> Iterator[tuple[list[str], set[str]]]:
    """Path below `cinefoley` and options of every command in the code of a page."""
    for block, span in CODE.findall(text):
        for line in (block or span).replace("\\\n", " ").splitlines():
            found = re.search(r"\bcinefoley ((?:[a-z]+ ?)+)(.*)", line.split(" #")[0])
            if found and found[1].split()[0] in _root().commands:
                yield found[1].split(), set(re.findall(r"(?<=[\s\[|])--[a-z][a-z-]*", f" {found[2]}"))


def _root() -> Any:
    return typer.main.get_command(app)


def _options(path: list[str]) -> set[str]:
    """Options of the command that the words name; words after it are its arguments."""
    command = _root()
    for word in path:
        command = getattr(command, "commands", {}).get(word, command)
    parameters = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    return {"--help", "--version"} | {name for parameter in parameters for name in parameter.opts}
