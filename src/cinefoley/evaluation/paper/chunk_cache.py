"""Cache of an experiment: files of a few clips each, named by all that decides their content."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cinefoley.data.cache.tensor_files import Chunk, make_together, read_chunk, write_chunk
from cinefoley.errors import DataError
from cinefoley.metrics.backbones.protocol import Backbone, Embedding

__all__ = ["cached_chunks", "join_embeddings", "stack_embeddings"]


def cached_chunks(
    folder: Path,
    clips: Sequence[list[str]],
    make: Callable[[range], Chunk],
    *,
    key: list[Any],
    clips_per_file: int,
    on_clip: Callable[[int, int], None] | None = None,
) -> list[Chunk]:
    """Make the missing cache files of all clips, then map every file into memory.

    A file's name depends on its own clips and the key, and on no other clips: a larger or smaller set finds
    the files that it shares. A killed run resumes after its last file. Processes that want the same files
    share the work.

    Args:
        folder: Of the files.
        clips: Id and digest of every clip.
        make: From the places of a file's clips to its content.
        key: All that decides the content but the clips, ready for JSON.
        clips_per_file: Clips of a file.
        on_clip: Called with finished and all clips, those of other processes included.

    Raises:
        DataError: If a file that was just written cannot be read.
        OutputError: If the folder cannot be written.
    """
    files: dict[Path, range] = {}
    for start in range(0, len(clips), clips_per_file):
        places = range(start, min(start + clips_per_file, len(clips)))
        text = json.dumps([*key, list(clips[start : places.stop])], sort_keys=True)
        files[folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.safetensors"] = places
    paths = list(files)
    for path in make_together(paths, lambda path: path, lambda path: write_chunk(path, *make(files[path]))):
        if on_clip is not None:
            on_clip(files[path].stop, len(clips))
    chunks = []
    for path in paths:
        chunk = read_chunk(path)
        if chunk is None:
            raise DataError(f"{path}: cannot be read again. Was the cache cleared? Run again.")
        chunks.append(chunk)
    if on_clip is not None:
        on_clip(len(clips), len(clips))
    return chunks


def stack_embeddings(sounds: Mapping[str, Sequence[Embedding]]) -> dict[str, Tensor]:
    """Embeddings by backbone as tensors of a cache file: ``NAME.features`` and ``NAME.logits``."""
    tensors = {}
    for name, embeddings in sounds.items():
        tensors[f"{name}.features"] = torch.stack([embedding.features for embedding in embeddings])
        logits = [embedding.logits for embedding in embeddings if embedding.logits is not None]
        if logits:
            tensors[f"{name}.logits"] = torch.stack(logits)
    return tensors


def join_embeddings(
    chunks: Sequence[Mapping[str, Tensor]], backbones: Sequence[Backbone]
) -> dict[str, tuple[Embedding, ...]]:
    """Embeddings by backbone of all cache files, in the order of clips."""
    found = {}
    for backbone in backbones:
        features = torch.cat([chunk[f"{backbone.name}.features"] for chunk in chunks])
        name = f"{backbone.name}.logits"
        logits = torch.cat([chunk[name] for chunk in chunks]) if name in chunks[0] else None
        found[backbone.name] = tuple(
            Embedding(row, None if logits is None else logits[number]) for number, row in enumerate(features)
        )
    return found
