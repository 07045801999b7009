import logging
import os
import re
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main

from cinefoley import __version__
from cinefoley.cli.main import app, main
from cinefoley.errors import MediaWarning

RunCli = Callable[..., Any]


def test_the_version_goes_to_stdout(run_cli: RunCli) -> None:
    result = run_cli("--version")

    assert (result.code, result.out, result.err) == (0, f"cinefoley {__version__}\n", "")


def test_help_names_every_command(run_cli: RunCli) -> None:
    result = run_cli("--help")

    assert result.code == 0
    assert all(f"\n  {command} " in result.out for command in ("generate", "doctor", "stage"))


def test_help_says_of_every_option_what_it_takes(run_cli: RunCli) -> None:
    """In words or letters of ours: ``--steps N``, where typer would write ``--steps <int range>``."""
    commands = list(_commands(typer.main.get_command(app)))
    assert {("generate",), ("train", "ldm")} <= set(commands)
    unnamed = [
        (*command, option)
        for command in commands
        for option in re.findall(r"^ +(?:-\w, )?(--\S+) <[a-z ]+>", run_cli(*command, "-h").out, re.MULTILINE)
    ]
    assert unnamed == []


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, below in getattr(command, "commands", {}).items():
        yield from _commands(below, (*path, name))
    if not hasattr(command, "commands"):
        yield path


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["generate"], ["generate", "--nonsense", "rain.mp4"], ["stage", "render"], []]
)
def test_wrong_usage_exits_with_2_and_says_so_on_stderr_alone(run_cli: RunCli, arguments: list[str]) -> None:
    result = run_cli(*arguments)

    assert result.code == 2
    assert "Usage: cinefoley" in result.err + result.out
    assert "Traceback" not in result.err
    assert not (arguments and result.out)


def test_an_expected_failure_is_one_line_on_stderr(run_cli: RunCli, tmp_path: Path) -> None:
    result = run_cli("doctor", tmp_path / "missing.mp4")

    assert (result.code, result.out) == (1, "")
    assert result.err == f"error: {tmp_path}/missing.mp4: no such file.\n"


@pytest.mark.parametrize("place", ["before", "after"])
def test_debug_shows_the_traceback_wherever_it_stands(run_cli: RunCli, tmp_path: Path, place: str) -> None:
    command = ["doctor", str(tmp_path / "missing.mp4")]
    result = run_cli(*(["--debug", *command] if place == "before" else [*command, "--debug"]))

    assert result.code == 1
    assert "Traceback" in result.err
    assert "MediaError" in result.err


def test_a_file_after_a_bare_double_dash_is_no_switch(run_cli: RunCli) -> None:
    result = run_cli("doctor", "--", "--debug")

    assert result.err.startswith("error: --debug: no such file")


def test_what_a_command_sets_up_is_undone(run_cli: RunCli) -> None:
    before = signal.getsignal(signal.SIGTERM), warnings.showwarning, list(warnings.filters)
    run_cli("doctor", "missing.mp4")

    assert (signal.getsignal(signal.SIGTERM), warnings.showwarning, list(warnings.filters)) == before
    assert not logging.getLogger().handlers or logging.getLogger().level == logging.WARNING


def test_the_program_runs_as_a_module_and_ends_quietly_when_its_reader_leaves() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "cinefoley.cli.main", "--help"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)

    assert (done.returncode, done.stderr) == (1, "")


def test_a_media_warning_is_one_line(run_cli: RunCli, capsys: pytest.CaptureFixture[str]) -> None:
    from cinefoley.cli import main as module

    with warnings.catch_warnings():
        module._show_media_warnings(others=False)
        warnings.warn("rain.mkv: is cut off: used 2 s of 3 s.", MediaWarning, stacklevel=1)
        warnings.warn("something for developers", UserWarning, stacklevel=1)

    assert capsys.readouterr().err == "warning: rain.mkv: is cut off: used 2 s of 3 s.\n"


def test_main_returns_the_code_instead_of_leaving() -> None:
    assert main(["doctor", "missing.mp4"]) == 1


def test_a_command_has_its_threads_wait_without_spinning(
    run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    run_cli("models", "list")
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE", "the user's choice stands"
    monkeypatch.delenv("OMP_WAIT_POLICY")
    run_cli("models", "list")
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
