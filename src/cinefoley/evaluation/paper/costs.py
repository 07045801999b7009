"""Cost of a table: seconds of every step, from short measurements on this device."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from cinefoley.data.parallel import one_thread
from cinefoley.data.sources.clip_source import ClipFault
from cinefoley.distillation.presets import distillation
from cinefoley.errors import DataError
from cinefoley.evaluation.paper.clip_windows import read_real
from cinefoley.evaluation.paper.encoder_training import TrainingPlan
from cinefoley.evaluation.paper.experiment import Experiment
from cinefoley.evaluation.paper.tables import TablePlan
from cinefoley.metrics.functional.frechet import frechet_influences
from cinefoley.models.folder import load_part
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.pipelines.foley import FoleyPipeline

__all__ = ["StepCost", "UnitCosts", "calibrate", "step_costs"]

_FEWEST_STEPS, _MORE_STEPS = 1, 3
_MOST_TRIED = 20  # clips that may be faulty, before calibration gives up
_BACKWARD = 2  # a backward pass takes about twice as long as the forward pass
_ROWS = 4096  # at which the Frechet distance is timed


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCosts:
    """Seconds of one piece of each kind of work on one device: a GPU, or one core of a processor."""

    read_s: float
    """Decode a clip."""
    encode_s: float
    """Compute the video features of a clip."""
    take_s: float
    """Generate one take from the features."""
    measure_s: float
    """Measure one sound: backbones and alignment classifier."""
    row_s: float
    """Distances and their intervals, for each row of features."""
    bytes_per_sound: int
    """Bytes that are cached of each sound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCost:
    """One step of a table's chain."""

    name: str
    """What is done."""
    pieces: int
    """How many clips, sounds or runs."""
    seconds: float
    """On one device."""
    is_divided: bool = True
    """Whether several devices divide the time."""
    bytes_stored: int = 0
    """Disk space of the results."""

    def hours(self, devices: int) -> float:
        """Wall-clock hours on some devices."""
        return self.seconds / (devices if self.is_divided else 1) / 3600


def calibrate(experiment: Experiment, *, on_step: Callable[[str], None] | None = None) -> UnitCosts:
    """Time one clip, a few denoising steps and one measurement on the experiment's device.

    On a processor, one core is timed, since every process of a shared run computes with one, and seconds are
    processor time, so that other processes on the machine do not count.

    Args:
        experiment: Clips, model, metrics and device; the first usable clip is read.
        on_step: Called with what is timed.

    Raises:
        DataError: If none of the first clips can be used.
        WeightsError: If the model cannot be used.
    """
    with one_thread() if experiment.device.type == "cpu" else nullcontext():
        return _calibrate(experiment, on_step or (lambda text: None))


def _calibrate(experiment: Experiment, report: Callable[[str], None]) -> UnitCosts:
    device = experiment.device
    report("timing: decoding")
    frames, waveform, read_s = _read_one(experiment)
    report("timing: video features")
    teacher = load_part(experiment.model_folder / "video_encoder", VideoEncoder).to(device).eval()
    video = frames[None].to(device).float() / 255
    with torch.no_grad():
        encode_s = _timed(partial(teacher, video), device)
        features = teacher(video)
    report("timing: generation")
    take_s, mels = _time_generation(experiment, features.cpu())
    report("timing: measurement")
    measure_s, bytes_per_sound, width = _time_measurement(experiment, mels, features.cpu(), waveform)
    report("timing: distances")
    rows = torch.randn(max(_ROWS, 2 * width), width, generator=torch.Generator().manual_seed(0))
    distance_s = _timed(partial(frechet_influences, rows, rows), device)
    return UnitCosts(
        read_s=read_s,
        encode_s=encode_s,
        take_s=take_s,
        measure_s=measure_s,
        row_s=distance_s / len(rows),  # of both sides: covers the distance itself and the other metrics
        bytes_per_sound=bytes_per_sound,
    )


def _time_generation(experiment: Experiment, features: Tensor) -> tuple[float, Tensor]:
    """Seconds of a take, from the features on; and mels of such takes."""
    device, settings = experiment.device, experiment.settings
    pipeline = FoleyPipeline.from_pretrained(experiment.model, torch_dtype=experiment.dtype).to(device)
    pipeline.prepack()
    count = 1 if device.type == "cpu" else settings.batch_size

    def sample(steps: int) -> Tensor:
        latents: Tensor = pipeline.sample(
            F.normalize(features, dim=-1).repeat(count, 1, 1),
            generator=torch.Generator().manual_seed(0),
            quality=settings.quality,
            num_inference_steps=steps,
            guidance_scale=settings.guidance_scale,
        )
        return latents

    def finish(latents: Tensor) -> Tensor:
        mels: Tensor = pipeline.decode(latents)
        pipeline.vocode(mels)
        return mels

    few, more = (_timed(partial(sample, steps), device) for steps in (_FEWEST_STEPS, _MORE_STEPS))
    step_s = max(0.0, more - few) / (_MORE_STEPS - _FEWEST_STEPS)
    latents = sample(_FEWEST_STEPS)
    finish_s = _timed(partial(finish, latents), device)
    return (step_s * settings.num_inference_steps + finish_s) / count, finish(latents)


def _time_measurement(
    experiment: Experiment, mels: Tensor, features: Tensor, waveform: Tensor
) -> tuple[float, int, int]:
    """Seconds and cached bytes of a sound, and the width of the features that FD compares."""
    score = partial(
        experiment.alignment.probability, mels, features.repeat(len(mels), 1, 1), posterior="mean"
    )
    seconds = _timed(score, experiment.device) / len(mels)
    stored, width = 0, 1
    for backbone in experiment.backbones:
        embed = partial(backbone.embed, waveform, experiment.alignment.config.mel.sample_rate)
        seconds += _timed(embed, experiment.device)
        found = embed()
        stored += 4 * (found.features.numel() + (0 if found.logits is None else found.logits.numel()))
        width = max(width, found.features.shape[0] if found.features.ndim == 1 else 1)
    return seconds, stored, width


def step_costs(
    plan: TablePlan, experiment: Experiment, training: TrainingPlan, units: UnitCosts
) -> list[StepCost]:
    """Cost of every step of a table, in the order in which they run."""
    clips, train = len(experiment.source), len(training.source)
    see_s = units.read_s + units.encode_s
    trained = [encoder for encoder in plan.encoders() if encoder.method.preset is not None]
    epochs = 0.0
    for encoder in trained:
        assert encoder.method.preset is not None
        config = distillation(encoder.method.preset).schedule.train_config(train, **dict(training.overrides))
        epochs += config.steps * config.batch_size / train
    train_s = (1 + _BACKWARD) * units.encode_s
    if experiment.device.type == "cpu":
        train_s += units.read_s
    else:  # decoding overlaps with computing, in threads
        train_s = max(train_s, units.read_s / max(1, training.workers))
    sets = len(plan.encoders()) * len(plan.views)
    sounds = sets * clips * plan.takes
    feature_bytes = 4 * experiment.alignment.config.video_frames * 512
    return [
        StepCost(
            name="read the test clips and embed their sound",
            pieces=clips,
            seconds=clips * (see_s + units.measure_s),
            bytes_stored=clips * units.bytes_per_sound,
        ),
        StepCost(
            name="teacher features of the training clips",
            pieces=train,
            seconds=train * see_s,
            bytes_stored=train * feature_bytes,
        ),
        StepCost(
            name=f"train {len(trained)} encoders ({round(epochs, 1):g} epochs in all)",
            pieces=len(trained),
            seconds=epochs * train * train_s,
        ),
        StepCost(
            name=f"generate and measure: {len(plan.encoders())} encoders x {len(plan.views)} test sets x "
            f"{clips} clips x {plan.takes} takes",
            pieces=sounds,
            seconds=sets * clips * see_s + sounds * (units.take_s + units.measure_s),
            bytes_stored=sounds * units.bytes_per_sound,
        ),
        StepCost(
            name="distances and intervals",
            pieces=sets,
            seconds=(sounds + sets * clips) * units.row_s,
            is_divided=False,
        ),
    ]


def _read_one(experiment: Experiment) -> tuple[Tensor, Tensor, float]:
    fault: ClipFault | None = None
    for row in range(min(_MOST_TRIED, len(experiment.source))):
        clock = _clock(experiment.device)
        began = clock()
        found = read_real(experiment.source[row], experiment.alignment.config)
        if not isinstance(found, ClipFault):
            return *found, clock() - began
        fault = found
    message = "" if fault is None else f" ({fault.message})"
    raise DataError(f"{experiment.source.name}: none of the first clips can be used{message}.")


def _timed(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of the second call: the first one compiles kernels and allocates memory."""
    clock = _clock(device)
    for _ in range(2):
        began = clock()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds = clock() - began
    return seconds


def _clock(device: torch.device) -> Callable[[], float]:
    return time.process_time if device.type == "cpu" else time.perf_counter
