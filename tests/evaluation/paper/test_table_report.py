import json
from dataclasses import replace

from cinefoley.evaluation.paper.claims import claims
from cinefoley.evaluation.paper.table_report import render_table, table_as_json
from cinefoley.evaluation.paper.tables import Table, TableName
from cinefoley.evaluation.scores import Score
from cinefoley.evaluation.views import VIEWS


def make_table(name: TableName, **methods: tuple[float, float, float]) -> Table:
    """Alignment accuracy of each method in full view, on close-ups and on camera movements."""
    return Table(
        name=name,
        scores={
            (view, method.replace("_", " ")): {"Align Acc": Score(value=values[number])}
            for number, view in enumerate(VIEWS)
            for method, values in methods.items()
        },
        skipped={},
        clips=10,
        left_out=(),
        runs={},
        hours=1.0,
    )


def test_the_share_that_is_recovered_is_that_of_what_the_teacher_loses() -> None:
    table = make_table("table1", teacher=(1.0, 0.7, 0.6), student=(0.99, 0.85, 0.7), no_teacher=(0.5, 0.7, 0))
    text = render_table(table, "p", title="t")
    assert "| method | Align Acc, CU, % | Align Acc, CM, % | Align Acc, full view, points |" in text
    assert "| student | 50.000 [-] | 25.000 [-] | -1.000 [-] |" in text
    assert "| no teacher | 0.000 [-] | -150.000 [-] | -50.000 [-] |" in text


def test_where_the_teacher_loses_nothing_there_is_no_share() -> None:
    table = make_table("table1", teacher=(1.0, 1.0, 0.6), student=(1.0, 0.9, 0.7))
    assert "| student | - [-] | 25.000 [-] | 0.000 [-] |" in render_table(table, "p", title="t")
    (share,) = (claim for claim in claims(table) if claim.name == "recovered Align Acc, CU")
    assert share.score.skipped is not None
    assert share.outcome == "not measured"
    json.loads(json.dumps(table_as_json(table, "p"), allow_nan=False))


def test_methods_that_the_paper_compares_are_set_against_each_other() -> None:
    table = make_table("table1", teacher=(1.0, 0.7, 0.6), student=(0.99, 0.85, 0.7), no_teacher=(0.5, 0.7, 0))
    text = render_table(table, "p", title="t")
    assert text.partition("## student minus no teacher")[2].splitlines()[4:7] == [
        "| full view | +49.000 [-] |",
        "| CU | +15.000 [-] |",
        "| CM | +70.000 [-] |",
    ]


def test_a_test_set_that_was_left_out_is_left_out_everywhere() -> None:
    table = make_table("table1", teacher=(1.0, 0.7, 0.6), student=(0.99, 0.85, 0.7), no_teacher=(0.5, 0.7, 0))
    kept = {key: scores for key, scores in table.scores.items() if key[0] != "camera_movement"}
    text = render_table(replace(table, scores=kept), "p", title="t")
    assert "| student | 50.000 [-] | -1.000 [-] |" in text
    assert "CM" not in text.partition("## The paper's numbers")[0]
    assert "recovered Align Acc, CU" in text
    assert "recovered Align Acc, CM" not in text
    assert {claim.name for claim in claims(replace(table, scores=kept))} == {
        "recovered Align Acc, CU",
        "Align Acc, full view",
        "Align Acc, CU",
        "student minus no teacher: Align Acc, full view",
        "student minus no teacher: Align Acc, CU",
    }


def test_what_was_not_measured_is_not_compared() -> None:
    text = render_table(make_table("table4", teacher=(1.0, 0.7, 0.6)), "p", title="t")
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == ["## The paper's numbers"]
    assert "recovered" not in text


def test_lost_claims_are_printed_beside_held_ones_and_counted() -> None:
    table = make_table("table1", teacher=(1.0, 0.7, 0.6), student=(0.98, 0.85, 0.5), no_teacher=(0.9, 0.9, 0))
    text = render_table(table, "p", title="t").partition("## What the paper claims, here")[2]
    assert "8 claims: 3 held, 5 lost." in text
    for row in (
        "| recovered Align Acc, CU | 56.405 % | 50.000 % | - | lost |",
        "| recovered Align Acc, CM | 45.544 % | -25.000 % | - | lost |",
        "| student minus teacher: Align Acc, full view | -1.228 | -2.000 | - | lost |",
        "| student minus teacher: Align Acc, CU | +10.189 | +15.000 | - | held |",
        "| student minus teacher: Align Acc, CM | +9.280 | -10.000 | - | lost |",
        "| student minus no teacher: Align Acc, full view | - | +8.000 | - | held |",
        "| student minus no teacher: Align Acc, CU | - | -5.000 | - | lost |",
        "| student minus no teacher: Align Acc, CM | - | +50.000 | - | held |",
    ):
        assert row in text
