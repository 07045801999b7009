import json
from typing import Any

import numpy as np
import pytest
import torch

from cinefoley.metrics.events import off_screen_energy
from cinefoley.stage.clip import (
    boxes_in_windows,
    describe_view,
    off_screen_spans,
    sound_ends,
    visible_share,
)
from cinefoley.stage.render import draw_take, render_clip


def test_a_box_is_seen_as_far_as_it_lies_inside() -> None:
    boxes = np.array([[0.2, 0.2, 0.4, 0.4], [-0.1, 0.0, 0.1, 1.0], [1.0, 0.2, 1.2, 0.4]], dtype=np.float32)
    assert visible_share(boxes) == pytest.approx([1.0, 0.5, 0.0])


def test_windows_move_and_stretch_boxes() -> None:
    boxes = np.array([[0.2, 0.2, 0.4, 0.6]] * 2, dtype=np.float32)
    windows = np.array([[0.0, 0.0, 0.5, 0.5], [0.3, 0.2, 0.8, 0.7]])
    seen = boxes_in_windows(boxes, windows)
    assert seen[0] == pytest.approx([0.4, 0.4, 0.8, 1.2])
    assert seen[1] == pytest.approx([-0.2, 0.0, 0.2, 0.8], abs=1e-6)
    assert boxes_in_windows(boxes, windows[0])[1] == pytest.approx(seen[0])


def test_a_description_holds_every_event_and_on_demand_every_box() -> None:
    clip = render_clip(4, size=(48, 64), fps=4, kind="drum")
    short, full = clip.describe(), clip.describe(has_boxes=True)
    assert len(short["events"]) == len(clip.events)
    assert "sources" not in short
    (source,) = json.loads(json.dumps(full))["sources"]
    assert source["family"] == "instruments"
    assert len(source["target_boxes"]) == len(source["is_visible"]) == len(clip.frames)


def test_a_sound_ends_where_it_has_died_away_and_not_before_its_event() -> None:
    rate = 1000
    time = np.arange(4 * rate) / rate
    waveform = np.zeros(4 * rate, dtype=np.float32)
    for start, fall_s in ((0.5, 0.5), (2.0, 0.25)):
        after = time >= start
        waveform[after] += (0.5 * 10 ** (-2 * (time[after] - start) / fall_s)).astype(np.float32)
    ends = sound_ends(np.array([0.5, 2.0]), waveform, sample_rate=rate)
    assert ends == pytest.approx([1.0, 2.25], abs=0.01)
    assert sound_ends(np.array([3.9]), np.zeros(4000, dtype=np.float32), sample_rate=rate) == [3.9]
    assert len(sound_ends(np.empty(0), waveform, sample_rate=rate)) == 0


def test_a_target_is_off_screen_while_no_source_shows_any_of_its_own() -> None:
    inside, outside = [0.2, 0.2, 0.4, 0.4], [1.0, 0.2, 1.2, 0.4]
    one = np.array([inside, outside, outside, inside, outside], dtype=np.float32)
    other = np.array([outside, outside, inside, inside, outside], dtype=np.float32)
    assert off_screen_spans([one], 2.0) == [[0.5, 1.5], [2.0, 2.5]]
    assert off_screen_spans([one, other], 2.0) == [[0.5, 1.0], [2.0, 2.5]]
    assert off_screen_spans([one[:1]], 2.0) == []


@pytest.fixture(scope="module")
def full_view() -> dict[str, Any]:
    """Everything about a clip with two sources."""
    seed = next(n for n in range(300) if len(draw_take(n).actors) == 2 and len(draw_take(n).hits.times) > 3)
    clip = render_clip(seed, size=(36, 64), fps=8, version="plain")
    return clip.describe(has_boxes=True) | {"fps": clip.fps}


def test_in_full_view_nothing_is_off_screen_and_a_whole_window_changes_nothing(
    full_view: dict[str, Any],
) -> None:
    assert full_view["off_screen"] == []
    assert all(event["is_visible"] and event["is_context_visible"] for event in full_view["events"])
    assert all(event["end_s"] > event["time_s"] for event in full_view["events"])
    assert describe_view(full_view, np.array([0.0, 0.0, 1.0, 1.0])) == full_view


def test_a_window_hides_the_events_and_targets_that_it_does_not_show(full_view: dict[str, Any]) -> None:
    box = np.mean(full_view["sources"][0]["target_boxes"], axis=0)
    close = describe_view(full_view, np.array(box))
    nothing = describe_view(full_view, np.array([2.0, 2.0, 3.0, 3.0]))
    assert close["off_screen"] == []
    assert all(event["is_context_visible"] for event in close["events"] if event["source"] == 0)
    assert nothing["off_screen"] == [[0.0, full_view["duration_s"]]]
    assert not any(event["is_visible"] or event["is_context_visible"] for event in nothing["events"])
    assert [event["time_s"] for event in nothing["events"]] == [
        event["time_s"] for event in full_view["events"]
    ]
    leaving = np.array([[0.0, 0.0, 1.0, 1.0]] * 32 + [[2.0, 2.0, 3.0, 3.0]] * 32)
    left = describe_view(full_view, leaving)
    assert left["off_screen"] == [[4.0, 8.0]]
    assert [event["is_context_visible"] for event in left["events"]] == [
        event["time_s"] < 4 for event in left["events"]
    ]


def test_a_view_needs_boxes_and_as_many_windows(full_view: dict[str, Any]) -> None:
    without = {name: value for name, value in full_view.items() if name != "sources"}
    with pytest.raises(ValueError, match="no description of a clip with fps and boxes"):
        describe_view(without, np.array([0.0, 0.0, 1.0, 1.0]))
    with pytest.raises(ValueError, match=r"shapes|broadcast"):
        describe_view(full_view, np.zeros((3, 4)) + np.array([0.0, 0.0, 1.0, 1.0]))


def test_the_real_sound_places_nothing_where_it_must_be_silent(full_view: dict[str, Any]) -> None:
    clip = render_clip(full_view["seed"], size=(36, 64), fps=8, version="plain")
    spans = np.array([[event["time_s"], event["end_s"]] for event in full_view["events"]])
    share = off_screen_energy(
        torch.from_numpy(clip.waveform),
        sample_rate=clip.sample_rate,
        off_screen=np.array([[0.0, clip.duration_s]]),
        sounding=spans,
    )
    assert share is not None
    assert share < 1e-3
