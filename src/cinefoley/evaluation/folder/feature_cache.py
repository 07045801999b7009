"""Feature cache: features and numbers of sounds, keyed by file content and how they were computed."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from cinefoley.errors import OutputError
from cinefoley.media.files.atomic_write import atomic_write
from cinefoley.metrics.backbones.protocol import Embedding

__all__ = ["FeatureCache"]


class FeatureCache:
    """A folder of features, one small file per sound and backbone.

    The key is the digest of the sound file, of the backbone's weights, and of how the file was read: a file
    that is moved or renamed is found, and a changed file is computed again. Entries carry a digest; a
    truncated or damaged one counts as absent. Several processes may share the cache.

    Args:
        folder: Created at the first write; None stores nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def get(self, sound: str, backbone: str, reading: str) -> Embedding | None:
        """The features under a key, or None.

        Args:
            sound: SHA-256 of the sound file.
            backbone: SHA-256 of the weights, with the backbone's name.
            reading: How the file was read.
        """
        path = self._path(sound, backbone, reading)
        if path is None or not path.is_file():
            return None
        content = path.read_bytes()
        stated, payload = content[:32], content[32:]
        if hashlib.sha256(payload).digest() != stated:
            return None
        try:
            tensors = load(payload)
        except SafetensorError:
            return None
        return Embedding(tensors["features"], tensors.get("logits"))

    def put(self, sound: str, backbone: str, reading: str, embedding: Embedding) -> None:
        """Store features under a key, by an atomic write.

        Raises:
            OutputError: If the folder cannot be written.
        """
        path = self._path(sound, backbone, reading)
        if path is None:
            return
        tensors: dict[str, Tensor] = {"features": embedding.features.contiguous()}
        if embedding.logits is not None:
            tensors["logits"] = embedding.logits.contiguous()
        payload = save(tensors)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise OutputError(
                f"{path.parent}: cannot be created ({exc.strerror}). Choose another folder with --cache."
            ) from exc
        with atomic_write(path) as temporary:
            temporary.write_bytes(hashlib.sha256(payload).digest() + payload)

    def numbers(
        self, sound: str, what: str, reading: str, compute: Callable[[], Sequence[float]]
    ) -> list[float]:
        """Numbers of a sound, computed if they are not cached, and the same to the bit either way.

        Args:
            sound: SHA-256 of the sound file.
            what: What is measured, with the version of how.
            reading: What else the numbers depend on, such as the SHA-256 of another sound.
            compute: Computes them; NaN is allowed.

        Raises:
            OutputError: If the folder cannot be written.
        """
        known = self.get(sound, what, reading)
        if known is None:
            known = Embedding(torch.tensor(list(compute()), dtype=torch.float64), None)
            self.put(sound, what, reading, known)
        found: list[float] = known.features.tolist()
        return found

    def _path(self, sound: str, backbone: str, reading: str) -> Path | None:
        if self._folder is None:
            return None
        key = hashlib.sha256(f"1\n{sound}\n{backbone}\n{reading}".encode()).hexdigest()
        return self._folder / key[:2] / key
