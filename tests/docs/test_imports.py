"""Every name of cinefoley that the docs import in Python blocks or write in code spans exists."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.glob("*.md"), *(DOCS / "tutorials").glob("*.md")])
HISTORY = {"log.md"}
"""Pages with the names of their day."""
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_names_imported_in_python_blocks_exist(page: Path) -> None:
    missing = [
        f"{node.module}.{alias.name}"
        for block in BLOCK.findall(page.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("cinefoley")
        for alias in node.names
        if not hasattr(import_module(node.module), alias.name)
    ]

    assert missing == []


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name not in HISTORY], ids=lambda page: page.stem
)
def test_dotted_names_in_code_spans_exist(page: Path) -> None:
    named = re.findall(r"`(cinefoley(?:\.\w+)+)(?:\(\))?`", page.read_text(encoding="utf-8"))

    assert [name for name in named if not _exists(name)] == []


def _exists(name: str) -> bool:
    try:
        import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return _exists(module) and hasattr(import_module(module), attribute)
    return True
