"""Results of a study: count votes by pair, participant and clip."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from cinefoley.errors import StudyError
from cinefoley.study.definition import StudySettings, load_study
from cinefoley.study.statistics import (
    ParticipantSummary,
    Preference,
    adjust_for_several_tests,
    prefer,
    summarise_participants,
)
from cinefoley.study.store import Trial, VoteStore

__all__ = [
    "PairResult",
    "StudyResults",
    "Turnout",
    "Vote",
    "collect_results",
    "judge_votes",
    "read_results",
    "votes_path",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One vote between two methods."""

    participant: int
    """Number of the participant in order of arrival, from 1."""
    clip: str
    """File name."""
    left: str
    """Method of video A."""
    right: str
    """Method of video B."""
    chosen: str
    """Method that was chosen."""
    reasons: tuple[str, ...] = ()
    """Reasons given with the vote."""
    comment: str = ""
    """Comment given with the vote."""
    seconds: float | None = None
    """Seconds from the start of the trial to the vote, with pauses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairResult:
    """Comparison of two methods."""

    first: str
    """Method that is listed first in STUDY.toml, usually the baseline."""
    second: str
    """The other method, usually the student."""
    preference: Preference
    """Votes for the second method."""
    adjusted_p_value: float | None
    """p value with Holm's adjustment over all pairs of methods; unadjusted for a single pair."""
    participants: ParticipantSummary
    """Summary over participants, for the second method."""
    clips: Mapping[str, Preference]
    """Votes for the second method, by clip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turnout:
    """Numbers of participants and of attention checks."""

    began: int
    """Participants who agreed to take part."""
    finished: int
    """Participants who answered everything."""
    withdrew: int
    """Participants who deleted their votes."""
    inattentive: int
    """Participants who failed more attention checks than the study allows; excluded by default."""
    counted: int
    """Participants whose votes are counted."""
    checks_passed: int
    """Attention checks answered correctly, over all participants."""
    checks_answered: int
    """Attention checks answered, over all participants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyResults:
    """All results of a study."""

    methods: Sequence[str]
    """Methods in the order of STUDY.toml."""
    pairs: Sequence[PairResult]
    """Results of each pair of methods."""
    left: Preference
    """Votes for the video on the left; a share far from one half indicates a problem."""
    reasons: Mapping[str, Mapping[str, int]]
    """Number of times each reason was given, by reason and chosen method."""
    turnout: Turnout | None
    """Numbers of participants; None if only votes are known."""
    votes: Sequence[Vote]
    """All counted votes."""


def votes_path(study: Path) -> Path:
    """Default file of a study's votes, beside STUDY.toml."""
    return study.with_name(f"{study.stem}.votes.sqlite")


def read_results(
    study: Path,
    votes: Path | None = None,
    *,
    keeps_inattentive: bool = False,
    keeps_unfinished: bool = True,
) -> StudyResults:
    """Count the votes of a study; its videos are not needed.

    Args:
        study: STUDY.toml.
        votes: File of the votes; None: the default one.
        keeps_inattentive: See :func:`collect_results`.
        keeps_unfinished: See :func:`collect_results`.

    Raises:
        StudyError: If a file is missing or damaged, or the votes are for other methods.
    """
    settings = load_study(study)
    store = VoteStore(votes or votes_path(study), creates=False)
    try:
        methods = store.identity().get("methods", "")
        if methods and methods != ", ".join(settings.methods):
            raise StudyError(
                f"{store.path}: contains votes between {methods}, but {study} compares "
                f"{', '.join(settings.methods)}. Name the right file with --votes."
            )
        return collect_results(
            settings, store, keeps_inattentive=keeps_inattentive, keeps_unfinished=keeps_unfinished
        )
    finally:
        store.close()


def collect_results(
    study: StudySettings,
    store: VoteStore,
    *,
    keeps_inattentive: bool = False,
    keeps_unfinished: bool = True,
) -> StudyResults:
    """Count the votes of a study, which may be running.

    Args:
        study: Settings of the study.
        store: Its votes.
        keeps_inattentive: Whether to count participants who failed attention checks.
        keeps_unfinished: Whether to count participants who have not answered everything.
    """
    with store.transaction():
        participants, trials = store.list_participants(), store.list_trials()
    by_participant: dict[int, list[Trial]] = defaultdict(list)
    for trial in trials:
        by_participant[trial.participant].append(trial)
    active = [participant.id for participant in participants if participant.withdrew_at is None]
    finished = {each for each in active if all(trial.choice for trial in by_participant[each])}
    most_failures = study.attention.most_failures if study.attention else 0
    inattentive = {each for each in active if _count_failures(by_participant[each]) > most_failures}
    counted = [
        each
        for each in active
        if (keeps_inattentive or each not in inattentive) and (keeps_unfinished or each in finished)
    ]
    order = {participant.id: number for number, participant in enumerate(participants, start=1)}
    answered = [trial for trial in trials if trial.kind == "attention" and trial.choice]
    turnout = Turnout(
        began=len(participants),
        finished=len(finished),
        withdrew=len(participants) - len(active),
        inattentive=len(inattentive),
        counted=len(counted),
        checks_passed=len(answered) - _count_failures(answered),
        checks_answered=len(answered),
    )
    votes = [
        _as_vote(trial, order[each])
        for each in counted
        for trial in by_participant[each]
        if trial.kind == "pair" and trial.choice
    ]
    return judge_votes(list(study.methods), votes, turnout=turnout)


def judge_votes(
    methods: Sequence[str], votes: Sequence[Vote], *, turnout: Turnout | None = None
) -> StudyResults:
    """Compute all results from votes.

    Args:
        methods: Names of at least two methods, the baseline first.
        votes: Votes between any two of them.
        turnout: Numbers of participants, to be included.
    """
    pairs = [_judge_pair(first, second, votes) for first, second in combinations(methods, 2)]
    adjusted = adjust_for_several_tests([pair.preference.p_value for pair in pairs])
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for vote in votes:
        for reason in vote.reasons:
            reasons[reason][vote.chosen] += 1
    return StudyResults(
        methods=methods,
        pairs=[
            replace(pair, adjusted_p_value=p_value) for pair, p_value in zip(pairs, adjusted, strict=True)
        ],
        left=prefer(sum(vote.chosen == vote.left for vote in votes), len(votes)),
        reasons=reasons,
        turnout=turnout,
        votes=votes,
    )


def _judge_pair(first: str, second: str, votes: Sequence[Vote]) -> PairResult:
    both = {first, second}
    ours = [vote for vote in votes if {vote.left, vote.right} == both]
    by_participant: dict[int, Counter[str]] = defaultdict(Counter)
    by_clip: dict[str, Counter[str]] = defaultdict(Counter)
    for vote in ours:
        by_participant[vote.participant][vote.chosen] += 1
        by_clip[vote.clip][vote.chosen] += 1
    preference = prefer(sum(vote.chosen == second for vote in ours), len(ours))
    return PairResult(
        first=first,
        second=second,
        preference=preference,
        adjusted_p_value=preference.p_value,
        participants=summarise_participants(
            [(counts[second], counts[first]) for counts in by_participant.values()]
        ),
        clips={clip: prefer(counts[second], counts.total()) for clip, counts in sorted(by_clip.items())},
    )


def _count_failures(trials: Sequence[Trial]) -> int:
    return sum(
        (trial.left if trial.choice == "left" else trial.right) != "better"
        for trial in trials
        if trial.kind == "attention" and trial.choice
    )


def _as_vote(trial: Trial, participant: int) -> Vote:
    return Vote(
        participant=participant,
        clip=trial.clip,
        left=trial.left,
        right=trial.right,
        chosen=trial.left if trial.choice == "left" else trial.right,
        reasons=trial.reasons,
        comment=trial.comment,
        seconds=(trial.voted_at or 0.0) - (trial.opened_at or 0.0),
    )
