import pytest

from cinefoley.errors import StudyError
from cinefoley.study.results import Vote, judge_votes
from cinefoley.study.table2 import PAPER_CLIPS, PAPER_PARTICIPANTS, PAPER_VOTES, table2


def paper_like_votes() -> list[Vote]:
    """620 votes of 20 participants on 31 clips, 158 to 462, spread over them."""
    return [
        Vote(
            participant=participant,
            clip=f"clip{clip:02}.mp4",
            left="Diff-Foley",
            right="student",
            chosen="Diff-Foley" if (participant * PAPER_CLIPS + clip) * 7 % 620 < 158 else "student",
        )
        for participant in range(PAPER_PARTICIPANTS)
        for clip in range(PAPER_CLIPS)
    ]


def test_the_papers_votes_give_the_papers_shares() -> None:
    results = judge_votes(list(PAPER_VOTES), paper_like_votes())
    (pair,) = results.pairs

    assert len(results.votes) == sum(PAPER_VOTES.values()) == PAPER_PARTICIPANTS * PAPER_CLIPS == 620
    assert (pair.preference.total - pair.preference.votes, pair.preference.votes) == (158, 462)
    assert pair.preference.share == pytest.approx(0.745, abs=5e-4)
    assert 1 - (pair.preference.share or 0) == pytest.approx(0.2548, abs=5e-5)
    assert pair.preference.low == pytest.approx(0.7094, abs=1e-4)
    assert pair.preference.high == pytest.approx(0.7779, abs=1e-4)
    assert pair.preference.p_value is not None
    assert pair.preference.p_value < 1e-30
    assert {judged.total for judged in pair.clips.values()} == {20}
    assert len(pair.clips) == 31
    assert pair.participants.participants == 20


def test_ours_stands_beside_the_papers() -> None:
    votes = [
        Vote(participant=n, clip="rain.mp4", left="lite", right="lite student", chosen=chosen)
        for n, chosen in enumerate(["lite", "lite student", "lite student", "lite student"])
    ]
    table = table2(judge_votes(["lite", "lite student"], votes)).splitlines()

    assert table[0].split()[:3] == ["method", "votes", "preference"]
    assert "lite          1      25.00 %" in table[1]
    assert table[1].split("%")[-2].split() == ["Diff-Foley", "158", "25.48"]
    assert table[2].split("%")[-2].split() == ["student", "462", "74.52"]
    assert table[-1].startswith("this study: 4 participants, 1 clips, 4 votes; paper: 20, 31, 620")


def test_latex_has_the_same_cells() -> None:
    table = table2(judge_votes(list(PAPER_VOTES), paper_like_votes()), "latex")

    assert r"student & 462 & 74.52 \% & 70.9 to 77.8 \% & student & 462 & 74.52 \% \\" in table


def test_a_study_without_votes_is_no_table() -> None:
    with pytest.raises(StudyError, match=r"No votes between a and b yet\. Collect some with"):
        table2(judge_votes(["a", "b"], []))
