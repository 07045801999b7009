"""The studio as an application: gradio's page, and the files that it shows."""

import os
from pathlib import Path

from fastapi import FastAPI

from cinefoley.studio.shelf import ModelShelf
from cinefoley.web.desks import Desks
from cinefoley.web.published_files import PublishedFiles

__all__ = ["create_studio_app"]

_FILES = Path(__file__).parent / "studio_files"


def create_studio_app(
    shelf: ModelShelf, folder: Path, *, most_upload_mb: int = 500, longest_s: float = 600.0
) -> FastAPI:
    """The studio.

    Args:
        shelf: Models that can be chosen.
        folder: Where uploads and takes are kept meanwhile; whoever made it removes it.
        most_upload_mb: Largest film, in megabytes.
        longest_s: Longest film, in seconds.

    Returns:
        An ASGI application that needs its lifespan to be run; ``state.desks`` are to be closed in the end.
    """
    uploads, desks = folder / "uploads", folder / "desks"
    uploads.mkdir()
    desks.mkdir()
    # gradio reads both when it is imported: where it keeps files, and whether it looks up two hosts
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

    import gradio as gr

    from cinefoley.web.studio_page import build_studio_page

    files = PublishedFiles()
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.desks = Desks(desks, longest_s=longest_s)
    page = build_studio_page(shelf, app.state.desks, files, uploads=uploads)
    app.include_router(files.router())
    # gradio checks that files named in requests were uploaded, but not before its own launch(), which a
    # mounted page never goes through: without this, a forged request opens any film on this machine
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
