"""``cinefoley generate``: generate takes of Foley sound for videos."""

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cinefoley.cli import options
from cinefoley.cli import redo as redo_command
from cinefoley.cli.inputs import check_stems_differ, find_generation_inputs
from cinefoley.cli.outputs import echo_error, note, print_json, resumable
from cinefoley.cli.progress import Start, progress_bar
from cinefoley.cli.shared_generation import Sharing, check_window_outputs, run_shared
from cinefoley.errors import CinefoleyError, DeviceError, WeightsError

if TYPE_CHECKING:
    from cinefoley.config.foley import Quality
    from cinefoley.pipelines.takes.existing import VideoReport
    from cinefoley.pipelines.takes.files import TakeFiles
    from cinefoley.pipelines.takes.model_choice import LoadedModel
    from cinefoley.pipelines.takes.settings import GenerationSettings
    from cinefoley.pipelines.takes.video_source import VideoSource

__all__ = ["generate"]

_log = logging.getLogger(__name__)

# A test checks that the defaults are those of GenerationSettings; importing it here would load torch for
# --help.


def generate(
    videos: Annotated[
        list[str],
        typer.Argument(
            metavar="VIDEO",
            help="Videos, folders of videos, folders of shards, or patterns such as 'shots/*.mov'.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Output folder.")] = Path("foley"),
    model: options.Model = "lite",
    video_encoder: options.VideoEncoder = None,
    takes: options.Takes = 1,
    seed: options.TakeSeed = 0,
    quality: Annotated[
        Literal["paper", "balanced", "draft"] | None,
        typer.Option(
            help="Sampling preset: the paper's, at most half of its time, or at most a fifth. Default: the "
            "model's."
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Number of denoising steps per window. Default: the quality's."
        ),
    ] = None,
    guidance_scale: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="SCALE", help="Classifier-free guidance; 1 turns it off. Default: the quality's."
        ),
    ] = None,
    guidance_rescale: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Rescaled guidance, 0 to 1. Default: the quality's."),
    ] = None,
    guidance_interval: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="START STOP",
            help="Guided part of the sampling, from 0 (noise) to 1 (end). Default: the quality's.",
        ),
    ] = None,
    apg_eta: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Adaptive projected guidance: parallel share, 0 to 1."),
    ] = None,
    apg_rescale: Annotated[
        float | None,
        typer.Option(metavar="NORM", help="Adaptive projected guidance: largest norm; 0 sets no limit."),
    ] = None,
    apg_momentum: Annotated[
        float | None,
        typer.Option(metavar="M", help="Adaptive projected guidance: momentum, -1 to 1; 0 turns it off."),
    ] = None,
    sampler: Annotated[
        Literal["dpm++", "unipc", "ddim", "plms"] | None,
        typer.Option(
            help="Numerical solver; ddim and plms need --steps that divide 1000. Default: the quality's."
        ),
    ] = None,
    karras_sigmas: Annotated[
        bool | None,
        typer.Option(
            "--karras-sigmas/--no-karras-sigmas",
            help="Space the noise levels as by Karras et al. Default: the quality's.",
        ),
    ] = None,
    cache_interval: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Reuse the UNet's deep features between every N-th step; 1 turns it off."
        ),
    ] = None,
    double_guidance: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="SCALE",
            help="Strength of guidance by the model's guidance classifier (Diff-Foley uses 50); 0: none.",
        ),
    ] = 0.0,
    compat: Annotated[
        Literal["diff-foley"] | None,
        typer.Option(
            help="Reproduce two errors of Diff-Foley's code, for comparison: the guidance classifier gets "
            "video features that are not normalised, and the pitch is lower by a factor of 0.73."
        ),
    ] = None,
    start: Annotated[
        float, typer.Option(min=0, metavar="S", help="Start of the section to generate for, in seconds.")
    ] = 0.0,
    duration: Annotated[
        float | None,
        typer.Option(
            metavar="S", help="Length of the section, in seconds. Default: to the end of the video."
        ),
    ] = None,
    shots: Annotated[
        str,
        typer.Option(
            metavar="auto|off|FILE",
            help="Shots of the video: found by PySceneDetect, ignored, or read from a CSV file with the "
            "columns start_s and end_s. No window of the model spans a cut.",
        ),
    ] = "auto",
    save_mel: Annotated[
        bool, typer.Option("--save-mel", help="Also write each take's mel spectrogram as a .npy file.")
    ] = False,
    subtype: Annotated[
        Literal["PCM_16", "PCM_24", "FLOAT"], typer.Option(help="Bit depth of the WAV files.")
    ] = "PCM_16",
    cues: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Edited cue sheet of `cinefoley spot`: moves the events of every take to its cues. For one "
            "video.",
        ),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(
            metavar="SOUND", help="Example of what the takes should sound like; the video says when."
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Kind of sound instead, of those that `cinefoley models info` lists."
        ),
    ] = None,
    unlike: Annotated[
        Path | None, typer.Option(metavar="SOUND", help="Example of what the takes should not sound like.")
    ] = None,
    redo: Annotated[
        str | None,
        typer.Option(
            metavar="FROM-TO",
            help="Generate these seconds of an existing take anew, and keep the rest of it; with --take.",
        ),
    ] = None,
    take: Annotated[int, typer.Option(min=1, metavar="N", help="Take that --redo changes.")] = 1,
    sound_only: Annotated[
        bool, typer.Option("--sound-only", help="Write no video beside each take's WAV.")
    ] = False,
    to_shards: Annotated[
        bool,
        typer.Option(
            "--to-shards",
            help="Write FLAC, mels and records into tar files (shards), which `evaluate` reads. Implies "
            "--sound-only and --save-mel.",
        ),
    ] = False,
    videos_per_shard: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="With --to-shards: videos whose takes are in one shard. A process that is "
            "killed loses one shard at most.",
        ),
    ] = 16,
    engine: options.GenerationEngine = "local",
    scheduler: options.Scheduler = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing takes.")] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Generate Foley sound for silent videos.

    For rain.mp4 this writes rain.take1.wav and rain.take1.mp4 (the video with the sound; its frames are
    copied unchanged), one such pair per take, and rain.json with the model, seed and settings. The sound is
    as long as the video, or as the section given by --start and --duration; the video is never cut. Peaks
    beyond full scale are limited, by up to 6 dB; a take that needs more is lowered as a whole by the rest.
    The JSON states loudness and true peak of every take.

    Existing takes are skipped. If they were generated with a different model, seed or setting, the command
    stops with an error.

    torchrun and --engine dask share the videos among processes and machines, each with one thread or one GPU;
    ledger.jsonl then lists every video. Takes are the same whoever generates them.
    """
    from cinefoley.pipelines.devices import choose_own_device
    from cinefoley.pipelines.takes.model_choice import LoadedModel, ModelChoice

    chosen = {
        "num_inference_steps": steps,
        "guidance_scale": guidance_scale,
        "guidance_rescale": guidance_rescale,
        "guidance_interval": guidance_interval,
        "adaptive_projected_guidance_eta": apg_eta,
        "adaptive_projected_guidance_rescale": apg_rescale,
        "adaptive_projected_guidance_momentum": apg_momentum,
        "sampler": sampler,
        "use_karras_sigmas": karras_sigmas,
        "cache_interval": cache_interval,
    }
    given: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None} | {
        "num_takes": takes,
        "seed": seed,
        "double_guidance_scale": double_guidance,
        "compat": compat,
        "start": start,
        "duration": duration,
        "subtype": subtype,
        "like": None if like is None else str(like),
        "kind": kind,
        "unlike": None if unlike is None else str(unlike),
        "shots": shots if shots in ("auto", "off") else (),
        "saves_mel": save_mel or to_shards,
        "writes_video": not (sound_only or to_shards),
        "overwrites": force,
    }
    settings = _make_settings(quality or "paper", given)  # a wrong option fails before any work
    for sound in filter(None, (like, unlike)):
        _check_example(sound)
    stretch = None if redo is None else redo_command.read_stretch(redo)
    choose_own_device(device)  # a wrong name fails before any work
    sharing = Sharing(
        engine=engine,
        scheduler=scheduler,
        videos_per_shard=videos_per_shard if to_shards else None,
        as_json=as_json,
        is_quiet=quiet,
    )
    sharing.check(settings, redo)
    found = find_generation_inputs(videos)
    check_stems_differ(video.path for video in found)
    check_window_outputs(found, settings)
    if cues is not None:
        given["cues_s"] = _read_cues(cues, found)
        settings = _make_settings(quality or "paper", given)
    if shots not in ("auto", "off"):
        given["shots"] = _read_shots(Path(shots), found)
        settings = _make_settings(quality or "paper", given)
    choice = ModelChoice(
        name=model,
        video_encoder=video_encoder,
        device=device,
        precision=precision,
        has_double_guidance=double_guidance > 0,
    )
    loader = LoadedModel(choice)
    if quality is None:
        settings = _make_settings(loader.default_quality, given)
    if stretch is not None:
        redo_command.redo(
            found, out, take, stretch, settings, lambda: loader.pipeline, as_json=as_json, is_quiet=quiet
        )
        return
    if sharing.is_shared:
        run_shared(out, settings, choice, found, sharing)
        return
    run = _Run(out, settings, loader, is_quiet=quiet)
    code = 0
    try:
        with progress_bar(len(found), is_wanted=not quiet) as start_bar, resumable("finished takes"):
            run.all(found, start_bar)
    except KeyboardInterrupt:
        code = 130
    except CinefoleyError:
        run.render(as_json=as_json)
        raise
    run.render(as_json=as_json)
    if code or run.num_failed:
        raise typer.Exit(code or 1)


def _check_example(sound: Path) -> None:
    """Fail before any work if a sound is no example."""
    from cinefoley.config.foley import FoleyConfig
    from cinefoley.pipelines.control import example_window

    example_window(sound, FoleyConfig())


def _read_cues(sheet: Path, videos: "Sequence[VideoSource]") -> tuple[float, ...]:
    from cinefoley.delivery.cue_sheets import read_cues
    from cinefoley.delivery.timecode import clock_of
    from cinefoley.media.timing import video_duration

    if len(videos) != 1:
        raise typer.BadParameter(
            f"a cue sheet is for one video, got {len(videos)}; run the command once per video.",
            param_hint="--cues",
        )
    video = videos[0].path
    cues = read_cues(sheet, lambda: clock_of(video), duration_s=video_duration(video))
    return tuple(cue.time_s for cue in cues)


def _read_shots(path: Path, videos: "Sequence[VideoSource]") -> tuple[tuple[float, float], ...]:
    from cinefoley.media.shots import read_shots
    from cinefoley.media.timing import video_duration

    if len(videos) != 1:
        raise typer.BadParameter(
            f"a shot list is for one video, got {len(videos)}; run the command once per video.",
            param_hint="--shots",
        )
    found = read_shots(path, video_duration(videos[0].path))
    return tuple((shot.start_s, shot.end_s) for shot in found)


def _make_settings(quality: "Quality", options: dict[str, Any]) -> "GenerationSettings":
    from cinefoley.pipelines.takes.settings import generation_settings

    try:
        return generation_settings(quality, **options)
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    video: Path
    seconds: float
    report: "VideoReport | None" = None
    error: str | None = None


class _Run:
    """Generates for one video after the other; a failure does not stop the others."""

    def __init__(
        self, out: Path, settings: "GenerationSettings", model: "LoadedModel", *, is_quiet: bool
    ) -> None:
        self._out = out
        self._settings = settings
        self._model = model
        self._is_quiet = is_quiet
        self._outcomes: list[_Outcome] = []

    @property
    def num_failed(self) -> int:
        return sum(outcome.error is not None for outcome in self._outcomes)

    def all(self, videos: Sequence["VideoSource"], start_bar: Start) -> None:
        """Generate for every video.

        Raises:
            WeightsError: If the model cannot be used.
            DeviceError: If its device cannot be used.
        """
        from cinefoley.pipelines.takes.shared_run import videos_in_turn

        for number, video in enumerate(videos_in_turn(videos, self._out)):
            began = time.perf_counter()
            report, error = None, None
            try:
                report = self._one(video, number, start_bar)
            except (WeightsError, DeviceError):
                raise
            except CinefoleyError as exc:
                error = str(exc)
                _log.debug("%s", video.path, exc_info=True)
            except Exception as exc:  # a bug that one video triggers must not stop the others
                error = (
                    f"{video.path}: unexpected {type(exc).__name__}: {exc}. Please report it with --debug."
                )
                _log.debug("%s", video.path, exc_info=True)
            seconds = time.perf_counter() - began
            self._outcomes.append(_Outcome(video=video.path, seconds=seconds, report=report, error=error))

    def render(self, *, as_json: bool) -> None:
        """Print results on stdout and errors on stderr."""
        if as_json:
            films = [_as_json(outcome) for outcome in self._outcomes]
            print_json({"films": films, "failed": self.num_failed})
        else:
            for outcome in self._outcomes:
                for take in outcome.report.takes if outcome.report else ():
                    typer.echo("\n".join(str(path) for path in (take.wav, take.video) if path is not None))
        for outcome in self._outcomes:
            if outcome.error is not None:
                echo_error(outcome.error)
        if self.num_failed and len(self._outcomes) > 1:
            typer.echo(f"{self.num_failed} of {len(self._outcomes)} videos failed.", err=True)

    def _one(self, video: "VideoSource", number: int, start_bar: Start) -> "VideoReport":
        from cinefoley.pipelines.takes.existing import check_same_settings, report_existing
        from cinefoley.pipelines.takes.generate import generate_files
        from cinefoley.pipelines.takes.sidecar import recorded_takes

        existing = report_existing(video, self._out, self._settings)
        if existing.skipped:
            check_same_settings(existing, self._settings)  # before the model is read
            check_same_settings(existing, self._settings, self._model.record)
            names = ", ".join(take.wav.name for take in existing.skipped)
            self._note(f"skipped {names}: already in {self._out}; overwrite with --force.")
            recorded = recorded_takes(existing.sidecar)
            unknown = [take.wav.name for take in existing.skipped if take.take not in recorded]
            if unknown:
                self._note(f"no record of the settings of {', '.join(unknown)}.")
        if len(existing.skipped) == self._settings.num_takes:
            return existing
        video.check()  # a video that cannot be used fails before the model is loaded
        self._note_container(video)
        pipeline = self._model.pipeline
        step = start_bar(number, video.path.name)
        report = generate_files(pipeline, video, self._out, self._settings, step, model=self._model.record)
        self._note_levels(report.takes)
        return report

    def _note_levels(self, takes: "Sequence[TakeFiles]") -> None:
        for take in takes:
            remark = take.level.remark() if take.level is not None else None
            if remark is not None:
                self._note(f"{take.wav.name}: {remark}.")
            unmet = [f"{move.cue_s:.2f} s" for move in take.moves or () if move.to_s is None]
            if unmet:
                shown = ", ".join(unmet[:5]) + (f" and {len(unmet) - 5} more" if len(unmet) > 5 else "")
                self._note(f"{take.wav.name}: no event near enough to the cues at {shown}.")

    def _note_container(self, video: "VideoSource") -> None:
        from cinefoley.media.muxing.replace_audio import fitting_suffixes
        from cinefoley.pipelines.takes.video_source import VideoFile

        path = video.path
        suffix = fitting_suffixes(path)[0] if isinstance(video, VideoFile) else video.suffix
        if video.suffix != path.suffix:
            self._note(
                f"{path.name}: {path.suffix} files cannot be written; the video stream is copied into "
                f"{suffix}."
            )

    def _note(self, text: str) -> None:
        if not self._is_quiet:
            note(text)


def _as_json(outcome: _Outcome) -> dict[str, Any]:
    result: dict[str, Any] = {
        "film": str(outcome.video),
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
    paths = {"wav": take.wav, "film": take.video, "mel": take.mel}
    level = asdict(take.level) if take.level is not None else {}
    return {"take": take.take} | {kind: str(path) for kind, path in paths.items() if path is not None} | level
