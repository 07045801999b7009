import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cinefoley.cli import train
from cinefoley.config.recipes import TrainingPreset
from cinefoley.errors import RunInterrupted
from cinefoley.stage.export import ExportSettings, export_clips
from cinefoley.training import run_folder
from cinefoley.training.run_folder import locked_run

RunCli = Callable[..., Any]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def train_tiny(
    run_cli: RunCli, cache: Path, tiny_training: TrainingPreset, monkeypatch: pytest.MonkeyPatch
) -> RunCli:
    """``train_tiny("autoencoder", ...)`` on three clips of the stage, with networks of no size."""
    monkeypatch.setattr(train, "_preset", lambda name: tiny_training)
    common = ("--cache", cache, "--duration", 5, "--workers", 1, "--device", "cpu", "--valid", "none")
    return lambda stage, *arguments: run_cli("train", stage, *common, *arguments)


STAGE = ("--data", "stage", "--clips", 3)


def test_every_stage_is_one_command_from_the_stage_to_a_generator(train_tiny: RunCli, tmp_path: Path) -> None:
    cavp = train_tiny("cavp", *STAGE, "--run-dir", tmp_path / "cavp")
    assert (cavp.code, cavp.out.split()) == (
        0,
        [str(tmp_path / "cavp" / "video_encoder"), str(tmp_path / "cavp" / "audio_encoder")],
    )
    vae = train_tiny("autoencoder", *STAGE, "--run-dir", tmp_path / "ae", "--json")
    assert vae.json["parts"] == [str(tmp_path / "ae" / "vae")]
    assert vae.json["last"]["step"] == vae.json["steps"] == 2
    assert (vae.json["data"], vae.json["num_clips"], vae.json["left_out"]) == ("stage:train", 3, {})
    models = ("--model", tmp_path / "cavp", "--model", tmp_path / "ae")
    judge = train_tiny("alignment", *STAGE, "--run-dir", tmp_path / "judge", *models, "--quiet")
    assert (judge.code, judge.err) == (0, "")
    assert judge.out == f"{tmp_path / 'judge' / 'alignment'}\n"
    guide = train_tiny("alignment", *STAGE, "--run-dir", tmp_path / "g", *models, "--for-guidance")
    assert guide.out == f"{tmp_path / 'g' / 'guidance_classifier'}\n"


def test_the_options_reach_the_run(train_tiny: RunCli, tmp_path: Path) -> None:
    options: tuple[object, ...] = (
        "--steps",
        3,
        "--batch-size",
        2,
        "--learning-rate",
        0.01,
        "--seed",
        5,
        "--precision",
        "fp32",
    )
    options += ("--accumulate", 2)
    result = train_tiny("autoencoder", *STAGE, "--run-dir", tmp_path, *options)
    assert result.code == 0
    assert "autoencoder step 3" in result.err
    assert "3 of 3 clips used\n" in result.err
    recorded = json.loads((tmp_path / "run.json").read_text())["train"]
    given = ("steps", "batch_size", "learning_rate", "seed", "precision", "gradient_accumulation")
    assert [recorded[name] for name in given] == [3, 2, 0.01, 5, "fp32", 2]


def test_another_split_is_validated_on_and_heard(train_tiny: RunCli, tmp_path: Path) -> None:
    held_out = ("--valid", "valid", "--valid-clips", 2)
    result = train_tiny("autoencoder", *STAGE, *held_out, "--run-dir", tmp_path, "--json")
    assert result.json["last"]["valid_loss"] > 0
    assert list((tmp_path / "samples").rglob("*.wav"))


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported stage: two clips to train on, one to validate on, and one film that is none."""
    folder = tmp_path_factory.mktemp("films")
    for split, count in (("train", 2), ("valid", 1)):
        settings = ExportSettings(split=split, duration_s=5.0, side=32, fps=8, sample_rate=16000)  # type: ignore[arg-type]
        export_clips(folder, count, settings)
    return folder


def test_an_exported_stage_is_trained_on_by_its_own_list(
    train_tiny: RunCli, videos: Path, tmp_path: Path
) -> None:
    result = train_tiny("autoencoder", "--data", videos, "--run-dir", tmp_path, "--json")
    assert result.json["num_clips"] == 2
    assert "note:" not in result.err
    towers = train_tiny("cavp", "--data", videos, "--run-dir", tmp_path / "cavp")
    assert towers.code == 0
    assert (tmp_path / "cavp" / "warm_start").is_dir(), "its events are known"


def test_a_folder_with_a_list_names_what_is_left_out(
    train_tiny: RunCli, videos: Path, tmp_path: Path
) -> None:
    listed = tmp_path / "list.csv"
    listed.write_text("valid-000000,0,a,train\ngone,0,b,train\ntrain-000000,0,a,test\n")
    result = train_tiny(
        "autoencoder", "--data", videos, "--csv", listed, "--run-dir", tmp_path / "run", "--batch-size", 1
    )
    assert result.code == 0
    assert f"1 of 2 clips used, 1 missing (see {tmp_path / 'run' / 'ledger.jsonl'})" in result.err
    (entry,) = [json.loads(line) for line in (tmp_path / "run" / "ledger.jsonl").read_text().splitlines()]
    assert (entry["id"], entry["reason"]) == ("gone", "missing")


def test_a_list_that_is_not_used_is_pointed_out(train_tiny: RunCli, videos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "a.mp4").write_bytes((videos / "train-000000.mp4").read_bytes())
    (folder / "my.csv").write_text("a,0,rain,train\n")
    result = train_tiny("autoencoder", "--data", folder, "--run-dir", tmp_path / "run", "--steps", 1)
    assert f"note: {folder / 'my.csv'} is not used; pass it with --csv" in result.err


@pytest.mark.parametrize(
    ("text", "labels", "message"),
    [
        (
            "id,colour\na,red\n",
            None,
            "list.csv, line 1: unknown column 'colour'. A header may name id, start",
        ),
        ("a,0,rain,train\nb,0,rian,train\n", "rain\n", "list.csv, line 2: unknown label 'rian'"),
        ("a,0,rain,test\n", None, "no row names a clip of the split 'train' (found test)"),
    ],
)
def test_a_list_with_unknown_columns_or_labels_is_a_plain_error(
    train_tiny: RunCli, videos: Path, tmp_path: Path, text: str, labels: str | None, message: str
) -> None:
    listed, names = tmp_path / "list.csv", tmp_path / "labels.txt"
    listed.write_text(text)
    names.write_text(labels or "")
    more = () if labels is None else ("--labels", names)
    result = train_tiny("ldm", "--data", videos, "--csv", listed, "--run-dir", tmp_path / "run", *more)
    assert (result.code, result.out) == (1, "")
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_second_run_in_one_folder_is_refused(train_tiny: RunCli, tmp_path: Path) -> None:
    with locked_run(tmp_path):
        result = train_tiny("autoencoder", *STAGE, "--run-dir", tmp_path)
    assert result.code == 1
    assert f"error: {tmp_path} is in use by another run" in result.err


def test_a_folder_of_another_stage_is_refused(train_tiny: RunCli, tmp_path: Path) -> None:
    assert train_tiny("autoencoder", *STAGE, "--run-dir", tmp_path, "--steps", 1).code == 0
    result = train_tiny("cavp", *STAGE, "--run-dir", tmp_path)
    assert result.code == 1
    assert "holds another run (stage autoencoder there, cavp here" in result.err


def test_a_missing_part_is_asked_for(train_tiny: RunCli, tmp_path: Path) -> None:
    result = train_tiny("ldm", *STAGE, "--run-dir", tmp_path)
    assert result.code == 1
    assert "starts from a video_encoder" in result.err
    assert "with --model" in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--workers", 0), "--workers must not be 0"),
        (("--learning-rate", 7), "learning_rate must be in (0, 1)"),
        (("--clips", 0), "--clips"),
        (("--data", "nowhere"), "neither the stage"),
        (("--data", "stage:dev"), "no split 'dev'"),
        (("--data", "stage:test"), "test split is for evaluation only"),
    ],
)
def test_wrong_arguments_are_told(
    train_tiny: RunCli, tmp_path: Path, arguments: tuple[object, ...], message: str
) -> None:
    result = train_tiny("autoencoder", *STAGE, "--run-dir", tmp_path, *arguments)
    assert result.code in {1, 2}
    assert message in " ".join(result.err.split())


def test_an_interrupted_run_says_how_to_go_on(
    train_tiny: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise RunInterrupted("Stopped by SIGTERM at step 1 of 2. Run the same command again to continue.")

    monkeypatch.setattr(run_folder, "fit", stop)
    result = train_tiny("autoencoder", *STAGE, "--run-dir", tmp_path)
    assert result.code == 1
    assert "Run the same command again" in result.err


def test_other_ranks_are_silent(train_tiny: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    result = train_tiny("autoencoder", *STAGE, "--run-dir", tmp_path, "--json")
    assert (result.code, result.out, result.err) == (0, "", "")


def test_presets_are_known_by_name() -> None:
    assert train._preset("lite").name == "lite"
    assert train._preset("diff_foley").name == "diff_foley"


def test_lite_itself_is_trained(run_cli: RunCli, tmp_path: Path) -> None:
    options = ("--clips", 2, "--steps", 1, "--batch-size", 1, "--valid", "none")
    cache = ("--cache", tmp_path / "cache", "--workers", 1, "--device", "cpu")
    result = run_cli("train", "autoencoder", *options, *cache, "--run-dir", tmp_path / "run")
    assert result.code == 0
    assert (tmp_path / "run" / "vae" / "config.json").exists()


@pytest.mark.slow  # two processes load torch, on one core
def test_two_ranks_prepare_once_and_leave_one_part(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "cinefoley.cli.main", "train", "autoencoder", "--clips", "4", "--duration", "8"]
    command += ["--steps", "2", "--batch-size", "2", "--workers", "1", "--device", "cpu", "--json"]
    command += ["--valid", "none"]
    command += ["--cache", str(tmp_path / "cache"), "--run-dir", str(tmp_path / "run")]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["last"]["step"] == 2
    assert run.stderr.count("4 of 4 clips used") == 1
    assert len(list((tmp_path / "cache").rglob("*.safetensors"))) == 1
    assert (tmp_path / "run" / "vae" / "config.json").exists()
