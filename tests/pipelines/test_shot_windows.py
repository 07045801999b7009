"""Windows, cross-fades and frames of videos with cuts."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cinefoley.config.foley import FoleyConfig
from cinefoley.media.frames.video import load_video, video_from_frames
from cinefoley.media.muxing.save_video import save_video
from cinefoley.media.shots import Shot
from cinefoley.pipelines.video_input import plan_video, window_frames
from cinefoley.pipelines.windows import CrossFader, plan_shots, plan_windows

WINDOW, OVERLAP = 1000, 120

lengths = st.lists(st.integers(1, 5000), min_size=1, max_size=6)


def shots_of(several: list[int]) -> list[tuple[int, int]]:
    ends = [sum(several[: n + 1]) for n in range(len(several))]
    return list(zip([0, *ends[:-1]], ends, strict=True))


@given(lengths)
def test_no_window_that_a_shot_holds_spans_a_cut(several: list[int]) -> None:
    shots = shots_of(several)
    plan = plan_shots(shots, window=WINDOW, overlap=OVERLAP)
    for number, start in enumerate(plan.starts):
        begin, end = next(shot for shot in shots if shot[0] <= start < shot[1])
        assert plan.end(number) == end
        assert start + WINDOW <= end or start == begin
    if len(shots) == 1:
        assert plan == plan_windows(several[0], window=WINDOW, overlap=OVERLAP)


@given(lengths)
def test_the_joined_sound_is_as_long_as_the_video_and_of_the_right_shot(several: list[int]) -> None:
    shots = shots_of(several)
    plan = plan_shots(shots, window=WINDOW, overlap=OVERLAP)
    fader = CrossFader(plan)
    numbers = [next(n for n, (a, b) in enumerate(shots, 1) if a <= s < b) for s in plan.starts]
    parts = [fader.add(n, torch.full((1, WINDOW), float(number))) for n, number in enumerate(numbers)]
    sound = torch.cat(parts, dim=1)[0]
    assert len(sound) == sum(several)
    for number, (begin, end) in enumerate(shots, 1):
        inside = sound[begin:end]
        assert inside.max() <= number * 2**0.5 + 1e-5  # equal-power fades of two equal sounds
        middle = inside[80:-80] if len(inside) > 160 else inside[:0]
        assert (middle >= number - 1e-5).all()


def test_shots_that_do_not_follow_each_other_are_refused() -> None:
    for wrong in ([], [(10, 20)], [(0, 10), (12, 20)]):
        with pytest.raises(ValueError, match="follow each other from sample 0"):
            plan_shots(wrong, window=WINDOW, overlap=OVERLAP)


@pytest.mark.parametrize("is_file", [True, False])
def test_frames_of_a_window_are_all_of_its_shot(tmp_path: Path, is_file: bool) -> None:
    frames = torch.zeros(60, 3, 32, 32, dtype=torch.uint8)
    frames[25:40], frames[40:] = 120, 240  # cuts at 1.0 and 1.6 s
    video = video_from_frames(frames, 25)
    source: object = video
    if is_file:
        source = tmp_path / "cut.mp4"
        save_video(tmp_path / "cut.mp4", frames, 25)
    shots = [Shot(0.0, 1.0), Shot(1.0, 1.6), Shot(1.6, 2.4)]
    config = FoleyConfig(frame_size=(32, 32))
    plan = plan_video(source, config, shots=shots)  # type: ignore[arg-type]
    assert [start / 16000 for start in plan.starts] == [0.0, 1.0, 1.6]
    shown = list(window_frames(source, plan, config))  # type: ignore[arg-type]
    for window, value in zip(shown, (0, 120, 240), strict=True):
        assert (window.int() - value).abs().max() < 12
    section = plan_video(source, config, start=0.5, duration=1.0, shots=shots)  # type: ignore[arg-type]
    assert (section.starts, section.total) == ((0, 8000), 16000)


def test_shots_that_are_too_short_for_motion_share_windows(
    render_film: Callable[..., Path], tmp_path: Path
) -> None:
    path = render_film(tmp_path / "film.mp4")
    config = FoleyConfig(frame_size=(32, 32))
    all_cuts = [Shot(n / 12, (n + 1) / 12) for n in range(24)]
    plan = plan_video(path, config, shots=all_cuts)
    assert len(plan) < len(all_cuts) / 2
    assert plan.total == plan_video(path, config).total
    assert plan_video(path, config, shots=[Shot(0.0, 2.0)]) == plan_video(path, config)
    assert load_video(path).duration == float(Fraction(2))
