"""The built site: every link inside it leads somewhere, and no page asks another host for anything.

``make docs`` builds the site that is tested; without one the test builds its own.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urldefrag, urlparse

import pytest
from tests.web.browser import Chromium, open_chromium

if TYPE_CHECKING:
    from playwright.sync_api import Request

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

ROOT = Path(__file__).resolve().parents[2]
LOOKED_AT = ("index", "getting_started", "listening", "cli/generate", "api/index", "distillation", "log")
"""Pages that are opened in a browser; links are checked on all pages."""
SIZES = {"wide": (1280, 900), "narrow": (390, 844)}


class _Page(HTMLParser):
    """Addresses and anchors of one HTML file."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.sources: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors |= {value for key in ("id", "name") if (value := given.get(key))}
        target = given.get("href")
        if target is not None:
            (self.sources if tag == "link" and given.get("rel") == "stylesheet" else self.links).append(
                target
            )
        if given.get("src"):
            self.sources.append(str(given["src"]))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = ROOT / "build" / "site"
    if (built / "index.html").is_file():
        return built
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "NO_MKDOCS_2_WARNING": "1"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, _Page]:
    return {path: _Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}


def test_links_lead_to_files_and_anchors_of_the_site(site: Path, pages: dict[Path, _Page]) -> None:
    broken = []
    for path, page in pages.items():
        if path.name == "404.html":
            continue  # its addresses are those of a server's root
        for target in (*page.links, *page.sources):
            address, anchor = urldefrag(target)
            if urlparse(address).scheme:
                continue
            file = path if not address else (path.parent / unquote(address)).resolve()
            file = file / "index.html" if file.is_dir() else file
            if not file.is_file():
                broken.append(f"{path.relative_to(site)}: {target}")
            elif anchor and file in pages and unquote(anchor) not in pages[file].anchors:
                broken.append(f"{path.relative_to(site)}: {target}, no such anchor")

    assert broken == []


def test_nothing_is_loaded_from_another_host(site: Path, pages: dict[Path, _Page]) -> None:
    foreign = [
        (path.name, source) for path, page in pages.items() for source in page.sources if _is_foreign(source)
    ]
    styles = [
        (path.name, address)
        for path in site.rglob("*.css")
        for address in re.findall(r"url\(([^)]*)\)", path.read_text(encoding="utf-8"))
        if _is_foreign(address.strip("'\""))
    ]

    assert len(pages) > 30
    assert foreign == styles == []


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with open_chromium() as opened:
        yield opened


@pytest.mark.parametrize("size", SIZES)
def test_pages_fit_the_screen_and_ask_nobody_else(site: Path, browser: Chromium, size: str) -> None:
    width, height = SIZES[size]
    page = browser.new_context(viewport={"width": width, "height": height}).new_page()
    asked: list[str] = []

    def note(request: "Request") -> None:
        if _is_foreign(request.url):
            asked.append(request.url)

    page.on("request", note)
    shots = os.environ.get("CINEFOLEY_SCREENSHOTS")
    wide = []
    for name in LOOKED_AT:
        page.goto((site / f"{name}.html").as_uri())
        root = "document.documentElement"
        if page.evaluate(f"{root}.scrollWidth - {root}.clientWidth") > 0:
            wide.append(name)
        if shots:
            page.screenshot(path=Path(shots) / f"site-{name.replace('/', '-')}-{size}.png")
    page.context.close()

    assert asked == []
    assert wide == []


def _is_foreign(address: str) -> bool:
    return urlparse(address).scheme in ("http", "https", "ws", "wss") or address.startswith("//")
