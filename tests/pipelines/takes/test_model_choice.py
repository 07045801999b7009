from dataclasses import replace
from pathlib import Path

import pytest

from cinefoley.errors import CheckpointMismatchError
from cinefoley.pipelines.takes.model_choice import LoadedModel, ModelChoice


def test_a_worker_refuses_other_weights_than_those_of_the_command(tiny_model: Path) -> None:
    """Otherwise a worker that outlives a command would go on with weights that have changed since."""
    choice = ModelChoice(name=str(tiny_model)).pinned()
    assert LoadedModel(choice).record == LoadedModel(replace(choice, weights=None)).record
    with pytest.raises(
        CheckpointMismatchError, match=r"tiny: a worker has other weights.*run the command again"
    ):
        _ = LoadedModel(replace(choice, weights="0" * 64)).record
