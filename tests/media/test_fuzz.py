"""Damaged files of every container: each reader gives frames or audio, or a ``CinefoleyError``."""

import json
import select
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
INPUTS, INPUTS_IF_SLOW = 500, 5000
LONGEST_S = 10
MOST_MIB = 1024


class Checker:
    """A process that checks one seed after the other; where one takes too long, it is replaced."""

    def __init__(self, folder: Path, longest_s: float = LONGEST_S) -> None:
        self._folder, self._longest_s = folder, longest_s
        self._log = folder / "errors.log"
        folder.mkdir()
        self._process: subprocess.Popen[str] | None = None

    def problems(self, seed: str) -> list[str]:
        """What goes wrong with the input of a seed."""
        process = self._process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{seed}\n")
        process.stdin.flush()
        if not self._answers(process):
            self.close()
            return [f"seed {seed}: takes longer than {self._longest_s} s"]
        line = process.stdout.readline()
        if not line:
            code = process.wait()
            self.close()
            return [f"seed {seed}: the process died ({code}):\n{self._log.read_text()[-2000:]}"]
        row = json.loads(line)
        problems = [f"seed {seed} ({row['damaged']}): {problem}" for problem in row["problems"]]
        if row["peak_mib"] > MOST_MIB:
            self.close()  # the peak is that of the process
            problems.append(f"seed {seed} ({row['damaged']}): took {row['peak_mib']} MiB")
        return problems

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _start(self) -> "subprocess.Popen[str]":
        with self._log.open("w") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-X",
                    "faulthandler",
                    "-m",
                    "tests.media.fuzzing",
                    str(self._folder / "files"),
                ],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert process.stdout is not None
        process.stdout.readline()  # imports take seconds, and are no part of any input
        return process

    def _answers(self, process: "subprocess.Popen[str]") -> bool:
        """Wait for an answer; processor time counts, and wall time only where a process sleeps for ever."""
        assert process.stdout is not None
        watched = psutil.Process(process.pid)
        begin, begin_cpu = time.monotonic(), _cpu_s(watched)
        while not select.select([process.stdout], [], [], 0.2)[0]:
            if (
                _cpu_s(watched) - begin_cpu > self._longest_s
                or time.monotonic() - begin > 12 * self._longest_s
            ):
                return False
        return True


def _cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


@pytest.mark.timeout(3600)  # it has a watchdog of its own for every input
def test_damaged_files_end_in_frames_or_in_an_error_of_ours(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Reproduce a failure by ``python -m tests.media.fuzzing FOLDER SEED``."""
    count = INPUTS_IF_SLOW if request.config.getoption("--run-slow") else INPUTS

    def check(worker: int) -> list[str]:
        with closing(Checker(tmp_path / str(worker))) as checker:
            return [problem for seed in range(worker, count, 2) for problem in checker.problems(str(seed))]

    with ThreadPoolExecutor(2) as pool:
        problems = list(chain.from_iterable(pool.map(check, range(2))))
    assert not problems, "\n".join([f"{len(problems)} problems", *problems[:20]])


def test_a_crash_and_a_hang_are_named_and_the_next_input_is_checked(tmp_path: Path) -> None:
    with closing(Checker(tmp_path / "files", longest_s=1)) as checker:
        (crash,) = checker.problems("crash")
        assert crash.startswith("seed crash: the process died (-11)")
        assert "fuzzing.py" in crash
        assert checker.problems("hang") == ["seed hang: takes longer than 1 s"]
        assert checker.problems("0") == []
