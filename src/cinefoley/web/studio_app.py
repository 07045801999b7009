"""Studio web application: the gradio page and the files that it shows."""

import os
from pathlib import Path

from fastapi import FastAPI

from cinefoley.studio.model_store import ModelStore
from cinefoley.web.published_files import PublishedFiles
from cinefoley.web.studio_sessions import StudioSessions

__all__ = ["create_studio_app"]

_FILES = Path(__file__).parent / "studio_files"


def create_studio_app(
    models: ModelStore, folder: Path, *, most_upload_mb: int = 500, longest_s: float = 600.0
) -> FastAPI:
    """Create the studio's web application.

    Args:
        models: Models that can be chosen.
        folder: Folder for uploads and takes; the caller deletes it.
        most_upload_mb: Largest video to accept, in megabytes.
        longest_s: Longest video to accept, in seconds.

    Returns:
        An ASGI application whose lifespan must be run. The caller closes ``state.sessions`` in the end.
    """
    uploads, sessions = folder / "uploads", folder / "sessions"
    uploads.mkdir()
    sessions.mkdir()
    # gradio reads both when it is imported: its folder for files, and whether it contacts two hosts
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

    import gradio as gr

    from cinefoley.web.studio_page import build_studio_page

    files = PublishedFiles()
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.sessions = StudioSessions(sessions, longest_s=longest_s)
    page = build_studio_page(models, app.state.sessions, files, uploads=uploads)
    app.include_router(files.router())
    # gradio checks that files named in requests were uploaded only after its own launch(), which a mounted
    # page never calls: without this, a forged request could open any video on this machine
    page.has_launched = True
    return gr.mount_gradio_app(
        app,
        page,
        path="/",
        max_file_size=f"{most_upload_mb}mb",
        show_error=True,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        theme=gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
        css=(_FILES / "studio.css").read_text(),
        head=f"<script>{(_FILES / 'studio.js').read_text()}</script>",
    )
