import json

import numpy as np
import pytest

from cinefoley.stage.clip import boxes_in_windows, visible_share
from cinefoley.stage.render import render_clip


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
