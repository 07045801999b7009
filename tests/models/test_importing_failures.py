"""Files that are not what they should be: one clear line, nothing written, nothing run."""

import os
import pickle
import resource
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cinefoley.config.model import ModelConfig
from cinefoley.errors import CheckpointMismatchError, MissingWeightsError, OutputError, WeightsError
from cinefoley.metrics.backbones.weights import read_weights
from cinefoley.models.importing.checkpoint import read_checkpoint
from cinefoley.models.importing.diff_foley import import_diff_foley
from cinefoley.models.importing.layout import KindName

Checkpoints = Callable[[str], Path]
Files = dict[KindName, Path]
State = Callable[[str], dict[str, torch.Tensor]]


@pytest.fixture
def fails(tmp_path: Path, small_checkpoints: Checkpoints, small_config: ModelConfig) -> Callable[..., str]:
    """Import with some files replaced, and give back the line that the user reads."""

    def run(error: type[Exception], **files: Path) -> str:
        out = tmp_path / "models" / "out"
        chosen: Any = {"cavp": small_checkpoints("cavp"), "ldm": small_checkpoints("ldm")} | files
        with pytest.raises(error) as caught:
            import_diff_foley(out, chosen, config=small_config)
        assert not list(out.parent.iterdir()), "something was left behind"
        message = str(caught.value)
        assert "\n" not in message
        return message

    return run


class _Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self._path,)


class _Eval(_Evil):
    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (f"__import__('os').mkdir({self._path!r})",)


class _Partial(_Evil):
    def __reduce__(self) -> tuple[Any, ...]:
        import functools

        return functools.partial(os.mkdir, self._path), ()


@pytest.mark.parametrize("attack", [_Evil, _Eval, _Partial])
@pytest.mark.parametrize("form", ["zip", "legacy", "bare pickle"])
def test_a_malicious_pickle_is_refused_and_not_run(
    attack: type[_Evil], form: str, tmp_path: Path, small_state: State, fails: Callable[..., str]
) -> None:
    trace, path = tmp_path / "was here", tmp_path / "evil.ckpt"
    content = {"state_dict": small_state("cavp"), "callbacks": attack(trace)}
    if form == "bare pickle":
        path.write_bytes(pickle.dumps(content["callbacks"], protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    message = fails(WeightsError, cavp=path)
    assert not trace.exists()
    assert message.startswith(str(path))
    assert "not loaded" in message
    assert "No code in it was run" in message


def test_the_attack_of_these_tests_works_where_pickles_are_trusted(tmp_path: Path) -> None:
    trace = tmp_path / "was here"
    pickle.loads(pickle.dumps(_Evil(trace)))
    assert trace.exists()


def test_what_legitimate_files_hold_beside_tensors_is_read_past(tmp_path: Path) -> None:
    """Numpy scalars, and Lightning's class as a key, as the hub lists them for Diff-Foley's files."""
    import numpy as np

    module = type(sys)("pytorch_lightning.callbacks.model_checkpoint")
    callback = type("ModelCheckpoint", (), {"__module__": module.__name__})
    vars(module)["ModelCheckpoint"] = callback
    names = ["pytorch_lightning", "pytorch_lightning.callbacks", module.__name__]
    path = tmp_path / "lightning.ckpt"
    sys.modules |= dict.fromkeys(names, module)
    try:
        best = {"best_model_score": np.float64(0.5), "monitor": np.float32(1)}
        torch.save({"state_dict": {"module.a": torch.ones(2)}, "callbacks": {callback: best}}, path)
    finally:
        for name in names:
            del sys.modules[name]
    checkpoint = read_checkpoint(path)
    assert set(checkpoint.tensors) == {"a"}
    assert checkpoint.others == ("callbacks",)
    assert "pytorch_lightning" not in sys.modules


def test_a_swapped_file_is_told_by_name(fails: Callable[..., str], small_checkpoints: Checkpoints) -> None:
    message = fails(CheckpointMismatchError, ldm=small_checkpoints("cavp"))
    assert "does not fit --ldm" in message
    assert "949 ('betas'" in message
    assert "402 ('logit_scale'" in message
    assert "It looks like the CAVP encoder: pass it with --cavp." in message


@pytest.mark.parametrize(
    ("option", "given", "guess"),
    [
        ("cavp", "ldm", "the latent diffusion model: pass it with --ldm"),
        ("guidance_classifier", "ldm", "the latent diffusion model: pass it with --ldm"),
        (
            "alignment",
            "guidance_classifier",
            "the double-guidance classifier: pass it with --guidance-classifier",
        ),
        ("alignment", "cavp", "the CAVP encoder: pass it with --cavp"),
    ],
)
def test_every_swap_is_told_by_name(
    option: str, given: str, guess: str, fails: Callable[..., str], small_checkpoints: Checkpoints
) -> None:
    assert guess in fails(CheckpointMismatchError, **{option: small_checkpoints(given)})


def test_missing_and_left_over_keys_are_counted(
    tmp_path: Path, small_state: State, fails: Callable[..., str]
) -> None:
    state = small_state("cavp")
    for key in list(state)[:5]:
        state[f"video_encoder.extra.{key}"] = state.pop(key)
    path = _save(state, tmp_path / "cut.ckpt")
    message = fails(CheckpointMismatchError, cavp=path)
    assert (
        "5 ('logit_scale', 'video_encoder.conv1.conv.weight', 'video_encoder.conv1.bn.weight', ...) missing"
        in message
    )
    assert "5 ('video_encoder.extra.logit_scale'" in message


def test_ema_and_training_leftovers_are_read_past_and_counted(
    tmp_path: Path, small_state: State, small_checkpoints: Checkpoints, small_config: ModelConfig
) -> None:
    state = small_state("ldm")
    state |= {
        "model_ema.decay": torch.tensor(0.99),
        "model_ema.num_updates": torch.tensor(7),
        "lvlb_weights": torch.ones(9),
    }
    path = _save(state, tmp_path / "ema.ckpt")
    report = import_diff_foley(
        tmp_path / "out", {"cavp": small_checkpoints("cavp"), "ldm": path}, config=small_config
    )
    assert report.sources["ldm"].unused == {"schedule buffers": 12, "model_ema.": 2, "lvlb_weights": 1}
    assert report.sources["ldm"].beside == ()


def test_a_wrong_shape_names_the_tensor(
    tmp_path: Path, small_state: State, fails: Callable[..., str]
) -> None:
    state = small_state("ldm")
    state["cond_stage_model.pos_emb.weight"] = torch.ones(39, 24)
    message = fails(CheckpointMismatchError, ldm=_save(state, tmp_path / "shape.ckpt"))
    assert "conditioner 'positions.weight' has shape (39, 24), expected (40, 24)" in message


def test_a_wrong_shape_in_the_spectrogram_encoder_names_the_tensor(
    tmp_path: Path, small_state: State, fails: Callable[..., str]
) -> None:
    state = small_state("cavp")
    state["spec_encoder.fc1.weight"] = torch.ones(128, 64)
    message = fails(CheckpointMismatchError, cavp=_save(state, tmp_path / "shape.ckpt"))
    assert "audio_encoder 'hidden.weight' has shape (128, 64), expected (128, 128)" in message


def test_numbers_that_are_not_finite_stop_the_import(
    tmp_path: Path, small_state: State, fails: Callable[..., str]
) -> None:
    state = small_state("ldm")
    state["first_stage_model.decoder.conv_out.bias"][1] = float("nan")
    message = fails(CheckpointMismatchError, ldm=_save(state, tmp_path / "nan.ckpt"))
    assert "nan.ckpt: vae 'decoder.conv_out.bias' contains NaN or infinite numbers" in message


def test_numbers_too_large_for_half_precision_stop_the_import(
    tmp_path: Path, small_state: State, small_checkpoints: Checkpoints, small_config: ModelConfig
) -> None:
    state = small_state("cavp")
    state["video_project_head.bias"][0] = 1e6
    path = _save(state, tmp_path / "large.ckpt")
    with pytest.raises(
        CheckpointMismatchError, match=r"'projection\.bias' has numbers out of the range of torch\.float16"
    ):
        import_diff_foley(
            tmp_path / "out",
            {"cavp": path, "ldm": small_checkpoints("ldm")},
            dtype=torch.float16,
            config=small_config,
        )


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_a_cut_off_file_is_told(
    kept: float, tmp_path: Path, small_checkpoints: Checkpoints, fails: Callable[..., str]
) -> None:
    whole = small_checkpoints("cavp").read_bytes()
    path = tmp_path / "cut.ckpt"
    path.write_bytes(whole[: int(len(whole) * kept)])
    assert "damaged, truncated or not a PyTorch checkpoint" in fails(WeightsError, cavp=path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n", "a pointer of Git LFS"),
        (b"\n<!DOCTYPE html><html>Sign in</html>", "a web page"),
        (b"RIFF\x00\x00\x00\x00WAVE", "begins with b'RIFF"),
    ],
)
def test_what_is_no_checkpoint_is_called_what_it_is(
    content: bytes, expected: str, tmp_path: Path, fails: Callable[..., str]
) -> None:
    """And nobody is told to trust it, as torch's own message has it."""
    path = tmp_path / "cavp.ckpt"
    path.write_bytes(content)
    message = fails(WeightsError, cavp=path)
    assert expected in message
    assert "not loaded" not in message
    with pytest.raises(WeightsError) as caught:
        read_weights(path)
    assert expected in str(caught.value)
    assert "weights_only" not in str(caught.value)


def test_a_cut_off_safetensors_file_is_told(
    tmp_path: Path, small_state: State, fails: Callable[..., str]
) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "cut.safetensors"
    save_file(small_state("cavp"), path)
    path.write_bytes(path.read_bytes()[:-1000])
    assert "damaged or not a safetensors file" in fails(WeightsError, cavp=path)


def test_an_empty_file_is_told(tmp_path: Path, fails: Callable[..., str]) -> None:
    (tmp_path / "empty.ckpt").touch()
    assert "the file is empty (0 bytes)" in fails(WeightsError, cavp=tmp_path / "empty.ckpt")


@pytest.mark.parametrize(
    "content",
    [b"<!doctype html><title>404</title>", b"version https://git-lfs.github.com/spec/v1\n", b"\x80\x02}"],
)
def test_other_files_are_told(content: bytes, tmp_path: Path, fails: Callable[..., str]) -> None:
    path = tmp_path / "page.ckpt"
    path.write_bytes(content)
    assert str(path) in fails(WeightsError, cavp=path)


def test_a_zip_of_something_else_is_told(tmp_path: Path, fails: Callable[..., str]) -> None:
    path = tmp_path / "films.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "films")
    assert str(path) in fails(WeightsError, cavp=path)


@pytest.mark.parametrize("content", [torch.ones(3), {"weights": {"a": 1}}, [1, 2]])
def test_a_checkpoint_without_a_state_dict_is_told(
    content: Any, tmp_path: Path, fails: Callable[..., str]
) -> None:
    path = tmp_path / "odd.ckpt"
    torch.save(content, path)
    assert "no dictionary of tensors" in fails(WeightsError, cavp=path)


def test_a_missing_file_is_told(tmp_path: Path, fails: Callable[..., str]) -> None:
    assert "no such file" in fails(MissingWeightsError, ldm=tmp_path / "none.ckpt")
    assert "is a folder" in fails(MissingWeightsError, ldm=tmp_path)


def test_an_existing_folder_is_kept_without_force(
    tmp_path: Path, small_checkpoints: Checkpoints, small_config: ModelConfig
) -> None:
    files: Files = {"cavp": small_checkpoints("cavp"), "ldm": small_checkpoints("ldm")}
    out = tmp_path / "out"
    out.mkdir()
    (out / "model_index.json").write_text("{}")
    with pytest.raises(OutputError, match=r"exists\. Pass --force"):
        import_diff_foley(out, files, config=small_config)
    assert [path.name for path in out.iterdir()] == ["model_index.json"]
    import_diff_foley(out, files, config=small_config, overwrites=True)
    assert (out / "unet").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_is_no_model_is_kept_even_with_force(
    tmp_path: Path, small_checkpoints: Checkpoints
) -> None:
    (tmp_path / "diary.txt").write_text("dear diary")
    with pytest.raises(OutputError, match="not a model folder, so it is not replaced"):
        import_diff_foley(
            tmp_path, {"cavp": small_checkpoints("cavp"), "ldm": small_checkpoints("ldm")}, overwrites=True
        )
    assert (tmp_path / "diary.txt").exists()


def test_a_failed_replacement_keeps_the_old_model(
    tmp_path: Path, small_checkpoints: Checkpoints, small_config: ModelConfig
) -> None:
    out = tmp_path / "models" / "out"
    out.mkdir(parents=True)
    (out / "model_index.json").write_text("old")
    with pytest.raises(WeightsError):
        import_diff_foley(
            out,
            {"cavp": small_checkpoints("cavp"), "ldm": small_checkpoints("cavp")},
            overwrites=True,
            config=small_config,
        )
    assert (out / "model_index.json").read_text() == "old"
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_a_disk_that_fills_up_leaves_nothing(
    tmp_path: Path, small_checkpoints: Checkpoints, small_config: ModelConfig
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    files: Files = {"cavp": small_checkpoints("cavp"), "ldm": small_checkpoints("ldm")}
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (4_000_000, hard)
    )  # as a full disk would, in the middle of the unet
    try:
        with pytest.raises(OutputError, match="no space left"):
            import_diff_foley(tmp_path / "models" / "out", files, config=small_config)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list((tmp_path / "models").iterdir())


def _save(state: dict[str, torch.Tensor], path: Path) -> Path:
    torch.save({"state_dict": state}, path)
    return path
