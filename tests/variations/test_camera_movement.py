from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cinefoley.variations.camera_movement import CameraMovement, camera_movement
from cinefoley.variations.close_up import CloseUp

Seeded = Callable[[int], torch.Generator]

seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(st.integers(1, 500), st.integers(1, 500))
directions = st.sampled_from(["auto", "left", "right", "up", "down"])


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(sizes, directions, st.integers(2, 60), seeds)
def test_the_window_has_one_size_and_stays_on_the_central_axis_inside_the_frame(
    size: tuple[int, int], direction: Any, num_frames: int, seed: int
) -> None:
    window = CameraMovement(direction=direction).draw(size, generator=generator(seed))
    boxes = window.boxes(num_frames)
    height, width = size
    assert ((boxes[:, 2:] - boxes[:, :2]) == torch.tensor(window.crop_size).flip(0)).all()
    assert boxes.min() >= 0
    assert (boxes[:, 2:] <= torch.tensor([width, height])).all()
    across = 1 if window.direction in {"left", "right"} else 0  # the coordinate that does not change
    assert (boxes[:, across] == boxes[0, across]).all()
    assert abs(boxes[0, across] - (size[1 - across] - boxes[0, across + 2])) <= 1


@given(sizes, directions, st.integers(2, 60), seeds)
def test_it_crosses_from_border_to_border_at_constant_speed(
    size: tuple[int, int], direction: Any, num_frames: int, seed: int
) -> None:
    window = CameraMovement(direction=direction).draw(size, generator=generator(seed))
    along = 0 if window.direction in {"left", "right"} else 1
    places = window.boxes(num_frames)[:, along]
    margin = size[1 - along] - window.crop_size[1 - along]
    if window.direction in {"left", "up"}:
        places = places.flip(0)
    steady = torch.arange(num_frames) * margin / (num_frames - 1)
    assert places[0] == 0
    assert places[-1] == margin
    assert (places - steady).abs().max() <= 0.5 + 1e-6


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((90, 160), {"left", "right"}),
        ((160, 90), {"up", "down"}),
        ((100, 101), {"left", "right"}),
        ((101, 100), {"up", "down"}),
        ((100, 100), {"left", "right", "up", "down"}),
    ],
)
def test_the_frames_shape_decides_which_directions_are_drawn_evenly(
    size: tuple[int, int], expected: set[str], seeded: Seeded
) -> None:
    source = seeded(0)
    counts = Counter(CameraMovement().draw(size, generator=source).direction for _ in range(800))
    assert set(counts) == expected
    assert all(abs(count - 800 / len(expected)) < 80 for count in counts.values())


@given(sizes, seeds)
def test_its_window_is_as_large_as_the_close_ups_of_the_same_seed(size: tuple[int, int], seed: int) -> None:
    movement = CameraMovement().draw(size, generator=generator(seed))
    assert movement.scale == CloseUp().draw(size, generator=generator(seed)).scale
    assert movement == CameraMovement().draw(size, generator=generator(seed))


def test_left_means_that_the_window_moves_left(seeded: Seeded) -> None:
    columns = torch.arange(40.0).expand(5, 3, 20, 40)
    shown = CameraMovement(direction="left", scale_range=(0.5, 0.5))(columns, generator=seeded(0))
    assert shown[:, 0, 0, 0].tolist() == [20, 15, 10, 5, 0]
    shown = CameraMovement(direction="down", scale_range=(0.5, 0.5))(columns.mT, generator=seeded(0))
    assert shown[:, 0, 0, 0].tolist() == [0, 5, 10, 15, 20]


def test_a_seed_gives_the_window_of_every_machine(seeded: Seeded) -> None:
    window = CameraMovement().draw((360, 640), generator=seeded(7))
    assert window.direction == "right"
    assert window.boxes(3).tolist() == [[0, 98, 291, 262], [175, 98, 466, 262], [349, 98, 640, 262]]


@given(sizes.filter(lambda size: max(size) < 60), directions, st.integers(2, 5), seeds)
def test_the_full_range_is_the_identity(
    size: tuple[int, int], direction: Any, num_frames: int, seed: int
) -> None:
    video = torch.rand(num_frames, 3, *size, generator=generator(0))
    variation = CameraMovement(scale_range=(1, 1), direction=direction)
    assert torch.equal(variation(video, generator=generator(seed)), video)


def test_the_function_is_the_class_with_its_defaults(seeded: Seeded) -> None:
    video = torch.rand(2, 4, 3, 30, 40)
    expected = CameraMovement()(video, generator=seeded(3))
    assert torch.equal(camera_movement(video, generator=seeded(3)), expected)


@pytest.mark.parametrize("num_frames", [0, 1])
def test_a_clip_without_two_frames_is_refused(num_frames: int) -> None:
    with pytest.raises(ValueError, match=f"at least two frames, got {num_frames}"):
        camera_movement(torch.zeros(num_frames, 3, 9, 9))


@pytest.mark.parametrize("scale_range", [(0.0, 0.5), (0.6, 0.4), (0.5, 1.01)])
def test_a_scale_range_outside_0_to_1_or_crossed_is_refused(scale_range: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"scale_range must be ordered inside \(0, 1\]"):
        CameraMovement(scale_range=scale_range)


def test_a_direction_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="direction must be 'auto' or one of"):
        CameraMovement(direction="in")  # type: ignore[arg-type]


def test_records_name_the_kind_and_every_setting() -> None:
    assert CameraMovement().describe() == {
        "variation": "camera_movement",
        "scale_range": (0.4, 0.6),
        "direction": "auto",
    }
