"""Starting parts: loads the trained parts that a stage starts from out of model folders."""

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
    """Looks for parts in model folders, in order, and loads them.

    A folder need not be a whole model: one that ``cinefoley train`` writes has one or two parts.

    Args:
        models: Bundled names, folders or hub ids, as for ``--model``.
        foley: Window of the new part; a folder with another window is an error.

    Raises:
        MissingWeightsError: If there is no such model.
    """

    def __init__(self, models: Sequence[str | Path], foley: FoleyConfig) -> None:
        self._folders = [resolve_model(model) for model in models]
        self._foley = foley

    def has(self, name: str) -> bool:
        """Whether any folder has the part."""
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
            f"This stage starts from a {name}, and no model has one ({where}). Name a folder that has "
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
