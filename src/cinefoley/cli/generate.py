"""``cinefoley generate``: films in, takes out."""

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cinefoley.cli.inputs import check_stems_differ, find_takeable
from cinefoley.cli.progress import Bar, progress_bar
from cinefoley.errors import CinefoleyError, DeviceError, MissingWeightsError, WeightsError

if TYPE_CHECKING:
    from cinefoley.pipelines.devices import Precision
    from cinefoley.pipelines.foley import FoleyPipeline
    from cinefoley.pipelines.takes.existing import VideoReport
    from cinefoley.pipelines.takes.files import TakeFiles
    from cinefoley.pipelines.takes.model_record import ModelRecord
    from cinefoley.pipelines.takes.settings import GenerationSettings
    from cinefoley.pipelines.takes.video_source import VideoSource

__all__ = ["generate"]

_log = logging.getLogger(__name__)

# The defaults are GenerationSettings', which a test holds them to; importing it would load torch for --help.


def generate(
    videos: Annotated[
        list[str],
        typer.Argument(
            metavar="VIDEO", help="Films, folders of films or of shards, or patterns like 'shots/*.mov'."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the takes.")] = Path(
        "foley"
    ),
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME|FOLDER|HUB-ID", help="Bundled model, model folder, or hub id (goes online)."
        ),
    ] = "lite",
    video_encoder: Annotated[
        str | None,
        typer.Option(
            metavar="teacher|student|FOLDER",
            help="Who watches the film. Default: the student, where there is one.",
        ),
    ] = None,
    takes: Annotated[int, typer.Option(min=1, metavar="N", help="Takes per film.")] = 1,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, metavar="N", help="The same seed makes the same takes.")
    ] = 0,
    steps: Annotated[int, typer.Option(min=1, metavar="N", help="Denoiser calls per window.")] = 25,
    guidance_scale: Annotated[
        float,
        typer.Option(min=0, metavar="SCALE", help="Strength of the film's influence; 1 turns guidance off."),
    ] = 4.5,
    sampler: Annotated[
        Literal["dpm++", "ddim", "plms"],
        typer.Option(help="How noise becomes sound; ddim and plms need --steps that divide 1000."),
    ] = "dpm++",
    double_guidance: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="SCALE",
            help="Strength of the model's guidance classifier (Diff-Foley: 50); 0 turns it off.",
        ),
    ] = 0.0,
    compat: Annotated[
        Literal["diff-foley"] | None,
        typer.Option(
            help="Repeat Diff-Foley's slips, for comparisons: raw features to the guidance classifier, and a "
            "pitch 0.73 times too low."
        ),
    ] = None,
    start: Annotated[
        float, typer.Option(min=0, metavar="S", help="Where the sound begins, in seconds.")
    ] = 0.0,
    duration: Annotated[
        float | None, typer.Option(metavar="S", help="Seconds of sound. Default: to the end of the film.")
    ] = None,
    save_mel: Annotated[bool, typer.Option("--save-mel", help="Also write each take's mel as .npy.")] = False,
    subtype: Annotated[
        Literal["PCM_16", "PCM_24", "FLOAT"],
        typer.Option(help="Samples of the WAVs: 16 or 24 bit, or float."),
    ] = "PCM_16",
    device: Annotated[
        str, typer.Option(metavar="auto|cpu|cuda|cuda:N|mps", help="Where to compute.")
    ] = "auto",
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"], typer.Option(help="Arithmetic of the networks.")
    ] = "auto",
    force: Annotated[bool, typer.Option("--force", help="Make takes again that are already there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object about all films.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar, no notes.")] = False,
) -> None:
    """Generate the sound of silent films.

    For rain.mp4 this writes rain.take1.wav and rain.take1.mp4 (the same picture, with the sound), one such
    pair per take, and rain.json, which says what makes them again. Takes that are there are skipped, and
    refused if another model, seed or setting made them. The WAV is as long as the picture, or as the section
    that --start and --duration choose; the film is always kept whole. A take that would go beyond full scale
    is lowered as a whole.
    """
    from cinefoley.pipelines.devices import choose_device
    from cinefoley.pipelines.takes.settings import GenerationSettings

    try:
        settings = GenerationSettings(
            num_takes=takes,
            seed=seed,
            num_inference_steps=steps,
            guidance_scale=guidance_scale,
            sampler=sampler,
            double_guidance_scale=double_guidance,
            compat=compat,
            start=start,
            duration=duration,
            subtype=subtype,
            saves_mel=save_mel,
            overwrites=force,
        )
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc
    choose_device(device)  # a wrong name is told before any work
    films = find_takeable(videos)
    check_stems_differ(film.path for film in films)
    loader = _Model(model, video_encoder, device, precision, has_double_guidance=double_guidance > 0)
    run = _Run(out, settings, loader, is_quiet=quiet)
    code = 0
    try:
        with progress_bar(len(films), is_wanted=not quiet) as bar:
            run.all(films, bar)
    except KeyboardInterrupt:
        code = 130
        typer.echo("interrupted; finished takes are kept, and the same command makes the others.", err=True)
    except CinefoleyError:
        run.render(as_json=as_json)
        raise
    run.render(as_json=as_json)
    if code or run.num_failed:
        raise typer.Exit(code or 1)


class _Model:
    """A model that is loaded when the first film needs it."""

    def __init__(
        self,
        name: str,
        video_encoder: str | None,
        device: str,
        precision: "Precision",
        *,
        has_double_guidance: bool,
    ) -> None:
        self._name = name
        self._video_encoder = video_encoder
        self._device = device
        self._precision = precision
        self._has_double_guidance = has_double_guidance

    @cached_property
    def record(self) -> "ModelRecord":
        """What the sidecars say about it; read from its files without loading them."""
        from cinefoley.pipelines.takes.model_record import ModelRecord

        return ModelRecord.of(self._name, self._folder, self._video_encoder)

    @cached_property
    def _folder(self) -> Path:
        from cinefoley.pipelines.loading import resolve_model

        return resolve_model(self._name)

    @cached_property
    def pipeline(self) -> "FoleyPipeline":
        """The model, on its device."""
        from cinefoley.pipelines.devices import choose_device, choose_dtype
        from cinefoley.pipelines.foley import FoleyPipeline

        if not _log.isEnabledFor(logging.INFO):
            logging.getLogger("diffusers").setLevel(logging.ERROR)  # it talks to developers
        device = choose_device(self._device)
        dtype = choose_dtype(device, self._precision)
        _log.info("loading %s from %s onto %s in %s", self._name, self._folder, device, dtype)
        pipeline = FoleyPipeline.from_pretrained(self._folder, torch_dtype=dtype)
        if self._video_encoder is not None:
            try:
                pipeline.use_video_encoder(self._video_encoder)
            except ValueError as exc:
                raise MissingWeightsError(f"{self._name}: {exc} with --video-encoder.") from exc
        if self._has_double_guidance:
            pipeline.load_guidance_classifier()  # a model without one is told before any film is read
        pipeline.to(device).prepack()
        return pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    film: Path
    seconds: float
    report: "VideoReport | None" = None
    error: str | None = None


class _Run:
    """Films one after the other; one that fails does not stop the others."""

    def __init__(self, out: Path, settings: "GenerationSettings", model: _Model, *, is_quiet: bool) -> None:
        self._out = out
        self._settings = settings
        self._model = model
        self._is_quiet = is_quiet
        self._outcomes: list[_Outcome] = []

    @property
    def num_failed(self) -> int:
        return sum(outcome.error is not None for outcome in self._outcomes)

    def all(self, films: Sequence["VideoSource"], bar: Bar) -> None:
        """Generate for every film.

        Raises:
            WeightsError: If the model cannot be used; no other film could either.
            DeviceError: If its device cannot.
        """
        for number, film in enumerate(films):
            began = time.perf_counter()
            report, error = None, None
            try:
                report = self._one(film, number, bar)
            except (WeightsError, DeviceError):
                raise
            except CinefoleyError as exc:
                error = str(exc)
                _log.debug("%s", film.path, exc_info=True)
            except Exception as exc:  # a film that finds a fault in us must not cost the night's other films
                error = f"{film.path}: unexpected {type(exc).__name__}: {exc}. Please report it with --debug."
                _log.debug("%s", film.path, exc_info=True)
            seconds = time.perf_counter() - began
            self._outcomes.append(_Outcome(film=film.path, seconds=seconds, report=report, error=error))

    def render(self, *, as_json: bool) -> None:
        """Results to stdout, failures to stderr."""
        if as_json:
            films = [_as_json(outcome) for outcome in self._outcomes]
            typer.echo(json.dumps({"films": films, "failed": self.num_failed}, indent=2))
        else:
            for outcome in self._outcomes:
                for take in outcome.report.takes if outcome.report else ():
                    typer.echo(f"{take.wav}\n{take.video}")
        for outcome in self._outcomes:
            if outcome.error is not None:
                typer.echo(f"error: {' '.join(outcome.error.split())}", err=True)
        if self.num_failed and len(self._outcomes) > 1:
            typer.echo(f"{self.num_failed} of {len(self._outcomes)} films failed.", err=True)

    def _one(self, film: "VideoSource", number: int, bar: Bar) -> "VideoReport":
        from cinefoley.pipelines.takes.existing import check_same_settings, report_existing
        from cinefoley.pipelines.takes.generate import generate_files
        from cinefoley.pipelines.takes.sidecar import recorded_takes

        existing = report_existing(film, self._out, self._settings)
        if existing.skipped:
            check_same_settings(existing, self._settings)  # before anything is read of the model
            check_same_settings(existing, self._settings, self._model.record)
            names = ", ".join(take.wav.name for take in existing.skipped)
            self._note(f"skipped {names}: already in {self._out}; --force makes them again.")
            recorded = recorded_takes(existing.sidecar)
            unknown = [take.wav.name for take in existing.skipped if take.take not in recorded]
            if unknown:
                self._note(f"no record tells what made {', '.join(unknown)}.")
        if len(existing.skipped) == self._settings.num_takes:
            return existing
        film.check()  # a film that cannot be used is told without loading the model
        self._note_container(film)
        pipeline = self._model.pipeline
        step = bar.film(number, film.path.name)
        report = generate_files(pipeline, film, self._out, self._settings, step, model=self._model.record)
        self._note_levels(report.takes)
        return report

    def _note_levels(self, takes: "Sequence[TakeFiles]") -> None:
        for take in takes:
            remark = take.level.remark() if take.level is not None else None
            if remark is not None:
                self._note(f"{take.wav.name}: {remark}.")

    def _note_container(self, film: "VideoSource") -> None:
        from cinefoley.media.muxing.replace_audio import fitting_suffixes
        from cinefoley.pipelines.takes.video_source import VideoFile

        path = film.path
        suffix = fitting_suffixes(path)[0] if isinstance(film, VideoFile) else film.suffix
        if film.suffix != path.suffix:
            self._note(
                f"{path.name}: no '{path.suffix}' is written; its picture goes into {suffix} as it is."
            )

    def _note(self, text: str) -> None:
        if not self._is_quiet:
            typer.echo(f"note: {text}", err=True)


def _as_json(outcome: _Outcome) -> dict[str, Any]:
    result: dict[str, Any] = {
        "film": str(outcome.film),
        "error": outcome.error,
        "seconds": round(outcome.seconds, 3),
    }
    report = outcome.report
    if report is None:
        return result
    return result | {
        "outputs": [_paths(take) for take in report.takes],
        "skipped": [_paths(take) for take in report.skipped],
        "sidecar": str(report.sidecar),
        "seed": report.seed,
        "duration_s": report.duration_s,
        "timings_s": {name: round(seconds, 4) for name, seconds in report.timings_s.items()},
    }


def _paths(take: "TakeFiles") -> dict[str, Any]:
    paths = {"wav": take.wav, "film": take.video} | ({"mel": take.mel} if take.mel is not None else {})
    level = asdict(take.level) if take.level is not None else {}
    return {"take": take.take} | {kind: str(path) for kind, path in paths.items()} | level
