"""Which FFmpeg reads and writes the films."""

import av

__all__ = ["ffmpeg_versions"]


def ffmpeg_versions() -> dict[str, str]:
    """Versions of the FFmpeg libraries that PyAV carries, such as ``{"libavcodec": "62.28.102"}``."""
    return {name: ".".join(map(str, version)) for name, version in av.library_versions.items()}
