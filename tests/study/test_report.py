import csv
import io
import json
from collections.abc import Sequence

from cinefoley.study.report import as_json, clips_csv, preferences_csv, render, votes_csv
from cinefoley.study.results import Vote, judge_votes

ODD = "=cmd|'/c calc'!A1"


def make_vote(participant: int, chosen: str, *, reasons: Sequence[str] = (), comment: str = "") -> Vote:
    return Vote(
        participant=participant,
        clip="50%_rain|&.mp4",
        left="Base",
        right="Ours",
        chosen=chosen,
        reasons=tuple(reasons),
        comment=comment,
        seconds=12.345,
    )


VOTES = [
    *(make_vote(n, "Ours", reasons=["in time"]) for n in range(3)),
    make_vote(1, "Base", comment=ODD),
    make_vote(2, "Ours", comment='two\nlines, "quoted"'),
]
RESULTS = judge_votes(["Base", "Ours"], VOTES)


def test_the_text_shows_votes_shares_and_how_sure_they_are() -> None:
    text = render(RESULTS)

    assert "method  votes  preference  95 % interval" in text
    assert "Base    1      20.00 %     3.6 to 62.4 %" in text
    assert "Ours    4      80.00 %     37.6 to 96.4 %" in text
    assert "exact binomial test, two-sided: p = 0.38" in text
    assert "2 of 3 participants chose Ours more often, 0 less often" in text
    assert "in time" in text


def test_latex_is_a_table_with_every_sign_escaped() -> None:
    text = render(RESULTS, "latex")

    assert r"Ours & 4 & 80.00 \% & 37.6 to 96.4 \% \\" in text
    assert r"50\%\_rain|\&.mp4 & 1 & 4 &" in text
    assert "% exact binomial test" in text


def test_markdown_keeps_its_columns() -> None:
    row = next(line for line in render(RESULTS, "markdown").splitlines() if "rain" in line)

    assert row.replace("\\|", "").count("|") == 7


def test_votes_in_csv_come_back_and_no_formula_is_run() -> None:
    rows = list(csv.DictReader(io.StringIO(votes_csv(RESULTS))))

    assert [row["chosen"] for row in rows] == ["Ours", "Ours", "Ours", "Base", "Ours"]
    assert rows[0]["reasons"] == "in time"
    assert rows[0]["seconds"] == "12.3"
    assert rows[3]["comment"] == f"'{ODD}"
    assert rows[4]["comment"] == 'two\nlines, "quoted"'


def test_clips_in_csv_hold_both_counts() -> None:
    (row,) = csv.DictReader(io.StringIO(clips_csv(RESULTS)))

    assert (row["votes_first"], row["votes_second"], row["share_second"]) == ("1", "4", "0.8")


def test_preferences_in_csv_hold_a_line_for_either_method() -> None:
    first, second = csv.DictReader(io.StringIO(preferences_csv(RESULTS)))

    assert (first["method"], first["against"], first["votes"], first["share"]) == ("Base", "Ours", "1", "0.2")
    assert (second["method"], second["votes"], second["p_value"]) == ("Ours", "4", "0.375")


def test_json_holds_the_same_numbers() -> None:
    report = json.loads(json.dumps(as_json(RESULTS)))

    assert report["pairs"][0]["preference"]["votes"] == 4
    assert report["pairs"][0]["participants"]["participants"] == 3
    assert report["reasons"] == {"in time": {"Ours": 3}}
    assert report["turnout"] is None


def test_a_study_without_votes_says_so() -> None:
    assert "No votes between a and b yet." in render(judge_votes(["a", "b"], []))
