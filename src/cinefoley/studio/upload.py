"""Uploaded files of the studio: a safe name for each, and removal when nobody needs it any more."""

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

__all__ = ["Upload", "harmless_name"]


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded file. The same video, uploaded again, is another file with the same path."""

    path: Path
    inode: int
    changed_ns: int

    @classmethod
    def of(cls, path: Path) -> Self:
        """The file that is there now."""
        state = path.stat()
        return cls(path, state.st_ino, state.st_mtime_ns)

    def remove(self) -> None:
        """Delete it, but not a later upload with the same path."""
        with contextlib.suppress(OSError):
            if self == self.of(self.path):
                self.path.unlink()


def harmless_name(name: str) -> str:
    """A safe file name of letters, digits, dots and dashes, of limited length."""
    stem, suffix = Path(name).stem, Path(name).suffix
    return (re.sub(r"[^\w-]+", "_", stem)[:80].strip("_") or "video") + re.sub(r"[^\w.]", "", suffix)[:8]
