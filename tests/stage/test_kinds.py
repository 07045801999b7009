"""What must hold for every kind of action."""

from functools import partial

import numpy as np
import pytest
import torch

from cinefoley.metrics.onsets import OnsetCounts, detect_onsets, match_onsets
from cinefoley.stage.actor import MATERIALS, Actor, Hit
from cinefoley.stage.kinds import KINDS
from cinefoley.stage.render import draw_take as draw_any_take
from cinefoley.stage.scene import MIN_WIDTH
from cinefoley.stage.take import StageTake

draw_take = partial(draw_any_take, version="plain")  # test_film.py has what differs when filmed

RATE = 16000
NAMES = [actor.kind for actor in KINDS]
HEARD_MATERIAL = {actor.kind for actor in KINDS} - {"bird", "dog"}
LASTING = ["bow", "drill", "engine", "pour", "saw", "wind"]
every_kind = pytest.mark.parametrize("kind", NAMES)


def lively(kind: str) -> StageTake:
    return next(t for t in (draw_take(seed, kind=kind) for seed in range(100)) if len(t.hits.times) >= 3)


def sound_of(actor: Actor, *, strength: float = 0.8) -> np.ndarray:
    lasts = float(actor.hits.durations[0])
    return actor.sound(Hit(0, strength, lasts), np.random.default_rng(0), RATE)


def centroid(waveform: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(waveform)) ** 2
    frequencies = np.maximum(np.fft.rfftfreq(len(waveform), 1 / RATE), 1.0)
    return float(np.exp((power * np.log(frequencies)).sum() / power.sum()))


def test_there_are_twenty_five_kinds_in_five_families() -> None:
    assert len(set(NAMES)) == 25
    assert sorted(NAMES) == NAMES
    families = [actor.family for actor in KINDS]
    assert {family: families.count(family) >= 4 for family in families} == dict.fromkeys(
        ("tools", "impacts", "instruments", "water", "vehicles"), True
    )


def test_what_lasts_is_not_judged_by_its_onset() -> None:
    assert [actor.kind for actor in KINDS if not actor.is_onset_like] == LASTING
    assert all(lively(kind).hits.durations.all() for kind in LASTING)


@every_kind
def test_every_event_sounds_and_shows(kind: str) -> None:
    take = lively(kind)
    waveform = take.waveform(RATE)
    window = round(0.08 * RATE)
    for time_s in take.hits.times:
        start = round(time_s * RATE)
        before = np.square(waveform[start - window : start]).sum()
        after = np.square(waveform[start : start + 2 * window][-window:]).sum()
        assert after > 2 * before + 1e-5, f"no sound of the {kind} at {time_s:.2f} s"
        pictures = take.frames(np.array([time_s - 0.12, time_s + 0.12]), size=(64, 64)).astype(float)
        moved = np.abs(pictures[1] - pictures[0]).max(axis=-1) > 25
        assert moved.mean() > 0.005, f"nothing moves at {time_s:.2f} s"


@every_kind
def test_it_is_silent_where_nothing_sounds(kind: str) -> None:
    take = lively(kind)
    waveform = take.waveform(RATE)
    first = round(take.hits.times[0] * RATE)
    assert not waveform[:first].any()
    take = next(t for t in (draw_take(seed, kind=kind) for seed in range(200)) if len(t.hits.times) == 0)
    assert not take.waveform(RATE).any()


@every_kind
def test_large_sounds_lower_than_small(kind: str) -> None:
    actor = lively(kind).actor
    pitches = []
    for size in (0.0, 0.5, 1.0):
        actor.size = size
        pitches.append(centroid(sound_of(actor)))
    assert pitches[0] > 1.05 * pitches[1] > 1.05 * 1.05 * pitches[2]


@every_kind
def test_strong_sounds_louder_than_weak(kind: str) -> None:
    actor = lively(kind).actor
    power = [float(np.square(sound_of(actor, strength=strength)).sum()) for strength in (0.4, 0.7, 1.0)]
    assert power[0] * 2 < power[1] < power[2] / 1.5


@every_kind
def test_its_materials_are_seen_and_heard(kind: str) -> None:
    actor = lively(kind).actor
    sounds = {}
    for name in actor.materials:
        actor.material = MATERIALS[name]
        sounds[name] = sound_of(actor).tobytes()
    assert len(actor.materials) >= 2
    if kind in HEARD_MATERIAL:
        assert len(set(sounds.values())) > 1


@every_kind
def test_its_target_is_large_enough_and_in_the_frame(kind: str) -> None:
    for seed in range(12):
        take = draw_take(seed, split="valid", kind=kind)
        for size in ((90, 160), (160, 90), (90, 90)):
            times = np.concatenate([take.hits.times, np.linspace(0, 7.9, 8)])
            target, contact = take.boxes(times, size=size)
            assert (target[:, 2] - target[:, 0]).min() >= 0.85 * MIN_WIDTH
            assert all(event.is_visible for event in take.events(size=size))
            middle = (contact[: len(take.hits.times), :2] + contact[: len(take.hits.times), 2:]) / 2
            assert ((middle > 0) & (middle < 1)).all(), "a sound is made outside the frame"


@every_kind
def test_any_instant_can_be_drawn(kind: str) -> None:
    for seed in range(6):
        take = draw_take(seed, kind=kind)
        times = np.concatenate([take.hits.times, take.hits.times + 1e-9, [0.0, 7.99]])
        with np.errstate(all="raise", under="ignore"):
            frames = take.frames(times, size=(24, 32))
        assert frames.std(axis=(1, 2)).min() > 2


@pytest.mark.parametrize("split", ["train", "valid"])
def test_onsets_are_heard_where_events_are(split: str) -> None:
    counts = OnsetCounts()
    for number, actor in enumerate(KINDS):
        if actor.is_onset_like:
            for seed in range(2):
                take = draw_take(10 * number + seed, split=split, kind=actor.kind)  # type: ignore[arg-type]
                heard = detect_onsets(torch.from_numpy(take.waveform(RATE)), sample_rate=RATE)
                counts += match_onsets(heard, take.hits.times)
    assert counts.f1 >= 0.98


@pytest.mark.parametrize("kind", LASTING)
def test_what_lasts_sounds_as_long_as_it_lasts(kind: str) -> None:
    take = lively(kind)
    waveform = take.waveform(RATE)
    peak = np.abs(waveform).max()
    for time_s, lasts in zip(take.hits.times, take.hits.durations, strict=True):
        middle = round((time_s + lasts / 2) * RATE)
        assert np.abs(waveform[middle - 400 : middle + 400]).max() > 0.05 * peak
        sounded = take.actor.sound(Hit(0, 1.0, float(lasts)), np.random.default_rng(0), RATE)
        assert lasts <= len(sounded) / RATE + 0.01 <= lasts + 0.5
