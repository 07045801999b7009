import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cinefoley.study.results import votes_path
from cinefoley.study.store import VoteStore

RunCli = Callable[..., Any]


@pytest.fixture
def study(study_folder: Path, tmp_path: Path) -> Path:
    """The small study's file in a folder of its own, without films, with an empty file of votes."""
    path = tmp_path / "doors.toml"
    path.write_text((study_folder / "study.toml").read_text())
    VoteStore(votes_path(path)).close()
    return path


def test_a_report_of_no_votes_is_a_report(run_cli: RunCli, study: Path) -> None:
    result = run_cli("study", "report", study)

    assert (result.code, result.err) == (0, "")
    assert "No votes between Base and Ours yet." in result.out


def test_a_report_can_be_written_in_every_form(run_cli: RunCli, study: Path, tmp_path: Path) -> None:
    result = run_cli("study", "report", study, "--json", "-o", tmp_path / "out")

    assert result.json["pairs"][0]["second"] == "Ours"
    names = ["clips.csv", "preferences.csv", "study.json", "study.md", "study.tex", "votes.csv"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert json.loads((tmp_path / "out" / "study.json").read_text()) == result.json
    again = run_cli("study", "report", study, "-o", tmp_path / "out")
    assert again.code == 1
    assert "study.json: exists. Pass --force" in again.err
    assert run_cli("study", "report", study, "-o", tmp_path / "out", "--force").code == 0


def test_a_report_without_votes_says_how_to_get_some(run_cli: RunCli, study_folder: Path) -> None:
    result = run_cli("study", "report", study_folder / "study.toml", "--votes", study_folder / "none.sqlite")

    assert result.code == 1
    assert "none.sqlite: no votes here. Collect some with `cinefoley study serve STUDY.toml`." in result.err


def test_a_study_of_one_method_is_refused_in_one_line(run_cli: RunCli, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text('[methods]\nbase = "films"\n')
    result = run_cli("study", "serve", tmp_path / "study.toml")

    assert (result.code, result.out) == (1, "")
    assert "a study compares at least two methods, found 1 (base)" in result.err


def test_without_the_web_extra_serving_says_what_to_install(
    run_cli: RunCli, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [*sys.modules]:
        if name.startswith("cinefoley.web"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = run_cli("study", "serve", study)

    assert result.code == 1
    assert "which is not installed. Install it with `pip install 'cinefoley[web]'`." in result.err


def test_serving_listens_on_loopback_until_it_is_interrupted(study_folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cinefoley.cli.main", "study", "serve"]
    process = subprocess.Popen(
        [*command, study_folder / "study.toml", "--port", "0", "--votes", tmp_path / "votes.sqlite"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a shell's job in the background ignores interrupts, and so would its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert address.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(f"{address}api/study", timeout=60) as answer:
        assert json.load(answer)["title"] == "Doors and drums"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert out == ""
    assert err == f"4 clips; votes are stored in {tmp_path / 'votes.sqlite'}; stop with Ctrl-C.\n"


def test_table_2_of_a_study_without_votes_says_how_to_get_some(run_cli: RunCli, study: Path) -> None:
    result = run_cli("reproduce", "table2", study)

    assert result.code == 1
    assert "No votes between Base and Ours yet. Collect some with" in result.err
