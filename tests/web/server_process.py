"""``cinefoley`` servers in processes of their own."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress

__all__ = ["ServerProcess"]

_START_S = 120  # other work may have the processor
_STOP_S = 60


class ServerProcess:
    """A command that serves HTTP, in a process group of its own; every wait for it is bounded.

    Args:
        arguments: Of ``cinefoley``; ``--json`` is added.
        environment: Variables in addition to this process's.
    """

    def __init__(self, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        self._command = [sys.executable, "-m", "cinefoley.cli.main", *arguments, "--json"]
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[str] | None = None
        self.address = ""

    @property
    def is_running(self) -> bool:
        """Whether the process has started and has not ended, by itself or by a time limit."""
        return self._process is not None and self._process.poll() is None

    def start(self, *options: str) -> None:
        """Start the process, and wait until it prints its address.

        Args:
            options: Further arguments of the command.
        """
        self._process = subprocess.Popen(
            [*self._command, *options],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | self._environment,
            process_group=0,
        )
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], _START_S)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            self.stop(rudely=True)
            raise AssertionError(f"no address within {_START_S} s: {' '.join(self._command)}")
        self.address = json.loads(line)["address"]

    def stop(self, *, rudely: bool = False) -> None:
        """End the process with SIGTERM, or with SIGKILL if ``rudely``; kill its group if it does not end."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill() if rudely else process.terminate()
        try:
            process.communicate(timeout=_STOP_S)
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
