"""Take stream: write the sounds and mels of a video window by window, and describe the generation."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import numpy as np
import torch

from cinefoley.media.audio.fitted_writer import FittedAudio, fitted_audio
from cinefoley.media.audio.raw_sound import RawSound
from cinefoley.media.files.atomic_write import atomic_write
from cinefoley.media.shots import Shot, find_shots
from cinefoley.pipelines.takes.files import TakeFiles, TakeLevel
from cinefoley.pipelines.takes.model_record import ModelRecord, file_sha256
from cinefoley.pipelines.takes.settings import GenerationSettings
from cinefoley.pipelines.takes.sidecar import read_versions
from cinefoley.pipelines.takes.video_source import VideoFile, VideoSource
from cinefoley.pipelines.video_input import VideoInput

if TYPE_CHECKING:
    from cinefoley.pipelines.foley import FoleyPipeline
    from cinefoley.pipelines.windows import WindowPlan

__all__ = ["TakeStream"]

_NOT_RECORDED = ("seed", "overwrites", "writes_video")  # the seed has a place of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeStream:
    """The takes of one video, before they are generated."""

    pipeline: "FoleyPipeline"
    """The model."""
    video: VideoInput
    """The pipeline's argument."""
    settings: GenerationSettings
    """What is generated."""
    plan: "WindowPlan"
    """The windows of the video."""
    shots: tuple[Shot, ...] | None
    """Shots of the whole video; None where cuts are ignored."""
    record: dict[str, Any]
    """Everything needed to generate the takes again, ready for JSON."""
    timings_s: dict[str, float] = field(default_factory=dict)
    """Seconds spent in each part; also in the record."""

    @classmethod
    def of(
        cls,
        pipeline: "FoleyPipeline",
        source: VideoSource,
        settings: GenerationSettings,
        model: ModelRecord | None,
    ) -> Self:
        """Open a video and place its windows.

        Raises:
            MediaError: If the video cannot be used.
        """
        video = source.model_input(pipeline.foley_config)
        timings: dict[str, float] = {}
        began = time.perf_counter()
        shots = _shots_of(source, settings)
        if shots is not None:
            timings["shots"] = time.perf_counter() - began
        plan = pipeline.plan(video, start=settings.start, duration=settings.duration, shots=shots)
        record = _describe_run(pipeline, source, settings, plan, model)
        record["shots"] = None if shots is None else [asdict(shot) for shot in shots]
        return cls(
            pipeline=pipeline,
            video=video,
            settings=settings,
            plan=plan,
            shots=shots,
            record=record | {"timings_s": timings},
            timings_s=timings,
        )

    def write(
        self, takes: Sequence[TakeFiles], on_step: Callable[[int, int], None] | None = None
    ) -> list[TakeFiles]:
        """Generate takes in one pass, and write their WAVs and mels window by window.

        Args:
            takes: Which takes, and where they go.
            on_step: Called with finished and total denoiser calls; may raise to stop.

        Returns:
            The takes with their levels.

        Raises:
            MediaError: If the video cannot be read.
            MissingWeightsError: If double guidance is requested and the model has no guidance classifier.
            OutputError: If a file cannot be written.
        """
        config, settings = self.pipeline.foley_config, self.settings
        with ExitStack() as files:
            sounds = [
                files.enter_context(fitted_audio(take.wav, config.mel.sample_rate, subtype=settings.subtype))
                for take in takes
            ]
            shape = (len(self.plan), config.mel.n_mels, config.mel_frames)
            mels = [files.enter_context(_mel_file(take.mel, shape)) for take in takes if take.mel is not None]
            blocks = self.pipeline.stream(
                self.video,
                num_takes=max(take.take for take in takes),
                seed=settings.seed,
                start=settings.start,
                duration=settings.duration,
                shots=self.shots,
                on_step=on_step,
                timings_s=self.timings_s,
                control=self.pipeline.control(
                    example=settings.like, kind=settings.kind, unlike=settings.unlike
                ),
                **settings.options(),
            )
            is_moved = settings.cues_s is not None
            generated = [files.enter_context(RawSound(take.wav)) for take in takes if is_moved]
            targets: Sequence[RawSound | FittedAudio] = generated or sounds
            for block in blocks:
                for take, target in zip(takes, targets, strict=True):
                    target.write(block.audios[take.take - 1])
                for take, mel in zip(takes, mels, strict=False):
                    mel.write(block.mels[take.take - 1].float().numpy().tobytes())
            if is_moved:
                takes = [
                    _write_moved(take, sound, whole, settings, config.mel.sample_rate)
                    for take, sound, whole in zip(takes, sounds, generated, strict=True)
                ]
        return [
            replace(take, level=TakeLevel.of(sound, take.wav))
            for take, sound in zip(takes, sounds, strict=True)
        ]


def _shots_of(source: VideoSource, settings: GenerationSettings) -> tuple[Shot, ...] | None:
    """Shots of a video file; None where they are to be ignored, or the video is no file."""
    if settings.shots == "off" or not isinstance(source, VideoFile):
        return None
    if settings.shots == "auto":
        return tuple(find_shots(source.path))
    return tuple(Shot(begin, end) for begin, end in settings.shots)


def _write_moved(
    take: TakeFiles, sound: FittedAudio, generated: RawSound, settings: GenerationSettings, sample_rate: int
) -> TakeFiles:
    """Move a take's events to the cues, write it, and record the moves."""
    from cinefoley.delivery.moving import move_to_cues

    moved, moves = move_to_cues(
        generated.mapped()[0], sample_rate, settings.cues_s or (), start_s=settings.start
    )
    for block in moved:
        sound.write(block)
    return replace(take, moves=tuple(moves))


@contextmanager
def _mel_file(path: Path, shape: tuple[int, int, int]) -> Iterator[BinaryIO]:
    """A ``.npy`` file that is written window by window."""
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        yield file


def _describe_sound(path: str) -> dict[str, str]:
    """Name and digest of an example; without digest where it cannot be read, which generation will report."""
    try:
        return {"name": Path(path).name, "sha256": file_sha256(Path(path))}
    except OSError:
        return {"name": Path(path).name}


def _device_name(device: torch.device) -> str:
    """Name without a number: records of the same take are the same, whichever GPU made it."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _describe_run(
    pipeline: "FoleyPipeline",
    source: VideoSource,
    settings: GenerationSettings,
    plan: "WindowPlan",
    model: ModelRecord | None,
) -> dict[str, Any]:
    rate = pipeline.foley_config.mel.sample_rate
    choices = {key: value for key, value in asdict(settings).items() if key not in _NOT_RECORDED}
    return {
        "film": source.describe(),
        "model": None if model is None else asdict(model),
        "seed": settings.seed,
        "settings": choices,
        "sounds": {name: _describe_sound(choices[name]) for name in ("like", "unlike") if choices[name]},
        "sample_rate": rate,
        "samples": plan.total,
        "duration_s": plan.total / rate,
        "windows": {
            "length_s": plan.window / rate,
            "cross_fade_s": plan.fade / rate,
            "starts_s": [start / rate for start in plan.starts],
        },
        "device": {
            "name": _device_name(pipeline.device),
            "dtype": str(pipeline.unet.dtype).removeprefix("torch."),
            "threads": torch.get_num_threads(),
        },
        "versions": read_versions(),
    }
