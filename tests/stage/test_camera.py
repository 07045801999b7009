"""The camera: its distribution, its movements, and boxes that follow it."""

from collections import Counter
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from cinefoley.stage.camera import LOCKED_OFF, CameraPath, Leg, Track, draw_camera
from cinefoley.stage.clip import off_screen_spans, visible_share
from cinefoley.stage.distribution import CAMERA, CAMERAS, CameraKind
from cinefoley.stage.film import Film
from cinefoley.stage.generator import make_generator
from cinefoley.stage.render import draw_take
from cinefoley.stage.take import StageTake

EVERY_KIND: tuple[CameraKind, ...] = get_args(CameraKind)
FRAME, SUBJECT, EXTENT = (16 / 9, 1.0), (0.3, 0.6), (0.2, 0.3)


def cameras(count: int, duration_s: float = 8.0) -> list[CameraPath]:
    return [draw_camera(make_generator(seed, "train", "camera"), duration_s) for seed in range(count)]


def windows(camera: CameraPath, times_s: np.ndarray) -> np.ndarray:
    return camera.framing(times_s, frame=FRAME, subject=SUBJECT, extent=EXTENT).windows


def take_with(kind: CameraKind, first_seed: int = 0) -> StageTake:
    """A clip with this camera and no other effect."""
    takes = (draw_take(seed, split="valid", version="filmed") for seed in range(first_seed, 500))
    take = next(take for take in takes if take.film.camera.kind == kind)
    return replace(take, film=Film(version="filmed", camera=take.film.camera))


def test_every_camera_comes_as_often_as_the_table_says() -> None:
    drawn = Counter(camera.kind for camera in cameras(1500))
    assert sum(CAMERAS.values()) == pytest.approx(1)
    for kind in EVERY_KIND:
        assert drawn[kind] / 1500 == pytest.approx(CAMERAS[kind], abs=0.035)


def test_more_than_half_of_the_cameras_move_by_more_than_shake() -> None:
    times = np.arange(0, 8, 0.1)
    moved = [np.ptp(windows(camera, times)[:, :2], axis=0).max() > 0.1 for camera in cameras(400)]
    assert np.mean(moved) > 0.5


def test_some_pans_are_as_fast_as_a_window_in_eight_seconds_and_none_is_steady() -> None:
    times = np.arange(0, 8, 0.05)
    pans = [camera for camera in cameras(400) if camera.kind == "pan"]
    speeds = []
    for camera in pans:
        steady = replace(camera, shakes=())
        shown = windows(steady, times)
        side = shown[0, 2] - shown[0, 0]
        speeds.append(np.abs(np.diff(shown[:, 0])) / side / 0.05)
    assert np.mean([speed.max() > 1 / 8 for speed in speeds]) > 0.6
    assert all(speed[speed > 1e-3].std() > 0.01 for speed in speeds)


def test_a_locked_off_camera_shows_the_scene_as_it_is_composed() -> None:
    framing = LOCKED_OFF.framing(np.arange(3.0), frame=FRAME, subject=SUBJECT, extent=EXTENT)
    assert np.array_equal(framing.windows, [[0, 0, 1, 1]] * 3)
    boxes = np.array([[0.1, 0.2, 0.3, 0.4]] * 3)
    assert np.array_equal(framing.boxes(boxes, FRAME), boxes.astype(np.float32))


def test_a_track_eases_in_and_out_and_rests_before_and_after() -> None:
    track = Track(0.2, (Leg(1.0, 3.0, 0.8, 0.25), Leg(4.0, 4.0, None)))
    times = np.linspace(0, 5, 501)
    values = track.at(times, composed=0.5)
    speed = np.diff(values) / 0.01
    assert values[[0, 100, 200, 300, 399, 400, 500]] == pytest.approx([0.2, 0.2, 0.5, 0.8, 0.8, 0.5, 0.5])
    assert speed[101] < speed[125] < speed[200]
    assert speed[298] < speed[275] < speed[200]
    assert speed[160:240] == pytest.approx(0.4, abs=1e-6)


def test_a_pan_puts_the_subject_where_it_is_told() -> None:
    camera = CameraPath(kind="pan", across=Track(0.5, (Leg(0, 4, 1.2),)), side=Track(0.8))
    framing = camera.framing(np.array([0.0, 4.0]), frame=FRAME, subject=SUBJECT, extent=EXTENT)
    (x0, y0), (x1, y1) = SUBJECT, SUBJECT
    box = np.array([[x0, y0, x1, y1]] * 2)
    assert framing.boxes(box, FRAME)[:, :2] == pytest.approx(np.array([[0.5, 0.6], [1.2, 0.6]]))


def test_a_push_in_stops_before_the_subject_overflows_the_frame() -> None:
    camera = CameraPath(kind="push_in", side=Track(1.0, (Leg(0, 1, 0.3),)))
    framing = camera.framing(np.array([2.0]), frame=FRAME, subject=SUBJECT, extent=(0.9, 0.5))
    assert framing.windows[0, 2] - framing.windows[0, 0] == pytest.approx(0.9 / 1.3)


def test_shake_has_the_size_it_is_drawn_with() -> None:
    times = np.linspace(0, 60, 6000)
    for camera in cameras(60):
        if camera.kind == "handheld":
            sway, hands = (shake.at(times).std(axis=1) for shake in camera.shakes)
            assert 0.6 * CAMERA.sway.low < sway[0] < 1.5 * CAMERA.sway.high
            assert 0.8 * CAMERA.shake.low < hands[0] < 1.2 * CAMERA.shake.high
            assert sway[2] == 0
            assert 0.1 < np.degrees(hands[2]) < 1.7


def test_a_reframing_cut_changes_the_frame_at_once() -> None:
    for camera in cameras(200):
        for cut in camera.cuts_s:
            before, after = windows(replace(camera, shakes=()), np.array([cut - 1e-6, cut]))
            assert np.abs(after - before).max() > 0.1
    assert all(bool(camera.cuts_s) == (camera.kind == "reframing_cut") for camera in cameras(200))


def test_in_some_clips_the_target_leaves_the_frame_and_comes_back_while_sounds_go_on() -> None:
    leaves = unseen = 0
    times = np.arange(0, 8, 0.1)
    for seed in range(150):
        take = draw_take(seed, split="valid", version="filmed")
        size = (round(1000 / take.aspect), 1000)
        target, _ = take.boxes(times, size=size)
        is_hidden = visible_share(target) <= 0
        leaves += bool(is_hidden.any()) and not is_hidden[[0, -1]].any()
        unseen += sum(not event.is_visible for event in take.events(size=size))
    assert leaves >= 3
    assert unseen >= 10


def test_the_film_of_a_clip_that_leaves_says_so() -> None:
    camera = CameraPath(kind="pan", across=Track(0.5, (Leg(2, 3, 1.6), Leg(5, 6, 0.5))))
    take = draw_take(0, kind="drum", version="filmed")
    take = replace(take, film=Film(version="filmed", camera=camera))
    target, _ = take.boxes(np.arange(0, 8, 0.1), size=(90, 160))
    ((begin, end),) = off_screen_spans([target], 10.0)
    assert 2 < begin < 3 < 5 < end < 6
    for event in take.events(size=(90, 160)):
        assert event.is_visible or begin - 0.6 < event.time_s < end + 0.6


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_boxes_follow_the_camera_to_within_a_pixel(kind: CameraKind) -> None:
    """A marker painted at the contact's corners is found where the box says."""
    take = take_with(kind)
    size, times = (180, round(180 * take.aspect)), np.arange(0.4, 8, 0.9)
    actor = take.actor
    x0, y0, x1, y1 = box = (-0.06, -0.06, 0.06, 0.06)
    patch = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    pictures = []
    for color in ((255.0, 255.0, 255.0), (0.0, 0.0, 0.0)):
        object.__setattr__(actor, "paint", lambda canvas, _, c=color: canvas.polygon(patch, c))
        object.__setattr__(actor, "contact_box", lambda _: box)
        pictures.append(take.frames(times, size=size).astype(int))
    _, boxes = take.boxes(times, size=size)
    found = 0
    for picture, other, (left, top, right, bottom) in zip(
        *pictures, boxes * np.tile(size[::-1], 2), strict=True
    ):
        ys, xs = np.nonzero(np.abs(picture - other).max(axis=-1) > 90)
        if left > 2 and top > 2 and right < size[1] - 2 and bottom < size[0] - 2:
            found += 1
            assert [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1] == pytest.approx(
                [left, top, right, bottom], abs=1.0
            )
    assert found >= 3


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_a_window_is_a_crop_of_what_the_camera_shows(kind: CameraKind) -> None:
    take = take_with(kind)
    times = np.array([0.7, 3.1, 6.5])
    window = np.array([0.25, 0.25, 0.75, 0.75])
    large = take.frames(times, size=(400, round(400 * take.aspect)), aspect=take.aspect)
    height, width = large.shape[1:3]
    crops = large[:, height // 4 : 3 * height // 4, width // 4 : 3 * width // 4]
    small = take.frames(times, size=(100, crops.shape[2] // 2), aspect=take.aspect, windows=window)
    crops = crops.reshape(3, 100, 2, crops.shape[2] // 2, 2, 3).mean(axis=(2, 4))
    assert np.abs(crops - small).mean() < 3
