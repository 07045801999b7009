"""A test that hangs fails, takes its processes with it, and leaves the other tests alone."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil

HANGING = """
import signal, subprocess, time
import pytest

def start_server():
    server = subprocess.Popen(["sleep", "600"])
    open("servers", "a").write(f"{server.pid} ")

@pytest.mark.timeout(1)
def test_hangs():
    start_server()
    time.sleep(600)

@pytest.mark.timeout(1)
def test_never_returns_to_the_interpreter():
    start_server()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})  # as native code would
    time.sleep(600)

def test_after_it():
    pass
"""


def test_hanging_tests_fail_alone_and_their_servers_are_killed(tmp_path: Path) -> None:
    """In a suite of their own: two tests hang, the third passes."""
    (tmp_path / "test_hanging.py").write_text(HANGING)
    root = Path(__file__).parents[1]
    command = [sys.executable, "-m", "pytest", "-p", "tests.time_limits", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [*command, "--numprocesses=1", "--rootdir", str(tmp_path), "-o", "timeout=60", "test_hanging.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    assert re.search(r"FAILED .*test_hangs", run.stdout), run.stdout
    assert re.search(r"worker .* crashed while running .*test_never_returns", run.stdout), run.stdout
    assert re.search(r"2 failed, 1 passed", run.stdout), run.stdout
    servers = [int(pid) for pid in (tmp_path / "servers").read_text().split()]
    assert len(servers) == 2
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).is_running() for pid in servers)
