"""Delivery of the filmed stage: what happens to frames between lens and file."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from cinefoley.stage.clip import visible_share
from cinefoley.stage.delivery import UNTOUCHED, Delivery, Drift, Finisher, Grade, draw_delivery
from cinefoley.stage.distribution import DELIVERY
from cinefoley.stage.film import Film
from cinefoley.stage.generator import make_generator
from cinefoley.stage.render import draw_take
from cinefoley.stage.take import StageTake

WHOLE = np.array([0.0, 0.0, 1.0, 1.0])
GRAY = np.full((60, 80, 3), 100, np.uint8)


def finished(delivery: Delivery, frame: np.ndarray = GRAY, *, time_s: float = 1.0, vignette: float = 0.0):  # type: ignore[no-untyped-def]
    return Finisher(delivery, vignette, frame.shape[:2]).finish(frame, time_s, WHOLE)


def take_with(delivery: Delivery) -> StageTake:
    take = draw_take(2, kind="drum")
    return replace(take, film=Film(version="filmed", delivery=delivery))


def test_every_effect_comes_as_often_as_the_table_says() -> None:
    drawn = [draw_delivery(make_generator(seed, "train", "delivery")) for seed in range(600)]
    shares = {
        "grain": (np.mean([it.grain > 0 for it in drawn]), DELIVERY.grain),
        "exposure": (np.mean([it.exposure is not None for it in drawn]), DELIVERY.exposure),
        "warmth": (np.mean([it.warmth is not None for it in drawn]), DELIVERY.white_balance),
        "grade": (np.mean([it.grade is not None for it in drawn]), DELIVERY.grade),
        "quality": (np.mean([it.quality is not None for it in drawn]), DELIVERY.compression),
        "rate": (np.mean([it.rate is not None for it in drawn]), DELIVERY.repeats),
        "bars": (np.mean([it.picture != (1.0, 1.0) for it in drawn]), DELIVERY.bars),
    }
    for name, (share, wanted) in shares.items():
        assert share == pytest.approx(wanted, abs=0.07), name
    assert {it.rate for it in drawn if it.rate} == set(DELIVERY.rates)


def test_frames_are_repeated_at_the_source_s_own_rate() -> None:
    take = take_with(Delivery(rate=12.0, grain=5.0, grain_seed=3))
    times = np.arange(50) / 25
    frames = take.frames(times, size=(36, 64))
    is_repeated = np.array([np.array_equal(a, b) for a, b in pairwise(frames)])
    assert is_repeated.mean() == pytest.approx(1 - 12 / 25, abs=0.05)
    assert np.array_equal(frames[1], take.frames([0.0], size=(36, 64))[0])
    target, _ = take.boxes(times, size=(36, 64))
    assert np.array_equal(target[1], target[0])


def test_a_frame_on_screen_is_never_from_the_future() -> None:
    times = np.arange(400) / 25
    for rate in DELIVERY.rates:
        taken = Delivery(rate=rate).shown_times(times)
        assert (taken <= times + 1e-6).all()
        assert (times - taken < 1 / rate + 1e-6).all()


@pytest.mark.parametrize("picture", [(1.0, 0.76), (0.8, 1.0)])
def test_black_bars_surround_the_picture_and_hide_targets(picture: tuple[float, float]) -> None:
    take = take_with(Delivery(picture=picture))
    (frame,) = take.frames([1.0], size=(100, 160))
    across, down = (round(side * share) for side, share in zip((160, 100), picture, strict=True))
    left, top = (160 - across) // 2, (100 - down) // 2
    inside = frame[top : top + down, left : left + across]
    assert inside.max() > 60
    assert frame.sum(dtype=int) == inside.sum(dtype=int)
    target, _ = take.boxes([1.0], size=(100, 160))
    x0, y0, x1, y1 = Delivery(picture=picture).area
    assert x0 - 1e-6 <= target[0, 0] < target[0, 2] <= x1 + 1e-6
    assert y0 - 1e-6 <= target[0, 1] < target[0, 3] <= y1 + 1e-6


def test_a_target_behind_a_bar_is_not_visible() -> None:
    boxes = np.array([[0.2, -0.3, 0.4, -0.05], [0.2, 0.2, 0.4, 0.4]], dtype=np.float32)
    covered = Delivery(picture=(1.0, 0.6)).cover(boxes)
    assert visible_share(covered) == pytest.approx([0.0, 1.0])
    assert covered[1] == pytest.approx([0.2, 0.32, 0.4, 0.44])


def test_a_window_of_a_barred_frame_is_its_crop() -> None:
    take = take_with(Delivery(picture=(1.0, 0.75)))
    large = take.frames([1.0], size=(200, 320))
    window = np.array([0.25, 0.0, 0.75, 0.5])
    small = take.frames([1.0], size=(100, 160), aspect=1.6, windows=window)
    assert (small[0, :12] == 0).all()
    assert np.abs(large[0, :100, 80:240].astype(int) - small[0]).mean() < 3


def test_nothing_is_done_to_an_untouched_frame() -> None:
    assert np.array_equal(finished(UNTOUCHED), GRAY)


def test_grain_has_its_level_and_moves() -> None:
    delivery = Delivery(grain=6.0, grain_seed=1)
    first, again, later = (finished(delivery, time_s=time_s) for time_s in (1.0, 1.0, 1.04))
    assert float(first.std()) == pytest.approx(6, abs=0.6)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, later)


def test_exposure_and_white_balance_drift() -> None:
    bright = finished(Delivery(exposure=Drift(0.2, 4.0, 0.0)))
    assert bright.mean() == pytest.approx(120, abs=1)
    warm = finished(Delivery(warmth=Drift(0.1, 4.0, 0.0)))
    assert warm[0, 0].tolist() == [110, 100, 91]


def test_a_grade_without_saturation_is_black_and_white() -> None:
    colored = np.zeros((60, 80, 3), np.uint8) + np.array([200, 40, 90], np.uint8)
    gray = finished(Delivery(grade=Grade(saturation=0.0)), colored)
    assert np.ptp(gray[0, 0].astype(int)) == 0
    assert finished(Delivery(grade=Grade(contrast=0.5)))[0, 0].tolist() == [114] * 3


def test_a_vignette_darkens_corners_only() -> None:
    frame = finished(UNTOUCHED, vignette=0.4)
    assert frame[30, 40, 0] == 100
    assert frame[0, 0, 0] == pytest.approx(61, abs=2)


def test_a_low_bit_rate_costs_detail() -> None:
    noisy = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    errors = [
        float(np.abs(finished(Delivery(quality=quality), noisy).astype(int) - noisy).mean())
        for quality in (15, 55)
    ]
    assert errors[0] > errors[1] > 5
