"""``cinefoley models``: lists, looks into folders, and refuses what does not fit."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RunCli = Callable[..., Any]


@pytest.fixture(autouse=True)
def _empty_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CINEFOLEY_HOME", str(tmp_path / "home"))


def test_list_names_every_model_and_how_to_get_it(run_cli: RunCli) -> None:
    result = run_cli("models", "list", "--json")
    assert result.code == 0
    models = result.json["models"]
    assert set(models) == {"lite", "diff-foley"}
    assert "cinefoley models pull diff-foley" in models["diff-foley"]["problem"]
    assert "diff-foley" in run_cli("models", "list").out


def test_info_shows_parts_digests_licence_and_card(run_cli: RunCli, tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# tiny\n")
    result = run_cli("models", "info", folder, "--json")
    assert result.code == 0
    assert result.json["licence"] == "mit"
    assert result.json["card"] == str(folder / "README.md")
    assert result.json["parts"]["unet"]["dtypes"] == ["F32"]
    digest = result.json["parts"]["unet"]["sha256"]["diffusion_pytorch_model.safetensors"]
    text = run_cli("models", "info", folder).out
    assert digest in text
    assert "F32" in text


def test_info_tells_when_weights_have_changed_since_the_import(
    run_cli: RunCli, tiny_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    entry = {"bytes": 1, "sha256": "0" * 64}
    record = {"kind": "cinefoley import", "parts": {"vae/diffusion_pytorch_model.safetensors": entry}}
    (folder / "import.json").write_text(json.dumps(record))
    result = run_cli("models", "info", folder)
    assert result.code == 1
    assert "vae/diffusion_pytorch_model.safetensors: SHA-256 is" in result.err
    assert "was recorded" in result.err


def test_info_about_nothing_is_one_line(run_cli: RunCli, tmp_path: Path) -> None:
    for model in (tmp_path / "none", "diff-foley"):
        result = run_cli("models", "info", model)
        assert result.code == 1
        assert result.err.startswith("error: ")
        assert result.err.count("\n") == 1


def test_import_of_files_that_do_not_fit_is_one_line_and_writes_nothing(
    run_cli: RunCli, tmp_path: Path
) -> None:
    import torch

    torch.save({"state_dict": {"a": torch.ones(1)}}, tmp_path / "a.ckpt")
    out = tmp_path / "models" / "out"
    result = run_cli("models", "import", "--cavp", tmp_path / "a.ckpt", "--ldm", tmp_path / "a.ckpt", out)
    assert result.code == 1
    assert result.err.count("\n") == 1
    assert "does not fit --cavp" in result.err
    assert "402 (" in result.err
    assert not list(out.parent.iterdir())


def test_import_without_its_files_is_wrong_usage(run_cli: RunCli, tmp_path: Path) -> None:
    assert run_cli("models", "import", tmp_path / "out").code == 2


def test_pull_of_an_unknown_name_tells_the_known_ones(run_cli: RunCli) -> None:
    result = run_cli("models", "pull", "diff-folly")
    assert result.code == 1
    assert "known: diff-foley" in result.err


def test_generate_with_a_model_that_was_not_pulled_names_the_command(
    run_cli: RunCli, rain: Path, tmp_path: Path
) -> None:
    result = run_cli("generate", rain, "--model", "diff-foley", "-o", tmp_path / "out")
    assert result.code == 1
    assert "cinefoley models pull diff-foley" in result.err


def test_list_names_the_backbones_of_metrics(run_cli: RunCli) -> None:
    backbones = run_cli("models", "list", "--json").json["backbones"]
    assert set(backbones) == {"panns", "vggish"}
    assert "cinefoley models pull vggish" in backbones["vggish"]["problem"]


def test_a_pulled_backbone_with_a_wrong_digest_is_refused(run_cli: RunCli, tmp_path: Path) -> None:
    from cinefoley.models.importing.backbones import PUBLISHED_BACKBONES

    vggish = PUBLISHED_BACKBONES["vggish"]
    path = tmp_path / "home" / "backbones" / "vggish" / vggish.file
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.truncate(vggish.num_bytes)
    result = run_cli("models", "pull", "vggish")
    assert result.code == 1
    assert "the published file's begins with 10086976" in result.err
    assert run_cli("models", "pull", "vggish", "--half").code == 2


@pytest.mark.parametrize("command", [("pull", "diff-foley"), ("import", "out", "--cavp", "a", "--ldm", "b")])
def test_a_half_type_without_half_is_refused(run_cli: RunCli, command: tuple[str, ...]) -> None:
    result = run_cli("models", *command, "--half-type", "bf16")
    assert result.code == 2
    assert "16-bit numbers --half stores" in " ".join(result.err.split())
