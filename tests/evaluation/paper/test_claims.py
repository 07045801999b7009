from typing import Any

import pytest

from cinefoley.config.published_results import PAPER_COLUMNS, PAPER_TABLES
from cinefoley.evaluation.paper.claims import Claim, claims
from cinefoley.evaluation.paper.formatting import scale_of
from cinefoley.evaluation.paper.tables import Table, TableName
from cinefoley.evaluation.scores import Score

METHODS: dict[TableName, int] = {"table1": 2, "table3": 3, "table4": 3}


def of_paper(name: TableName, *, turned: bool = False) -> Table:
    """A table whose numbers are the paper's own; ``turned``: with every number's sign changed."""
    scores: Any = {
        row: {
            metric: Score(value=(-1 if turned else 1) * number / scale_of(metric))
            for metric, number in zip(PAPER_COLUMNS, numbers, strict=True)
        }
        for row, numbers in PAPER_TABLES[name].items()
    }
    return Table(name=name, scores=scores, skipped={}, clips=10, left_out=(), runs={}, hours=1.0)


@pytest.mark.parametrize("name", METHODS)
def test_every_number_of_the_papers_table_is_in_a_claim(name: TableName) -> None:
    found = claims(of_paper(name))
    pairs = {2: 1, 3: 3}[METHODS[name]]
    assert len(found) == pairs * 3 * len(PAPER_COLUMNS) + (2 if name == "table1" else 0)
    assert len({claim.name for claim in found}) == len(found)
    for claim in found:
        assert claim.paper == pytest.approx(claim.score.value)


@pytest.mark.parametrize("name", METHODS)
def test_the_papers_own_numbers_hold_its_claims_and_opposite_ones_lose_them(name: TableName) -> None:
    # the paper's own number is neither above nor below itself where it is the bound
    at_bound = {"recovered Align Acc, CU", "recovered Align Acc, CM", "Align Acc, full view"}
    for table, outcome in ((of_paper(name), "held"), (of_paper(name, turned=True), "lost")):
        outcomes = {claim.name: claim.outcome for claim in claims(table) if claim.name not in at_bound}
        assert outcomes == dict.fromkeys(outcomes, outcome)


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [(0.1, 0.3, "held"), (-0.1, 0.3, "within interval"), (-0.3, -0.1, "lost"), (None, None, "held")],
)
def test_the_interval_decides_the_outcome(low: float | None, high: float | None, outcome: str) -> None:
    score = Score(value=0.2, low=low, high=high)
    claim = Claim(
        compared="a minus b", metric="IS", view="full", paper=1.0, score=score, bound=0.0, is_above=True
    )
    assert claim.outcome == outcome
    assert claim.as_json()["outcome"] == outcome


def test_onset_f1_has_no_claim() -> None:
    table = of_paper("table1")
    for scores in table.scores.values():
        scores["visible onset F1"] = Score(value=0.5)  # type: ignore[index]
    ours = [claim for claim in claims(table) if claim.metric == "visible onset F1"]
    assert {claim.outcome for claim in ours} == {"not in the paper"}
    assert "visible onset F1, full view" in {claim.name for claim in ours}
