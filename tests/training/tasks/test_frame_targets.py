import math

import pytest
import torch
from torch.nn import functional as F

from cinefoley.training.tasks.frame_targets import FrameTargetHeads, coarse_mel, event_slots


def test_an_event_fills_its_slot_and_half_fills_its_neighbours() -> None:
    events = torch.tensor([[1.0 + 3.5 / 32, math.nan]])  # frame 4 at 4 fps, slot 3 of 8
    slots = event_slots(events, frames=32, fps=4.0)[0]
    assert slots.shape == (32, 8)
    assert slots[4, 3] == 1.0
    assert slots[4, 2] == slots[4, 4] == pytest.approx(0.4)
    assert float(slots.sum()) == pytest.approx(1.8)


def test_a_clip_without_events_has_empty_slots() -> None:
    assert not event_slots(torch.full((1, 4), math.nan), frames=32, fps=4.0).any()


def test_events_before_the_first_frame_are_no_targets() -> None:
    """A window inside a clip counts from its own start: what came before has negative times."""
    slots = event_slots(torch.tensor([[-0.5, 4.1]]), frames=16, fps=4.0)
    assert not slots.any()


@pytest.mark.parametrize("frames", [32, 16])
def test_the_coarse_mel_keeps_time_and_pitch_in_place(frames: int) -> None:
    mel = torch.zeros(1, 128, frames * 16)
    mel[0, 40:48, 16 * 5 + 6 : 16 * 5 + 8] = 1.0  # band 5 of 16; frame 5, slot 3 of 8
    coarse = (coarse_mel(mel, frames=frames) + 1) / 4
    lit = coarse[0].unflatten(1, (16, 8)).nonzero().tolist()
    assert lit == [[5, 5, 3]]


def test_either_of_two_kinds_counts_half() -> None:
    heads = FrameTargetHeads(8, kinds=5)
    features = F.normalize(torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    targets = {"mels": torch.zeros(2, 16, 64), "events_s": torch.full((2, 3), math.nan), "fps": 4.0}
    one, other, both = (
        float(heads(features, kinds=torch.tensor([pair, pair]), **targets)["kind"].detach())
        for pair in ([1, 1], [3, 3], [1, 3])
    )
    assert both == pytest.approx((one + other) / 2, rel=1e-5)


def test_heads_that_see_the_answer_learn_it() -> None:
    """Features that tell kind and moment: every loss comes down, so no target is misplaced."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        heads = FrameTargetHeads(32, kinds=4)
        kinds = torch.randint(4, (16, 1)).expand(-1, 2)
        events = torch.rand(16, 1) * 2
        mels = F.one_hot(kinds[:, 0], 4).float().repeat_interleave(4, dim=1)[:, :, None].expand(-1, -1, 64)
        told = torch.cat(
            [
                F.one_hot(kinds[:, 0], 4)[:, None].expand(-1, 8, -1).float(),
                event_slots(events, frames=8, fps=4.0),
                torch.ones(16, 8, 20) * 0.1,
            ],
            dim=-1,
        )
        features = F.normalize(told, dim=-1)
        optimizer = torch.optim.Adam(heads.parameters(), lr=1e-2)
        history = []
        for _ in range(150):
            losses = heads(features, mels=mels, events_s=events, kinds=kinds, fps=4.0)
            optimizer.zero_grad()
            losses["targets"].backward()
            optimizer.step()
            history.append({name: float(value.detach()) for name, value in losses.items()})
    assert all(history[-1][name] < 0.2 * history[0][name] for name in ("mel", "kind"))
    assert history[-1]["events"] < 0.5 * history[0]["events"]
