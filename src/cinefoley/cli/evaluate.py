"""``cinefoley evaluate``: metrics of generated audio, printed with their protocol."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cinefoley.cli import options
from cinefoley.cli.inputs import unshard
from cinefoley.cli.outputs import check_free, note, print_json, write_texts
from cinefoley.cli.progress import step_bar

if TYPE_CHECKING:
    import torch

    from cinefoley.evaluation.folder.evaluate import Evaluation
    from cinefoley.evaluation.folder.feature_cache import FeatureCache
    from cinefoley.evaluation.folder.per_clip_metrics import PerClipMetric
    from cinefoley.evaluation.folder.protocols import EvaluationSettings
    from cinefoley.metrics.backbones.protocol import Backbone

__all__ = ["evaluate"]

_RESULTS = ("evaluation.json", "evaluation.md", "evaluation.tex")


def evaluate(
    generated: Annotated[
        Path,
        typer.Argument(
            metavar="GENERATED",
            help="Folder of generated audio or video files, one or several takes per clip.",
        ),
    ],
    reference: Annotated[
        Path, typer.Option(metavar="REAL", help="Folder of the real audio or video files, one per clip.")
    ],
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
    device: options.Device = "auto",
    format: options.TableFormat = "text",
    out: options.ReportFolder = None,
    force: options.Force = False,
    as_json: options.Json = False,
) -> None:
    """Measure the quality and the synchrony of generated audio.

    Metrics are FAD, FD, KID, KL, IS, level and loudness range; with --video also Align Acc, with --events or
    --onsets also onset accuracy. Files are paired by name: dog.wav, dog.take1.wav and dog_sample_0.wav are
    compared with dog.wav or dog.mp4. Sample rates, lengths and channels may differ. Features are cached, so
    the same command resumes a run that was stopped. torchrun distributes the work. Skipped files are reported
    on stderr.
    """
    from cinefoley.evaluation.folder.feature_cache import FeatureCache
    from cinefoley.evaluation.folder.protocols import PROTOCOLS, EvaluationSettings
    from cinefoley.evaluation.folder.report import as_json as evaluation_as_json
    from cinefoley.evaluation.folder.report import render
    from cinefoley.metrics.backbones.loading import load_backbone
    from cinefoley.models.importing.published import cache_home
    from cinefoley.pipelines.devices import choose_own_device

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
    generated, reference = unshard(generated, sounds_only=True), unshard(reference, sounds_only=True)
    against = None if against is None else unshard(against, sounds_only=True)
    video = None if video is None else unshard(video)
    settings = EvaluationSettings(
        protocol=PROTOCOLS[protocol], is_paired=not unpaired, replicas=bootstrap, seed=seed
    )
    place = choose_own_device(device)
    weights: dict[Any, Path | None] = (
        {"lite": lite} if backbone == "lite" else {"panns": panns, "vggish": vggish}
    )
    backbones = [load_backbone(name, path, device=place) for name, path in weights.items()]
    feature_cache = FeatureCache(cache or cache_home() / "features")
    metrics = _load_metrics(video, model, video_encoder, events, seed=seed, cache=feature_cache, device=place)
    if not unpaired:
        metrics += _reference_metrics(reference, has_onsets=onsets)
    evaluation = _run(generated, reference, against, labels, backbones, metrics, settings, feature_cache)
    if evaluation is None:  # rank 0 prints
        return
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


def _load_metrics(
    video: Path | None,
    model: str | None,
    video_encoder: str,
    events: Path | None,
    *,
    seed: int,
    cache: "FeatureCache",
    device: "torch.device",
) -> "list[PerClipMetric]":
    metrics: list[PerClipMetric] = []
    if video is not None and model is not None:
        from cinefoley.evaluation.folder.alignment import AlignmentMetric
        from cinefoley.evaluation.folder.pairing import find_sounds
        from cinefoley.pipelines.loading import resolve_model

        folder = resolve_model(model, local_files_only=True)
        films = find_sounds(video, prefers_videos=True)
        metrics.append(
            AlignmentMetric(folder, films, video_encoder=video_encoder, seed=seed, cache=cache, device=device)
        )
    if events is not None:
        from cinefoley.evaluation.folder.synchrony import EventMetric

        metrics.append(EventMetric(events))
    return metrics


def _reference_metrics(reference: Path, *, has_onsets: bool) -> "list[PerClipMetric]":
    from cinefoley.evaluation.folder.loudness import LoudnessMetric
    from cinefoley.evaluation.folder.pairing import find_sounds
    from cinefoley.evaluation.folder.reference_onsets import ReferenceOnsetMetric

    real = find_sounds(reference)
    return [LoudnessMetric(real), *([ReferenceOnsetMetric(real)] if has_onsets else [])]


def _run(
    generated: Path,
    reference: Path,
    against: Path | None,
    labels: Path | None,
    backbones: "list[Backbone]",
    metrics: "list[PerClipMetric]",
    settings: "EvaluationSettings",
    cache: "FeatureCache",
) -> "Evaluation | None":
    from cinefoley.evaluation.folder.evaluate import evaluate_folders, pair_folders
    from cinefoley.evaluation.folder.labels import read_labels
    from cinefoley.evaluation.folder.ranks import embed_in_ranks, world_size

    categories = read_labels(labels) if labels is not None else None
    with step_bar("reading audio") as on_file:
        if world_size() > 1:
            folders = [generated, *([] if against is None else [against])]
            pairs = [pair_folders(folder, reference, settings) for folder in folders]
            samples = [sample for found in pairs for sample in found.samples]
            files = {path for found in pairs for path in found.real.values()}
            reading = settings.protocol.reading
            if not embed_in_ranks(
                sorted(files), samples, backbones, metrics, reading=reading, cache=cache, on_file=on_file
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
            metrics=metrics,
            on_file=on_file,
        )


def _report_skipped(evaluation: "Evaluation") -> None:
    for entry in evaluation.left_out:
        typer.echo(f"skipped: {entry.side} {entry.path}: {entry.reason}", err=True)
    if evaluation.left_out:
        typer.echo(f"skipped: {len(evaluation.left_out)} files in total", err=True)
