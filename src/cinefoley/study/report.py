"""Report of a study as text, Markdown, LaTeX, JSON and CSV."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from cinefoley.evaluation.text_table import Format, write_table
from cinefoley.study.results import PairResult, StudyResults
from cinefoley.study.statistics import Preference, prefer

__all__ = ["as_json", "clips_csv", "preference_table", "preferences_csv", "render", "votes_csv"]


def render(results: StudyResults, format: Format = "text") -> str:
    """All tables: for each pair of methods the votes, as in the paper's Table 2, and the votes by clip.

    Args:
        results: From :func:`~cinefoley.study.results.collect_results`.
        format: Format of the tables; in LaTeX, sentences are comments.
    """
    parts = []
    for pair in results.pairs:
        parts.append(write_table(preference_table(pair), format))
        parts.append(_note(_sentences(pair, is_only_pair=len(results.pairs) == 1), format))
        if pair.clips:
            parts.append(write_table(_clip_table(pair), format))
    if results.reasons:
        parts.append(write_table(_reason_table(results), format))
    parts.append(_note(_turnout_sentences(results), format))
    return "\n\n".join(parts)


def preference_table(pair: PairResult) -> list[list[str]]:
    """Votes and shares of two methods, as in the paper's Table 2, with Wilson intervals."""
    votes, total = pair.preference.votes, pair.preference.total
    rows = [["method", "votes", "preference", "95 % interval"]]
    for method, count in ((pair.first, total - votes), (pair.second, votes)):
        judged = prefer(count, total)
        rows.append([method, str(count), _percent(judged.share), _interval(judged.low, judged.high)])
    return rows


def as_json(results: StudyResults) -> dict[str, Any]:
    """All results as JSON, without the single votes, which are in :func:`votes_csv`."""
    return {
        "methods": list(results.methods),
        "pairs": [asdict(pair) for pair in results.pairs],
        "left": asdict(results.left),
        "reasons": {reason: dict(counts) for reason, counts in results.reasons.items()},
        "turnout": asdict(results.turnout) if results.turnout else None,
    }


def preferences_csv(results: StudyResults) -> str:
    """Table 2 as CSV: one line per method of each pair."""
    rows: list[Mapping[str, object]] = []
    for pair in results.pairs:
        votes, total = pair.preference.votes, pair.preference.total
        for method, other, count in (
            (pair.first, pair.second, total - votes),
            (pair.second, pair.first, votes),
        ):
            judged = prefer(count, total)
            rows.append(
                {
                    "method": method,
                    "against": other,
                    "votes": count,
                    "share": _plain(judged.share),
                    "low": _plain(judged.low),
                    "high": _plain(judged.high),
                    "p_value": _plain(judged.p_value),
                    "p_value_adjusted": _plain(pair.adjusted_p_value),
                }
            )
    names = ["method", "against", "votes", "share", "low", "high", "p_value", "p_value_adjusted"]
    return _csv(names, rows)


def votes_csv(results: StudyResults) -> str:
    """One line per vote; participants are numbers, which do not identify their links."""
    rows: list[Mapping[str, object]] = [
        {
            "participant": vote.participant,
            "clip": vote.clip,
            "left": vote.left,
            "right": vote.right,
            "chosen": vote.chosen,
            "seconds": f"{vote.seconds:.1f}" if vote.seconds is not None else "",
            "reasons": "; ".join(vote.reasons),
            "comment": vote.comment,
        }
        for vote in results.votes
    ]
    return _csv(["participant", "clip", "left", "right", "chosen", "seconds", "reasons", "comment"], rows)


def clips_csv(results: StudyResults) -> str:
    """One line per clip and pair of methods."""
    rows: list[Mapping[str, object]] = [
        {
            "clip": clip,
            "first": pair.first,
            "second": pair.second,
            "votes_first": judged.total - judged.votes,
            "votes_second": judged.votes,
            "share_second": _plain(judged.share),
            "low": _plain(judged.low),
            "high": _plain(judged.high),
            "p_value": _plain(judged.p_value),
        }
        for pair in results.pairs
        for clip, judged in pair.clips.items()
    ]
    names = [
        "clip",
        "first",
        "second",
        "votes_first",
        "votes_second",
        "share_second",
        "low",
        "high",
        "p_value",
    ]
    return _csv(names, rows)


def _clip_table(pair: PairResult) -> list[list[str]]:
    rows = [
        ["clip", f"votes {pair.first}", f"votes {pair.second}", f"for {pair.second}", "95 % interval", "p"]
    ]
    for clip, judged in pair.clips.items():
        counts = [str(judged.total - judged.votes), str(judged.votes)]
        interval = _interval(judged.low, judged.high)
        rows.append([clip, *counts, _percent(judged.share), interval, _p(judged.p_value)])
    return rows


def _reason_table(results: StudyResults) -> list[list[str]]:
    rows = [["reason given for", *results.methods]]
    for reason, counts in sorted(results.reasons.items()):
        rows.append([reason, *(str(counts.get(method, 0)) for method in results.methods)])
    return rows


def _sentences(pair: PairResult, *, is_only_pair: bool) -> str:
    if not pair.preference.total:
        return f"No votes between {pair.first} and {pair.second} yet."
    people = pair.participants
    test = f"exact binomial test, two-sided: p = {_p(pair.preference.p_value)}"
    if not is_only_pair:
        test += f"; adjusted for all pairs (Holm): p = {_p(pair.adjusted_p_value)}"
    mean = f"mean share of {pair.second} over participants {_percent(people.mean_share)}"
    if people.low is not None:
        mean += f" (95 % interval {_interval(people.low, people.high)}, t over {people.participants})"
    leaning = (
        f"{people.for_it} of {people.participants} participants chose {pair.second} more often, "
        f"{people.against_it} less often (sign test p = {_p(people.p_value)})"
    )
    return f"{test}\n{mean}; {leaning}"


def _turnout_sentences(results: StudyResults) -> str:
    lines = [f"{len(results.votes)} votes counted; {_side_sentence(results.left)}"]
    turnout = results.turnout
    if turnout is not None:
        lines.append(
            f"participants: {turnout.began} began, {turnout.finished} finished, {turnout.withdrew} withdrew, "
            f"{turnout.inattentive} failed attention checks, votes of {turnout.counted} counted; "
            f"attention checks passed: {turnout.checks_passed} of {turnout.checks_answered}"
        )
    return "\n".join(lines)


def _side_sentence(left: Preference) -> str:
    return f"video A, on the left, was chosen in {_percent(left.share)} of them (p = {_p(left.p_value)})"


def _note(text: str, format: Format) -> str:
    return "\n".join(f"% {line}" for line in text.splitlines()) if format == "latex" else text


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f} %"


def _interval(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f} %"


def _p(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _csv(names: Sequence[str], rows: Sequence[Mapping[str, object]]) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _harmless(value) for key, value in row.items()} for row in rows)
    return file.getvalue()


def _harmless(value: object) -> object:
    """Protect spreadsheets from comments of participants that begin like a formula."""
    return (
        f"'{value}"
        if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
        else value
    )
