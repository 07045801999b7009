"""``cinefoley study``: a blind listening study in the browser, and the report of its votes."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cinefoley.cli import options
from cinefoley.cli.extras import check_extra
from cinefoley.cli.outputs import check_free, print_json, write_texts

if TYPE_CHECKING:
    from cinefoley.study.results import StudyResults

__all__ = ["app"]

app = typer.Typer(help="Run a blind listening study, and report its votes.", no_args_is_help=True)

_Study = Annotated[
    Path, typer.Argument(metavar="STUDY.toml", help="Settings of the study; see docs/study.md.")
]
_Votes = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Database of the votes. Default: STUDY.votes.sqlite beside STUDY.toml.",
    ),
]


@app.command()
def serve(
    study: _Study,
    host: options.Host = "127.0.0.1",
    port: options.Port = 8600,
    votes: _Votes = None,
    as_json: options.Json = False,
) -> None:
    """Serve the study's website: participants watch pairs of videos and vote. Stop it with Ctrl-C.

    Prints the address for participants. The server can be stopped and started again at any time: votes are
    stored as soon as they are given, and participants continue with their personal links.
    """
    check_extra("web")
    from cinefoley.study.definition import load_study
    from cinefoley.study.results import votes_path
    from cinefoley.study.sessions import Sessions
    from cinefoley.study.store import VoteStore
    from cinefoley.study.videos import find_videos
    from cinefoley.web.serving import address_of, open_socket
    from cinefoley.web.serving import serve as serve_app
    from cinefoley.web.study_app import create_study_app

    settings = load_study(study)
    videos = find_videos(settings)
    with open_socket(host, port) as listening:
        path = votes or votes_path(study)
        store = VoteStore(path)
        try:
            sessions = Sessions(settings, videos, store)
            address = address_of(listening)
            typer.echo(json.dumps({"address": address, "votes": str(path)}) if as_json else address)
            if not as_json:
                typer.echo(
                    f"{len(videos.clips)} clips; votes are stored in {path}; stop with Ctrl-C.", err=True
                )
            serve_app(create_study_app(sessions), listening)
        finally:
            store.close()


@app.command()
def report(
    study: _Study,
    votes: _Votes = None,
    keep_inattentive: Annotated[
        bool, typer.Option("--keep-inattentive", help="Also count participants who failed attention checks.")
    ] = False,
    only_finished: Annotated[
        bool, typer.Option("--only-finished", help="Count only participants who answered everything.")
    ] = False,
    format: options.TableFormat = "text",
    out: options.ReportFolder = None,
    force: options.Force = False,
    as_json: options.Json = False,
) -> None:
    """Report the votes: preferences with exact tests and confidence intervals, by participant and by clip.

    Works while the study is running. With -o, writes study.json, study.md, study.tex, preferences.csv,
    clips.csv and votes.csv.
    """
    from cinefoley.study.report import as_json as results_as_json
    from cinefoley.study.report import render
    from cinefoley.study.results import read_results

    results = read_results(
        study, votes, keeps_inattentive=keep_inattentive, keeps_unfinished=not only_finished
    )
    if out is not None:
        texts = _report_files(results)
        if not force:
            check_free(out / name for name in texts)
        write_texts(out, texts)
    if as_json:
        print_json(results_as_json(results))
    else:
        typer.echo(render(results, format))


def _report_files(results: "StudyResults") -> dict[str, str]:
    from cinefoley.study.report import as_json, clips_csv, preferences_csv, render, votes_csv

    return {
        "study.json": json.dumps(as_json(results), indent=2) + "\n",
        "study.md": render(results, "markdown") + "\n",
        "study.tex": render(results, "latex") + "\n",
        "preferences.csv": preferences_csv(results),
        "votes.csv": votes_csv(results),
        "clips.csv": clips_csv(results),
    }
