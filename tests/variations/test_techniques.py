"""One checklist for every technique of film language."""

import json
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cinefoley.config.film_language import ZOOM_SCALE
from cinefoley.variations import (
    AspectMask,
    CameraMovement,
    CloseUp,
    Cut,
    Handheld,
    LightChange,
    Mixture,
    Occlusion,
    Pan,
    RackFocus,
    Sequence,
    Tilt,
    Variation,
    Window,
    Zoom,
)
from cinefoley.variations.effects import Defocus
from cinefoley.variations.resizing import resize
from cinefoley.variations.showing import show_at
from cinefoley.variations.techniques import TECHNIQUES, technique

Seeded = Callable[[int], torch.Generator]

VARIATIONS = [
    *(each() for each in TECHNIQUES.values()),
    Sequence([CloseUp(), Zoom(), Occlusion(), AspectMask()]),
]

each = pytest.mark.parametrize("variation", VARIATIONS, ids=lambda variation: variation.kind)
sizes = st.tuples(st.integers(2, 500), st.integers(2, 500))
seeds = st.integers(0, 2**32 - 1)


def drawn(variation: Variation, size: tuple[int, int], seed: int) -> Window:
    return variation.draw(size, generator=torch.Generator().manual_seed(seed))


@each
@settings(max_examples=15)
@given(size=sizes, seed=seeds, duration_s=st.floats(0.5, 60), multiple=st.integers(1, 2))
def test_its_boxes_lie_inside_the_frame_and_its_record_is_all_of_it(
    variation: Variation, size: tuple[int, int], seed: int, duration_s: float, multiple: int
) -> None:
    window = drawn(variation, size, seed).lasting(duration_s).on(size, multiple=multiple)
    boxes = window.boxes(9)
    assert boxes.min() >= 0
    assert (boxes[:, 2:] <= torch.tensor([size[1], size[0]])).all()
    assert (boxes[:, :2] < boxes[:, 2:]).all()
    assert (boxes % multiple == 0).all()
    sides = (boxes[:, 2:] - boxes[:, :2]).flip(1)
    assert (sides <= torch.tensor(window.crop_size)).all()
    if window.is_crop:
        assert (sides == torch.tensor(window.crop_size)).all()
    assert Window.from_dict(json.loads(json.dumps(window.to_dict()))) == window
    for openings in window.openings(9):
        areas = (openings[..., 2:] - openings[..., :2]).prod(axis=-1) * (openings.min(axis=-1) >= 0)
        assert (areas.sum(axis=0) <= 1 + 1e-9).all()


@each
def test_a_seed_draws_one_window_and_no_global_state_changes(variation: Variation) -> None:
    before = torch.get_rng_state()
    assert drawn(variation, (90, 160), 3) == drawn(variation, (90, 160), 3)
    assert len({str(drawn(variation, (90, 160), seed)) for seed in range(8)}) > 1
    variation.draw((90, 160))
    assert torch.equal(torch.get_rng_state(), before)
    assert variation.describe()["variation"] == variation.kind


@each
def test_frames_keep_dtype_and_batch_and_the_input_is_not_changed(variation: Variation) -> None:
    video = torch.randint(
        256, (2, 5, 3, 36, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    copy = video.clone()
    window = drawn(variation, (36, 64), 5)
    shown = variation.apply(video, window)
    assert shown.shape == (2, 5, 3, *window.crop_size)
    assert torch.equal(video, copy)
    assert torch.equal(shown[1], variation.apply(video[1], window))
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        floating = variation.apply(video.to(dtype) / 255, window)
        assert floating.dtype == dtype
        assert (floating.float() * 255 - shown).abs().max() <= (0.51 if dtype != torch.bfloat16 else 3)
    assert variation.apply(video[:0], window).shape == (0, *shown.shape[1:])


@each
def test_it_shows_the_same_at_any_resolution(variation: Variation) -> None:
    rows, columns = torch.meshgrid(torch.linspace(0, 1, 144), torch.linspace(0, 1, 256), indexing="ij")
    frame = torch.stack([rows, columns, (8 * columns).sin() / 2 + 0.5])
    large = frame.expand(6, -1, -1, -1)
    window = drawn(variation, (144, 256), 11)
    small = variation.apply(resize(large, (72, 128)), window.on((72, 128)))
    shown = resize(variation.apply(large, window), (36, 64))
    assert (resize(small, (36, 64)) - shown).abs().mean() < 0.01


@each
def test_at_an_encoders_size_it_shows_the_same_faster(variation: Variation) -> None:
    rows, columns = torch.meshgrid(torch.linspace(0, 1, 144), torch.linspace(0, 1, 256), indexing="ij")
    video = torch.stack([rows, columns, (8 * columns).sin() / 2 + 0.5]).expand(6, -1, -1, -1)
    window = drawn(variation, (144, 256), 11)
    expected = resize(variation.apply(video, window), (32, 32))
    assert (show_at(video, window, (32, 32)) - expected).abs().mean() < 0.012


def test_a_blur_is_round_before_frames_are_squashed() -> None:
    point = torch.zeros(2, 3, 90, 160)
    point[..., 45, 80] = 1.0
    window = Window(
        kind="rack_focus", size=(90, 160), effects=(Defocus(start=0.1, end=0.1, begin=0.5, lasts_s=1),)
    )
    small = show_at(point, window, (64, 64))[0, 0]
    expected = resize(RackFocus().apply(point, window), (64, 64))[0, 0]
    assert (small - expected).abs().max() < 0.1 * expected.max()


@each
def test_too_few_frames_are_refused_where_something_changes(variation: Variation) -> None:
    window = drawn(variation, (9, 16), 0)
    frame = torch.rand(1, 3, 9, 16)
    if window.is_moving:
        with pytest.raises(ValueError, match="at least two frames, got 1"):
            variation.apply(frame, window)
    else:
        assert variation.apply(frame, window).shape[-2:] == window.crop_size


def test_a_zoom_goes_from_the_whole_frame_to_its_middle_or_back() -> None:
    window = drawn(Zoom(direction="in"), (100, 200), 0)
    boxes = window.boxes(50)
    widths = boxes[:, 2] - boxes[:, 0]
    assert boxes[0].tolist() == [0, 0, 200, 100]
    assert (widths.diff() <= 0).all()
    assert ZOOM_SCALE[0] <= widths[-1] / 200 <= ZOOM_SCALE[1]
    assert ((boxes[:, 0] + boxes[:, 2] - 200).abs() <= 1).all()
    out = drawn(Zoom(direction="out"), (100, 200), 0).boxes(50)
    assert out[-1].tolist() == [0, 0, 200, 100]


def test_a_shake_has_the_strength_it_says_and_little_of_it_at_high_frequencies() -> None:
    rate, count = 60, 3600
    window = drawn(Handheld(amplitude_range=(0.01, 0.01), scale_range=(0.8, 0.8)), (360, 640), 4)
    window = window.lasting((count - 1) / rate)
    tops = np.array([window.framing_at(n / (count - 1))[0] for n in range(count)]) * 360
    assert np.std(tops) == pytest.approx(3.6, rel=0.1)
    power = np.abs(np.fft.rfft(tops - tops.mean())) ** 2
    frequencies = np.fft.rfftfreq(count, 1 / rate)
    slow, fast = (power[(frequencies >= low) & (frequencies < low * 4)].sum() for low in (0.3, 3.0))
    assert slow > 20 * fast > 0
    assert power[frequencies > 11].sum() < 1e-2 * power.sum()


@pytest.mark.parametrize(("variation", "along"), [(Pan(), 0), (Tilt(), 1)], ids=["pan", "tilt"])
def test_pan_and_tilt_rest_ease_and_cross_part_of_the_margin(variation: Variation, along: int) -> None:
    for seed in range(20):
        window = drawn(variation, (1000, 1000), seed)
        places = window.boxes(200)[:, along].abs()
        margin = 1000 - window.crop_size[1 - along]
        assert 0.39 <= abs(int(places[-1] - places[0])) / margin <= 0.91
        speeds = places.diff().abs()
        assert speeds[:3].max() <= speeds.max() / 4
        assert speeds[-3:].max() <= speeds.max() / 4
        assert (window.boxes(200)[:, 1 - along].diff() == 0).all()


def test_a_cut_changes_the_framing_once_and_clearly() -> None:
    for seed in range(20):
        boxes = drawn(Cut(), (360, 640), seed).boxes(100)
        changes = boxes.diff(dim=0).abs().sum(dim=1).nonzero().flatten().tolist()
        assert len(changes) == 1
        assert 23 <= changes[0] <= 76
        widths = sorted({int(x1 - x0) for x0, _, x1, _ in boxes.tolist()})
        assert widths[0] <= 0.75 * widths[1]


def test_focus_goes_from_sharp_to_blurred_or_back() -> None:
    noise = torch.rand(40, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    contrast = RackFocus()(noise, generator=torch.Generator().manual_seed(1)).flatten(1).std(dim=1)
    steps = contrast.diff() * (contrast[-1] - contrast[0]).sign()
    assert steps.min() > -0.005
    assert max(contrast[0], contrast[-1]) > 2 * min(contrast[0], contrast[-1])


@pytest.mark.parametrize("light", ["exposure", "temperature", "flash", "day_for_night"])
def test_light_changes_as_its_name_says(light: Any) -> None:
    grey = torch.full((80, 3, 4, 4), 0.4)
    shown = LightChange(light=light)(grey, generator=torch.Generator().manual_seed(6)).mean(dim=(2, 3))
    first, last = shown[0], shown[-1]
    brightness = shown @ torch.tensor([0.2126, 0.7152, 0.0722])
    match light:
        case "exposure":
            assert abs(float(torch.log2(last / first).mean()) * 2.2) > 0.9
            assert torch.allclose(last, last.mean().expand(3), atol=1e-5)
        case "temperature":
            assert (last[0] - last[2]).abs() > 0.02
            assert brightness[-1] == pytest.approx(0.4, abs=0.03)
        case "flash":
            assert brightness.max() > 0.7
            assert brightness[-1] == pytest.approx(0.4, abs=0.02)
        case _:
            assert brightness.max() < 0.2
            assert (shown[:, 2] > shown[:, 0]).all()
            assert torch.allclose(shown, first.expand_as(shown))


def test_what_passes_in_front_crosses_the_frame_and_leaves() -> None:
    white = torch.ones(60, 3, 8, 100)
    window = drawn(Occlusion(width_range=(0.2, 0.2), time_range=(2, 2)), (8, 100), 2)
    covered = Occlusion().apply(white, window)[:, 0, 0] < 0.7
    assert not covered[0].any()
    assert not covered[-1].any()
    assert covered.any(dim=0).all()
    assert covered.sum(dim=1).max() == pytest.approx(20, abs=2)
    (openings,) = window.openings(60)
    shares = (openings[..., 2] - openings[..., 0]) * (openings[..., 0] >= 0)
    assert np.abs(1 - shares.sum(axis=0) - covered.float().mean(dim=1).numpy()).max() < 0.03


def test_bars_leave_the_format_and_hide_the_rest() -> None:
    shown = AspectMask(aspects=(2.0,))(torch.ones(1, 3, 100, 100))
    assert shown[0, 0].mean() == 0.5
    assert (shown[0, 0, :25] == 0).all()
    narrow = AspectMask(aspects=(0.5,))(torch.ones(1, 3, 100, 100))
    assert torch.equal(narrow, shown.mT)
    own = drawn(AspectMask(aspects=(1.0, 1.05)), (100, 100), 0)
    assert own.effects[0].to_dict()["height"] == 0  # no other format: nothing is hidden


def test_a_sequence_frames_first_and_then_changes_pixels() -> None:
    both = Sequence([AspectMask(aspects=(4.0,)), CloseUp(scale_range=(0.5, 0.5))])
    assert torch.equal(both(torch.ones(1, 3, 40, 40))[0, 0, 0], torch.zeros(20))
    assert both.least_s == 0
    twice = Sequence(
        [CloseUp(scale_range=(0.5, 0.5)), CameraMovement(scale_range=(0.5, 0.5), direction="right")]
    )
    assert twice.draw((40, 80)).boxes(2).tolist() == [[20, 15, 40, 25], [40, 15, 60, 25]]
    nested = Sequence([twice, Occlusion()])
    assert nested.least_s == 1
    assert Mixture([nested, Zoom()]).least_s == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Zoom(scale_range=(0.7, 0.4)),
            r"scale_range must be ordered and inside \[0\.001, 1\], got \(0\.7",
        ),
        (lambda: Zoom(direction=cast("Any", "up")), "direction must be 'auto' or one of"),
        (lambda: Handheld(frequency_range=(0, 1)), "frequency_range must be ordered"),
        (lambda: Pan(travel_range=(0.5, 1.1)), "travel_range must be ordered"),
        (
            lambda: Cut(close_range=(0.5, 0.9), wide_range=(0.8, 1)),
            r"close_range must be .* inside \[0\.001, 0\.8\]",
        ),
        (lambda: Cut(time_range=(-0.1, 0.5)), "time_range must be ordered"),
        (lambda: RackFocus(blur_range=(0.1, float("nan"))), "blur_range must be ordered"),
        (lambda: RackFocus(time_range=(0, 1)), r"time_range must be ordered and inside 0\.001 or more"),
        (lambda: LightChange(light=cast("Any", "moon")), "light must be 'any' or one of"),
        (lambda: LightChange(kelvin_range=(100, 5600)), "kelvin_range must be ordered"),
        (lambda: Occlusion(width_range=(0, 0.5)), "width_range must be ordered"),
        (lambda: AspectMask(aspects=()), "aspects must be positive numbers"),
        (lambda: Sequence([]), "needs at least one variation"),
        (lambda: technique("dolly"), "no technique 'dolly'"),
    ],
)
def test_ranges_that_are_crossed_or_outside_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_integers_that_are_no_pixels_can_be_cropped_and_not_changed() -> None:
    video = torch.zeros(4, 3, 20, 20, dtype=torch.int64)
    assert Pan()(video).dtype == torch.int64
    with pytest.raises(TypeError, match=r"uint8 or floating, got torch\.int64"):
        Zoom()(video)
