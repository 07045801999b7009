import json
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cinefoley.variations.window import Window

fractions = st.floats(0, 1)
scales = st.floats(0.01, 1)
sizes = st.tuples(st.integers(2, 2000), st.integers(2, 2000))


@st.composite
def windows(draw: st.DrawFn) -> Window:
    return Window(
        kind="camera_movement",
        size=draw(sizes),
        scale=(draw(scales), draw(scales)),
        start=(draw(fractions), draw(fractions)),
        end=(draw(fractions), draw(fractions)),
        multiple=draw(st.sampled_from([1, 2])),
    )


@given(windows(), st.integers(2, 40))
def test_every_box_lies_inside_the_frame_and_has_one_size(window: Window, num_frames: int) -> None:
    boxes = window.boxes(num_frames)
    height, width = window.size
    assert boxes.shape == (num_frames, 4)
    assert boxes[:, :2].min() >= 0
    assert boxes[:, 2].max() <= width
    assert boxes[:, 3].max() <= height
    assert {(y1 - y0, x1 - x0) for x0, y0, x1, y1 in boxes.tolist()} == {window.crop_size}
    assert min(window.crop_size) >= window.multiple


@given(windows(), fractions)
def test_a_window_for_2x2_colour_begins_and_ends_on_even_pixels(window: Window, progress: float) -> None:
    even = window.on(window.size, multiple=2)
    assert all(edge % 2 == 0 for edge in even.box_at(progress))


@given(windows(), fractions, st.integers(1, 4))
def test_on_a_raster_n_times_as_fine_it_has_the_same_place(window: Window, progress: float, n: int) -> None:
    window = window.on(window.size, multiple=1)
    height, width = window.size
    fine = window.on((n * height, n * width)).box_at(progress)
    # each edge is the sum of two roundings, of half a pixel each, on both rasters
    assert fine == pytest.approx([n * edge for edge in window.box_at(progress)], abs=n + 1.001)


@given(windows())
def test_json_keeps_it_bit_for_bit(window: Window) -> None:
    assert Window.from_dict(json.loads(json.dumps(window.to_dict()))) == window


def test_halves_of_pixels_are_rounded_up() -> None:
    window = Window(kind="close_up", size=(5, 7), scale=(0.5, 0.5))
    assert window.crop_size == (3, 4)
    assert window.box_at(0) == (2, 1, 6, 4)


def test_a_side_keeps_at_least_one_pixel() -> None:
    assert Window(kind="close_up", size=(2, 100), scale=(0.01, 0.01)).crop_size == (1, 1)


def test_the_path_runs_from_the_first_frame_to_the_last() -> None:
    window = Window(kind="camera_movement", size=(10, 30), scale=(1, 1 / 3), start=(0.5, 0), end=(0.5, 1))
    assert window.boxes(5)[:, 0].tolist() == [0, 5, 10, 15, 20]
    assert window.is_moving


def test_boxes_can_be_asked_for_on_another_raster() -> None:
    window = Window(kind="close_up", size=(100, 200), scale=(0.5, 0.5))
    assert window.boxes(1, (50, 50)).tolist() == [[12 + 1, 12 + 1, 38, 38]]
    assert window.boxes(0).shape == (0, 4)
    assert window.boxes(3).dtype == torch.int64


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": (0, 9)}, "must hold at least 1x1 pixels"),
        ({"size": (1, 9), "multiple": 2}, "must hold at least 2x2 pixels"),
        ({"scale": (0.0, 0.5)}, r"scale must lie in \(0, 1\]"),
        ({"scale": (0.5, 1.5)}, r"scale must lie in \(0, 1\]"),
        ({"start": (-0.1, 0.5)}, r"must lie in \[0, 1\]"),
        ({"end": (0.5, float("nan"))}, r"must lie in \[0, 1\]"),
        ({"kind": "wipe"}, "kind must be one of"),
    ],
)
def test_what_is_no_window_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Window(**{"kind": "close_up", "size": (9, 9)} | wrong)


@pytest.mark.parametrize("progress", [-0.1, 1.1, float("nan")])
def test_a_moment_outside_the_clip_is_refused(progress: float) -> None:
    with pytest.raises(ValueError, match="progress"):
        Window(kind="none", size=(9, 9)).box_at(progress)


@pytest.mark.parametrize("num_frames", [0, 1])
def test_a_movement_of_one_frame_is_refused(num_frames: int) -> None:
    window = Window(kind="camera_movement", size=(9, 9), start=(0.5, 0), end=(0.5, 1))
    with pytest.raises(ValueError, match=f"at least two frames, got {num_frames}"):
        window.boxes(num_frames)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": [0.5]}, "not enough values"),
        ({"scale": None}, "no record of a window"),
        ({"scale": ["a", "b"]}, "no record of a window"),
        ({"first_box": [0, 0, 9, 8]}, "first_box"),
    ],
)
def test_a_damaged_record_is_refused(change: dict[str, Any], message: str) -> None:
    record = Window(kind="none", size=(9, 9)).to_dict()
    with pytest.raises(ValueError, match=message):
        Window.from_dict(record | change)
    with pytest.raises(ValueError, match="no record of a window"):
        Window.from_dict({"kind": "none"})
