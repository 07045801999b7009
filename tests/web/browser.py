"""The browser that pages are tested in."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["open_browser", "take_screenshot"]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def open_browser() -> Iterator["Browser"]:
    """The system's Chromium without a window. Where there is none, the test is skipped, or fails if
    ``CINEFOLEY_NEEDS_BROWSER`` is set, as it is in CI."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        found = None
    if found is None:
        missing = "no Chromium, or no playwright: `apt-get install chromium`, `pip install playwright`"
        if os.environ.get("CINEFOLEY_NEEDS_BROWSER"):
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found)
        yield browser
        browser.close()


def take_screenshot(page: "Page", name: str) -> None:
    """Keep what the page looks like, for people, in the folder that ``CINEFOLEY_SCREENSHOTS`` names."""
    folder = os.environ.get("CINEFOLEY_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
