"""``cinefoley models``: list, download, import and inspect models."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cinefoley.cli import options
from cinefoley.cli.outputs import note, print_json
from cinefoley.cli.progress import step_bar
from cinefoley.errors import CinefoleyError, MissingWeightsError

if TYPE_CHECKING:
    import torch

__all__ = ["app"]

app = typer.Typer(help="List, download, import and inspect models.", no_args_is_help=True)

_Half = Annotated[
    bool, typer.Option("--half", help="Store weights as 16-bit numbers, in half the disk space.")
]
_HalfType = Annotated[
    Literal["fp16", "bf16"] | None,
    typer.Option(help="Number format that --half stores. Default: fp16."),
]
_Force = Annotated[bool, typer.Option("--force", help="Overwrite an existing model folder.")]


@app.command("list")
def list_models(as_json: options.Json = False) -> None:
    """List the models that --model knows by name and the backbones of metrics, and where they are."""
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
        print_json({"models": models, "backbones": backbones})
        return
    for name, entry in (models | backbones).items():
        typer.echo(f"{name:<14}{entry['kind']:<11}{entry['problem'] or entry['path']}")


def _look_for(name: str, kind: str, find: Callable[[], Path]) -> dict[str, Any]:
    try:
        return {"kind": kind, "path": str(find()), "problem": None}
    except MissingWeightsError:
        problem = f"not downloaded; get it with `cinefoley models pull {name}`"
    except CinefoleyError as exc:
        problem = str(exc)
    return {"kind": kind, "path": None, "problem": problem}


@app.command()
def pull(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="diff-foley, or a backbone of metrics: panns or vggish."),
    ],
    half: _Half = False,
    half_type: _HalfType = None,
    keep_files: Annotated[
        bool, typer.Option("--keep-files", help="Keep the downloaded checkpoints after importing them.")
    ] = False,
    force: _Force = False,
    as_json: options.Json = False,
) -> None:
    """Download a published model, and import it to be used as --model NAME.

    diff-foley is a download of 6.1 GB from the Hugging Face Hub and takes 4.3 GB as a model folder (2.2 GB
    with --half). panns (359 MB) and vggish (289 MB) are the backbones of `cinefoley evaluate`; they are
    downloaded from their authors' sites and checked against their published digests. Everything is stored in
    $CINEFOLEY_HOME or ~/.cache/cinefoley. The same command resumes a download that was stopped. The settings
    of huggingface_hub apply (HF_ENDPOINT, HF_TOKEN, HTTPS_PROXY).
    """
    from cinefoley.models.importing.backbones import PUBLISHED_BACKBONES, pull_backbone
    from cinefoley.models.importing.published import PUBLISHED
    from cinefoley.models.importing.pull import pull_model

    dtype = _half_dtype(half, half_type)
    if name in PUBLISHED_BACKBONES:
        if half or keep_files:
            raise typer.BadParameter(
                "--half and --keep-files do not apply to backbones: their files are stored unchanged."
            )
        path = pull_backbone(PUBLISHED_BACKBONES[name], overwrites=force, on_note=note)
        _print_path(name, path, as_json=as_json)
        return
    if name not in PUBLISHED:
        raise MissingWeightsError(
            f"No published model {name!r}; known: {', '.join([*PUBLISHED, *PUBLISHED_BACKBONES])}. For your "
            "own checkpoints, use `cinefoley models import`; for a model on the hub, pass its id to --model."
        )
    with step_bar("converting", counts_bytes=True) as count:
        folder = pull_model(
            PUBLISHED[name],
            dtype=dtype,
            overwrites=force,
            keeps_files=keep_files,
            on_note=note,
            on_bytes=count,
        )
    _print_path(name, folder, as_json=as_json)


def _print_path(name: str, path: Path, *, as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "path": str(path)})
    else:
        typer.echo(path)


@app.command("import")
def import_(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Model folder to write.")],
    cavp: Annotated[
        Path, typer.Option(metavar="FILE", help="Checkpoint of CAVP, the video encoder (cavp_epoch66.ckpt).")
    ],
    ldm: Annotated[
        Path,
        typer.Option(metavar="FILE", help="Checkpoint of the latent diffusion model (ldm_epoch240.ckpt)."),
    ],
    guidance_classifier: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Checkpoint of the classifier for double guidance (double_guidance_classifier.ckpt).",
        ),
    ] = None,
    alignment: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Checkpoint of the alignment classifier, which Align Acc uses (eval_classifier.ckpt).",
        ),
    ] = None,
    half: _Half = False,
    half_type: _HalfType = None,
    force: _Force = False,
    as_json: options.Json = False,
) -> None:
    """Import Diff-Foley checkpoints (Lightning or PyTorch pickles, or safetensors) as a model folder.

    A checkpoint with missing or unknown tensors is rejected with an error that lists them, and nothing is
    written. Pickles are read as tensors only: no code in them is run.
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
    with step_bar("converting", counts_bytes=True) as count:
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
            note(f"{source.file}: ignored, as not needed: {left}")
    for text in report.notes:
        note(text)
    if as_json:
        from cinefoley.models.importing.published import read_record

        print_json({"path": str(out)} | read_record(out))
    else:
        typer.echo(out)


@app.command()
def info(
    model: Annotated[str, typer.Argument(metavar="NAME|FOLDER", help="Name of a model, or model folder.")],
    as_json: options.Json = False,
) -> None:
    """Show a model's parts, their parameters, number formats and digests, its licence and model card.

    If the model was imported, its digests are compared with the recorded ones.
    """
    from cinefoley.cli.inspection import describe_model
    from cinefoley.models.importing.published import read_record
    from cinefoley.models.kinds import Kinds
    from cinefoley.pipelines.loading import resolve_model

    folder = resolve_model(model, local_files_only=True)
    record = read_record(folder)
    card = folder / "README.md"
    report = describe_model(folder) | {
        "licence": _licence(card),
        "card": str(card) if card.is_file() else None,
        "kinds": list(Kinds.names_of(folder)),
        "origin": record.get("origin"),
        "sources": record.get("sources", {}),
    }
    problems = [f"{name}: {part['problem']}" for name, part in report["parts"].items() if part["problem"]]
    for path, entry in record.get("parts", {}).items():
        part, _, file = path.partition("/")
        found = report["parts"].get(part, {"sha256": {}})["sha256"].get(file)
        if found != entry["sha256"]:
            problems.append(f"{path}: SHA-256 is {found or 'missing'}, but {entry['sha256']} was recorded")
    if as_json:
        print_json(report | {"problems": problems})
    else:
        typer.echo("\n".join(_lines(report)))
    if problems:
        raise CinefoleyError(f"{folder}: {problems[0]}.")


def _lines(report: dict[str, Any]) -> Iterator[str]:
    def line(name: str, text: object) -> str:
        return f"{name:<32} {text}"

    yield line("model", report["path"])
    window = f"{report['window_s']:g} s, {report['frames']} frames at {report['fps']:g} fps"
    yield line("window", f"{window}, {report['frame_choice']}")
    yield line("licence", report["licence"] or "not stated")
    yield line("card", report["card"] or "none")
    if report["origin"]:
        yield line("origin", report["origin"])
    for kind, source in report["sources"].items():
        yield line(
            f"imported from {kind}", f"{source['file']}, {source['bytes']:,} bytes, sha256 {source['sha256']}"
        )
    total = sum(part["parameters"] for part in report["parts"].values())
    yield line("parameters", f"{total:,}")
    if report["kinds"]:
        yield line("kinds", ", ".join(report["kinds"]))
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
            "it sets the 16-bit numbers --half stores: pass --half too.", param_hint="--half-type"
        )
    return (torch.bfloat16 if half_type == "bf16" else torch.float16) if half else None
