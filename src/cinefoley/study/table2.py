"""Table 2 of the paper, beside the votes of a study."""

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
"""Participants; each compared every clip."""
PAPER_CLIPS = 31
"""Clips: real film scenes with cinematic language."""


def table2(results: StudyResults, format: Format = "text") -> str:
    """The votes of a study beside the paper's.

    Source: paper, Table 2: 158 votes for Diff-Foley (25.48 %), 462 for the student (74.51 %).
    Reading: the first method of the study is compared with Diff-Foley, the second with the student.

    Args:
        results: Results of a study with at least two methods; the first two are shown.
        format: Format of the table.

    Raises:
        StudyError: If there are no votes between the two.
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
