import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from cinefoley.errors import CheckpointMismatchError, MissingWeightsError, WeightsError
from cinefoley.models.conditioner import Conditioner
from cinefoley.models.folder import load_foley_config, load_part, load_scheduler

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Conditioner(feature_dim=4, context_dim=6, max_frames=3).save_pretrained(tmp_path / "conditioner")
    return tmp_path / "conditioner"


def change(folder: Path, **tensors: torch.Tensor | None) -> None:
    """Replace, add or (None) remove tensors of the saved weights; dots are written as two underscores."""
    state = load_file(folder / WEIGHTS)
    for name, value in tensors.items():
        key = name.replace("__", ".")
        if value is None:
            del state[key]
        else:
            state[key] = value
    save_file(state, folder / WEIGHTS)


def test_what_was_saved_is_loaded_ready_for_inference(folder: Path) -> None:
    part = load_part(folder, Conditioner)
    assert not part.training
    assert torch.equal(part.state_dict()["positions.weight"], load_file(folder / WEIGHTS)["positions.weight"])


def test_half_precision_files_are_loaded_in_the_precision_asked_for(folder: Path) -> None:
    change(folder, positions__weight=torch.ones(3, 6, dtype=torch.float16))
    assert load_part(folder, Conditioner).state_dict()["positions.weight"].dtype == torch.float32
    half = load_part(folder, Conditioner, dtype=torch.bfloat16)
    assert {p.dtype for p in half.parameters()} == {torch.bfloat16}


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match=r"conditioner: no such folder.*Conditioner"):
        load_part(tmp_path / "conditioner", Conditioner)


def test_missing_weights_are_named(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    with pytest.raises(MissingWeightsError, match="conditioner: no weights"):
        load_part(folder, Conditioner)


def test_a_missing_key_is_counted_and_named(folder: Path) -> None:
    change(folder, projection__bias=None)
    with pytest.raises(
        CheckpointMismatchError, match=r"1 keys missing, 0 unexpected, first 'projection.bias'"
    ):
        load_part(folder, Conditioner)


def test_a_left_over_key_is_counted_and_named(folder: Path) -> None:
    change(folder, conv1__weight=torch.ones(1))
    with pytest.raises(CheckpointMismatchError, match=r"0 keys missing, 1 unexpected, first 'conv1.weight'"):
        load_part(folder, Conditioner)


def test_another_shape_is_named(folder: Path) -> None:
    change(folder, positions__weight=torch.ones(3, 7))
    with pytest.raises(CheckpointMismatchError, match=r"'positions.weight' has shape \(3, 7\).*\(3, 6\)"):
        load_part(folder, Conditioner)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_numbers_are_refused(folder: Path, bad: float) -> None:
    change(folder, projection__bias=torch.tensor([0.0] * 5 + [bad]))
    with pytest.raises(CheckpointMismatchError, match=r"'projection.bias' contains NaN or infinite"):
        load_part(folder, Conditioner)


def test_a_damaged_file_is_refused(folder: Path) -> None:
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[: len(data) // 2])
    with pytest.raises(WeightsError, match="damaged"):
        load_part(folder, Conditioner)


def test_a_damaged_configuration_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    with pytest.raises(WeightsError, match="damaged"):
        load_part(folder, Conditioner)


def test_a_folder_that_is_no_model_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match=r"not a model folder: no foley_config.json"):
        load_foley_config(tmp_path)
    with pytest.raises(MissingWeightsError, match=r"no scheduler_config.json"):
        load_scheduler(tmp_path)


def test_an_unknown_setting_is_named(tmp_path: Path) -> None:
    (tmp_path / "foley_config.json").write_text(json.dumps({"video_frame": 32}))
    with pytest.raises(WeightsError, match="no setting 'video_frame'"):
        load_foley_config(tmp_path)
