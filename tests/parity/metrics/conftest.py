"""The inputs of the metrics' fixtures, drawn again, and backbones filled with the fixtures' weights."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

_HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def metric_inputs() -> ModuleType:
    """The module beside this file."""
    return importlib.import_module("tests.parity.metrics.metric_inputs")


@pytest.fixture(scope="session")
def drawn_weights(reference_weights: ModuleType) -> Callable[[str], dict[str, torch.Tensor]]:
    """``drawn_weights("vggish")``: a state of the public file's layout; tables of the front-end stay 0."""

    def draw(name: str) -> dict[str, torch.Tensor]:
        manifest = json.loads((_HERE / "manifests" / f"{name}.json").read_text())
        state = {
            key: torch.zeros(shape, dtype=getattr(torch, dtype)) for key, (shape, dtype) in manifest.items()
        }
        reference_weights.fill_({key: value for key, value in state.items() if "extractor." not in key})
        return state

    return draw


@pytest.fixture(scope="session")
def vggish_file(
    drawn_weights: Callable[[str], dict[str, torch.Tensor]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """As the public file is: a bare dictionary."""
    path = tmp_path_factory.mktemp("vggish") / "vggish-10086976.pth"
    torch.save(drawn_weights("vggish"), path)
    return path


@pytest.fixture(scope="session")
def panns_file(
    drawn_weights: Callable[[str], dict[str, torch.Tensor]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """As the public file is: tensors under ``model``, beside numpy's objects."""
    path = tmp_path_factory.mktemp("panns") / "Cnn14_16k_mAP=0.438.pth"
    sampler = {"state": np.random.RandomState(0).get_state(), "indexes": np.arange(5), "pointer": np.int64(3)}
    torch.save({"iteration": 100, "model": drawn_weights("cnn14_16k"), "sampler": sampler}, path)
    return path
