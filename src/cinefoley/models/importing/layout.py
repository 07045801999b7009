"""Expected keys of Diff-Foley's public checkpoints, required and optional."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from torch import Tensor

from cinefoley.errors import CheckpointMismatchError
from cinefoley.models.importing.checkpoint import Checkpoint

__all__ = ["KINDS", "CheckpointKind", "KindName", "select_tensors"]

KindName = Literal["cavp", "ldm", "guidance_classifier", "alignment"]
"""Kinds of public files; the same names as the command's options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointKind:
    """One of the public files."""

    name: KindName
    """Name in cinefoley; the expected keys are in ``keys/NAME.txt``."""
    title: str
    """Name in messages."""
    leftovers: tuple[str, ...]
    """Optional keys that are not used. An entry that ends in a dot is a prefix."""
    unneeded: tuple[str, ...]
    """Required keys that a model folder does not need; same notation."""

    @property
    def option(self) -> str:
        """Option of ``cinefoley models import`` for this kind of file."""
        return "--" + self.name.replace("_", "-")

    @property
    def keys(self) -> tuple[str, ...]:
        """Required keys, in the file's order."""
        return _read_keys(self.name)


# lvlb_weights and logvar are schedule buffers that some versions of the training code save; scale_factor is a
# plain number in the LDM and a buffer (so a key) in the classifiers
_TRAINING = ("model_ema.", "loss.", "first_stage_model.loss.", "lvlb_weights", "logvar", "scale_factor")

_SCHEDULE = (
    "betas",
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
    "posterior_variance",
    "posterior_log_variance_clipped",
    "posterior_mean_coef1",
    "posterior_mean_coef2",
)

KINDS: dict[KindName, CheckpointKind] = {
    kind.name: kind
    for kind in (
        CheckpointKind(name="cavp", title="CAVP encoder", leftovers=(), unneeded=()),
        CheckpointKind(name="ldm", title="latent diffusion model", leftovers=_TRAINING, unneeded=_SCHEDULE),
        CheckpointKind(  # its training class contained the autoencoder
            name="guidance_classifier",
            title="double-guidance classifier",
            leftovers=(*_TRAINING, "first_stage_model."),
            unneeded=("scale_factor", *_SCHEDULE),
        ),
        CheckpointKind(
            name="alignment",
            title="alignment classifier",
            leftovers=_TRAINING,
            unneeded=("scale_factor", *_SCHEDULE),
        ),
    )
}
"""All public files."""


def select_tensors(checkpoint: Checkpoint, kind: CheckpointKind) -> tuple[dict[str, Tensor], dict[str, int]]:
    """Select the required tensors of a checkpoint, and count those that a model folder does not need.

    Args:
        checkpoint: The file.
        kind: Expected kind of the file.

    Returns:
        The tensors by key, and the number of unneeded ones by group (``schedule buffers``: 12).

    Raises:
        CheckpointMismatchError: If a key is missing or unexpected. The message counts both, names the first
            ones, and names the kind of file that fits best.
    """
    expected = set(kind.keys)
    missing = [key for key in kind.keys if key not in checkpoint.tensors]
    extra = {key: _group(key, kind.leftovers) for key in checkpoint.tensors if key not in expected}
    unexpected = [key for key, group in extra.items() if group is None]
    if missing or unexpected:
        raise CheckpointMismatchError(
            f"{checkpoint.path} does not fit {kind.option}, which expects the {kind.title} "
            f"({len(expected)} keys): {_count(missing)} missing, {_count(unexpected)} unexpected. "
            f"{_guess(checkpoint, kind)}"
        )
    unneeded = Counter(filter(None, (_group(key, kind.unneeded) for key in kind.keys)))
    unneeded.update(filter(None, extra.values()))
    return {key: checkpoint.tensors[key] for key in kind.keys}, dict(unneeded)


@cache
def _read_keys(name: str) -> tuple[str, ...]:
    return tuple((files(__package__ or "") / "keys" / f"{name}.txt").read_text().split())


def _group(key: str, entries: tuple[str, ...]) -> str | None:
    """Find the entry that equals ``key`` or is its prefix; the schedule's buffers form one group."""
    found = next((entry for entry in entries if key == entry or _is_under(key, entry)), None)
    return "schedule buffers" if found in _SCHEDULE else found


def _is_under(key: str, entry: str) -> bool:
    return entry.endswith(".") and key.startswith(entry)


def _count(keys: list[str]) -> str:
    shown = ", ".join(repr(key) for key in keys[:3])
    return f"{len(keys)} ({shown}{', ...' if len(keys) > 3 else ''})" if keys else "none"


def _guess(checkpoint: Checkpoint, wanted: CheckpointKind) -> str:
    """Name the kind of file whose keys fit best."""
    likely = max(KINDS.values(), key=lambda kind: (_overlap(checkpoint.tensors, kind), len(kind.keys)))
    if _overlap(checkpoint.tensors, likely) < 0.5:
        return "It looks like none of Diff-Foley's public files."
    if likely is wanted:
        return f"It looks like a {likely.title} of another architecture, or with missing parts."
    return f"It looks like the {likely.title}: pass it with {likely.option}."


def _overlap(keys: Iterable[str], kind: CheckpointKind) -> float:
    return len(set(kind.keys).intersection(keys)) / len(kind.keys)
