"""Claims of the paper's Tables 1, 3 and 4, compared with our tables: held, lost or within interval."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cinefoley.config.published_results import PAPER_COLUMNS, PAPER_TABLES
from cinefoley.evaluation.paper.formatting import LOWER_IS_BETTER, scale_of
from cinefoley.evaluation.paper.method_scores import recovered_share
from cinefoley.evaluation.paper.tables import Table
from cinefoley.evaluation.scores import Score, combine, difference, score_as_json
from cinefoley.evaluation.views import VIEW_NAMES, VIEWS, View

__all__ = ["Claim", "Outcome", "claims"]

Outcome = Literal["held", "lost", "within interval", "not measured", "not in the paper"]
"""Result of comparing a claim with our table."""

_COMPARED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "table1": (("student", "teacher"), ("student", "no teacher")),
    "table3": (("f_cu", "f_cm"), ("both", "f_cu"), ("both", "f_cm")),
    "table4": (("k = 75 %", "k = 50 %"), ("k = 75 %", "k = 100 %"), ("k = 50 %", "k = 100 %")),
}
"""Pairs of methods that the paper compares. It writes about "no teacher" without printing numbers."""

_STUDENT = "student minus teacher"
_OURS = "visible onset F1"
"""Not in the paper: reported beside alignment accuracy, with no claim to compare it with."""
_LOSS_ALLOWED = (_STUDENT, "full", "Align Acc")
"""The one number of Table 1 in which the paper's student is worse than its teacher."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One claim of the paper, and our number for it."""

    compared: str
    """Two methods, or ``recovered``."""
    metric: str
    """Column of the table."""
    view: View
    """Test set."""
    paper: float | None
    """The paper's number on our scale (a share for percentages); None where it prints none."""
    score: Score
    """Ours: the paired difference of two methods, or a recovered share."""
    bound: float | None
    """What the paper claims that ``score`` lies beyond; None where it claims nothing."""
    is_above: bool
    """Whether it claims more than ``bound``, or less."""

    @property
    def name(self) -> str:
        """Its key in JSON."""
        end = f"{self.metric}, {VIEW_NAMES[self.view]}"
        if self.compared == _STUDENT:
            return end
        return f"recovered {end}" if self.compared == "recovered" else f"{self.compared}: {end}"

    @property
    def outcome(self) -> Outcome:
        """On which side of ``bound`` the 95 % interval lies; the value itself, where there is no interval."""
        if self.bound is None:
            return "not in the paper"
        if self.score.value is None:
            return "not measured"
        low = self.score.value if self.score.low is None else self.score.low
        high = self.score.value if self.score.high is None else self.score.high
        if low <= self.bound <= high:
            return "within interval"
        return "held" if (low > self.bound) == self.is_above else "lost"

    def as_json(self) -> dict[str, Any]:
        """Our number, the paper's, and the outcome."""
        paper = {} if self.paper is None else {"paper": self.paper}
        return {**score_as_json(self.score), **paper, "outcome": self.outcome}


def claims(table: Table) -> list[Claim]:
    """Every claim that the paper's table of this name states about methods and test sets that ours has.

    - Table 1: the student recovers a share of the alignment accuracy that close-ups and camera movements cost
      the teacher. It is better than the teacher in every metric on every test set, but for alignment accuracy
      in full view, where it loses no more than the paper's student. It is better than an encoder that was
      trained without a teacher, which the paper writes without printing numbers.
    - Tables 3 and 4: of two methods, the one is better that the paper's table shows as better.

    Recovered onset F1, which the paper does not know, stands beside recovered alignment accuracy.
    """
    found: list[Claim] = []
    for better, worse in _COMPARED[table.name]:
        for view in VIEWS:
            if {(view, better), (view, worse)} <= table.scores.keys():
                found += _orders(table, view, better, worse)
    return [*_shares(table), *found] if table.name == "table1" else found


def _orders(table: Table, view: View, better: str, worse: str) -> Iterator[Claim]:
    compared, printed = f"{better} minus {worse}", PAPER_TABLES[table.name]
    ours, theirs = table.scores[view, better], table.scores[view, worse]
    for column, metric in enumerate([*PAPER_COLUMNS, _OURS] if compared == _STUDENT else PAPER_COLUMNS):
        if metric not in ours or metric not in theirs:
            continue
        is_above, paper = metric not in LOWER_IS_BETTER, None
        bound = None if metric == _OURS else 0.0
        if metric in PAPER_COLUMNS and (view, worse) in printed:
            paper = (printed[view, better][column] - printed[view, worse][column]) / scale_of(metric)
            if (compared, view, metric) == _LOSS_ALLOWED:
                bound = paper
            else:
                is_above = paper > 0
        yield Claim(
            compared=compared,
            metric=metric,
            view=view,
            paper=paper,
            score=combine(metric, [ours[metric], theirs[metric]], difference),
            bound=bound,
            is_above=is_above,
        )


def _shares(table: Table) -> Iterator[Claim]:
    printed, column = PAPER_TABLES["table1"], PAPER_COLUMNS.index("Align Acc")
    for view in VIEWS[1:]:
        rows = [(view, "student"), (view, "teacher"), (VIEWS[0], "teacher")]
        for metric in ("Align Acc", _OURS):
            scores = [table.scores[row][metric] for row in rows if metric in table.scores.get(row, {})]
            if len(scores) < len(rows):
                continue
            paper = (
                recovered_share(*(printed[row][column] for row in rows)) if metric == "Align Acc" else None
            )
            yield Claim(
                compared="recovered",
                metric=metric,
                view=view,
                paper=paper,
                score=combine(metric, scores, recovered_share),
                bound=paper,
                is_above=True,
            )
