from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
import torch
from tests.delivery.conftest import MakeHits
from torch import Tensor

from cinefoley.delivery.cues import Cue, find_cues, match_cues
from cinefoley.delivery.moving import Move, move_to_cues
from cinefoley.media.audio.reader import slice_blocks

RATE = 16000


def cues_of(sound: Tensor, **options: Any) -> list[Cue]:
    return find_cues(lambda: slice_blocks(sound.numpy()[None]), RATE, **options)


def move(sound: Tensor, cues_s: list[float], **options: Any) -> tuple[Tensor, list[Move]]:
    blocks, moves = move_to_cues(sound.numpy(), RATE, cues_s, **options)
    return torch.from_numpy(np.concatenate(list(blocks), axis=1)[0]), moves


def test_events_are_found_with_their_strength(make_hits: MakeHits) -> None:
    sound = make_hits([0.5, 1.5, 3.0])
    sound[RATE * 2 :] *= 0.5

    cues = cues_of(sound, start_s=10.0)

    assert [cue.time_s for cue in cues] == pytest.approx([10.5, 11.5, 13.0], abs=0.02)
    strengths = [cue.strength_db or 0.0 for cue in cues]
    assert strengths[0] - strengths[2] == pytest.approx(6.0, abs=1.5)
    assert cues_of(torch.zeros(100)) == []


def test_pairs_are_near_and_never_cross() -> None:
    assert match_cues([1.0, 2.0, 3.0], [1.1, 2.9]) == [(0, 0), (2, 1)]
    assert match_cues([1.0, 1.3], [0.9, 1.2, 4.0]) == [(0, 0), (1, 1)]
    assert match_cues([1.0, 1.5], [1.45, 1.5]) == [(0, 0), (1, 1)]
    assert match_cues([1.0], []) == match_cues([], [1.0]) == match_cues([1.0], [2.0]) == []


def test_pairs_are_those_of_an_exhaustive_search() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        events, cues = (sorted(rng.uniform(0, 2, rng.integers(0, 5))) for _ in range(2))
        pairs = match_cues(events, cues)
        gain = sum(0.5 - abs(events[event] - cues[cue]) for event, cue in pairs)
        possible = [
            sum(0.5 - abs(events[event] - cues[cue]) for event, cue in zip(some, others, strict=True))
            for size in range(min(len(events), len(cues)) + 1)
            for some in combinations(range(len(events)), size)
            for others in combinations(range(len(cues)), size)
        ]
        assert gain == pytest.approx(max(possible))
        assert all(a < c and b < d for (a, b), (c, d) in pairwise(pairs))


def test_thousands_of_cues_are_paired_quickly() -> None:
    events = [0.25 * number for number in range(4000)]
    assert len(match_cues(events, [time + 0.1 for time in events])) == 4000


def test_events_move_to_cues_without_clicks_and_the_rest_stays(make_hits: MakeHits) -> None:
    sound = make_hits([0.5, 1.5, 2.5, 3.2])

    moved, moves = move(sound, [11.3, 12.6, 13.9], start_s=10.0)

    assert [cue.time_s for cue in cues_of(moved)] == pytest.approx([0.5, 1.3, 2.6, 3.2], abs=0.02)
    assert len(moved) == len(sound)
    assert torch.equal(moved[: RATE // 2], sound[: RATE // 2])
    assert torch.equal(moved[round(3.25 * RATE) :], sound[round(3.25 * RATE) :])
    assert [(move.cue_s, move.to_s) for move in moves[:2]] == [(11.3, 11.3), (12.6, 12.6)]
    assert (moves[2].from_s, moves[2].to_s) == (None, None)
    assert moved.diff().abs().max() <= sound.diff().abs().max() * 1.05


def test_a_take_that_fits_is_not_changed(make_hits: MakeHits) -> None:
    sound = make_hits([0.5, 1.5])
    there = [cue.time_s for cue in cues_of(sound)]

    moved, moves = move(sound, there)

    assert torch.equal(moved, sound)
    assert [move.to_s for move in moves] == [move.from_s for move in moves]


def test_an_event_moves_no_farther_than_its_slack(make_hits: MakeHits) -> None:
    sound = make_hits([1.0, 1.6, 3.9])

    moved, moves = move(sound, [1.0, 1.15, 3.99])

    assert moves[1].to_s == pytest.approx(1.3, abs=0.02)  # half of 0.6 s after the event before it
    assert moves[2].to_s is not None
    assert moves[2].to_s <= 3.97  # some of it must be heard
    assert np.isfinite(moved.numpy()).all()
    assert len(moved) == len(sound)


@pytest.mark.parametrize("seed", range(6))
def test_any_cues_give_a_take_of_the_same_length(make_hits: MakeHits, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sound = make_hits(sorted(rng.uniform(0, 3.95, rng.integers(0, 12))))
    cues = sorted(rng.uniform(0, 4, rng.integers(0, 40)))

    moved, moves = move(sound, cues)

    assert len(moved) == len(sound)
    assert len(moves) == len(cues)
    assert moved.isfinite().all()
    assert moved.diff().abs().max() <= sound.diff().abs().max() * 1.3
