from functools import partial

import cv2
import numpy as np
import pytest

from cinefoley.stage.generator import make_generator
from cinefoley.stage.render import draw_take as draw_any_take

draw_take = partial(draw_any_take, version="plain")  # test_film.py has what differs when filmed

TIMES = np.array([0.5, 1.3, 2.1, 4.0])


def resized_crop(frames: np.ndarray, window: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    height, width = frames.shape[1:3]
    x0, y0, x1, y1 = np.round(window * [width, height, width, height]).astype(int)
    return np.stack(
        [cv2.resize(frame[y0:y1, x0:x1], size[::-1], interpolation=cv2.INTER_AREA) for frame in frames]
    )


@pytest.mark.parametrize("seed", range(12))
def test_a_view_is_the_crop_of_a_larger_picture(seed: int) -> None:
    take = draw_take(seed, split="valid")
    rng = np.random.default_rng(seed)
    side = np.round(rng.uniform(0.4, 0.6, 2), 2)
    corner = np.round(rng.uniform(0, 1 - side), 2)
    window = np.concatenate([corner, corner + side])
    large = take.frames(TIMES, size=(800, round(800 * take.aspect)), aspect=take.aspect)
    small = take.frames(TIMES, size=(64, 64), aspect=take.aspect, windows=window)
    difference = np.abs(resized_crop(large, window, (64, 64)).astype(int) - small)
    assert difference.mean() < 2.5
    assert (difference > 40).mean() < 0.01


def test_a_moving_window_is_a_window_at_every_instant() -> None:
    take = draw_take(3, split="valid")
    windows = np.array([[0.1 * n, 0.2, 0.1 * n + 0.5, 0.8] for n in range(len(TIMES))])
    moving = take.frames(TIMES, size=(64, 64), aspect=16 / 9, windows=windows)
    for frame, time_s, window in zip(moving, TIMES, windows, strict=True):
        (alone,) = take.frames([time_s], size=(64, 64), aspect=16 / 9, windows=window)
        assert np.abs(frame.astype(int) - alone).mean() < 1.0


def test_a_window_may_change_its_size_as_a_zoom_does() -> None:
    take = draw_take(3, split="valid")
    windows = np.array([[0.1 * n, 0.1 * n, 1 - 0.1 * n, 1 - 0.1 * n] for n in range(len(TIMES))])
    zoom = take.frames(TIMES, size=(64, 64), aspect=1.0, windows=windows)
    for frame, time_s, window in zip(zoom, TIMES, windows, strict=True):
        (alone,) = take.frames([time_s], size=(64, 64), aspect=1.0, windows=window)
        assert np.abs(frame.astype(int) - alone).mean() < 2.5


def test_the_whole_frame_is_the_default_window() -> None:
    take = draw_take(3)
    whole = take.frames(TIMES, size=(60, 80), windows=np.array([0.0, 0.0, 1.0, 1.0]))
    assert np.array_equal(take.frames(TIMES, size=(60, 80)), whole)


@pytest.mark.parametrize(
    "windows", [np.zeros(3), np.zeros((3, 4)), np.array([0.5, 0.0, 0.5, 1.0]), np.array([0.0, 0.8, 1.0, 0.2])]
)
def test_windows_that_show_nothing_are_refused(windows: np.ndarray) -> None:
    with pytest.raises(ValueError, match="windows must be"):
        draw_take(0).frames(TIMES, size=(32, 32), windows=windows)


def test_no_instants_give_no_frames() -> None:
    take = draw_take(0)
    assert take.frames([], size=(32, 40)).shape == (0, 32, 40, 3)
    assert take.boxes([], size=(32, 40))[0].shape == (0, 4)


def test_sound_may_be_asked_for_twice() -> None:
    take = draw_take(0, kind="guitar")
    assert np.array_equal(take.waveform(16000), take.waveform(16000))


def test_both_rates_carry_the_same_sound() -> None:
    take = next(t for t in (draw_take(seed, kind="bell") for seed in range(9)) if len(t.hits.times) > 2)
    low, high = take.waveform(16000), take.waveform(48000)
    power = [np.square(w.reshape(-1, len(w) // 80).astype(float)).mean(axis=1) for w in (low, high)]
    assert len(high) == 3 * len(low)
    assert np.corrcoef(*power)[0, 1] > 0.99


def test_two_sources_have_their_own_events_places_and_sounds() -> None:
    take = next(
        t
        for t in map(draw_take, range(400))
        if len(t.actors) == 2 and all(len(a.hits.times) for a in t.actors)
    )
    events = take.events(size=(90, 160))
    assert {event.source for event in events} == {0, 1}
    assert [event.time_s for event in events] == take.hits.times.tolist() == sorted(take.hits.times)
    assert np.diff(take.hits.times).min() > 0.29
    first, second = (take.boxes([1.0], size=(90, 160), source=n)[0] for n in (0, 1))
    assert not np.allclose(first, second, atol=0.05)


def test_shapes_of_frames_vary() -> None:
    aspects = [round(draw_take(seed).aspect, 3) for seed in range(200)]
    assert set(aspects) == {1.778, 0.562, 1.0}
    assert 0.5 < aspects.count(1.778) / 200 < 0.7


def test_purposes_and_splits_have_their_own_numbers() -> None:
    drawn = {
        make_generator(seed, split, purpose).random()
        for seed in (0, 1)
        for split in ("train", "valid", "test")
        for purpose in ("take", "scene", "sound/0/1")
    }
    assert len(drawn) == 18
