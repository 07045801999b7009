from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cinefoley.analysis.explain_figure import draw_explanation, overlay, side_by_side, warmest_of
from cinefoley.analysis.explanation import Explanation
from cinefoley.analysis.style import COLUMN_IN, save_figure
from cinefoley.errors import OutputError


def make_explanation(count: int = 8) -> Explanation:
    generator = torch.Generator().manual_seed(0)
    sounds = {name: torch.randn(count * 400, generator=generator) for name in ("real", "teacher", "student")}
    return Explanation(
        frames=torch.randint(256, (count, 3, 24, 32), generator=generator).to(torch.uint8),
        fps=4.0,
        explained="feature energy",
        heats={name: torch.rand(count, 4, 4, generator=generator) for name in ("teacher", "student")},
        values={name: torch.ones(count) for name in ("teacher", "student")},
        sounds=sounds,
        mels={name: torch.rand(8, count * 10, generator=generator) for name in sounds},
        sample_rate=1600,
    )


def test_a_figure_has_a_row_for_each_encoder_and_three_for_each_sound() -> None:
    figure = draw_explanation(make_explanation(), events_s=(0.5,))
    assert len(figure.axes) == 2 + 3 * 3
    assert {ax.get_xlim() for ax in figure.axes} == {(0.0, 2.0)}
    assert figure.get_figwidth() == COLUMN_IN
    assert figure.axes[-1].get_xlabel() == "seconds; heat: feature energy"
    lefts = {round(ax.get_position().x0, 6) for ax in figure.axes}
    assert len(lefts) == 1  # aligned in time


def test_waveforms_share_the_scale_of_the_loudest() -> None:
    explanation = make_explanation()
    sounds = dict(explanation.sounds) | {"teacher": 7 * explanation.sounds["teacher"]}
    figure = draw_explanation(replace(explanation, sounds=sounds))
    loudest = float(sounds["teacher"].abs().max())
    scales = [ax.get_ylim() for ax in figure.axes if ax.collections and not ax.images]
    assert scales == [pytest.approx((-loudest, loudest))] * 3


@pytest.mark.parametrize("count", [1, 3, 8])
def test_short_videos_show_the_frames_they_have(count: int) -> None:
    strip = draw_explanation(make_explanation(count), columns=6).axes[0].images[0].get_array()
    assert strip is not None
    assert strip.shape[:2] == (24, 32 * min(count, 6))


def test_each_frame_says_when_it_was() -> None:
    explanation = make_explanation()
    heat = torch.zeros(8, 4, 4)
    heat[[1, 6]] = 1.0
    figure = draw_explanation(replace(explanation, heats={"teacher": heat}), columns=2)
    (moments,) = [line for line in figure.axes[0].lines if line.get_marker() == "^"]
    assert moments.get_xdata() == pytest.approx([1.5 / 4, 6.5 / 4])


def test_both_files_are_whole_and_the_same_each_time(tmp_path: Path) -> None:
    png, pdf = save_figure(draw_explanation(make_explanation()), tmp_path / "film.explain")
    assert (png.name, pdf.name) == ("film.explain.png", "film.explain.pdf")
    with Image.open(png) as picture:
        assert picture.width == pytest.approx(COLUMN_IN * 300, abs=1)
    content = pdf.read_bytes()
    assert content.startswith(b"%PDF-")
    assert b"/Type3" not in content
    save_figure(draw_explanation(make_explanation()), tmp_path / "film.explain")
    assert pdf.read_bytes() == content
    with pytest.raises(OutputError):
        save_figure(draw_explanation(make_explanation()), tmp_path / "nowhere" / "film")


def test_heat_lies_where_it_is() -> None:
    frames = torch.full((1, 3, 8, 8), 128, dtype=torch.uint8)
    heat = torch.zeros(1, 4, 4)
    heat[0, 0, 3] = 1.0
    (picture,) = overlay(frames, heat, most=1.0)
    cold, warm = picture[7, 0].astype(int), picture[0, 7].astype(int)
    assert np.abs(cold - 128).max() <= 1
    assert warm[0] > 180
    assert warm[0] > warm[2]


def test_without_heat_frames_are_grey() -> None:
    frames = torch.tensor([255, 0, 0], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    picture = overlay(frames, torch.zeros(1, 2, 2), most=0.0)
    assert (picture == round(0.299 * 255)).all()


def test_encoders_stand_side_by_side() -> None:
    explanation = make_explanation()
    video = side_by_side(explanation)
    assert video.shape == (8, 3, 24, 64)
    heat = explanation.heats["student"]
    right = overlay(explanation.frames, heat, most=warmest_of(heat))
    assert np.array_equal(video[..., 32:].permute(0, 2, 3, 1).numpy(), right)
