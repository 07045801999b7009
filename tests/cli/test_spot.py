import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RunCli = Callable[..., Any]


@pytest.fixture
def take(generate: RunCli, rain: Path, tmp_path: Path) -> Path:
    """The first take of the film, with random weights."""
    assert generate(rain, "-q").code == 0
    return tmp_path / "out" / "rain.take1.wav"


def test_cues_of_a_take_are_written_edited_and_come_back(
    run_cli: RunCli, generate: RunCli, rain: Path, take: Path, make_hits_file: Callable[[Path], None]
) -> None:
    make_hits_file(take)
    out = take.parent
    result = run_cli("spot", rain, "--takes-in", out, "--start-timecode", "10:00:00:00", "--json")

    assert result.code == 0, result.err
    assert [Path(path).name for path in result.json["outputs"]] == [
        f"rain.take1.cues.{suffix}" for suffix in ("csv", "edl", "otio", "reaper.csv")
    ]
    cues = result.json["cues"]
    assert [cue["time_s"] for cue in cues] == pytest.approx([0.4, 1.1], abs=0.02)
    assert cues[0]["timecode"].startswith("10:00:00:")

    sheet = out / "rain.take1.cues.csv"
    rows = list(csv.reader(sheet.read_text().splitlines()))
    rows[3][2] = "1.300"
    sheet.write_text("\n".join(",".join(row) for row in rows))
    again = run_cli("spot", rain, "--takes-in", out)
    assert again.code == 1
    assert "exists. Choose another folder" in again.err
    moved = generate(rain, "--cues", sheet, "--force", "-q")
    assert moved.code == 0, moved.err
    record = json.loads((out / "rain.json").read_text())
    assert record["settings"]["cues_s"] == [cues[0]["time_s"], 1.3]
    assert [cue["cue_s"] for cue in record["takes"][0]["cues"]] == [cues[0]["time_s"], 1.3]
    assert record["takes"][0]["true_peak_db"] <= 0


def test_cues_that_do_not_fit_stop_the_command(generate: RunCli, rain: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "cues.csv"
    sheet.write_text("time_s\n1.0\n9.0\n")

    result = generate(rain, "--cues", sheet)

    assert result.code == 1
    assert result.err.startswith("error: cues.csv, line 3: 9.000 s is outside the video")
    assert not (tmp_path / "out").exists()


def test_without_a_take_there_is_nothing_to_spot(run_cli: RunCli, rain: Path, tmp_path: Path) -> None:
    result = run_cli("spot", rain, "--takes-in", tmp_path)

    assert result.code == 1
    assert "rain.take1.wav: does not exist" in result.err
    assert list(tmp_path.glob("*.cues.*")) == []
