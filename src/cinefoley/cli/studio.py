"""``cinefoley studio``: generate, compare and choose in the browser."""

import json
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from cinefoley.errors import CinefoleyError

__all__ = ["studio"]


def studio(
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FOLDER", help="A model to choose from; may be repeated.", show_default="lite"
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Interface to listen on; 0.0.0.0 for all.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="Its port; 0 takes a free one.")
    ] = 8601,
    most_upload: Annotated[int, typer.Option(min=1, metavar="MB", help="Largest film.")] = 500,
    longest: Annotated[float, typer.Option(min=1, metavar="S", help="Longest film, in seconds.")] = 600.0,
    device: Annotated[
        str, typer.Option(metavar="auto|cpu|cuda|cuda:N|mps", help="Where to compute.")
    ] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the address as one JSON object.")] = False,
) -> None:
    """Open the studio: drop a film, generate takes, compare them, accept one per shot, take them home.

    Prints the address for the browser, and serves until Ctrl-C. Everything works without a network; films
    and takes are removed when a page is closed, and all of them when the studio ends.
    """
    for package in ("gradio", "fastapi", "uvicorn", "scenedetect"):
        if find_spec(package) is None:
            raise CinefoleyError(
                f"The studio needs {package}, which is not installed. Install it with "
                "`pip install 'cinefoley[web]'`."
            )
    from cinefoley.pipelines.devices import choose_device
    from cinefoley.pipelines.loading import resolve_model
    from cinefoley.studio.shelf import ModelShelf
    from cinefoley.web.serving import address_of, open_socket, serve
    from cinefoley.web.studio_app import create_studio_app

    names = model or ["lite"]
    choose_device(device)  # a wrong name is told before a page is shown
    for name in names:
        resolve_model(name, local_files_only=True)
    with (
        open_socket(host, port) as listening,
        tempfile.TemporaryDirectory(prefix="cinefoley-studio-") as folder,
    ):
        shelf = ModelShelf(names, device=device)
        app = create_studio_app(shelf, Path(folder), most_upload_mb=most_upload, longest_s=longest)
        address = address_of(listening)
        typer.echo(json.dumps({"address": address}) if as_json else address)
        if not as_json:
            typer.echo("Open it in a browser; stop with Ctrl-C.", err=True)
        try:
            serve(app, listening)
        finally:
            app.state.desks.close_all()  # Python waits for the threads of runs
