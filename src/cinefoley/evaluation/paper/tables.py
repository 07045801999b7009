"""The paper's Tables 1, 3 and 4: which methods and test sets each compares, and the finished table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cinefoley.data.json_lines import Record
from cinefoley.distillation.presets import DistillationPreset
from cinefoley.evaluation.scores import Score
from cinefoley.evaluation.views import FILM_VIEWS, VIEWS, View

__all__ = ["FILM_LANGUAGE", "TABLES", "Encoder", "Method", "Table", "TableName", "TablePlan"]

TableName = Literal["table1", "table3", "table4", "film_language"]
"""The paper's tables of metrics, and ours of film language."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A row of a table: one way of training the video encoder."""

    name: str
    """Its name in the table."""
    preset: DistillationPreset | None = None
    """How its encoder is trained; None is the teacher."""
    has_teacher: bool = True
    """Whether it is distilled; otherwise trained by the pretraining's own loss on varied clips."""
    is_shipped: bool = False
    """Whether it is the model's own student, which is not trained here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """One training seed of a method."""

    method: Method
    """How it is trained."""
    seed: int
    """Of the training."""

    @property
    def name(self) -> str:
        """Name of its run folder and score files."""
        if self.method.is_shipped:
            return "shipped"
        kind = "" if self.method.has_teacher else "direct-"
        return "teacher" if self.method.preset is None else f"{kind}{self.method.preset}-{self.seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePlan:
    """What a table compares, and on how many clips, takes and seeds."""

    methods: tuple[Method, ...]
    """Its rows in every view."""
    clips: int
    """Number of test clips."""
    takes: int
    """Takes per clip."""
    seeds: int
    """Training seeds per method."""
    views: tuple[View, ...] = VIEWS
    """Its test sets; the first is always whole clips, which the others are compared with."""
    has_envelope: bool = False
    """Whether E-L1 is measured as well."""

    def encoders(self) -> list[Encoder]:
        """Every encoder that the table needs: the first seed of every method before the second of any."""
        return [
            Encoder(method=method, seed=seed)
            for seed in range(self.seeds)
            for method in self.methods
            if seed == 0 or method.preset is not None
        ]


TABLES: Mapping[TableName, TablePlan] = {
    "table1": TablePlan(
        methods=(
            Method(name="teacher"),
            Method(name="student", preset="paper"),
            Method(name="no teacher", preset="paper", has_teacher=False),
        ),
        clips=1000,
        takes=2,
        seeds=3,
    ),
    "table3": TablePlan(
        methods=(
            Method(name="teacher"),
            Method(name="f_cu", preset="paper_50"),
            Method(name="f_cm", preset="paper_camera_movement"),
            Method(name="both", preset="paper_both"),
            Method(name="cinematic", preset="cinematic"),
        ),
        clips=300,
        takes=1,
        seeds=2,
    ),
    "table4": TablePlan(
        methods=(
            Method(name="teacher"),
            Method(name="k = 50 %", preset="paper_50"),
            Method(name="k = 75 %", preset="paper"),
            Method(name="k = 100 %", preset="paper_100"),
        ),
        clips=300,
        takes=1,
        seeds=2,
    ),
}
"""What each table compares on the stage: the paper's rows, the teacher, and in Table 3 our own preset."""

FILM_LANGUAGE = TablePlan(
    methods=(
        Method(name="teacher"),
        Method(name="paper", preset="paper"),
        Method(name="shipped", is_shipped=True),
    ),
    clips=300,
    takes=1,
    seeds=1,
    views=FILM_VIEWS,
    has_envelope=True,
)
"""Every technique of film language: the teacher, the paper's student, and the model's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A finished table."""

    name: TableName
    """Which."""
    scores: Mapping[tuple[View, str], Mapping[str, Score]]
    """By view and method: metrics, averaged over training seeds; their replicas are of the same clips."""
    skipped: Mapping[str, str]
    """Methods that could not be trained, and why."""
    clips: int
    """Number of test clips that were scored."""
    left_out: tuple[Record, ...]
    """Skipped clips: ``id``, ``reason``, ``message``."""
    runs: Mapping[str, Record]
    """How each encoder was trained, by its name: ``run.json`` and the last line of its log; of the first of
    several trainings."""
    hours: float
    """Computing time of training, generation and scoring, over all machines and runs."""
    mixed: tuple[str, ...] = ()
    """Encoders whose views were measured with the weights of more than one training of the same settings."""
