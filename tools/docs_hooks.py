"""MkDocs hooks: generate the home page, the CLI and API reference and the notebook pages, and resolve links.

Pages that can be derived are derived at build time, so that they cannot fall behind the code:

- ``index.md``, the changelog and other Markdown files that lie outside ``docs/`` (`BORROWED`);
- ``cli/``: one page per command, from the help texts of the typer application;
- ``api/``: one page per package, with a mkdocstrings block for every public module in it;
- ``notebooks/``: every notebook with the outputs stored in it.

Links between Markdown files are written for the repository, where they work too. `resolve_links` maps them
to pages of the site.
"""

import html
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter

import cinefoley
from cinefoley.cli.main import app

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "cinefoley"
BORROWED = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/README.md": "benchmarks.md",
    "src/cinefoley/assets/lite/README.md": "cards/lite.md",
    "src/cinefoley/assets/lite/video_encoder_student/README.md": "cards/lite_student.md",
}
"""Markdown files outside ``docs/`` by their page."""
UNLISTED_ROOMS = {"cli"}
"""Rooms without an API page: the CLI reference describes them."""

_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
_FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill the navigation entries ``cli/`` and ``api/`` of mkdocs.yml."""
    filled = {"cli/": _cli_nav, "api/": _api_nav}
    config.nav = [
        {title: filled[target]()} if isinstance(target, str) and target in filled else {title: target}
        for entry in config.nav or []
        for title, target in entry.items()
    ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    pages: dict[str, str | bytes] = {}
    for source, page in BORROWED.items():
        text = _without_front_matter((ROOT / source).read_text(encoding="utf-8"))
        pages[page] = resolve_links(text, source=source, page=page)
    pages |= dict(_cli_pages())
    pages |= dict(_api_pages())
    for notebook in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")):
        pages |= _notebook_pages(notebook)
    for page, content in pages.items():
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Resolve the links of pages that lie in ``docs/``."""
    source = page.file.src_uri
    return (
        markdown if page.file.generated_by else resolve_links(markdown, source=f"docs/{source}", page=source)
    )


def on_page_content(content: str, **_: Any) -> str:
    """Drop the roles of Sphinx, such as ``:func:``, that docstrings have before names."""
    return re.sub(r":[a-z]+:(?=<code>)", "", content)


def resolve_links(text: str, *, source: str, page: str) -> str:
    """Rewrite links from file to file as links from page to page.

    Args:
        text: Markdown.
        source: Path of the Markdown file in the repository.
        page: Path of its page in the site's source.

    Returns:
        The same text. A link to a file that has no page is replaced by its text.
    """

    def resolve(match: re.Match[str]) -> str:
        mark, label, target = match.groups()
        path, hash_mark, anchor = target.partition("#")
        if not path or re.match(r"[a-z]+:", target):
            return match[0]
        found = _page_of(posixpath.normpath(posixpath.join(posixpath.dirname(source), path)))
        if found is None:
            return label
        return (
            f"{mark}[{label}]({posixpath.relpath(found, posixpath.dirname(page) or '.')}{hash_mark}{anchor})"
        )

    parts, last = [], 0
    for fence in _FENCE.finditer(text):
        parts += [_LINK.sub(resolve, text[last : fence.start()]), fence[0]]
        last = fence.end()
    return "".join([*parts, _LINK.sub(resolve, text[last:])])


def _page_of(path: str) -> str | None:
    if path in BORROWED:
        return BORROWED[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path.startswith("src/cinefoley/") and path.endswith(".py"):
        return f"api/{Path(path).parent.relative_to('src/cinefoley').as_posix().replace('/', '.')}.md"
    return None


def _without_front_matter(text: str) -> str:
    return text.split("---\n", 2)[2] if text.startswith("---\n") else text


# ---- command line ----


def _cli_nav() -> list[Any]:
    names = [page.removeprefix("cli/").removesuffix(".md") for page, _ in _cli_pages()]
    return ["cli/index.md", *({name: f"cli/{name}.md"} for name in names if name != "index")]


def _cli_pages() -> Iterator[tuple[str, str]]:
    """One page per command, and an index."""
    root = typer.main.get_command(app)
    context = root.make_context("cinefoley", [], resilient_parsing=True)
    commands: dict[str, Any] = root.commands  # type: ignore[attr-defined]
    rows = "\n".join(
        f"| [`cinefoley {name}`]({name}.md) | {_escape(command.get_short_help_str(300))} |"
        for name, command in commands.items()
    )
    options = _parameters(root, context)
    yield (
        "cli/index.md",
        f"# Commands\n\n{root.help}\n\n| command | does |\n| --- | --- |\n{rows}\n\n"
        f"## Options of every command\n\n{options}",
    )
    for name, command in commands.items():
        yield f"cli/{name}.md", "\n\n".join(_describe(command, name, context, level=1)) + "\n"


def _describe(command: Any, name: str, parent: Any, *, level: int) -> Iterator[str]:
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    usage = command.get_usage(context).removeprefix("Usage: ")
    yield f"{'#' * level} {context.command_path}"
    if command.help:
        yield _prose(command.help)
    yield f"```text\n{usage}\n```"
    yield _parameters(command, context)
    for sub, child in getattr(command, "commands", {}).items():
        yield from _describe(child, sub, context, level=level + 1)


def _parameters(command: Any, context: Any) -> str:
    """Arguments and options as a table; whatever ``--help`` prints."""
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    rows = [f"| {_code(record[0])} | {_escape(record[1])} |" for record in records if record]
    return "\n".join(["| argument, option | meaning |", "| --- | --- |", *rows])


def _code(text: str) -> str:
    name = re.sub(r" <list\[.*", "", text)  # typer's addition to arguments that repeat
    return f"<code>{_escape(name)}</code>"


def _escape(text: str) -> str:
    """Plain text as Markdown that shows it, in a table's cell too."""
    return re.sub(r"[\\`*_|\[\]~]", lambda mark: f"&#{ord(mark[0])};", html.escape(" ".join(text.split())))


def _prose(text: str) -> str:
    """Paragraphs of a help text; indented ones are code."""
    paragraphs = re.split(r"\n\s*\n", text.replace("\b", "").strip("\n"))
    return "\n\n".join(
        f"```text\n{paragraph}\n```" if paragraph.startswith(" ") else _escape(paragraph)
        for paragraph in paragraphs
    )


# ---- Python API ----


def _packages() -> list[tuple[str, Path]]:
    """Dotted name below ``cinefoley`` and folder of every package, rooms before their sub-packages."""
    folders = sorted(path.parent for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE)
    named = [(".".join(folder.relative_to(PACKAGE).parts), folder) for folder in folders]
    return [(name, folder) for name, folder in named if name.split(".")[0] not in UNLISTED_ROOMS]


def _modules(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))


def _api_nav() -> list[Any]:
    return ["api/index.md", *({f"cinefoley.{name}": f"api/{name}.md"} for name, _ in _packages())]


def _api_pages() -> Iterator[tuple[str, str]]:
    rows = "\n".join(
        f"| [`cinefoley.{name}`]({name}.md) | {_escape(_first_line(folder / '__init__.py'))} |"
        for name, folder in _packages()
    )
    template = (ROOT / "tools" / "api_index.md").read_text(encoding="utf-8")
    names = "\n".join(f"::: cinefoley.{name}" for name in cinefoley.__all__ if not name.startswith("_"))
    yield "api/index.md", template.replace("{{names}}", names).replace("{{packages}}", rows)
    for name, folder in _packages():
        blocks = [f"# cinefoley.{name}\n", f"{_docstring(folder / '__init__.py')}\n"]
        blocks += [f"::: cinefoley.{name}.{module}\n" for module in _modules(folder)]
        yield f"api/{name}.md", "\n".join(blocks)


def _docstring(path: Path) -> str:
    match = re.match(r'\s*"""(.*?)"""', path.read_text(encoding="utf-8"), re.DOTALL)
    return match[1].strip() if match else ""


def _first_line(path: Path) -> str:
    return _docstring(path).split("\n", 1)[0]


# ---- notebooks ----


def _notebook_pages(path: Path) -> dict[str, str | bytes]:
    """The notebook as Markdown, and the images among its outputs."""
    text, resources = MarkdownExporter().from_filename(str(path))
    folder = f"notebooks/{path.stem}"
    images: dict[str, bytes] = resources.get("outputs", {})
    for name in images:
        text = text.replace(f"]({name})", f"]({path.stem}/{name})")
    return {f"{folder}.md": text} | {f"{folder}/{name}": data for name, data in images.items()}
