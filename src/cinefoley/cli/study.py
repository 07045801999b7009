"""``cinefoley study``: a blind listening test in the browser, and what its votes say."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cinefoley.cli.outputs import check_free
from cinefoley.errors import CinefoleyError, OutputError

if TYPE_CHECKING:
    from cinefoley.study.results import StudyResults

__all__ = ["app"]

app = typer.Typer(help="A blind listening test: whose sound fits the picture better.", no_args_is_help=True)

_Study = Annotated[Path, typer.Argument(metavar="STUDY.toml", help="The study's file; docs/study.md tells.")]
_Votes = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Where the votes are. Default: STUDY.votes.sqlite beside the study's file.",
        show_default=False,
    ),
]


@app.command()
def serve(
    study: _Study,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Interface to listen on; 0.0.0.0 for all.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="Its port; 0 takes a free one.")
    ] = 8600,
    votes: _Votes = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the address as one JSON object.")] = False,
) -> None:
    """Show pairs of films to participants and keep their votes, until Ctrl-C.

    Prints the address for participants. May be stopped and started at any time: every vote that was
    acknowledged is in the file, and participants go on where they were, by their links.
    """
    try:
        from cinefoley.web.serving import address_of, open_socket
        from cinefoley.web.serving import serve as serve_app
        from cinefoley.web.study_app import create_study_app
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.startswith("cinefoley"):
            raise
        raise CinefoleyError(
            f"The study's pages need {exc.name}, which is not installed. Install it with "
            "`pip install 'cinefoley[web]'`."
        ) from exc
    from cinefoley.study.definition import load_study
    from cinefoley.study.films import find_films
    from cinefoley.study.results import votes_path
    from cinefoley.study.sessions import Sessions
    from cinefoley.study.store import VoteStore

    settings = load_study(study)
    films = find_films(settings)
    with open_socket(host, port) as listening:
        path = votes or votes_path(study)
        store = VoteStore(path)
        try:
            sessions = Sessions(settings, films, store)
            address = address_of(listening)
            typer.echo(json.dumps({"address": address, "votes": str(path)}) if as_json else address)
            if not as_json:
                typer.echo(f"{len(films.clips)} clips, votes go to {path}; stop with Ctrl-C.", err=True)
            serve_app(create_study_app(sessions), listening)
        finally:
            store.close()


@app.command()
def report(
    study: _Study,
    votes: _Votes = None,
    keep_inattentive: Annotated[
        bool, typer.Option("--keep-inattentive", help="Count those too who failed attention checks.")
    ] = False,
    only_finished: Annotated[
        bool, typer.Option("--only-finished", help="Count only those who have answered everything.")
    ] = False,
    format: Annotated[
        Literal["text", "markdown", "latex"], typer.Option(help="How the tables are printed.")
    ] = "text",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Also write study.json, .md, .tex, preferences.csv, clips.csv and votes.csv.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace results that are in DIR.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Count the votes: preferences with exact tests and intervals, by participant and by clip.

    Works while the study is going on.
    """
    from cinefoley.study.report import as_json as results_as_json
    from cinefoley.study.report import render
    from cinefoley.study.results import read_results

    results = read_results(
        study, votes, keeps_inattentive=keep_inattentive, keeps_unfinished=not only_finished
    )
    if out is not None:
        _write_all(results, out, overwrites=force)
    typer.echo(json.dumps(results_as_json(results), indent=2) if as_json else render(results, format))


def _write_all(results: "StudyResults", folder: Path, *, overwrites: bool) -> None:
    from cinefoley.media.files.atomic_write import written_aside
    from cinefoley.study.report import as_json, clips_csv, preferences_csv, render, votes_csv

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise OutputError(f"{folder}: cannot be made ({exc.strerror}). Choose another with -o.") from exc
    contents = {
        "study.json": json.dumps(as_json(results), indent=2) + "\n",
        "study.md": render(results, "markdown") + "\n",
        "study.tex": render(results, "latex") + "\n",
        "preferences.csv": preferences_csv(results),
        "votes.csv": votes_csv(results),
        "clips.csv": clips_csv(results),
    }
    if not overwrites:
        check_free(folder / name for name in contents)
    for name, content in contents.items():
        with written_aside(folder / name) as temporary:
            temporary.write_text(content, encoding="utf-8")
