"""Networks and file systems of a process's own, which stand in for machines and for disks."""

import os
import shutil
import subprocess

import pytest

__all__ = ["find_unshared", "unshared"]


def unshared(*what: str, probe: str) -> list[str]:
    """The command that runs another in namespaces of its own: as root, or as a user who is root in one.

    Args:
        what: Options of ``unshare``, such as ``--net``.
        probe: A shell command that must work in there.
    """
    command = find_unshared(*what, probe=probe)
    if command is not None:
        return command
    reason = f"namespaces cannot be made here (unshare {' '.join(what)}, then {probe})"
    if os.environ.get("CI"):
        pytest.fail(reason)  # where changes are judged, this is always tried
    pytest.skip(reason)


def find_unshared(*what: str, probe: str) -> list[str] | None:
    """The same command; None where namespaces cannot be made."""
    for options in (what, ("--user", "--map-root-user", *what)):
        command = ["unshare", *options]
        if shutil.which("unshare") and not _fails([*command, "sh", "-c", probe]):
            return command
    return None


def _fails(command: list[str]) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode != 0
