"""Move the events of a take to cues: shift each attack as it is, and stretch what lies between two events."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinefoley.delivery.cues import find_cues, match_cues
from cinefoley.media.audio.reader import Samples, slice_blocks
from cinefoley.media.audio.stretch import LARGEST_FACTOR, stretch

__all__ = ["Mono", "Move", "move_to_cues"]

Mono = NDArray[np.float32]
"""Samples ``(N,)``."""

_LEAD_S = 0.015  # of an event's sound before its onset
_ATTACK_S = 0.08  # shifted as it is, because stretching blurs it
_FADE_S = 0.005
_LAST_S = 0.05  # least sound after the last onset
_LEAST_S = 0.001  # a smaller move is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What became of a cue."""

    cue_s: float
    """Where the cue asks for an event, in seconds from the video's first frame."""
    from_s: float | None
    """Where the take had it; None: there was none near enough."""
    to_s: float | None
    """Where it is now; another time than the cue's where the slack did not suffice."""


def move_to_cues(
    sound: Mono,
    sample_rate: int,
    cues_s: Sequence[float],
    *,
    start_s: float = 0.0,
    reach_s: float = 0.5,
) -> tuple[Iterator[Samples], list[Move]]:
    """Move the events of a take to cues.

    Cues and onsets are paired in order. An event moves within its slack: the sound between two events becomes
    at least half and at most twice as long. Events without a cue stay where they are. The pitch does not
    change. Pieces join with cross-fades of 5 ms. A take whose events are where the cues are is not changed.
    At most the sound between two events is held in memory.

    Args:
        sound: Samples ``(N,)`` of the take, full scale at 1; may be mapped from a file.
        sample_rate: Samples per second, at least 16000.
        cues_s: Times, ascending, in seconds from the video's first frame.
        start_s: Where the take begins.
        reach_s: Farthest that an event moves.

    Returns:
        Blocks ``(1, N_i)`` of the take, N samples in all, and a record per cue.
    """
    onsets = [cue.time_s for cue in find_cues(lambda: slice_blocks(sound[None]), sample_rate)]
    wanted = [cue - start_s for cue in cues_s]
    pairs = match_cues(onsets, wanted, reach_s=reach_s)
    goals = list(onsets)
    for event, cue in pairs:
        if abs(goals[event] - wanted[cue]) >= _LEAST_S:
            goals[event] = wanted[cue]
    lead = round(_LEAD_S * sample_rate)
    before = [max(0, round(onset * sample_rate) - lead) for onset in onsets]
    after = _within_slack(
        before, [round(goal * sample_rate) - lead for goal in goals], len(sound), sample_rate
    )
    is_moved = after != before
    moved = _join(sound, before, after, sample_rate) if is_moved else slice_blocks(sound[None])
    found = {cue: event for event, cue in pairs}
    moves = []
    for cue, cue_s in enumerate(cues_s):
        if cue not in found:
            moves.append(Move(cue_s=round(cue_s, 4), from_s=None, to_s=None))
            continue
        event = found[cue]
        from_s = onsets[event]
        to_s = from_s + (after[event] - before[event]) / sample_rate
        moves.append(
            Move(cue_s=round(cue_s, 4), from_s=round(start_s + from_s, 4), to_s=round(start_s + to_s, 4))
        )
    return moved, moves


def _within_slack(before: list[int], wanted: list[int], total: int, sample_rate: int) -> list[int]:
    """Begins of the pieces, each as near to the wanted one as lengths of half to twice allow."""
    latest = [0] * len(before)
    limit = total - round(_LAST_S * sample_rate)
    for index in range(len(before) - 1, -1, -1):
        latest[index] = limit = max(limit, before[index]) if index == len(before) - 1 else limit
        if index:
            limit = latest[index] - -(-(before[index] - before[index - 1]) // 2)
    after: list[int] = []
    for index, goal in enumerate(wanted):
        if index:
            length = before[index] - before[index - 1]
            low, high = after[-1] - (-length // 2), after[-1] + int(LARGEST_FACTOR * length)
        else:
            low, high = before[0] - before[0] // 2, int(LARGEST_FACTOR * before[0])
        after.append(min(max(goal, low), high, latest[index]))
    return after


def _join(sound: Mono, before: list[int], after: list[int], sample_rate: int) -> Iterator[Samples]:
    total, fade = len(sound), round(_FADE_S * sample_rate)
    borders, places = [0, *before, total], [0, *after, total]
    held = np.zeros(0, np.float32)  # the last samples, beneath which the next piece may fade in
    for index in range(len(borders) - 1):
        begin, end, place = borders[index], borders[index + 1], places[index]
        length = places[index + 1] - place
        if length <= 0:
            continue
        is_last = index == len(borders) - 2
        goes_on = index > 0 and places[index - 1] - borders[index - 1] == place - begin  # as it was before
        lead = 0 if goes_on else min(fade, begin, place)
        if lead:  # the end of the piece before fades out beneath the begin of this one
            rise = ((np.arange(lead) + 0.5) / lead).astype(np.float32)
            held[-lead:] = (1 - rise) * held[-lead:] + rise * sound[begin - lead : begin]
        for block in _fit(sound[begin:end], length, sample_rate, is_last=is_last):
            held = np.concatenate([held, block])
            if len(held) > fade:
                yield held[None, : len(held) - fade]
                held = held[len(held) - fade :]
    yield held[None]


def _fit(piece: Mono, length: int, sample_rate: int, *, is_last: bool) -> Iterator[Mono]:
    """Bring a piece to a length: its attack stays, the rest is stretched; the last one is cut or fades."""
    if is_last:  # the sound ended with the video; where it now ends earlier, it fades
        kept = min(length, len(piece))
        falling = min(4 * round(_FADE_S * sample_rate), kept) if kept < length else 0
        yield from (block[0] for block in slice_blocks(piece[None, : kept - falling]))
        yield piece[kept - falling : kept] * np.linspace(1, 0, falling, dtype=np.float32)
        yield np.zeros(length - kept, np.float32)
    elif len(piece) == length:
        yield from (block[0] for block in slice_blocks(piece[None]))
    elif len(piece):
        yield _stretched(piece, length, sample_rate)
    else:
        yield np.zeros(length, np.float32)


def _stretched(piece: Mono, length: int, sample_rate: int) -> Mono:
    fade = round(_FADE_S * sample_rate)
    attack = min(round((_LEAD_S + _ATTACK_S) * sample_rate), len(piece) // 2, length // 2)
    rest, room = piece[attack:], length - attack
    bounded = min(max(room, -(-len(rest) // 2)), 2 * len(rest))  # the attack's share may need a little more
    tail = stretch(rest, bounded, sample_rate)[:room]
    tail = np.pad(tail, (0, room - len(tail)))
    lead = min(fade, attack, len(tail))
    if lead:  # both are nearly the same sound there
        rise = ((np.arange(lead) + 0.5) / lead).astype(np.float32)
        tail[:lead] = rise * tail[:lead] + (1 - rise) * rest[:lead]
    return np.concatenate([piece[:attack], tail])
