"""Entry point of the command line: commands, global options, exit codes, logging and warnings."""

import logging
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer

from cinefoley import __version__
from cinefoley.cli import (
    data,
    deliver,
    distill,
    doctor,
    evaluate,
    explain,
    generate,
    models,
    reproduce,
    spot,
    stage,
    studio,
    study,
    train,
    vary,
)
from cinefoley.cli.outputs import echo_error
from cinefoley.cli.renamed_options import with_old_names
from cinefoley.errors import CinefoleyError, MediaWarning
from cinefoley.pipelines.allocator import keep_freed_memory

__all__ = ["app", "main"]

_DEBUG, _VERBOSE = "--debug", ("-v", "--verbose")
_INTERRUPTED = 130
_TERMINATED = 143

app = typer.Typer(
    name="cinefoley",
    help="Generate synchronised Foley sound for silent video, also for close-ups and camera movements.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help starts in half the time
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("generate")(generate.generate)
app.command("spot")(spot.spot)
app.command("deliver")(deliver.deliver)
app.command("vary", cls=with_old_names(clips="data", jobs="workers"))(vary.vary)
app.command("distill")(distill.distill)
app.command("reproduce", cls=with_old_names(replicas="bootstrap"))(reproduce.reproduce)
app.command("evaluate")(evaluate.evaluate)
app.command("explain", cls=with_old_names(video_encoder="student"))(explain.explain)
app.command("studio", cls=with_old_names(most_upload="max-upload", longest="max-duration"))(studio.studio)
app.command("doctor")(doctor.doctor)
app.add_typer(models.app, name="models")
app.add_typer(stage.app, name="stage")
app.add_typer(data.app, name="data")
app.add_typer(train.app, name="train")
app.add_typer(study.app, name="study")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Arguments after the program's name; ``sys.argv`` if None.

    Returns:
        Exit code: 0 done, 1 an expected failure (one line on stderr), 2 wrong usage, 130 interrupted.
    """
    switches, rest = _split_global_switches(sys.argv[1:] if arguments is None else arguments)
    try:
        with warnings.catch_warnings(), _clean_up_on_sigterm():
            app(args=[*switches, *rest], prog_name="cinefoley")
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    except CinefoleyError as exc:
        if _DEBUG in switches:
            traceback.print_exc()
        else:
            echo_error(exc)
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:  # the reader of our output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _show_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"cinefoley {__version__}")
        raise typer.Exit


@app.callback()
def _configure(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_show_version),
    ] = False,
    verbose: Annotated[
        int,
        typer.Option(*_VERBOSE, count=True, help="Print more on stderr; repeat it (-vv) for debug messages."),
    ] = 0,
    debug: Annotated[bool, typer.Option(_DEBUG, help="Print the traceback of an error.")] = False,
) -> None:
    _log_to_stderr(
        logging.DEBUG if debug else (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    )
    _show_media_warnings(others=debug or verbose > 1)
    keep_freed_memory()
    # torch reads this when it is loaded; threads that spin while they wait slow other processes down
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _split_global_switches(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate the global options, which are allowed anywhere before a bare ``--``, from the rest."""
    end = list(arguments).index("--") if "--" in arguments else len(arguments)
    ours = {_DEBUG, *_VERBOSE, "-vv"}
    switches = [argument for argument in arguments[:end] if argument in ours]
    return switches, [*(a for a in arguments[:end] if a not in ours), *arguments[end:]]


def _log_to_stderr(level: int) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("cinefoley")
    logger.handlers = [handler]
    logger.setLevel(level)


def _show_media_warnings(*, others: bool) -> None:
    """Print one line per damaged file; hide warnings of libraries, which are for developers."""
    warnings.filterwarnings("default" if others else "ignore")
    warnings.filterwarnings("always", category=MediaWarning)
    show_other = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *details: object, **named: object) -> None:
        if issubclass(category, MediaWarning):
            typer.echo(f"warning: {message}", err=True)
        else:
            show_other(message, category, *details, **named)  # type: ignore[arg-type]

    warnings.showwarning = show


@contextmanager
def _clean_up_on_sigterm() -> Iterator[None]:
    """Exit on SIGTERM as on Ctrl-C, so that unfinished files are removed."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(_TERMINATED)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
