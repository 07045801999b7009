import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import wavinfo

RunCli = Callable[..., Any]


def test_takes_become_a_delivery(
    run_cli: RunCli, rain: Path, tmp_path: Path, make_hits_file: Callable[[Path], None]
) -> None:
    takes = tmp_path / "foley"
    takes.mkdir()
    for take in (1, 2):
        make_hits_file(takes / f"rain.take{take}.wav")
    record = {
        "kind": "cinefoley takes",
        "model": {"name": "lite"},
        "seed": 5,
        "takes": [{"take": 2, "wav": ""}],
    }
    (takes / "rain.json").write_text(json.dumps(record))
    out = tmp_path / "out"

    result = run_cli(
        "deliver",
        rain,
        "--takes-in",
        takes,
        "-o",
        out,
        "--use",
        "2",
        "--shots",
        "off",
        "--loudness",
        "-30",
        "--json",
    )

    assert result.code == 0, result.err
    assert result.json["files"] == sorted(path.name for path in out.iterdir())
    assert abs(result.json["track"]["integrated_lufs"] + 30) < 0.1
    bext = wavinfo.WavInfoReader(out / "rain_001_T2.wav").bext
    assert bext.description == "rain, shot 1, take 2; model lite, seed 5"
    again = run_cli("deliver", rain, "--takes-in", takes, "-o", out, "--shots", "off")
    assert (again.code, again.err.count("\n")) == (1, 1)
    assert "holds a delivery" in again.err


def test_a_shot_list_gives_a_file_per_shot(
    run_cli: RunCli, rain: Path, tmp_path: Path, make_hits_file: Callable[[Path], None]
) -> None:
    make_hits_file(tmp_path / "rain.take1.wav")
    (tmp_path / "shots.csv").write_text("start_s,end_s\n0,0.5\n0.5,1.0\n")
    out = tmp_path / "out"
    deliver = ("deliver", rain, "--takes-in", tmp_path, "-o", out, "--shots")

    result = run_cli(*deliver, tmp_path / "shots.csv")

    assert result.code == 0, result.err
    assert {f"rain_00{shot}_T1.wav" for shot in (1, 2, 3)} <= {path.name for path in out.iterdir()}
    wrong = run_cli(*deliver, tmp_path / "none.csv", "--force")
    assert (wrong.code, wrong.err.count("\n")) == (1, 1)
    assert "none.csv: cannot be read" in wrong.err


def test_wrong_options_are_one_line(
    run_cli: RunCli, rain: Path, tmp_path: Path, make_hits_file: Callable[[Path], None]
) -> None:
    make_hits_file(tmp_path / "rain.take1.wav")
    deliver = ("deliver", rain, "--takes-in", tmp_path, "-o", tmp_path / "out", "--shots", "off")
    for options, text in (
        (["--use", "3"], "take 3 is not among the delivered takes"),
        (["--use", "1,1"], "names 2 takes, but the video has 1 shots"),
        (["--use", "one"], "write numbers of takes"),
        (["--duck", "6"], "needs mix_gain_db"),
        (["--take", "4"], "rain.take4.wav: does not exist"),
        (["--start-timecode", "1h"], "'1h' is no timecode"),
        (["--timecode-rate", "27.4"], "is no rate of timecode"),
    ):
        result = run_cli(*deliver, *options)
        assert result.code in (1, 2)
        assert text in result.err.replace("\n", " ")
    assert not (tmp_path / "out").exists()
