"""The protocol line of a table: data, training, generator, metrics and their settings."""

from datetime import date
from typing import TYPE_CHECKING

from cinefoley.cli.reproduction.setup import Given
from cinefoley.cli.training_run import data_name

if TYPE_CHECKING:
    from cinefoley.evaluation.paper.encoder_training import TrainingPlan
    from cinefoley.evaluation.paper.experiment import Experiment, ExperimentSettings
    from cinefoley.evaluation.paper.tables import Table, TablePlan

__all__ = ["protocol_line", "sampling_words"]


def _training_clips(table: "Table", training: "TrainingPlan") -> str:
    """Number of training clips, and of usable ones if some are not."""
    used = sorted({run["num_clips"] for run in table.runs.values() if "num_clips" in run})
    count = len(training.source)
    if used in ([], [count]):
        return f"{count} training clips"
    span = f"{used[0]}" if len(used) == 1 else f"{used[0]} to {used[-1]}"
    return f"{count} training clips, of which {span} are usable"


def _number_formats(table: "Table") -> str:
    """Number formats in which encoders were trained, where their runs recorded one and it did not change."""
    known: dict[str, list[str]] = {}
    for name, run in table.runs.items():
        if "arithmetic" in run and name not in table.mixed:
            known.setdefault(run["arithmetic"], []).append(name)
    if len(known) == 1 and sum(map(len, known.values())) == sum(map(bool, table.runs.values())):
        return f", trained in {next(iter(known))}"
    return "".join(f", {', '.join(names)} trained in {kind}" for kind, names in sorted(known.items()))


def _optimisation(plan: "TablePlan", training: "TrainingPlan") -> str:
    """Optimiser, learning rate and batch size: those of the first row, then the rows that differ."""
    from cinefoley.config.training import OPTIMIZERS
    from cinefoley.distillation.presets import distillation

    ways: dict[str, list[str]] = {}
    for method in plan.methods:
        if method.preset is not None:
            schedule = distillation(method.preset).schedule
            config = schedule.train_config(len(training.source), **training.overrides)
            rate, size = f"{config.learning_rate:g}", config.batch_size
            way = f"{OPTIMIZERS[config.optimizer]} at {rate}, {size} clips per step"
            ways.setdefault(way, []).append(method.name)
    first, *others = ways or [""]  # nothing was trained for the teacher alone
    return ", " * bool(ways) + first + "".join(f" ({', '.join(ways[way])}: {way})" for way in others)


def _event_source(experiment: "Experiment") -> str:
    """Name of the file that the events come from, if it is one."""
    from cinefoley.data.events.event_file import EventFile

    return f" of {experiment.events.name}" if isinstance(experiment.events, EventFile) else ""


def protocol_line(
    table: "Table",
    plan: "TablePlan",
    experiment: "Experiment",
    training: "TrainingPlan",
    given: Given,
) -> str:
    """What was computed, from which data and with which settings, in one line."""
    from cinefoley import __version__
    from cinefoley.evaluation.folder.protocols import PROTOCOLS

    settings, epsilon = experiment.settings, PROTOCOLS["cinefoley"].kl_epsilon
    backbones = ", ".join(f"{b.name} (sha256:{b.digest[:12]})" for b in experiment.backbones)
    steps, epochs = (training.overrides.get(name) for name in ("steps", "epochs"))
    # 25 is what every preset has
    length = f"{steps} steps on" if steps else f"{epochs or 25:g} epochs of"
    takes = "1 take" if plan.takes == 1 else f"{plan.takes} takes"
    seeds = "1 training seed"
    if plan.seeds > 1:
        seeds = f"{plan.seeds} training seeds, whose mean is shown (± their standard deviation)"
    return (
        f"data {data_name(given)}; {table.clips} test clips, {takes}, the same noise for every method; "
        f"windows of seed {settings.window_seed}; {length} {_training_clips(table, training)}"
        f"{_optimisation(plan, training)}, {seeds}{_number_formats(table)}; generator "
        f"{given['model']}, {sampling_words(settings)}, "
        f"{experiment.dtype}; Align Acc by the model's classifier, of the generated mel, posterior mean, "
        f"with the teacher's features of the whole clip; onsets within ±100 ms{_event_source(experiment)}; "
        f"backbones {backbones}; "
        f"audio: mean of channels, one window, silent takes included; KL with epsilon {epsilon:g}; "
        f"intervals over clips, paired, {0 if given['quick'] else given['bootstrap']} resamplings; "
        f"cinefoley {__version__}; {date.today()}; {table.hours:.2f} h of computing"
    )


def sampling_words(settings: "ExperimentSettings") -> str:
    """Preset, unless it is the paper's, steps and guidance of the protocol line."""
    preset = "" if settings.quality == "paper" else f"quality {settings.quality}, "
    return f"{preset}{settings.num_inference_steps} steps, guidance {settings.guidance_scale:g}"
