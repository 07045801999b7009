"""What the parity tests share: the reference's numbers, and checkpoints filled with them."""

import importlib
import json
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    import torch

_HERE = Path(__file__).parent
_FILES = {
    "cavp": "cavp",
    "ldm": "ldm",
    "guidance-classifier": "double_guidance_classifier",
    "alignment": "eval_classifier",
}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Where all tests are asked for, a skipped one has failed; those on the real clips are optional."""
    report = yield
    if report.skipped and item.config.getoption("--run-slow") and not item.get_closest_marker("clips"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: skipped, and --run-slow lets no parity test off"
    return report


@pytest.fixture(scope="session")
def reference_weights() -> ModuleType:
    """The module beside this file."""
    return importlib.import_module("tests.parity.reference_weights")


@pytest.fixture(scope="session")
def reference_input(reference_weights: ModuleType) -> Callable[..., "torch.Tensor"]:
    """``reference_input(name, shape, kind="normal", has_unit_norm=False)`` draws an input of the fixtures."""
    import torch

    def draw(
        name: str, shape: tuple[int, ...], kind: str = "normal", *, has_unit_norm: bool = False
    ) -> "torch.Tensor":
        values = torch.from_numpy(reference_weights.draw(f"input/{name}", shape, "shared", kind))
        return values / values.norm(dim=-1, keepdim=True) if has_unit_norm else values

    return draw


@pytest.fixture(scope="session")
def reference_fixture() -> Callable[[str], dict[str, Any]]:
    """``reference_fixture("cavp")`` reads ``fixtures/cavp.npz``."""

    def read(name: str) -> dict[str, Any]:
        with np.load(_HERE / "fixtures" / f"{name}.npz") as arrays:
            return dict(arrays)

    return read


@pytest.fixture(scope="session")
def empty_state() -> Callable[[str], dict[str, "torch.Tensor"]]:
    """``empty_state("cavp")`` is a state dict of zeros with the manifest's names, shapes and types."""
    import torch

    def make(name: str) -> dict[str, "torch.Tensor"]:
        manifest = json.loads((_HERE / "manifests" / f"{name}.json").read_text())
        return {
            key: torch.zeros(shape, dtype=getattr(torch, dtype)) for key, (shape, dtype) in manifest.items()
        }

    return make


@pytest.fixture(scope="session")
def assert_close() -> Callable[..., None]:
    """``assert_close(found, fixture, tolerance)``, the tolerance relative to the fixture's largest number."""

    def check(found: "torch.Tensor", expected: Any, tolerance: float) -> None:
        assert tuple(found.shape) == tuple(expected.shape)
        error = np.abs(found.detach().numpy().astype(np.float64) - expected).max() / np.abs(expected).max()
        assert error <= tolerance, f"relative error {error:.2e} exceeds {tolerance:.0e}"

    return check


@pytest.fixture(scope="session")
def model_folder(
    tmp_path_factory: pytest.TempPathFactory,
    empty_state: Callable[[str], dict[str, "torch.Tensor"]],
    reference_weights: ModuleType,
) -> Iterator[Path]:
    """All four public checkpoints at full size, filled with the reference's numbers and imported by command.

    One import, 8 GB of disk and 9 GB of memory, serves all files of slow tests in one process; nothing here
    keeps weights in memory afterwards.
    """
    import torch

    from cinefoley.cli.main import main

    folder = tmp_path_factory.mktemp("full")
    try:
        arguments = ["models", "import"]
        for option, name in _FILES.items():
            state = empty_state(name)
            reference_weights.fill_(state)
            torch.save({"state_dict": state, "epoch": 1, "global_step": 2}, folder / f"{name}.ckpt")
            del state
            arguments += [f"--{option}", str(folder / f"{name}.ckpt")]
        assert main([*arguments, str(folder / "model")]) == 0
        for name in _FILES.values():
            (folder / f"{name}.ckpt").unlink()
        yield folder / "model"
    finally:
        shutil.rmtree(folder)  # pytest would keep these 4 GB for three runs


@pytest.fixture(scope="session")
def features(reference_input: Callable[..., "torch.Tensor"]) -> "torch.Tensor":
    """Video features ``(1, 32, 512)`` of one window, as the fixtures of the generator have them."""
    return reference_input("video_feat_32", (1, 32, 512), has_unit_norm=True)


@pytest.fixture(scope="session")
def noise(reference_input: Callable[..., "torch.Tensor"]) -> "torch.Tensor":
    """Initial noise ``(1, 4, 16, 64)`` of one window, as the fixtures of the generator have it."""
    return reference_input("x_T", (1, 4, 16, 64))
