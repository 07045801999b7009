"""Parts of a model that a stage of training starts from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from cinefoley.config.foley import FoleyConfig
from cinefoley.errors import CheckpointMismatchError, MissingWeightsError
from cinefoley.models.folder import load_foley_config, load_part
from cinefoley.pipelines.loading import resolve_model

__all__ = ["StartingParts"]

PartT = TypeVar("PartT", bound=nn.Module)


class StartingParts:
    """Model folders in which parts are looked for, the first that has one first.

    A folder need not be a whole model: what ``cinefoley train`` has written holds one part or two.

    Args:
        models: Bundled names, folders or hub ids, as for ``--model``.
        foley: The window that the new part is trained for; folders that state another are refused.

    Raises:
        MissingWeightsError: If there is no such model.
    """

    def __init__(self, models: Sequence[str | Path], foley: FoleyConfig) -> None:
        self._folders = [resolve_model(model) for model in models]
        self._foley = foley

    def has(self, name: str) -> bool:
        """Whether any folder has a part."""
        return any((folder / name).is_dir() for folder in self._folders)

    def load(self, name: str, part_class: type[PartT]) -> PartT:
        """Load one part.

        Raises:
            MissingWeightsError: If no folder has it.
            CheckpointMismatchError: If it was trained for another window, mel or frame size.
            WeightsError: If it is damaged.
        """
        for folder in self._folders:
            if (folder / name).is_dir():
                self._check(folder)
                return load_part(folder / name, part_class)
        where = ", ".join(map(str, self._folders)) or "none was named"
        raise MissingWeightsError(
            f"This stage starts from a {name}, and no model has one ({where}). Name a folder that holds "
            f"{name}/ with --model; `cinefoley train` writes one."
        )

    def _check(self, folder: Path) -> None:
        if not (folder / FoleyConfig.FILE_NAME).is_file():
            return
        there = load_foley_config(folder)
        changes = [
            f"{name} {found} there, {wanted} here"
            for name, found, wanted in _settings(there, self._foley)
            if found != wanted
        ]
        if changes:
            raise CheckpointMismatchError(
                f"{folder}: was trained with other settings ({'; '.join(changes)}). Choose the --preset it "
                "was trained with, or another --model."
            )


def _settings(there: FoleyConfig, here: FoleyConfig) -> list[tuple[str, Any, Any]]:
    names = ("mel", "mel_frames", "video_fps", "video_frames", "frame_size")
    return [(name, getattr(there, name), getattr(here, name)) for name in names]
