"""Serve files under secret addresses, until they are withdrawn."""

import secrets
import threading
from pathlib import Path

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse

__all__ = ["PublishedFiles"]

_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/mp4",  # same format; browsers reject the other type
    ".mkv": "video/webm",  # same format; browsers reject the other type
    ".webm": "video/webm",
    ".wav": "audio/wav",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".zip": "application/zip",
}


class PublishedFiles:
    """Files by addresses that cannot be guessed; paths are never exposed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[str, tuple[str, Path, str | None]] = {}

    def publish(self, owner: str, path: Path, *, download_name: str | None = None) -> str:
        """Make a file available.

        Args:
            owner: Page that the file belongs to, for :meth:`withdraw`.
            path: The file.
            download_name: Name to download the file as; None shows it in the page.

        Returns:
            Address on this site.
        """
        secret = secrets.token_urlsafe(18)
        with self._lock:
            self._files[secret] = (owner, path, download_name)
        return f"/files/{secret}"

    def withdraw(self, owner: str) -> None:
        """Make all files of an owner unavailable."""
        with self._lock:
            self._files = {key: entry for key, entry in self._files.items() if entry[0] != owner}

    def router(self) -> APIRouter:
        """The route that serves the files, with support for range requests."""
        router = APIRouter()

        @router.api_route("/files/{secret}", methods=["GET", "HEAD"])
        def file(secret: str) -> FileResponse:
            with self._lock:
                entry = self._files.get(secret)
            if entry is None or not entry[1].is_file():
                raise HTTPException(404, "This file does not exist, or no longer.")
            _, path, name = entry
            kind = _TYPES.get(path.suffix.lower(), "application/octet-stream")
            headers = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
            return FileResponse(path, media_type=kind, filename=name, headers=headers)

        return router
