"""Small checkpoints with the names and the nesting of Diff-Foley's public files."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.small_diff_foley import draw_state, make_config, save_checkpoint

if TYPE_CHECKING:
    import torch

    from cinefoley.config.model import ModelConfig


@pytest.fixture(scope="session")
def small_config() -> "ModelConfig":
    """Diff-Foley's depths at a small fraction of its widths."""
    return make_config()


@pytest.fixture(scope="session")
def small_state() -> Callable[[str], dict[str, "torch.Tensor"]]:
    """``small_state(kind)`` draws the state dict of one public file in ``small_config``'s widths."""
    return draw_state


@pytest.fixture(scope="session")
def small_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``small_checkpoints(kind)`` is a file as Lightning writes it. Not to be written to."""
    folder = tmp_path_factory.mktemp("checkpoints")

    def save(kind: str) -> Path:
        path = folder / f"{kind}.ckpt"
        if not path.exists():
            save_checkpoint(kind, path)
        return path

    return save
