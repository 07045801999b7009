"""Import Diff-Foley: convert its four public checkpoints to one model folder."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cinefoley.config.model import ModelConfig
from cinefoley.config.presets import diff_foley
from cinefoley.errors import CheckpointMismatchError
from cinefoley.models import build
from cinefoley.models.importing.card import write_card
from cinefoley.models.importing.checkpoint import Checkpoint, read_checkpoint
from cinefoley.models.importing.convert import Part, convert_cavp, convert_classifier, convert_ldm
from cinefoley.models.importing.layout import KINDS, KindName, select_tensors
from cinefoley.models.importing.output import folder_written_aside
from cinefoley.models.importing.writer import write_tensors

__all__ = ["RECORD_NAME", "ImportReport", "SourceRecord", "import_diff_foley"]

RECORD_NAME = "import.json"
"""File in the model folder that says what it was made of."""

_WEIGHTS = "diffusion_pytorch_model.safetensors"
_COMPONENTS = (
    "conditioner",
    "guidance_classifier",
    "scheduler",
    "unet",
    "vae",
    "video_encoder",
    "video_encoder_student",
)
"""What the pipeline is made of; the classifier and the student are optional."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRecord:
    """One file that was imported."""

    file: str
    """Its name."""
    bytes: int
    """Its size."""
    sha256: str
    """Its digest."""
    unused: dict[str, int] = field(default_factory=dict)
    """Tensors that a model folder does not need, counted by group."""
    beside: tuple[str, ...] = ()
    """What lies beside the state dict, such as ``optimizer``; left unread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import made of what."""

    folder: Path
    """The model folder."""
    sources: dict[KindName, SourceRecord]
    """The files, by kind."""
    parts: dict[str, str]
    """SHA-256 of every weight file, by its path in the folder."""
    dtype: str
    """How the weights are stored."""
    notes: tuple[str, ...] = ()
    """What the user should know."""


def import_diff_foley(
    out: Path,
    files: Mapping[KindName, Path],
    *,
    dtype: torch.dtype = torch.float32,
    overwrites: bool = False,
    origin: str | None = None,
    config: ModelConfig | None = None,
    on_bytes: Callable[[int, int], None] | None = None,
) -> ImportReport:
    """Convert Diff-Foley's public checkpoints into a model folder.

    Names and shapes are checked before anything is written, and numbers tensor by tensor on the way; the
    folder appears when it is complete, or not at all. Tensors go from the mapped files to the disk one at a
    time.

    Args:
        out: The folder to make.
        files: ``cavp`` (the encoder, ``cavp_epoch66.ckpt``) and ``ldm`` (the generator,
            ``ldm_epoch240.ckpt``); also, if wanted, ``guidance_classifier``, which steers sampling
            (``double_guidance_classifier.ckpt``), and ``alignment``, which measures synchrony
            (``eval_classifier.ckpt``).
        dtype: How to store floating point weights.
        overwrites: Whether a model folder that is there may be replaced.
        origin: Where the files come from, for the card.
        config: Widths of the networks, for tests; Diff-Foley's if None. Depths must be Diff-Foley's.
        on_bytes: Called with written and total bytes of weights.

    Returns:
        What was made.

    Raises:
        ValueError: If ``cavp`` or ``ldm`` is not among ``files``.
        MissingWeightsError: If a file does not exist.
        WeightsError: If a file is empty, damaged, or asks for more than tensors.
        CheckpointMismatchError: If keys are missing or left over, a shape differs, or a number is not finite.
        OutputError: If ``out`` exists or cannot be written, or the disk is full.
    """
    if not {"cavp", "ldm"} <= files.keys():
        raise ValueError(f"a model needs the files cavp and ldm, got {sorted(files)}")
    config = config or diff_foley()
    with folder_written_aside(out, overwrites=overwrites) as folder:
        parts, sources, notes = _prepare(files, config)
        digests = _write_parts(folder, parts, dtype, on_bytes)
        _write_rest(folder, parts, config)
        name = str(dtype).removeprefix("torch.")
        report = ImportReport(folder=out, sources=sources, parts=digests, dtype=name, notes=notes)
        _write_record(folder, report, origin)
        write_card(
            folder,
            sources={kind: asdict(source) for kind, source in sources.items()},
            dtype=name,
            origin=origin,
        )
    return report


def _prepare(
    files: Mapping[KindName, Path], config: ModelConfig
) -> tuple[list[Part], dict[KindName, SourceRecord], tuple[str, ...]]:
    """Check all files, and say what is to be written, what it is made of, and what the user should know."""
    opened = {kind: _open(kind, path) for kind, path in files.items()}
    parts, notes = _without_known_autoencoders(
        [part for kind, source in opened.items() for part in _convert(kind, source, config)]
    )
    notes += _schedule_note(opened["ldm"], config)
    return parts, {kind: _describe(source) for kind, source in opened.items()}, notes


@dataclass(frozen=True, slots=True)
class _Opened:
    checkpoint: Checkpoint
    tensors: dict[str, Tensor]
    unused: dict[str, int]


def _open(kind: KindName, path: Path) -> _Opened:
    checkpoint = read_checkpoint(path)
    return _Opened(checkpoint, *select_tensors(checkpoint, KINDS[kind]))


def _convert(kind: KindName, opened: _Opened, config: ModelConfig) -> list[Part]:
    if kind == "cavp":
        return convert_cavp(opened.tensors, config, opened.checkpoint.path)
    if kind == "ldm":
        return convert_ldm(opened.tensors, config, opened.checkpoint.path)
    return convert_classifier(kind, opened.tensors, config, opened.checkpoint.path)


def _describe(opened: _Opened) -> SourceRecord:
    path = opened.checkpoint.path
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return SourceRecord(
        file=path.name,
        bytes=path.stat().st_size,
        sha256=digest,
        unused=opened.unused,
        beside=opened.checkpoint.others,
    )


def _without_known_autoencoders(parts: list[Part]) -> tuple[list[Part], tuple[str, ...]]:
    """Drop a classifier's autoencoder where it is the generator's own, number for number."""
    generator = next(part for part in parts if part.name == "vae")
    kept, notes = [], []
    for part in parts:
        if part.name.endswith("_vae") and _are_equal(part.tensors, generator.tensors):
            notes.append(f"{part.source.name}: its autoencoder is the generator's, and is stored once.")
            continue
        if part.name.endswith("_vae"):
            notes.append(
                f"{part.source.name}: its autoencoder differs from the generator's; it is in {part.name}/."
            )
        kept.append(part)
    return kept, tuple(notes)


def _schedule_note(ldm: _Opened, config: ModelConfig) -> tuple[str, ...]:
    """Compare the noise schedule that the file was saved with to the one that the folder gets."""
    ours = build.build_scheduler(config.denoiser).alphas_cumprod
    theirs = ldm.tensors["alphas_cumprod"]
    if theirs.shape == ours.shape and torch.allclose(theirs.float(), ours, rtol=0, atol=1e-4):
        return ()
    name = ldm.checkpoint.path.name
    return (f"{name}: its noise schedule is not Diff-Foley's published one, which the model folder has.",)


def _are_equal(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def _write_parts(
    folder: Path, parts: list[Part], dtype: torch.dtype, on_bytes: Callable[[int, int], None] | None
) -> dict[str, str]:
    total = sum(
        value.numel() * (dtype.itemsize if value.is_floating_point() else 8)
        for part in parts
        for value in part.tensors.values()
    )
    written = 0

    def count(size: int) -> None:
        nonlocal written
        written += size
        if on_bytes is not None:
            on_bytes(written, total)

    digests = {}
    # a file's pages stay in memory as long as one of its tensors does: the largest file comes last, and alone
    for part in sorted(parts, key=lambda part: part.source.stat().st_size):
        (folder / part.name).mkdir()
        part.module.save_config(folder / part.name)
        with _naming(part):
            digest = write_tensors(folder / part.name / _WEIGHTS, part.tensors, dtype=dtype, on_bytes=count)
        digests[f"{part.name}/{_WEIGHTS}"] = digest
        part.tensors.clear()
    return digests


@contextmanager
def _naming(part: Part) -> Iterator[None]:
    """Say in which file and part a tensor is at fault."""
    try:
        yield
    except CheckpointMismatchError as exc:
        raise CheckpointMismatchError(f"{part.source}: {part.name} {exc}. Fetch the file again.") from exc


def _write_rest(folder: Path, parts: list[Part], config: ModelConfig) -> None:
    """The schedule, the window, and diffusers' index of the parts that the pipeline is made of."""
    scheduler = build.build_scheduler(config.denoiser)
    scheduler.save_pretrained(folder / "scheduler")
    config.foley.save(folder)
    components: dict[str, Any] = {part.name: part.module for part in parts} | {"scheduler": scheduler}
    index: dict[str, Any] = {"_class_name": "FoleyPipeline", "_diffusers_version": version("diffusers")}
    for name in _COMPONENTS:
        if name not in components:
            index[name] = [None, None]  # so diffusers marks optional ones
            continue
        component_class = type(components[name])
        library = component_class.__module__
        index[name] = [library if library.startswith("cinefoley.") else "diffusers", component_class.__name__]
    _write_json(folder / "model_index.json", index)


def _write_record(folder: Path, report: ImportReport, origin: str | None) -> None:
    record = {
        "kind": "cinefoley import",
        "origin": origin,
        "sources": {kind: asdict(source) for kind, source in report.sources.items()},
        "dtype": report.dtype,
        "parts": {
            name: {"bytes": (folder / name).stat().st_size, "sha256": digest}
            for name, digest in report.parts.items()
        },
        "notes": report.notes,
    }
    _write_json(folder / RECORD_NAME, record)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")
