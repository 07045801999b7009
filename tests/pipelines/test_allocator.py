import platform
import subprocess
import sys

import pytest

from cinefoley.pipelines.allocator import keep_freed_memory

_COUNT_PAGE_FAULTS = """
import resource, sys, torch
from cinefoley.pipelines.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def use():
    block = torch.empty(16 * 2**20)  # 64 MiB
    block.fill_(1)
for _ in range(20):  # until the holes that alignment leaves have grown together
    use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_freed_memory_is_used_again_instead_of_being_zeroed_anew() -> None:
    faults = {}
    for mode in ("keep", "default"):
        command = [sys.executable, "-c", _COUNT_PAGE_FAULTS, mode]
        environment = {"OMP_NUM_THREADS": "1"}
        result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        faults[mode] = int(result.stdout)
    assert faults["keep"] * 10 < faults["default"]


def test_elsewhere_it_says_that_nothing_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False
