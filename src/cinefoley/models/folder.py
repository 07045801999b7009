"""Model folders: load parts strictly (all keys, right shapes, finite numbers), and copy parts."""

import json
import shutil
from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, UNet2DConditionModel
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from cinefoley.config.foley import FoleyConfig
from cinefoley.errors import MissingWeightsError, WeightsError
from cinefoley.models.conditioner import Conditioner
from cinefoley.models.strict_state import check_state
from cinefoley.models.video_encoder import VideoEncoder

__all__ = ["PARTS", "copy_other_parts", "load_foley_config", "load_part", "load_scheduler"]

PARTS: dict[str, type[Any]] = {
    "video_encoder": VideoEncoder,
    "conditioner": Conditioner,
    "unet": UNet2DConditionModel,
    "vae": AutoencoderKL,
}
"""Parts with weights that every model folder has, and their classes."""

PartT = TypeVar("PartT", bound=nn.Module)

_WEIGHTS = "diffusion_pytorch_model*.safetensors"


def load_part(folder: Path, part_class: type[PartT], *, dtype: torch.dtype | None = None) -> PartT:
    """Load one part of a model, ready for inference.

    Args:
        folder: Holds ``config.json`` and one or more safetensors files.
        part_class: A diffusers ``ModelMixin``.
        dtype: Dtype of the loaded weights; None means float32, whatever the dtype in the file.

    Raises:
        MissingWeightsError: If the folder, its configuration or its weights do not exist.
        CheckpointMismatchError: If keys are missing or unexpected, shapes differ, or a number is not finite.
        WeightsError: If a file is damaged.
    """
    config_file = folder / "config.json"
    files = sorted(folder.glob(_WEIGHTS))
    if not config_file.is_file() or not files:
        found = "no config.json" if folder.is_dir() and not config_file.is_file() else "no weights"
        found = found if folder.is_dir() else "no such folder"
        raise MissingWeightsError(
            f"{folder}: {found}; expected config.json and {_WEIGHTS} of a {part_class.__name__}. "
            "`cinefoley doctor` lists the parts of a model folder."
        )
    try:
        config = json.loads(config_file.read_text())
        with torch.device("meta"):  # drawing random weights would take longer than reading the real ones
            module: PartT = part_class.from_config(config)  # type: ignore[attr-defined]
        state: dict[str, Tensor] = {}
        for file in files:
            state |= load_file(file)
    except (SafetensorError, json.JSONDecodeError, UnicodeDecodeError, TypeError, ValueError) as exc:
        raise WeightsError(
            f"{folder}: damaged or not a {part_class.__name__} ({exc}). Fetch or save it again."
        ) from exc
    check_state(
        module,
        state,
        folder,
        wanted_by="its config.json",
        fits=f"its config.json ({type(module).__name__})",
        remedy="Fetch or train it again.",
    )
    module.to_empty(device="cpu").load_state_dict(state)
    # not module.to(dtype): diffusers 0.42 then warns about modules to keep in float32, even if there are none
    return nn.Module.to(module, dtype or torch.float32).eval()


def load_foley_config(folder: Path) -> FoleyConfig:
    """Read ``foley_config.json`` of a model folder.

    Raises:
        MissingWeightsError: If the folder or the file does not exist.
        WeightsError: If the file is not a configuration.
    """
    path = folder / FoleyConfig.FILE_NAME
    if not path.is_file():
        raise MissingWeightsError(
            f"{folder} is not a model folder: no {FoleyConfig.FILE_NAME} in it. "
            "A model is a bundled one (`lite`), a folder saved by cinefoley, or a hub id."
        )
    try:
        return FoleyConfig.load(folder)
    except (ValueError, TypeError, KeyError) as exc:
        raise WeightsError(f"{path}: not a valid configuration ({exc}).") from exc


def load_scheduler(folder: Path) -> DPMSolverMultistepScheduler:
    """Read the noise schedule of a model folder.

    Raises:
        MissingWeightsError: If the file does not exist.
        WeightsError: If the file is not a noise schedule.
    """
    if not (folder / "scheduler_config.json").is_file():
        raise MissingWeightsError(
            f"{folder}: no scheduler_config.json, so the model's noise schedule is unknown."
        )
    try:
        return DPMSolverMultistepScheduler.from_pretrained(folder, local_files_only=True)
    except (ValueError, OSError, TypeError) as exc:
        raise WeightsError(f"{folder}: not a noise schedule ({exc}).") from exc


def copy_other_parts(source: Path, target: Path) -> None:
    """Copy the parts of ``source`` that ``target`` lacks."""
    for part in source.iterdir():
        copy = target / part.name
        if (part / "config.json").is_file() and not copy.exists():
            shutil.copytree(part, copy)
