"""``cinefoley evaluate``: how good generated sound is, and how that was measured."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cinefoley.cli.inputs import unshard
from cinefoley.cli.outputs import check_free
from cinefoley.errors import OutputError

if TYPE_CHECKING:
    import torch

    from cinefoley.evaluation.folder.evaluate import Evaluation, EvaluationSettings
    from cinefoley.evaluation.folder.feature_cache import FeatureCache
    from cinefoley.evaluation.folder.per_clip_metrics import SampleJudge
    from cinefoley.metrics.backbones.protocol import Backbone

__all__ = ["FEWEST_RESAMPLINGS", "evaluate"]

_RESULTS = ("evaluation.json", "evaluation.md", "evaluation.tex")
FEWEST_RESAMPLINGS = 40  # of fewer, no 2.5 % lie beyond either end
_OnFile = Callable[[int, int], None]


def evaluate(
    generated: Annotated[
        Path,
        typer.Argument(
            metavar="GENERATED", help="Folder of generated sounds or films, one or several per clip."
        ),
    ],
    reference: Annotated[
        Path, typer.Option(metavar="REAL", help="Folder of the real sounds or films, one per clip.")
    ],
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Another method's sounds, compared on the same clips.", show_default=False
        ),
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="The films: also measure Align Acc, with --model.", show_default=False
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FOLDER", help="The model whose alignment classifier judges.", show_default=False
        ),
    ] = None,
    video_encoder: Annotated[
        str,
        typer.Option(
            metavar="teacher|student|FOLDER",
            help="Whose features of the films judge alignment, with --video.",
        ),
    ] = "teacher",
    events: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Known events, JSON lines: also measure onsets.", show_default=False
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="Clip and category, or VGGSound's list: also print a table by category.",
            show_default=False,
        ),
    ] = None,
    protocol: Annotated[
        Literal["cinefoley", "audioldm_eval", "av_benchmark"],
        typer.Option(help="Ours, or the habits of a tool where they differ."),
    ] = "cinefoley",
    backbone: Annotated[
        Literal["published", "lite"],
        typer.Option(help="PANNs and VGGish, or the small classifier trained on the stage."),
    ] = "published",
    panns: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="PANNs' weights. Default: the pulled ones.", show_default=False),
    ] = None,
    vggish: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="VGGish's weights. Default: the pulled ones.", show_default=False),
    ] = None,
    lite: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="The small classifier. Default: ours.", show_default=False),
    ] = None,
    unpaired: Annotated[
        bool, typer.Option("--unpaired", help="The folders hold different clips: no KL, no pairs by name.")
    ] = False,
    bootstrap: Annotated[
        int, typer.Option(min=0, metavar="N", help="Resamplings for the 95 % intervals; 0 for none.")
    ] = 100,
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="Of the resamplings and of the alignment judge.")
    ] = 0,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where features are kept. Default: the cache folder.", show_default=False
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="auto|cpu|cuda|cuda:N|mps", help="Where to compute.")
    ] = "auto",
    format: Annotated[
        Literal["text", "markdown", "latex"], typer.Option(help="How the tables are printed.")
    ] = "text",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Also write evaluation.json, .md and .tex.", show_default=False
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace results that are in DIR.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure FAD, FD, KID, KL and IS of generated sound, and with --video or --events its synchrony.

    Files belong together by name: dog.wav, dog.take1.wav, dog_sample_0.wav, ... are judged by dog.wav or
    dog.mp4. Rates, lengths and channels may be mixed. Features are cached by content, so a run that was
    stopped goes on where it was. Under torchrun the ranks share the work. Every file that is in no number is
    named on stderr.
    """
    from cinefoley.evaluation.folder.report import as_json as evaluation_as_json
    from cinefoley.evaluation.folder.report import render
    from cinefoley.pipelines.devices import choose_own_device

    if video is not None and model is None:
        raise typer.BadParameter("--video needs --model, the model folder whose alignment classifier judges.")
    if unpaired and (against is not None or video is not None or events is not None):
        raise typer.BadParameter("--against, --video and --events need clips that are paired by name.")
    if unpaired and labels is not None:
        raise typer.BadParameter("--labels need clips that are paired by name; --unpaired knows no partners.")
    if 0 < bootstrap < FEWEST_RESAMPLINGS:
        raise typer.BadParameter(
            f"--bootstrap {bootstrap}: a 95 % interval takes {FEWEST_RESAMPLINGS} resamplings; 0 for none."
        )
    if out is not None and not force:  # now rather than after the work
        check_free(out / name for name in _RESULTS)
    generated, reference = unshard(generated, sounds_only=True), unshard(reference, sounds_only=True)
    against = None if against is None else unshard(against, sounds_only=True)
    video = None if video is None else unshard(video)
    settings = _settings(protocol, is_paired=not unpaired, replicas=bootstrap, seed=seed)
    given = {"panns": panns, "vggish": vggish, "lite": lite}
    place = choose_own_device(device)
    backbones = _load_backbones(("lite",) if backbone == "lite" else ("panns", "vggish"), given, place)
    kept = _open_cache(cache)
    judges = _load_judges(video, model, video_encoder, events, seed=seed, cache=kept, device=place)
    evaluation = _run(generated, reference, against, labels, backbones, judges, settings, kept)
    if evaluation is None:  # another rank prints
        return
    _name_left_out(evaluation)
    if labels is not None and not evaluation.categories:
        typer.echo(f"note: no clip is in {labels}, so there is no table by category.", err=True)
    if out is not None:
        _write_all(evaluation, out)
    typer.echo(
        json.dumps(evaluation_as_json(evaluation), indent=2) if as_json else render(evaluation, format)
    )


def _settings(
    protocol: Literal["cinefoley", "audioldm_eval", "av_benchmark"],
    *,
    is_paired: bool,
    replicas: int,
    seed: int,
) -> "EvaluationSettings":
    from cinefoley.evaluation.folder.evaluate import EvaluationSettings
    from cinefoley.evaluation.folder.protocols import PROTOCOLS

    return EvaluationSettings(protocol=PROTOCOLS[protocol], is_paired=is_paired, replicas=replicas, seed=seed)


def _load_backbones(
    names: tuple[Any, ...], weights: dict[str, Path | None], device: "torch.device"
) -> "list[Backbone]":
    from cinefoley.metrics.backbones.loading import load_backbone

    return [load_backbone(name, weights[name], device=device) for name in names]


def _load_judges(
    video: Path | None,
    model: str | None,
    video_encoder: str,
    events: Path | None,
    *,
    seed: int,
    cache: "FeatureCache",
    device: "torch.device",
) -> "list[SampleJudge]":
    judges: list[SampleJudge] = []
    if video is not None and model is not None:
        from cinefoley.evaluation.folder.alignment import FileJudge
        from cinefoley.evaluation.folder.pairing import find_sounds
        from cinefoley.pipelines.loading import resolve_model

        folder = resolve_model(model, local_files_only=True)
        films = find_sounds(video, prefers_films=True)
        judges.append(
            FileJudge(folder, films, video_encoder=video_encoder, seed=seed, cache=cache, device=device)
        )
    if events is not None:
        from cinefoley.evaluation.folder.synchrony import EventJudge

        judges.append(EventJudge(events))
    return judges


def _open_cache(folder: Path | None) -> "FeatureCache":
    from cinefoley.evaluation.folder.feature_cache import FeatureCache
    from cinefoley.models.importing.published import cache_home

    return FeatureCache(folder or cache_home() / "features")


def _run(
    generated: Path,
    reference: Path,
    against: Path | None,
    labels: Path | None,
    backbones: "list[Backbone]",
    judges: "list[SampleJudge]",
    settings: "EvaluationSettings",
    cache: "FeatureCache",
) -> "Evaluation | None":
    from cinefoley.evaluation.folder.evaluate import evaluate_folders, pair_folders
    from cinefoley.evaluation.folder.labels import read_labels
    from cinefoley.evaluation.folder.ranks import embed_in_ranks, world_size

    categories = read_labels(labels) if labels is not None else None
    with _bar() as on_file:
        if world_size() > 1:
            folders = [generated, *([] if against is None else [against])]
            pairs = [pair_folders(folder, reference, settings) for folder in folders]
            samples = [sample for found in pairs for sample in found.samples]
            files = {path for found in pairs for path in found.real.values()}
            reading = settings.protocol.reading
            if not embed_in_ranks(
                sorted(files), samples, backbones, judges, reading=reading, cache=cache, on_file=on_file
            ):
                return None
        return evaluate_folders(
            generated,
            reference,
            backbones,
            settings=settings,
            cache=cache,
            against=against,
            labels=categories,
            judges=judges,
            on_file=on_file,
        )


def _name_left_out(evaluation: "Evaluation") -> None:
    for entry in evaluation.left_out:
        typer.echo(f"left out: {entry.side} {entry.path}: {entry.reason}", err=True)
    if evaluation.left_out:
        typer.echo(f"left out: {len(evaluation.left_out)} files in all", err=True)


def _write_all(evaluation: "Evaluation", folder: Path) -> None:
    from cinefoley.evaluation.folder.report import as_json, render
    from cinefoley.media.files.atomic_write import written_aside

    texts = (
        json.dumps(as_json(evaluation), indent=2),
        render(evaluation, "markdown"),
        render(evaluation, "latex"),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise OutputError(f"{folder}: cannot be made ({exc.strerror}). Choose another with -o.") from exc
    for name, text in zip(_RESULTS, texts, strict=True):
        with written_aside(folder / name) as temporary:
            temporary.write_text(text + "\n")


@contextmanager
def _bar() -> Iterator[_OnFile]:
    """A bar over files on stderr, if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, redirect_stdout=False) as progress:
        task = progress.add_task("listening", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
