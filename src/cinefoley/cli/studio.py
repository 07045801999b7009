"""``cinefoley studio``: generate, compare and choose takes in the browser."""

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from cinefoley.cli import options
from cinefoley.cli.extras import check_extra

__all__ = ["studio"]


def studio(
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FOLDER", help="Model to offer in the studio; may be repeated.", show_default="lite"
        ),
    ] = None,
    host: options.Host = "127.0.0.1",
    port: options.Port = 8601,
    max_upload: Annotated[
        int, typer.Option(min=1, metavar="MB", help="Largest video to accept, in megabytes.")
    ] = 500,
    max_duration: Annotated[
        float, typer.Option(min=1, metavar="S", help="Longest video to accept, in seconds.")
    ] = 600.0,
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Open the studio: generate, compare and export takes in a browser.

    Upload a video, generate takes, choose one per shot, and export the result. Prints the address to open in
    the browser. Stop it with Ctrl-C. It needs no internet connection. Videos and takes are deleted when
    their desk is cleared or unused for six hours, and when the studio is stopped.
    """
    check_extra("web")
    from cinefoley.pipelines.devices import choose_device
    from cinefoley.pipelines.loading import resolve_model
    from cinefoley.studio.model_store import ModelStore
    from cinefoley.web.serving import address_of, open_socket, serve
    from cinefoley.web.studio_app import create_studio_app

    names = model or ["lite"]
    choose_device(device)  # a wrong name fails before a page is shown
    for name in names:
        resolve_model(name, local_files_only=True)
    with (
        open_socket(host, port) as listening,
        tempfile.TemporaryDirectory(prefix="cinefoley-studio-") as folder,
    ):
        store = ModelStore(names, device=device)
        app = create_studio_app(store, Path(folder), most_upload_mb=max_upload, longest_s=max_duration)
        address = address_of(listening)
        typer.echo(json.dumps({"address": address}) if as_json else address)
        if not as_json:
            typer.echo("Open it in a browser; stop with Ctrl-C.", err=True)
        try:
            serve(app, listening)
        finally:
            app.state.sessions.close_all()  # otherwise Python waits for the threads of runs
