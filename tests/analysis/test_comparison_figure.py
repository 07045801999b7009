from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from cinefoley.analysis.comparison import Comparison
from cinefoley.analysis.comparison_figure import draw_comparison
from cinefoley.analysis.style import COLUMN_IN
from cinefoley.data.events.clip_events import ClipEvents
from cinefoley.metrics.onsets import OnsetCounts

EVENTS = ClipEvents(
    times=np.array([0.25, 1.0, 1.5, 3.0]),
    is_visible=np.array([True, False, True, True]),
    is_onset_like=True,
    sounding=np.array([[0.25, 0.5]]),
    off_screen=np.array([[0.75, 1.25]]),
)


def make_comparison(view: Any = "close_up", *, events: ClipEvents | None = EVENTS) -> Comparison:
    generator = torch.Generator().manual_seed(0)
    sounds = {name: torch.randn(3200, generator=generator) for name in ("real", "teacher", "student")}
    return Comparison(
        frames=torch.full((8, 3, 12, 16), 200, dtype=torch.uint8),
        fps=4.0,
        sounds=sounds,
        mels={name: torch.rand(8, 80, generator=generator) for name in sounds},
        sample_rate=1600,
        view=view,
        whole=torch.full((8, 3, 24, 32), 100, dtype=torch.uint8),
        boxes=torch.tensor([0.25, 0.25, 0.75, 0.75]).expand(8, 4),
        events=events,
        counts={"student": OnsetCounts(hits=2, extra=1, missed=0)},
    )


def test_views_stand_under_one_another_on_one_axis_of_time() -> None:
    figure = draw_comparison([make_comparison(), make_comparison("camera_movement")])
    assert len(figure.axes) == 2 * (1 + 2 + 3 * 3)
    assert figure.get_figwidth() == COLUMN_IN
    assert {ax.get_xlim() for ax in figure.axes} == {(0.0, 2.0)}
    texts = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert texts.count("sound by student: 2 of 2 visible events, 1 extra") == 2
    assert {"close-up", "camera movement", "the scene", "the camera shows", "real sound"} < set(texts)
    assert figure.axes[-1].get_xlabel() == (
        "seconds; events: filled if visible, hollow if not; grey: target off-screen"
    )


def test_events_are_marked_where_they_are() -> None:
    waveform = draw_comparison([make_comparison()]).axes[4]
    seen, hidden = waveform.lines
    assert seen.get_xdata() == pytest.approx([0.25, 1.5])  # the one at 3 s is past the end
    assert seen.get_markerfacecolor() == "black"
    assert hidden.get_xdata() == pytest.approx([1.0])
    assert hidden.get_markerfacecolor() == "white"
    (span,) = waveform.patches
    assert (span.get_x(), span.get_width()) == pytest.approx((0.75, 0.5))  # type: ignore[attr-defined]


def test_what_the_camera_hides_is_dimmed() -> None:
    scene = np.asarray(draw_comparison([make_comparison()], columns=1).axes[1].images[0].get_array())
    assert scene[0, 0, 0] == 40
    assert scene[12, 16, 0] == 100
    assert scene[6, 8, 0] == 255  # the line around it


def test_nothing_known_is_nothing_marked() -> None:
    figure = draw_comparison([replace(make_comparison("full", events=None), counts={})])
    assert len(figure.axes) == 1 + 1 + 3 * 3
    assert figure.axes[-1].get_xlabel() == "seconds"
    assert not any(ax.lines for ax in figure.axes[2:])


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(ValueError, match="one at least"):
        draw_comparison([])
