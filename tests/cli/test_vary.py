import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cinefoley.cli import vary
from cinefoley.data.test_sets.test_set import read_test_set
from cinefoley.variations.techniques import TECHNIQUES

RunCli = Callable[..., Any]


@pytest.fixture
def split_csv(tmp_path: Path, rain: Path, render_film: Callable[..., Path]) -> Path:
    """A list of two clips beside it, and one that is not there."""
    render_film(tmp_path / "wind_000007.mp4", seed=1, size=(64, 48))
    csv = tmp_path / "split.csv"
    csv.write_text("rain,0,rain,test\nwind,7,wind,test\ngone,0,nothing,test\n")
    return csv


@pytest.mark.parametrize("kind", ["close-up", "camera-movement", "zoom", "rack-focus"])
def test_films_are_varied_into_a_folder(run_cli: RunCli, rain: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"
    result = run_cli("vary", rain, f"--{kind}", "-o", out, "--seed", 3)
    film = out / f"rain.{kind}.mp4"
    assert (result.code, result.out, result.err) == (0, f"{film}\n", "")
    record = json.loads(film.with_suffix(".json").read_text())
    assert record["window"]["kind"] == kind.replace("-", "_")
    assert record["seed"] == 3
    again = run_cli("vary", rain, f"--{kind}", "-o", out, "--seed", 3, "--json")
    assert again.json == {"films": [record], "num_failed": 0}


def test_options_reach_the_window(run_cli: RunCli, rain: Path, tmp_path: Path) -> None:
    run_cli("vary", rain, "--camera-movement", "--direction", "up", "--scale-range", 0.5, 0.5, "-o", tmp_path)
    window = json.loads((tmp_path / "rain.camera-movement.json").read_text())["window"]
    assert (window["direction"], window["scale"]) == ("up", [0.5, 0.5])
    run_cli("vary", rain, "--close-up", "--placement", "uniform", "-o", tmp_path)
    record = json.loads((tmp_path / "rain.close-up.json").read_text())
    assert record["placement"] == "uniform"
    assert record["window"]["start"] != [0.5, 0.5]
    run_cli("vary", rain, "--light-change", "--light", "flash", "--zoom", "--direction", "in", "-o", tmp_path)
    record = json.loads((tmp_path / "rain.sequence.json").read_text())
    assert [(v["variation"], v.get("direction")) for v in record["variations"]] == [
        ("zoom", "in"),
        ("light_change", None),
    ]
    assert record["window"]["effects"][0]["profile"] == "flash"


def test_a_film_that_fails_does_not_stop_the_others(run_cli: RunCli, rain: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_text("no film")
    result = run_cli("vary", bad, rain, "--close-up", "-o", tmp_path / "out")
    assert result.code == 1
    assert result.err.startswith("error: bad.mp4: is not a media file")
    assert result.out == f"{tmp_path / 'out' / 'rain.close-up.mp4'}\n"


@pytest.mark.parametrize("view", [(), ("--view",)], ids=["films", "view"])
def test_a_list_becomes_a_test_set(
    run_cli: RunCli, split_csv: Path, tmp_path: Path, view: tuple[str, ...]
) -> None:
    out = tmp_path / "vgg-cu"
    command = ("vary", split_csv, "--close-up", "-o", out, "--workers", 1, *view)
    result = run_cli(*command)
    assert (result.code, result.out) == (0, f"{out}\n")
    assert result.err == f"2 clips, 1 missing (see {out / 'ledger.jsonl'})\n"
    built = read_test_set(out)
    assert [clip.id for clip in built.clips] == ["rain", "wind"]
    assert (out / "clips").exists() != bool(view)
    report = run_cli(*command, "--json").json
    assert report["num_clips"] == 2
    assert report["left_out"] == {"missing": 1}
    assert report["ledger"][0]["id"] == "gone"
    assert report["settings"] == built.settings
    refused = run_cli(*command, "--seed", 1)
    assert refused.code == 1
    assert "holds another test set (seed is 0, requested 1)" in refused.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "pass one of --close-up and --camera-movement"),
        (("--close-up", "--camera-movement"), "pass one of --close-up and --camera-movement"),
        (("--close-up", "--scale-range", "0", "0.5"), "scale_range must be ordered inside (0, 1]"),
        (("--close-up", "--scale-range", "0.6", "0.4"), "scale_range must be ordered inside (0, 1]"),
        (("--close-up", "--scale-range", "0.5", "1.5"), "scale_range must be ordered inside (0, 1]"),
        (("--close-up", "--scale-range", "0.5"), "requires 2 arguments"),
        (("--close-up", "--direction", "left"), "--direction is for --camera-movement"),
        (("--zoom", "--light", "flash"), "--light is for --light-change"),
        (("--rack-focus", "--scale-range", "0.5", "0.6"), "--scale-range is for techniques that frame"),
        (("--zoom", "--direction", "left"), "direction must be 'auto' or one of ('in', 'out')"),
        (("--camera-movement", "--placement", "center"), "--placement is for --close-up"),
        (("--camera-movement", "--direction", "in"), "'in'"),
        (("--close-up", "--view"), "are for a split CSV"),
        (("--close-up", "--data", "."), "are for a split CSV"),
        (("--close-up", "--split", "test"), "are for a split CSV"),
        (("--close-up", "--seed", "-1"), "greater than or equal to 0"),
        (("--close-up", "--seed", str(2**32)), "less than or equal to 4294967295"),
    ],
)
def test_wrong_usage_is_told_before_any_work(
    run_cli: RunCli, rain: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    result = run_cli("vary", rain, "-o", tmp_path / "out", *options)
    assert result.code == 2
    assert message in " ".join(result.err.replace("│", " ").split())
    assert not (tmp_path / "out").exists()


def test_a_list_stands_alone(run_cli: RunCli, split_csv: Path, rain: Path, tmp_path: Path) -> None:
    options = ("--close-up", "-o", tmp_path / "out")
    result = run_cli("vary", split_csv, rain, *options)
    assert result.code == 2
    assert "pass SPLIT.csv and nothing else" in " ".join(result.err.split())
    assert run_cli("vary", split_csv, *options, "--workers", 0).code == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,colour\nrain,red\n", "unknown column 'colour'"),
        ("id\nrain\nrain\n", "the id 'rain' is in line 2 and again in line 3"),
        ("", "is empty"),
        ("id\nsnow\n", "holds none of the 1 clips"),
    ],
)
def test_a_bad_list_is_one_line(run_cli: RunCli, rain: Path, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.csv").write_text(text)
    result = run_cli("vary", tmp_path / "bad.csv", "--close-up", "-o", tmp_path / "out")
    assert result.code == 1
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_films_of_one_name_and_sets_without_clips_are_refused(
    run_cli: RunCli, rain: Path, tmp_path: Path
) -> None:
    twin = tmp_path / "other" / "rain.mp4"
    twin.parent.mkdir()
    twin.write_bytes(rain.read_bytes())
    result = run_cli("vary", rain, twin, "--close-up", "-o", tmp_path / "out")
    assert result.code == 1
    assert "would both write" in result.err
    (tmp_path / "dud.mp4").write_text("no film")
    (tmp_path / "list.csv").write_text("id\ndud\n")
    result = run_cli("vary", tmp_path / "list.csv", "--close-up", "-o", tmp_path / "set", "--workers", 1)
    assert result.code == 1
    assert "no clip could be used" in result.err


def test_the_defaults_are_the_librarys() -> None:
    defaults = {
        name: parameter.default for name, parameter in inspect.signature(vary.vary).parameters.items()
    }
    assert tuple(TECHNIQUES) == vary._KINDS
    assert set(vary._KINDS) | set(vary._SETTINGS) <= defaults.keys()
    for kind, technique in TECHNIQUES.items():
        assert vary._variation([kind], {}) == technique()


def test_a_folder_that_is_varied_into_itself_is_not_varied_twice(
    run_cli: RunCli, render_film: Callable[..., Path], tmp_path: Path
) -> None:
    render_film(tmp_path / "rain.mp4")
    for _ in range(2):
        assert run_cli("vary", tmp_path, "--close-up", "-o", tmp_path).code == 0
    assert {path.name for path in tmp_path.glob("*.mp4")} == {"rain.mp4", "rain.close-up.mp4"}


def test_a_film_whose_place_is_taken_does_not_end_the_others(
    run_cli: RunCli, render_film: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.close-up.mp4").write_text("of somebody else")
    for name in ("a", "b"):
        render_film(tmp_path / f"{name}.mp4")
    result = run_cli(
        "vary", tmp_path / "a.mp4", tmp_path / "b.mp4", "--close-up", "-o", tmp_path / "out", "--json"
    )
    assert result.code == 1
    assert (result.json["num_failed"], len(result.json["films"])) == (1, 1)
    assert (tmp_path / "out" / "b.close-up.mp4").exists()
