"""The commands and programs of the tutorials run as they are written."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

DOCS = Path(__file__).resolve().parents[2] / "docs"
TUTORIALS = sorted(page for page in (DOCS / "tutorials").glob("*.md") if page.stem != "vggsound")
PAGES = [DOCS / "getting_started.md", *TUTORIALS]
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""Blocks that are run. Other languages (`console` for installation) are only shown."""
SERVERS = ("cinefoley studio", "cinefoley study serve")
LIMIT_S = 600


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_every_block_of_a_page_runs_in_order(page: Path, tmp_path: Path) -> None:
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    assert blocks

    for language, text in blocks:
        if language == "python":
            _finish([sys.executable, "-c", text], tmp_path)
            continue
        *commands, last = _commands(text)
        for command in commands:
            _finish(["bash", "-euc", command], tmp_path)
        if last.startswith(SERVERS):
            _serve(last, tmp_path)
        else:
            _finish(["bash", "-euc", last], tmp_path)


def _commands(text: str) -> list[str]:
    return text.replace("\\\n", " ").strip().splitlines()


def _environment(folder: Path) -> dict[str, str]:
    """This interpreter's `cinefoley` first on the path, and a cache folder of the test's own."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "CINEFOLEY_HOME": str(folder / "home"), "HF_HUB_OFFLINE": "1"}


def _finish(command: list[str], folder: Path) -> None:
    result = subprocess.run(
        command,
        cwd=folder,
        env=_environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
    )
    assert result.returncode == 0, f"{command[-1]}\n{result.stdout[-4000:]}"


def _serve(command: str, folder: Path) -> None:
    """Start a server, load its page once, stop it."""
    log = folder / "server.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            ["bash", "-euc", f"exec {command}"],
            cwd=folder,
            env=_environment(folder),
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        address = _address(server, log)
        with urllib.request.urlopen(address, timeout=60) as page:
            assert page.status == 200
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def _address(server: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        found = re.search(r"http://[\d.:]+/?\S*", log.read_text())
        if found:
            return found[0]
        assert server.poll() is None, log.read_text()
        time.sleep(0.5)
    raise AssertionError(f"no address after {LIMIT_S} s: {log.read_text()}")
