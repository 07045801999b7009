"""``cinefoley evaluate``: metrics of generated audio, printed with their protocol."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cinefoley.cli import options
from cinefoley.cli.outputs import check_free, note, print_json, write_texts
from cinefoley.cli.progress import step_bar
from cinefoley.cli.shared_generation import is_shared
from cinefoley.cli.sound_folders import open_reference, open_sounds, open_videos

if TYPE_CHECKING:
    from cinefoley.evaluation.folder.embed_job import AlignmentChoice, EmbedJob
    from cinefoley.evaluation.folder.evaluate import Evaluation
    from cinefoley.evaluation.folder.per_clip_metrics import PerClipMetric
    from cinefoley.evaluation.folder.protocols import EvaluationSettings
    from cinefoley.evaluation.folder.sounds import Sounds
    from cinefoley.metrics.backbones.protocol import Backbone

__all__ = ["evaluate"]

_RESULTS = ("evaluation.json", "evaluation.md", "evaluation.tex")


def evaluate(
    generated: Annotated[
        Path,
        typer.Argument(
            metavar="GENERATED",
            help="Folder of generated audio or video files, one or several takes per clip, or of shards that "
            "`generate --to-shards` wrote.",
        ),
    ],
    reference: Annotated[
        Path,
        typer.Option(
            metavar="REAL",
            help="Folder of the real audio or video files, one per clip: files, shards, a dataset (with "
            "--split), or a test set of `vary`.",
        ),
    ],
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Use only clips of this split of --reference and --video, if these are datasets. Default: "
            "test, of shards; otherwise all files.",
        ),
    ] = None,
    csv: options.Csv = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of another method's files, to compare on the same clips."),
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of the videos, to measure Align Acc as well; needs --model."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME|FOLDER", help="Model whose alignment classifier measures Align Acc."),
    ] = None,
    video_encoder: Annotated[
        str,
        typer.Option(
            metavar="teacher|student|FOLDER",
            help="Video encoder whose features the alignment classifier gets.",
        ),
    ] = "teacher",
    events: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Known events of the clips (JSON lines), to measure onset accuracy as well."
        ),
    ] = None,
    onsets: Annotated[
        bool,
        typer.Option(
            "--onsets",
            help="Also measure onset accuracy against the onsets of the real audio, for clips without known "
            "events.",
        ),
    ] = False,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="Categories (columns clip and category, or VGGSound's CSV), to print a table by category as "
            "well.",
        ),
    ] = None,
    protocol: Annotated[
        Literal["cinefoley", "audioldm_eval", "av_benchmark"],
        typer.Option(help="Details of measurement: this project's, or those of another tool."),
    ] = "cinefoley",
    backbone: Annotated[
        Literal["published", "lite"],
        typer.Option(
            help="Networks whose features the metrics compare: PANNs and VGGish, or the small bundled "
            "classifier."
        ),
    ] = "published",
    panns: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Weights of PANNs. Default: those of `models pull panns`."),
    ] = None,
    vggish: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Weights of VGGish. Default: those of `models pull vggish`."),
    ] = None,
    lite: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Weights of the small classifier. Default: the bundled ones."),
    ] = None,
    unpaired: Annotated[
        bool,
        typer.Option("--unpaired", help="The folders contain different clips: do not pair files, omit KL."),
    ] = False,
    bootstrap: options.Bootstrap = 100,
    seed: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Random seed of the resampling and of the alignment classifier."
        ),
    ] = 0,
    cache: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Cache folder for features. Default: in $CINEFOLEY_HOME."),
    ] = None,
    engine: options.GenerationEngine = "local",
    scheduler: options.Scheduler = None,
    device: options.Device = "auto",
    format: options.TableFormat = "text",
    out: options.ReportFolder = None,
    force: options.Force = False,
    as_json: options.Json = False,
) -> None:
    """Measure the quality and the synchrony of generated audio.

    Metrics are FAD, FD, KID, KL, IS, E-L1, level and loudness range; with --video also Align Acc, with
    --events or --onsets also onset accuracy. Files are paired by name: dog.wav, dog.take1.wav and
    dog_sample_0.wav are compared with dog.wav or dog.mp4. Sample rates, lengths and channels may differ.
    Features are cached, so the same command resumes a run that was stopped. torchrun and --engine dask
    distribute the work. Skipped files are reported on stderr.
    """
    from cinefoley.evaluation.folder.embed_job import EmbedJob, load_backbones
    from cinefoley.evaluation.folder.protocols import PROTOCOLS, EvaluationSettings
    from cinefoley.evaluation.folder.report import as_json as evaluation_as_json
    from cinefoley.evaluation.folder.report import render
    from cinefoley.models.importing.published import cache_home
    from cinefoley.pipelines.ranks import rank

    if video is not None and model is None:
        raise typer.BadParameter("--video needs --model, a model with an alignment classifier.")
    if unpaired and (onsets or any(given is not None for given in (against, video, events))):
        raise typer.BadParameter(
            "--against, --video, --events and --onsets need paired clips; leave out --unpaired."
        )
    if unpaired and labels is not None:
        raise typer.BadParameter("--labels needs paired clips; leave out --unpaired.")
    options.check_bootstrap(bootstrap)
    if out is not None and not force:  # before the work
        check_free(out / name for name in _RESULTS)
    is_distributed = is_shared(engine, scheduler)
    settings = EvaluationSettings(
        protocol=PROTOCOLS[protocol], is_paired=not unpaired, replicas=bootstrap, seed=seed
    )
    weights: dict[Any, Path | None] = (
        {"lite": lite} if backbone == "lite" else {"panns": panns, "vggish": vggish}
    )
    job = EmbedJob(
        weights=tuple(weights.items()),
        reading=settings.protocol.reading,
        cache=(cache or cache_home() / "features").absolute(),
        device=device,
        alignment=None if video is None else _alignment(str(model), video_encoder, seed),
        is_paired=not unpaired,
        has_onsets=onsets,
    )
    backbones = load_backbones(job)  # missing weights are reported before shards are unpacked
    folders = _open_folders(generated, reference, against, video, {"split": split, "csv": csv})
    if is_distributed:
        _embed_distributed(folders, job, settings, engine, scheduler)
        if rank() > 0:  # rank 0 prints
            return
    metrics = _load_metrics(job, folders, events)
    evaluation = _run(folders, labels, backbones, metrics, settings, job.cache)
    _report_skipped(evaluation)
    if labels is not None and not evaluation.categories:
        note(f"{labels} contains none of the clips: no table by category.")
    if out is not None:
        texts = (
            json.dumps(evaluation_as_json(evaluation), indent=2),
            render(evaluation, "markdown"),
            render(evaluation, "latex"),
        )
        write_texts(out, {name: f"{text}\n" for name, text in zip(_RESULTS, texts, strict=True)})
    if as_json:
        print_json(evaluation_as_json(evaluation))
    else:
        typer.echo(render(evaluation, format))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folders:
    """Sounds and videos that are compared."""

    generated: "Path | Sounds"
    real: "Path | Sounds"
    against: "Path | Sounds | None"
    videos: "Mapping[str, Path]"


def _alignment(model: str, video_encoder: str, seed: int) -> "AlignmentChoice":
    from cinefoley.evaluation.folder.embed_job import AlignmentChoice
    from cinefoley.pipelines.loading import resolve_model

    folder = resolve_model(model, local_files_only=True)
    return AlignmentChoice(folder=folder, video_encoder=video_encoder, seed=seed)


def _open_folders(
    generated: Path, reference: Path, against: Path | None, video: Path | None, clips: dict[str, Any]
) -> _Folders:
    from cinefoley.evaluation.folder.pairing import find_sounds

    return _Folders(
        generated=open_sounds(generated),
        real=open_reference(reference, **clips),
        against=None if against is None else open_sounds(against),
        videos={} if video is None else find_sounds(open_videos(video, **clips), prefers_videos=True),
    )


def _embed_distributed(
    folders: _Folders,
    job: "EmbedJob",
    settings: "EvaluationSettings",
    engine: str,
    scheduler: str | None,
) -> None:
    from cinefoley.data.parallel import Engine
    from cinefoley.evaluation.folder.embed_job import embed_shared
    from cinefoley.evaluation.folder.evaluate import pair_folders

    sides = [folders.generated, *([] if folders.against is None else [folders.against])]
    pairs = [pair_folders(side, folders.real, settings) for side in sides]
    cluster = Engine(name="dask", scheduler=scheduler) if engine == "dask" else None
    with step_bar("reading audio") as on_clip:
        embed_shared(job, pairs, folders.videos, cluster, on_clip=on_clip)


def _load_metrics(job: "EmbedJob", folders: _Folders, events: Path | None) -> "list[PerClipMetric]":
    from cinefoley.evaluation.folder.embed_job import load_alignment, reference_metrics
    from cinefoley.evaluation.folder.pairing import find_sounds

    alignment = load_alignment(job, folders.videos)
    metrics: list[PerClipMetric] = [] if alignment is None else [alignment]
    if events is not None:
        from cinefoley.evaluation.folder.synchrony import EventMetric

        metrics.append(EventMetric(events))
    return metrics + reference_metrics(job, find_sounds(folders.real))


def _run(
    folders: _Folders,
    labels: Path | None,
    backbones: "list[Backbone]",
    metrics: "list[PerClipMetric]",
    settings: "EvaluationSettings",
    cache: Path,
) -> "Evaluation":
    from cinefoley.evaluation.folder.evaluate import evaluate_folders
    from cinefoley.evaluation.folder.feature_cache import FeatureCache
    from cinefoley.evaluation.folder.labels import read_labels

    categories = read_labels(labels) if labels is not None else None
    with step_bar("reading audio") as on_file:
        return evaluate_folders(
            folders.generated,
            folders.real,
            backbones,
            settings=settings,
            cache=FeatureCache(cache),
            against=folders.against,
            labels=categories,
            metrics=metrics,
            on_file=on_file,
        )


def _report_skipped(evaluation: "Evaluation") -> None:
    for entry in evaluation.left_out:
        typer.echo(f"skipped: {entry.side} {entry.path}: {entry.reason}", err=True)
    if evaluation.left_out:
        typer.echo(f"skipped: {len(evaluation.left_out)} files in total", err=True)
