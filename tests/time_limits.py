"""Time limits of tests: a test that hangs fails, and no process that it started survives it.

pytest-timeout raises in the test when its limit has passed (``timeout`` in pyproject.toml, or the marker
``timeout``). Code that never returns to the interpreter does not notice: half as long again after the limit,
the whole process ends. pytest-xdist reports a failure of the test that ran, and starts another worker.
"""

import faulthandler
import os
import threading
from collections.abc import Generator

import psutil
import pytest

__all__ = ["kill_children"]

_SLOW_S = 1200.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests have a limit of their own."""
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(_SLOW_S))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """End the process if the test outlasts its limit by half."""
    limit_s = _limit_s(item)
    if not limit_s:
        return (yield)
    timer = threading.Timer(1.5 * limit_s, _end_process, [item.nodeid, limit_s])
    timer.daemon = True
    timer.start()
    try:
        return (yield)
    finally:
        timer.cancel()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Kill what a test that ran out of time has started: servers, browsers, pools of workers."""
    if call.excinfo is not None and "Timeout (>" in str(call.excinfo.value):
        kill_children()
    return (yield)


def kill_children() -> None:
    """Kill every process that descends from this one, and wait until they are gone, 10 s at most."""
    children = psutil.Process().children(recursive=True)
    for child in children:
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(children, timeout=10)


def _limit_s(item: pytest.Item) -> float:
    marker = item.get_closest_marker("timeout")
    if marker is not None and marker.args:
        return float(marker.args[0])
    return float(item.config.getoption("timeout") or item.config.getini("timeout") or 0)


def _end_process(nodeid: str, limit_s: float) -> None:
    faulthandler.dump_traceback()
    os.write(2, f"\n{nodeid} did not stop at its limit of {limit_s:g} s: the process ends.\n".encode())
    kill_children()
    os._exit(70)
