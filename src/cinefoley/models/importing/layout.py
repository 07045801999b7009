"""Which keys each of Diff-Foley's public files has, and which others it may have."""

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
"""The public files, named as the command's options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointKind:
    """One of the public files."""

    name: KindName
    """Its name here; its keys are in ``keys/NAME.txt``."""
    title: str
    """What it is called in messages."""
    leftovers: tuple[str, ...]
    """Keys, or prefixes that end in a dot, which such a file may have on top and which are not used."""

    @property
    def option(self) -> str:
        """The option of ``cinefoley models import`` that takes it."""
        return "--" + self.name.replace("_", "-")

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys that must be there, in the file's order."""
        return _read_keys(self.name)

    def leftover_group(self, key: str) -> str | None:
        """The entry of ``leftovers`` that ``key`` falls under."""
        return next((entry for entry in self.leftovers if key == entry or _is_under(key, entry)), None)


# lvlb_weights and logvar are schedule buffers that some versions of the training code save; scale_factor is a
# plain number in the LDM and a buffer (so a key) in the classifiers
_TRAINING = ("model_ema.", "loss.", "first_stage_model.loss.", "lvlb_weights", "logvar", "scale_factor")

KINDS: dict[KindName, CheckpointKind] = {
    kind.name: kind
    for kind in (
        CheckpointKind(name="cavp", title="CAVP encoder", leftovers=()),
        CheckpointKind(name="ldm", title="latent diffusion model", leftovers=_TRAINING),
        CheckpointKind(  # its training class held the autoencoder
            name="guidance_classifier",
            title="double-guidance classifier",
            leftovers=(*_TRAINING, "first_stage_model."),
        ),
        CheckpointKind(name="alignment", title="alignment classifier", leftovers=_TRAINING),
    )
}
"""All public files."""


def select_tensors(checkpoint: Checkpoint, kind: CheckpointKind) -> tuple[dict[str, Tensor], dict[str, int]]:
    """Take the tensors that a kind of file must have, and count what it has on top.

    Args:
        checkpoint: The file.
        kind: What it is meant to be.

    Returns:
        The tensors by key, and the number of unused tensors by group (``first_stage_model.``: 248).

    Raises:
        CheckpointMismatchError: If a key is missing, or one is left over that such files do not have; the
            message counts both, names the first, and says what the file looks like.
    """
    expected = set(kind.keys)
    missing = [key for key in kind.keys if key not in checkpoint.tensors]
    groups = {key: kind.leftover_group(key) for key in checkpoint.tensors if key not in expected}
    unexpected = [key for key, group in groups.items() if group is None]
    if missing or unexpected:
        raise CheckpointMismatchError(
            f"{checkpoint.path} does not fit {kind.option}, which expects the {kind.title} "
            f"({len(expected)} keys): {_count(missing)} missing, {_count(unexpected)} left over. "
            f"{_guess(checkpoint, kind)}"
        )
    return {key: checkpoint.tensors[key] for key in kind.keys}, dict(Counter(filter(None, groups.values())))


@cache
def _read_keys(name: str) -> tuple[str, ...]:
    return tuple((files(__package__ or "") / "keys" / f"{name}.txt").read_text().split())


def _is_under(key: str, entry: str) -> bool:
    return entry.endswith(".") and key.startswith(entry)


def _count(keys: list[str]) -> str:
    shown = ", ".join(repr(key) for key in keys[:3])
    return f"{len(keys)} ({shown}{', ...' if len(keys) > 3 else ''})" if keys else "none"


def _guess(checkpoint: Checkpoint, wanted: CheckpointKind) -> str:
    """Say which kind of file this is, as far as its keys tell."""
    likely = max(KINDS.values(), key=lambda kind: (_overlap(checkpoint.tensors, kind), len(kind.keys)))
    if _overlap(checkpoint.tensors, likely) < 0.5:
        return "It looks like none of Diff-Foley's public files."
    if likely is wanted:
        return f"It looks like a {likely.title} of another make, or with parts cut out."
    return f"It looks like the {likely.title}: pass it with {likely.option}."


def _overlap(keys: Iterable[str], kind: CheckpointKind) -> float:
    return len(set(kind.keys).intersection(keys)) / len(kind.keys)
