"""Versions of the FFmpeg libraries, for the records of outputs."""

from collections.abc import Mapping
from typing import Any

import av

__all__ = ["ffmpeg_versions", "joined_versions"]


def ffmpeg_versions() -> dict[str, str]:
    """Versions of the FFmpeg libraries that PyAV carries, such as ``{"libavcodec": "62.28.102"}``."""
    return {name: ".".join(map(str, version)) for name, version in av.library_versions.items()}


def joined_versions(there: Mapping[str, Any] | None, now: dict[str, str]) -> dict[str, Any]:
    """Versions for a folder's record, where an earlier run may have written with other versions.

    Args:
        there: The existing record.
        now: Current versions.

    Returns:
        ``versions``, the current ones, and ``earlier_versions``, a list of others, if there are any.
    """
    known = [] if there is None else [*there.get("earlier_versions", []), there.get("versions", {})]
    earlier = [versions for versions in known if versions and versions != now]
    return {"versions": now, **({"earlier_versions": earlier} if earlier else {})}
