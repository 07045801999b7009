"""The paper's Table 2, and a study of one's own beside it."""

from types import MappingProxyType

from cinefoley.errors import StudyError
from cinefoley.evaluation.text_table import Format, write_table
from cinefoley.study.report import preference_table
from cinefoley.study.results import StudyResults
from cinefoley.study.statistics import prefer

__all__ = ["PAPER_CLIPS", "PAPER_PARTICIPANTS", "PAPER_VOTES", "table2"]

PAPER_VOTES = MappingProxyType({"Diff-Foley": 158, "student": 462})
"""Votes in the paper's study."""
PAPER_PARTICIPANTS = 20
"""Each of them compared every clip."""
PAPER_CLIPS = 31
"""Real films with cinematic language."""


def table2(results: StudyResults, format: Format = "text") -> str:
    """A study's votes beside the paper's.

    Source: paper, Table 2: 158 votes for Diff-Foley (25.48 %), 462 for the student (74.51 %).
    Reading: the first method of the study stands beside Diff-Foley, the second beside the student.

    Args:
        results: Of a study with at least two methods; of more, the first two are shown.
        format: How it is written.

    Raises:
        StudyError: If nobody has voted between the two.
    """
    pair = results.pairs[0]
    if not pair.preference.total:
        raise StudyError(
            f"No votes between {pair.first} and {pair.second} yet. Collect some with `cinefoley study serve`."
        )
    total = sum(PAPER_VOTES.values())
    rows = [[*preference_table(pair)[0], "paper", "paper's votes", "paper's preference"]]
    for row, (method, votes) in zip(preference_table(pair)[1:], PAPER_VOTES.items(), strict=True):
        share = prefer(votes, total).share or 0.0
        rows.append([*row, method, str(votes), f"{100 * share:.2f} %"])
    line = (
        f"this study: {pair.participants.participants} participants, {len(pair.clips)} clips, "
        f"{pair.preference.total} votes; paper: {PAPER_PARTICIPANTS}, {PAPER_CLIPS}, {total} "
        "(it prints 74.51 %)"
    )
    return write_table(rows, format) + "\n\n" + (f"% {line}" if format == "latex" else line)
