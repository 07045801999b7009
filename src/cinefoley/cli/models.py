"""``cinefoley models``: which models there are, and how to get more."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cinefoley.errors import CinefoleyError, MissingWeightsError

if TYPE_CHECKING:
    import torch

__all__ = ["app"]

app = typer.Typer(help="Models: bundled, fetched and imported.", no_args_is_help=True)

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_Half = Annotated[bool, typer.Option("--half", help="Store 16-bit numbers: half the disk.")]
_HalfType = Annotated[
    Literal["fp16", "bf16"] | None,
    typer.Option(
        "--half-type", help="Which 16-bit numbers, with --half: fp16 if not said.", show_default=False
    ),
]
_Force = Annotated[bool, typer.Option("--force", help="Replace a model folder that is there.")]


@app.command("list")
def list_models(as_json: _Json = False) -> None:
    """List the models that --model knows by name, the backbones of metrics, and whether they are here."""
    from cinefoley.cli.inspection import describe_bundled_models
    from cinefoley.models.importing.backbones import PUBLISHED_BACKBONES, find_backbone
    from cinefoley.models.importing.published import PUBLISHED, find_pulled

    models: dict[str, dict[str, Any]] = {}
    for name, model in describe_bundled_models().items():
        models[name] = {"kind": "bundled", "path": model.get("path"), "problem": model["problem"]}
    for name in PUBLISHED:
        models[name] = _look_for(name, "published", partial(find_pulled, name))
    backbones = {
        name: _look_for(name, "backbone", partial(find_backbone, backbone))
        for name, backbone in PUBLISHED_BACKBONES.items()
    }
    if as_json:
        typer.echo(json.dumps({"models": models, "backbones": backbones}, indent=2))
        return
    for name, entry in (models | backbones).items():
        typer.echo(f"{name:<14}{entry['kind']:<11}{entry['problem'] or entry['path']}")


def _look_for(name: str, kind: str, find: Callable[[], Path]) -> dict[str, Any]:
    try:
        return {"kind": kind, "path": str(find()), "problem": None}
    except MissingWeightsError:
        problem = f"not here; fetch it with `cinefoley models pull {name}`"
    except CinefoleyError as exc:
        problem = str(exc)
    return {"kind": kind, "path": None, "problem": problem}


@app.command()
def pull(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="A published model, diff-foley, or a backbone of metrics: panns, vggish."
        ),
    ],
    half: _Half = False,
    half_type: _HalfType = None,
    keep_files: Annotated[
        bool, typer.Option("--keep-files", help="Keep the downloaded checkpoints after the import.")
    ] = False,
    force: _Force = False,
    as_json: _Json = False,
) -> None:
    """Fetch a published model from the hub and import it; then --model NAME uses it.

    panns (359 MB) and vggish (289 MB) are the backbones of `cinefoley evaluate`; their files come from where
    their authors put them, are checked against their published digests, and kept as they are.
    diff-foley is 6.1 GB to fetch and 4.3 GB as a model folder (2.2 GB with --half), under $CINEFOLEY_HOME or
    ~/.cache/cinefoley. A fetch that was cut off goes on where it stopped. huggingface_hub's settings apply
    (HF_ENDPOINT, HF_TOKEN, HTTPS_PROXY).
    """
    from cinefoley.models.importing.backbones import PUBLISHED_BACKBONES, pull_backbone
    from cinefoley.models.importing.published import PUBLISHED
    from cinefoley.models.importing.pull import pull_model

    dtype = _half_dtype(half, half_type)
    if name in PUBLISHED_BACKBONES:
        if half or keep_files:
            raise typer.BadParameter("backbones are kept as they are: without --half and --keep-files.")
        path = pull_backbone(PUBLISHED_BACKBONES[name], overwrites=force, on_note=_note)
        typer.echo(json.dumps({"name": name, "path": str(path)}, indent=2) if as_json else path)
        return
    if name not in PUBLISHED:
        raise MissingWeightsError(
            f"No published model {name!r}; known: {', '.join([*PUBLISHED, *PUBLISHED_BACKBONES])}. For files "
            "of your own, use `cinefoley models import`; for a folder on the hub, pass its id to --model."
        )
    with _conversion_bar() as count:
        folder = pull_model(
            PUBLISHED[name],
            dtype=dtype,
            overwrites=force,
            keeps_files=keep_files,
            on_note=_note,
            on_bytes=count,
        )
    if as_json:
        typer.echo(json.dumps({"name": name, "path": str(folder)}, indent=2))
    else:
        typer.echo(folder)


@app.command("import")
def import_(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The model folder to make.")],
    cavp: Annotated[Path, typer.Option(metavar="FILE", help="CAVP, the video encoder (cavp_epoch66.ckpt).")],
    ldm: Annotated[
        Path, typer.Option(metavar="FILE", help="The latent diffusion model (ldm_epoch240.ckpt).")
    ],
    guidance_classifier: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Steers sampling (double_guidance_classifier.ckpt).", show_default=False
        ),
    ] = None,
    alignment: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Measures synchrony (eval_classifier.ckpt).", show_default=False),
    ] = None,
    half: _Half = False,
    half_type: _HalfType = None,
    force: _Force = False,
    as_json: _Json = False,
) -> None:
    """Make a model folder of Diff-Foley's checkpoints: Lightning or PyTorch pickles, or safetensors.

    Every expected tensor must be there and nothing unknown may be left over; otherwise the command says what
    does not fit and writes nothing. Pickles are read as tensors only: no code in them is run.
    """
    import torch

    from cinefoley.models.importing.diff_foley import import_diff_foley
    from cinefoley.models.importing.layout import KindName

    dtype = _half_dtype(half, half_type)
    given: dict[KindName, Path | None] = {
        "cavp": cavp,
        "ldm": ldm,
        "guidance_classifier": guidance_classifier,
        "alignment": alignment,
    }
    with _conversion_bar() as count:
        report = import_diff_foley(
            out,
            {kind: path for kind, path in given.items() if path is not None},
            dtype=dtype or torch.float32,
            overwrites=force,
            on_bytes=count,
        )
    for source in report.sources.values():
        unused = [f"{count} of {group}" for group, count in source.unused.items()]
        left = "; ".join(filter(None, [", ".join(source.beside), ", ".join(unused)]))
        if left:
            typer.echo(f"note: {source.file}: not needed and left out: {left}", err=True)
    for text in report.notes:
        typer.echo(f"note: {text}", err=True)
    if as_json:
        from cinefoley.models.importing.published import read_record

        typer.echo(json.dumps({"path": str(out)} | read_record(out), indent=2))
    else:
        typer.echo(out)


@app.command()
def info(
    model: Annotated[str, typer.Argument(metavar="NAME|FOLDER", help="A model's name, or its folder.")],
    as_json: _Json = False,
) -> None:
    """Show a model's parts, parameters, number types, digests, licence and card.

    Where the model was imported, its digests are compared with those recorded then.
    """
    from cinefoley.cli.inspection import describe_model
    from cinefoley.models.importing.published import read_record
    from cinefoley.pipelines.loading import resolve_model

    folder = resolve_model(model, local_files_only=True)
    record = read_record(folder)
    card = folder / "README.md"
    report = describe_model(folder) | {
        "licence": _licence(card),
        "card": str(card) if card.is_file() else None,
        "origin": record.get("origin"),
        "sources": record.get("sources", {}),
    }
    problems = [f"{name}: {part['problem']}" for name, part in report["parts"].items() if part["problem"]]
    for path, entry in record.get("parts", {}).items():
        part, _, file = path.partition("/")
        found = report["parts"].get(part, {"sha256": {}})["sha256"].get(file)
        if found != entry["sha256"]:
            problems.append(f"{path}: SHA-256 is {found or 'missing'}, {entry['sha256']} was recorded")
    typer.echo(
        json.dumps(report | {"problems": problems}, indent=2) if as_json else "\n".join(_lines(report))
    )
    if problems:
        raise CinefoleyError(f"{folder}: {problems[0]}.")


def _note(text: str) -> None:
    typer.echo(f"note: {text}", err=True)


def _lines(report: dict[str, Any]) -> Iterator[str]:
    def line(name: str, text: object) -> str:
        return f"{name:<32} {text}"

    yield line("model", report["path"])
    yield line("window", f"{report['window_s']:g} s, {report['frames']} frames at {report['fps']:g} fps")
    yield line("licence", report["licence"] or "not stated")
    yield line("card", report["card"] or "none")
    if report["origin"]:
        yield line("origin", report["origin"])
    for kind, source in report["sources"].items():
        yield line(
            f"made from {kind}", f"{source['file']}, {source['bytes']:,} bytes, sha256 {source['sha256']}"
        )
    total = sum(part["parameters"] for part in report["parts"].values())
    yield line("parameters", f"{total:,}")
    for name, part in report["parts"].items():
        about = (
            f"{part['parameters']:,} parameters, {'/'.join(part['dtypes'])}, {part['bytes'] / 2**20:.1f} MiB"
        )
        yield line(name, part["problem"] or about)
        for file, digest in part["sha256"].items():
            yield line("", f"{file} sha256 {digest}")


def _licence(card: Path) -> str | None:
    """The ``license`` of a card's front matter."""
    if not card.is_file():
        return None
    lines = card.read_text(errors="replace").splitlines()
    return next((line.partition(":")[2].strip() for line in lines[:40] if line.startswith("license:")), None)


def _half_dtype(half: bool, half_type: str | None) -> "torch.dtype | None":
    import torch

    if half_type is not None and not half:
        raise typer.BadParameter(
            "it says which 16-bit numbers --half stores: give --half too.", param_hint="--half-type"
        )
    return (torch.bfloat16 if half_type == "bf16" else torch.float16) if half else None


@contextmanager
def _conversion_bar() -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr that appears with the first converted tensor, if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("converting"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False)
    task = progress.add_task("converting")

    def count(done: int, total: int) -> None:
        progress.start()
        progress.update(task, completed=done, total=total)

    try:
        yield count
    finally:
        progress.stop()
