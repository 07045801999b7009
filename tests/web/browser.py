"""Chromium for tests of pages: started when a test needs it, and again if it has crashed."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Playwright

__all__ = [
    "PATIENCE_MS",
    "TEST_LIMIT_S",
    "Chromium",
    "close_context",
    "find_chromium",
    "open_chromium",
    "take_screenshot",
]

PATIENCE_MS = 90_000  # other work may have the processor
"""Longest wait for an element or a navigation."""
TEST_LIMIT_S = 200.0
"""Longest use of the browser by one test; below the time limit of tests, so that it takes effect first."""

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_CLOSE_S = 20.0


def find_chromium() -> Path:
    """The system's Chromium. Without it, or without playwright, the test is skipped; it fails if
    ``CINEFOLEY_NEEDS_BROWSER`` is set, as it is in CI."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    try:
        import playwright.sync_api  # noqa: F401
    except ModuleNotFoundError:
        found = None
    if found is None:
        missing = "no Chromium, or no playwright: `apt-get install chromium`, `pip install playwright`"
        if os.environ.get("CINEFOLEY_NEEDS_BROWSER"):
            pytest.fail(missing)
        pytest.skip(missing)
    return Path(found)


class Chromium:
    """A browser without a window. If it, or playwright's driver, has died, the next context starts another.

    Args:
        executable: The browser.
    """

    def __init__(self, executable: Path) -> None:
        self._executable = executable
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self._driver: psutil.Process | None = None

    def new_context(self, **options: Any) -> "BrowserContext":
        """A session of its own, such as one user's; waits in it end after :data:`PATIENCE_MS`."""
        from playwright.sync_api import Error

        try:
            context = self._open().new_context(**options)
        except Error:  # it has died since it was last used
            self.close()
            context = self._open().new_context(**options)
        context.set_default_timeout(PATIENCE_MS)
        return context

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """Kill the browser if the block takes longer, so that whatever waits for it raises an error."""
        timer = threading.Timer(seconds, self.kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def processes(self) -> list[psutil.Process]:
        """The processes of the browser, its main process first."""
        if self._driver is None or not self._driver.is_running():
            return []
        return [process for process in self._driver.children(recursive=True) if "chrom" in process.name()]

    def kill(self) -> None:
        """Kill the browser and its driver."""
        driver = self._driver
        if driver is None:
            return
        with suppress(psutil.NoSuchProcess):
            for process in [*driver.children(recursive=True), driver]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    def close(self) -> None:
        """End the browser; what has not ended after a while is killed."""
        from playwright.sync_api import Error

        playwright, browser = self._playwright, self._browser
        self._playwright = self._browser = None
        with self.limit(_CLOSE_S):
            if browser is not None:
                with suppress(Error):
                    browser.close()
            if playwright is not None:
                playwright.stop()
        self.kill()
        self._driver = None

    def _open(self) -> "Browser":
        if self._browser is not None and self._browser.is_connected():
            return self._browser
        self.close()
        from playwright.sync_api import sync_playwright

        before = set(psutil.Process().children())
        self._playwright = sync_playwright().start()
        self._driver = next(iter(set(psutil.Process().children()) - before), None)
        self._browser = self._playwright.chromium.launch(
            executable_path=self._executable, timeout=PATIENCE_MS
        )
        return self._browser


@contextmanager
def open_chromium() -> Iterator[Chromium]:
    """A browser that is closed after the block."""
    browser = Chromium(find_chromium())
    try:
        yield browser
    finally:
        browser.close()


def close_context(context: "BrowserContext") -> None:
    """End a session; one whose browser has died has ended already."""
    from playwright.sync_api import Error

    with suppress(Error):
        context.close()


def take_screenshot(page: "Page", name: str) -> None:
    """Store a picture of the page, for people, in the folder that ``CINEFOLEY_SCREENSHOTS`` names."""
    folder = os.environ.get("CINEFOLEY_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
