import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinefoley.stage.render import draw_take, render_clip
from cinefoley.stage.rhythm import MIN_GAP_S


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second = (render_clip(3, size=(48, 64), fps=8) for _ in range(2))
    assert first.frames.tobytes() == second.frames.tobytes()
    assert first.waveform.tobytes() == second.waveform.tobytes()
    assert first.describe() == second.describe()


def test_splits_do_not_share_clips() -> None:
    train, test = (render_clip(3, split=split, size=(48, 64), fps=4) for split in ("train", "test"))
    assert train.frames.tobytes() != test.frames.tobytes()
    assert train.describe()["events"] != test.describe()["events"]


def test_what_happens_does_not_depend_on_rate_or_size() -> None:
    small = render_clip(5, size=(32, 32), fps=4, sample_rate=16000)
    large = render_clip(5, size=(90, 160), fps=30, sample_rate=48000)
    assert [event.time_s for event in small.events] == [event.time_s for event in large.events]
    assert small.sources[0].kind == large.sources[0].kind


@pytest.mark.parametrize("size", [(180, 320), (320, 180), (96, 96)])
def test_any_aspect_shows_the_actor(size: tuple[int, int]) -> None:
    clip = render_clip(1, size=size, fps=4, duration_s=2.0)
    assert clip.frames.shape == (8, *size, 3)
    assert clip.frames.std(axis=(1, 2)).min() > 5, "a frame is one flat colour"


@given(seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_events_are_far_enough_apart_for_four_frames_a_second(seed: int) -> None:
    take = draw_take(seed)
    for actor in take.actors:
        times = actor.hits.times
        assert (np.diff(times) >= MIN_GAP_S - 0.061).all()
        assert len(times) <= 2 * 8 + 1
        assert ((times >= 0) & (times <= 7.8)).all()


def test_boxes_follow_the_contact() -> None:
    clip = render_clip(2, size=(180, 320), fps=4)
    source = clip.sources[0]
    assert source.contact_boxes.shape == (len(clip.frames), 4)
    assert (source.contact_boxes[:, 2:] > source.contact_boxes[:, :2]).all()
    assert source.is_visible.all()
    widths = source.target_boxes[:, 2] - source.target_boxes[:, 0]
    assert (widths > source.contact_boxes[:, 2] - source.contact_boxes[:, 0] - 1e-6).all()


def test_picture_and_sound_last_equally_long() -> None:
    clip = render_clip(2, size=(32, 32), fps=25, sample_rate=48000, duration_s=3.2)
    assert len(clip.frames) == 80
    assert len(clip.waveform) == 153600
    assert clip.duration_s == pytest.approx(3.2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed must be 0 or more"),
        ({"seed": 1, "split": "dev"}, "split must be one of"),
        ({"seed": 1, "duration_s": 0.5}, "at least 1 s"),
        ({"seed": 1, "duration_s": float("nan")}, "at least 1 s"),
        ({"seed": 1, "kind": "trombone"}, "no kind 'trombone'"),
        ({"seed": 1, "fps": 0.0}, "fps > 0"),
        ({"seed": 1, "size": (4, 90)}, "at least 8x8"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        render_clip(**arguments)  # type: ignore[arg-type]
