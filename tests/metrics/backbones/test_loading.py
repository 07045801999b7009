"""Backbones are loaded strictly, and refuse what they cannot hear."""

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from cinefoley.errors import CheckpointMismatchError, MissingWeightsError, WeightsError
from cinefoley.metrics import load_backbone
from cinefoley.metrics.backbones.lite import LiteBackbone, LiteNet
from cinefoley.metrics.backbones.protocol import Backbone
from cinefoley.metrics.backbones.vggish import VggishNet, log_mel_examples
from cinefoley.metrics.backbones.weights import fill_strictly, read_weights


@pytest.fixture
def lite_folder(tmp_path: Path) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = LiteNet(4, [4, 8])
    (tmp_path / "config.json").write_text(json.dumps({"classes": ["a", "b", "c", "d"], "channels": [4, 8]}))
    save_file({key: value.half() if value.is_floating_point() else value
               for key, value in network.state_dict().items()}, tmp_path / "model.safetensors")  # fmt: skip
    return tmp_path


def test_the_small_backbone_embeds_a_clip_of_any_rate_and_length(lite_folder: Path) -> None:
    backbone = load_backbone("lite", lite_folder)
    assert isinstance(backbone, Backbone)
    assert (backbone.name, backbone.sample_rate, len(backbone.digest)) == ("lite", 16000, 64)
    for length, rate in ((16000, 16000), (50000, 44100)):
        features, logits = backbone.embed(torch.rand(length) - 0.5, rate)
        assert features.shape == (512,)
        assert logits is not None
        assert logits.shape == (4,)
        assert bool(features.isfinite().all())


def test_the_same_clip_gives_the_same_features(lite_folder: Path) -> None:
    backbone = load_backbone("lite", lite_folder)
    waveform = torch.rand(20000) - 0.5
    assert torch.equal(backbone.embed(waveform, 16000).features, backbone.embed(waveform, 16000).features)


def test_the_small_network_fits_into_eight_mebibytes_of_half_precision() -> None:
    parameters = sum(value.numel() for value in LiteNet(40).state_dict().values())
    assert 2 * parameters < 8 * 2**20


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (torch.zeros(2, 16000), r"needs a waveform \(N,\) of at least 0.31 s"),
        (torch.zeros(4000), r"at least 0.31 s \(4960 samples at 16000 Hz\), got \(4000,\)"),
        (torch.full((16000,), float("nan")), "NaN"),
    ],
)
def test_what_cannot_be_heard_is_refused(lite_folder: Path, waveform: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LiteBackbone(lite_folder).embed(waveform, 16000)


def test_vggish_drops_the_incomplete_tail() -> None:
    for length, count in ((15600, 1), (32000, 2), (131072, 8), (160000, 10)):
        assert log_mel_examples(torch.zeros(length)).shape == (count, 96, 64)


def test_an_unknown_backbone_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be one of .*'panns'.*, got 'mert'"):
        load_backbone("mert")  # type: ignore[arg-type]


def test_missing_weights_name_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINEFOLEY_HOME", str(tmp_path))
    for name in ("panns", "vggish"):
        with pytest.raises(MissingWeightsError, match=f"Fetch them with `cinefoley models pull {name}`"):
            load_backbone(name)
    with pytest.raises(MissingWeightsError, match="no such file; expected weights"):
        load_backbone("panns", tmp_path / "none.pth")
    with pytest.raises(MissingWeightsError, match="is a folder"):
        load_backbone("vggish", tmp_path)
    with pytest.raises(
        MissingWeightsError, match=r"'lite' backbone are not in .*cinefoley models pull panns"
    ):
        load_backbone("lite", tmp_path / "none")


def save(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def test_tensors_that_do_not_fit_are_counted(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointMismatchError, match="does not fit VggishNet: 17 keys missing, 1 unexpected"
    ):
        load_backbone("vggish", save(tmp_path / "a.pth", {"features.0.weight": torch.ones(64, 1, 3, 3), "b": torch.ones(1)}))  # fmt: skip  # noqa: E501
    with pytest.raises(CheckpointMismatchError, match="does not fit Cnn14"):
        load_backbone("panns", save(tmp_path / "b.pth", {"model": {"a": torch.ones(1)}}))


def test_shapes_and_numbers_are_checked(tmp_path: Path) -> None:
    def state() -> dict[str, torch.Tensor]:
        return {"weight": torch.zeros(2, 3), "bias": torch.zeros(2)}

    def fill(tensors: Mapping[str, torch.Tensor]) -> torch.nn.Linear:
        return fill_strictly(lambda: torch.nn.Linear(3, 2), tensors, path=tmp_path / "a")

    assert not bool(fill(state()).weight.any())
    with pytest.raises(CheckpointMismatchError, match=r"'bias' has shape \(3,\), Linear expects \(2,\)"):
        fill(state() | {"bias": torch.zeros(3)})
    with pytest.raises(CheckpointMismatchError, match="'bias' contains NaN"):
        fill(state() | {"bias": torch.full((2,), float("nan"))})


class _Runs:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("this must not be printed",)


def test_a_file_that_runs_code_is_refused_unrun(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WeightsError, match=r"not loaded, .* other than tensors \(.*print\)"):
        read_weights(save(tmp_path / "evil.pth", {"model": {"a": torch.ones(1)}, "x": _Runs()}))
    assert capsys.readouterr().out == ""


def test_damaged_files_are_told(tmp_path: Path) -> None:
    whole = save(tmp_path / "whole.pth", {"a": torch.ones(5000)}).read_bytes()
    files = {
        "empty.pth": b"",
        "cut.pth": whole[: len(whole) // 2],
        "text.pth": b"no weights here",
        "list.pth": pickle.dumps([1, 2], protocol=2),
        "cut.safetensors": b"\x08\x00\x00\x00\x00\x00\x00\x00{}",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(WeightsError, match=name):
            read_weights(tmp_path / name)
    with pytest.raises(WeightsError, match="'b' is a int, not a named tensor"):
        read_weights(save(tmp_path / "mixed.pth", {"a": torch.ones(1), "b": 3}))


def test_a_damaged_configuration_is_told(lite_folder: Path) -> None:
    (lite_folder / "config.json").write_text("{")
    with pytest.raises(WeightsError, match=r"config.json: damaged"):
        LiteBackbone(lite_folder)
    (lite_folder / "config.json").write_text(json.dumps({"classes": [], "channels": [4]}))
    with pytest.raises(CheckpointMismatchError, match="at least one class"):
        LiteBackbone(lite_folder)


def test_the_published_networks_have_the_published_size() -> None:
    with torch.device("meta"):
        assert sum(value.numel() for value in VggishNet().state_dict().values()) == 72_141_184
