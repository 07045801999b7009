"""A crash of the browser fails the test in which it happens, and no other."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from tests.web.browser import Chromium, find_chromium

SUITE = """
from pathlib import Path
from tests.web.conftest import chromium, module_chromium

def test_before_the_crash(chromium):
    page = chromium.new_context().new_page()
    page.set_content("<h1>one</h1>")
    assert page.get_by_role("heading").inner_text() == "one"

def test_that_is_hit_by_the_crash(chromium):
    page = chromium.new_context().new_page()
    page.set_content("<h1>two</h1>")
    browser = chromium.processes()[0]
    Path("killed").write_text(str(browser.pid))
    browser.kill()
    page.get_by_text("three").wait_for()

def test_after_the_crash(chromium):
    page = chromium.new_context().new_page()
    page.set_content("<h1>three</h1>")
    assert page.get_by_role("heading").inner_text() == "three"
"""


def test_a_crash_in_the_middle_fails_one_test_and_not_the_run(tmp_path: Path) -> None:
    """Three tests in a run of their own; the second kills the browser and waits for it."""
    find_chromium()
    (tmp_path / "test_crash.py").write_text(SUITE)
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "test_crash.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert "1 failed, 2 passed" in run.stdout, run.stdout + run.stderr
    assert "FAILED test_crash.py::test_that_is_hit_by_the_crash" in run.stdout
    assert "closed" in run.stdout, "the error names the browser, not a wait that ran out"
    assert not psutil.pid_exists(int((tmp_path / "killed").read_text()))


def test_a_driver_that_was_killed_is_started_again(chromium: Chromium) -> None:
    """As after a test that ran out of time, whose processes are all killed."""
    chromium.new_context().new_page().set_content("<h1>one</h1>")
    chromium.kill()
    page = chromium.new_context().new_page()
    page.set_content("<h1>two</h1>")

    assert page.get_by_role("heading").inner_text() == "two"


def test_a_page_that_never_answers_is_ended_by_the_limit(chromium: Chromium) -> None:
    from playwright.sync_api import Error

    page = chromium.new_context().new_page()
    began = time.monotonic()
    with chromium.limit(1), pytest.raises(Error):
        page.evaluate("() => new Promise(() => {})")

    assert time.monotonic() - began < 60
    assert chromium.processes() == []
