import math

import pytest
import torch

from cinefoley.training.video_encoder import augment, coarse_mel, event_slots


def test_an_event_fills_its_slot_and_half_fills_its_neighbours() -> None:
    events = torch.tensor([[1.0 + 3.5 / 32, math.nan]])  # frame 4 at 4 fps, slot 3 of 8
    slots = event_slots(events, frames=32, fps=4.0)[0]
    assert slots.shape == (32, 8)
    assert slots[4, 3] == 1.0
    assert slots[4, 2] == slots[4, 4] == pytest.approx(0.4)
    assert float(slots.sum()) == pytest.approx(1.8)


def test_a_clip_without_events_has_empty_slots() -> None:
    assert not event_slots(torch.full((1, 4), math.nan), frames=32, fps=4.0).any()


def test_the_coarse_mel_keeps_time_and_pitch_in_place() -> None:
    mel = torch.zeros(1, 128, 512)
    mel[0, 40:48, 16 * 5 + 6 : 16 * 5 + 8] = 1.0  # band 5 of 16; frame 5, slot 3 of 8
    coarse = (coarse_mel(mel) + 1) / 4
    lit = coarse[0].unflatten(1, (16, 8)).nonzero().tolist()
    assert lit == [[5, 5, 3]]


def test_augmented_clips_stay_pictures_and_may_be_mirrored() -> None:
    frames = torch.zeros(40, 2, 3, 8, 8, dtype=torch.uint8)
    frames[..., :4] = 200
    video = augment(frames, torch.arange(40))
    assert float(video.min()) >= 0
    assert float(video.max()) <= 1
    is_left_bright = video[..., :4].mean(dim=(1, 2, 3, 4)) > video[..., 4:].mean(dim=(1, 2, 3, 4))
    assert 8 < int(is_left_bright.sum()) < 32
    assert frames[0, 0, 0, 0, 0] == 200, "the stored clip was written to"


def test_a_clip_is_augmented_alike_in_any_company() -> None:
    frames = torch.randint(256, (3, 2, 3, 8, 8), dtype=torch.uint8)
    seeds = torch.tensor([5, 6, 7])
    assert torch.equal(augment(frames, seeds)[1:], augment(frames[1:], seeds[1:]))
