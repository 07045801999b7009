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
"""Name of the file in the model folder that records sources and digests."""

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
"""Components of the pipeline; the classifier and the student are optional."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRecord:
    """One file that was imported."""

    file: str
    """File name."""
    bytes: int
    """File size."""
    sha256: str
    """SHA-256 of the file."""
    unused: dict[str, int] = field(default_factory=dict)
    """Number of tensors that a model folder does not need, by group."""
    beside: tuple[str, ...] = ()
    """Names of the other entries in the file, such as ``optimizer``; their values are not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """Result of an import: sources, parts and notes."""

    folder: Path
    """The model folder."""
    sources: dict[KindName, SourceRecord]
    """The files, by kind."""
    parts: dict[str, str]
    """SHA-256 of every weight file, by its path in the folder."""
    dtype: str
    """Dtype of the stored weights."""
    notes: tuple[str, ...] = ()
    """Messages for the user."""


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

    Names and shapes are checked before anything is written, and the numbers of each tensor when it is
    written. The write is atomic: the folder is complete or absent. Tensors are copied one at a time from the
    memory-mapped files to the disk.

    Args:
        out: Folder to create.
        files: ``cavp`` (the encoder, ``cavp_epoch66.ckpt``) and ``ldm`` (the generator,
            ``ldm_epoch240.ckpt``). Optional: ``guidance_classifier``, which guides sampling
            (``double_guidance_classifier.ckpt``), and ``alignment``, which measures synchrony
            (``eval_classifier.ckpt``).
        dtype: Dtype of the stored floating point weights.
        overwrites: Whether an existing model folder may be replaced.
        origin: Source of the files, for the card.
        config: Widths of the networks, for tests; Diff-Foley's if None. Depths must be Diff-Foley's.
        on_bytes: Called with written and total bytes of weights.

    Returns:
        Report of the sources, the parts and the notes.

    Raises:
        ValueError: If ``cavp`` or ``ldm`` is not among ``files``.
        MissingWeightsError: If a file does not exist.
        WeightsError: If a file is empty, damaged, or contains unknown objects.
        CheckpointMismatchError: If keys are missing or unexpected, a shape differs, or a number is not
            finite.
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
    """Check all files, and return the parts to write, their sources, and notes for the user."""
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
    """Drop a classifier's autoencoder if all its numbers equal those of the generator's autoencoder."""
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
    """Return a note if the file's noise schedule differs from the one in the model folder."""
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
    # A file's pages stay in memory as long as one of its tensors does, so the largest file is written last,
    # when the others are released.
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
    """Add the file and the part to the error of a tensor."""
    try:
        yield
    except CheckpointMismatchError as exc:
        raise CheckpointMismatchError(f"{part.source}: {part.name} {exc}. Fetch the file again.") from exc


def _write_rest(folder: Path, parts: list[Part], config: ModelConfig) -> None:
    """Write the noise schedule, the window settings, and diffusers' index of the pipeline's components."""
    scheduler = build.build_scheduler(config.denoiser)
    scheduler.save_pretrained(folder / "scheduler")
    config.foley.save(folder)
    components: dict[str, Any] = {part.name: part.module for part in parts} | {"scheduler": scheduler}
    index: dict[str, Any] = {"_class_name": "FoleyPipeline", "_diffusers_version": version("diffusers")}
    for name in _COMPONENTS:
        if name not in components:
            index[name] = [None, None]  # diffusers' notation for an absent optional component
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
