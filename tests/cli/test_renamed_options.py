"""Old option names do what the new ones do, print a warning, and are not in the help."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RunCli = Callable[..., Any]


@pytest.mark.parametrize(
    ("command", "old", "new"),
    [
        (("vary", "clips.csv", "-o", "x", "--close-up", "--camera-movement"), "--jobs 2", "--workers"),
        (("vary", "clips.csv", "-o", "x", "--close-up", "--camera-movement"), "--clips=.", "--data"),
        (("data", "prepare", "-o", "x", "--split", "test"), "--clips .", "--data"),
        (("data", "prepare", "-o", "x", "--data", ".", "--split", "test"), "--jobs 2", "--workers"),
        (("data", "prepare", "-o", "x", "--data", ".", "--split", "test"), "--quality 80", "--jpeg-quality"),
        (("data", "prepare", "-o", "x", "--data", ".", "--split", "test"), "--least 4", "--min-duration"),
        (("stage", "export", "x", "--count", "0"), "--side 32", "--short-side"),
        (("reproduce", "table1"), "--replicas 0", "--bootstrap"),
        (("explain", "gone.mp4"), "--video-encoder encoder", "--student"),
        (("studio", "--port", "-1"), "--most-upload 1", "--max-upload"),
        (("studio", "--port", "-1"), "--longest 20", "--max-duration"),
    ],
)
def test_an_old_name_is_accepted_with_a_warning(
    run_cli: RunCli,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    old: str,
    new: str,
) -> None:
    """Each command stops at another error, so that nothing is computed."""
    monkeypatch.chdir(tmp_path)
    result = run_cli(*command, *old.split())
    name = old.replace("=", " ").split()[0]
    assert f"warning: {name} is deprecated; use {new}." in result.err
    assert result.code in (1, 2)
    assert "No such option" not in result.err
    words = run_cli(
        *[word for word in command[:2] if word.isalpha()][: 2 if command[0] in ("data", "stage") else 1], "-h"
    )
    assert new in words.out.split()
    assert name not in words.out.split() or (command[0], name) == ("data", "--clips")


def test_an_old_value_is_used(run_cli: RunCli, tmp_path: Path) -> None:
    result = run_cli("vary", tmp_path / "clips.csv", "--close-up", "-o", tmp_path / "x", "--jobs", 0)

    assert result.code == 2
    assert "--workers must not be 0" in " ".join(result.err.split())


def test_an_argument_after_a_bare_double_dash_is_no_option(run_cli: RunCli) -> None:
    result = run_cli("explain", "--", "--video-encoder")

    assert "deprecated" not in result.err
