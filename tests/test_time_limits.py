"""A test that hangs fails, takes its processes with it, and leaves the other tests alone."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

HANGING = """
import signal, subprocess, time
import pytest

def start_server():
    server = subprocess.Popen(["sleep", "600"])
    open("servers", "a").write(f"{{server.pid}} ")

@pytest.mark.timeout(1)
def test_hangs():
    start_server()
    {hang}

def test_after_it():
    pass
"""


def run_suite(folder: Path, hang: str) -> tuple[subprocess.CompletedProcess[str], list[int]]:
    """The outcome of a suite of two tests, of which the first hangs, and the processes that it started."""
    (folder / "test_hanging.py").write_text(HANGING.format(hang=hang))
    root = Path(__file__).parents[1]
    command = [sys.executable, "-m", "pytest", "-p", "tests.time_limits", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [*command, "--numprocesses=1", "--rootdir", str(folder), "-o", "timeout=60", "test_hanging.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return run, [int(pid) for pid in (folder / "servers").read_text().split()]


@pytest.mark.parametrize(
    "hang",
    [
        "time.sleep(600)",
        # a signal that is blocked stands for code that never returns to the interpreter
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM}); time.sleep(600)",
    ],
    ids=["python", "native"],
)
def test_a_hanging_test_fails_alone_and_its_server_is_killed(tmp_path: Path, hang: str) -> None:
    run, servers = run_suite(tmp_path, hang)
    assert run.returncode == 1, run.stdout + run.stderr
    assert re.search(r"FAILED .*test_hangs|worker .* crashed while running .*test_hangs", run.stdout), (
        run.stdout
    )
    assert re.search(r"1 failed, 1 passed", run.stdout), run.stdout
    assert servers
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).is_running() for pid in servers)
