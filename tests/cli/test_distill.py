import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cinefoley.distillation.presets import distillation

RunCli = Callable[..., Any]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def distil(run_cli: RunCli, cache: Path, tiny_model: Path) -> RunCli:
    """``distil("--run-dir", ...)`` on three clips of the stage, with networks of no size."""
    common = ("--teacher", tiny_model, "--cache", cache, "--duration", 2.5, "--workers", 1, "--device", "cpu")
    few = ("--clips", 3, "--batch-size", 2, "--steps", 2, "--precision", "fp32", "--valid", "none")
    return lambda *arguments: run_cli("distill", *common, *few, *arguments)


def test_one_command_from_a_teacher_to_a_student(distil: RunCli, run_cli: RunCli, tmp_path: Path) -> None:
    result = distil("--run-dir", tmp_path)
    assert (result.code, result.out) == (0, f"{tmp_path / 'video_encoder'}\n")
    assert "3 of 3 clips used" in result.err
    again = distil("--run-dir", tmp_path, "--json", "--quiet")
    assert again.json["parts"] == [str(tmp_path / "video_encoder")]
    assert (again.json["data"], again.json["steps"], again.err) == ("stage:train", 2, "")


def test_the_student_watches_where_it_is_named(
    distil: RunCli, run_cli: RunCli, tiny_model: Path, tmp_path: Path, render_film: Callable[..., Path]
) -> None:
    distil("--run-dir", tmp_path / "run", "--quiet")
    film = render_film(tmp_path / "film.mp4")
    student = tmp_path / "run" / "video_encoder"
    result = run_cli(
        "generate", film, "--model", tiny_model, "--video-encoder", student, "-o", tmp_path, "--steps", 2
    )
    assert result.code == 0
    assert str(student) in json.dumps(json.loads((tmp_path / "film.json").read_text()))


def test_every_validation_has_a_line_of_the_log(distil: RunCli, tmp_path: Path) -> None:
    result = distil("--run-dir", tmp_path, "--valid", "valid", "--steps", 4, "--validate-every", 2, "--quiet")
    assert result.code == 0, result.err
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "valid_cosine_whole" in line] == [2, 4]


@pytest.mark.muon
def test_the_options_reach_the_run(distil: RunCli, tmp_path: Path) -> None:
    options: tuple[object, ...] = (
        "--preset",
        "paper_both",
        "--proportion",
        0.5,
        "--placement",
        "uniform",
        "--seed",
        4,
    )
    optimizer = ("--optimizer", "muon", "--learning-rate", 0.002)
    options += ("--scale-range", 0.3, 0.5, "--max-grad-norm", 0)
    loss = ("--feature-space", "raw", "--cosine-weight", 2, "--mse-weight", 0.5, "--batch-norm", "train")
    assert distil("--run-dir", tmp_path, *options, *loss, "--schedule", "constant", *optimizer).code == 0
    record = json.loads((tmp_path / "run.json").read_text())
    variation = record["recipe"]["variation"]
    assert (variation["variation_proportion"], variation["placement"]) == (0.5, "uniform")
    assert variation["camera_movement_weight"] == 1.0
    assert variation["scale_range"] == [0.3, 0.5]
    assert record["train"]["max_grad_norm"] is None
    names = ("feature_space", "cosine_weight", "mse_weight", "batch_norm")
    assert [record["recipe"][name] for name in names] == ["raw", 2.0, 0.5, "train"]
    trained = ("seed", "schedule", "batch_norm", "optimizer", "learning_rate")
    assert [record["train"][name] for name in trained] == [4, "constant", "train", "muon", 0.002]
    assert "Muon at 0.002" in (tmp_path / "README.md").read_text()


@pytest.mark.muon
def test_a_preset_keeps_what_no_option_changes(distil: RunCli, tmp_path: Path) -> None:
    assert distil("--run-dir", tmp_path, "--preset", "cinematic").code == 0
    variation = json.loads((tmp_path / "run.json").read_text())["recipe"]["variation"]
    assert (variation["variation_proportion"], variation["placement"]) == (0.8, "uniform")


def test_every_option_that_is_left_out_is_the_presets(
    distil: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: dict[str, Any] = {
        "feature_space": "raw",
        "cosine_weight": 2.0,
        "mse_weight": 0.5,
        "batch_norm": "train",
    }
    recipe = replace(distillation("paper"), **chosen)
    monkeypatch.setattr("cinefoley.distillation.presets.distillation", lambda name: recipe)
    assert distil("--run-dir", tmp_path).code == 0
    record = json.loads((tmp_path / "run.json").read_text())
    assert {name: record["recipe"][name] for name in chosen} == chosen
    assert record["train"]["batch_norm"] == "train"


@pytest.mark.parametrize(
    ("data", "valid", "said"),
    [
        (
            "stage",
            "train",
            "stage:train: 2 of 2 clips to validate on are training clips too, first train-000000",
        ),
        ("stage", "test", "test split is for evaluation only; validate on valid"),
        (
            "films",
            "valid",
            "2 of 2 clips to validate on are training clips too, first one. Name another split",
        ),
    ],
)
def test_nothing_is_validated_on_what_is_trained_on_or_tested_with(
    distil: RunCli,
    tmp_path: Path,
    render_film: Callable[..., Path],
    data: str,
    valid: str,
    said: str,
) -> None:
    options: tuple[Any, ...] = ("--valid", valid, "--valid-clips", 2)
    if data == "films":  # a list that names no splits is all of one
        for name in ("one", "two"):
            render_film(tmp_path / f"{name}.mp4")
        (tmp_path / "rows.csv").write_text("id\none\ntwo\n")
        options += ("--data", tmp_path, "--csv", tmp_path / "rows.csv")
    result = distil("--run-dir", tmp_path / "run", *options)
    assert result.code != 0
    assert said in " ".join(result.err.replace("│", " ").split())
    assert not (tmp_path / "run").exists()


def test_a_missing_optimiser_is_told_before_any_clip_is_decoded(
    distil: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("torch.optim.Muon", raising=False)
    result = distil("--run-dir", tmp_path / "run", "--preset", "cinematic")
    assert result.code == 1
    assert "muon needs PyTorch 2.9" in result.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--epochs", 2), "--epochs and --steps both set the length"),
        (("--cosine-weight", 0, "--mse-weight", 0), "one of them positive"),
        (("--proportion", 1.5), "less than or equal to 1"),
        (("--data", "stage:test"), "test split is for evaluation only"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(
    distil: RunCli, tmp_path: Path, arguments: tuple[object, ...], message: str
) -> None:
    result = distil("--run-dir", tmp_path, *arguments)
    assert result.code == 2
    assert message in " ".join(result.err.split())


def test_no_such_teacher_is_one_line(run_cli: RunCli, tmp_path: Path) -> None:
    result = run_cli("distill", "--teacher", tmp_path / "none", "--run-dir", tmp_path / "run")
    assert result.code == 1
    assert result.err.startswith("error: No model")
