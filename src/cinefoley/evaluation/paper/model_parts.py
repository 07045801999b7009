"""Digests of a model's parts, which cache keys and protocol lines name."""

import hashlib
from pathlib import Path

__all__ = ["part_digest", "part_name"]


def part_name(folder: Path) -> str:
    """What a protocol calls a part: the end of its path and its digest, without a path of this machine."""
    return f"{folder.parent.name}/{folder.name} (sha256:{part_digest(folder)[:12]})"


def part_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of a part's files."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.json"), *folder.glob("*.safetensors")]):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
