import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cinefoley.analysis.comparison import Comparison, compare_encoders
from cinefoley.data.events.stage_events import stage_events
from cinefoley.data.known_events import known_events
from cinefoley.data.sources.clip_source import Clip
from cinefoley.data.sources.folder import FileClip
from cinefoley.data.sources.stage import StageSource
from cinefoley.data.test_sets.test_set import SetLayout
from cinefoley.errors import DataError
from cinefoley.evaluation.views import View, window_of
from cinefoley.metrics.events import match_visible_onsets
from cinefoley.metrics.onsets import detect_onsets
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.stage.export import ExportSettings, export_clips
from cinefoley.stage.kinds import KINDS

SECONDS = 2.5


@pytest.fixture(scope="module")
def pipeline(whole_model: Path) -> FoleyPipeline:
    return FoleyPipeline.from_pretrained(whole_model)


@pytest.fixture(scope="module")
def hits() -> Clip:
    """A clip whose events are all onset-like."""
    sharp = {actor.kind for actor in KINDS if actor.is_onset_like}
    source = StageSource("test", 30, duration_s=SECONDS)
    clips = (source[number] for number in range(len(source)))
    return next(clip for clip in clips if set(clip.labels) <= sharp and clip.events)


def compare(clip: Clip, pipeline: FoleyPipeline, view: Any, **more: Any) -> Comparison:
    options: dict[str, Any] = {"events": known_events, "num_inference_steps": 2, "clip_s": SECONDS} | more
    both = {"teacher": "teacher", "student": "student"}
    return compare_encoders(clip, view, pipeline, encoders=both, **options)


def test_each_encoder_sounds_what_the_window_shows(pipeline: FoleyPipeline, hits: Clip) -> None:
    found = compare(hits, pipeline, "close_up")
    assert list(found.sounds) == ["real", "teacher", "student"]
    assert not torch.equal(found.sounds["teacher"], found.sounds["student"])
    assert {len(sound) for sound in found.sounds.values()} == {round(found.duration_s * found.sample_rate)}
    assert found.frames.shape[-1] < found.whole.shape[-1]
    whole = compare(hits, pipeline, "full")
    assert torch.equal(whole.frames, whole.whole)
    assert not torch.equal(whole.sounds["teacher"], found.sounds["teacher"])


def test_onsets_are_counted_against_what_is_in_the_picture(pipeline: FoleyPipeline, hits: Clip) -> None:
    found = compare(hits, pipeline, "camera_movement")
    events = stage_events(hits, window_of(hits, "camera_movement"))
    assert events is not None
    assert found.events is not None
    assert np.array_equal(found.events.is_visible, events.is_visible)
    onsets = detect_onsets(found.sounds["student"], sample_rate=found.sample_rate)
    expected = match_visible_onsets(onsets, events.times, events.is_visible, tolerance_s=0.1)
    assert found.counts["student"] == expected
    assert set(found.counts) == {"teacher", "student"}


def test_boxes_are_what_is_shown(pipeline: FoleyPipeline, hits: Clip) -> None:
    still = compare(hits, pipeline, "close_up").boxes
    assert bool((still == still[0]).all())
    moving = compare(hits, pipeline, "camera_movement")
    assert not torch.equal(moving.boxes[0], moving.boxes[-1])
    window = window_of(hits, "camera_movement")
    assert window is not None
    height, width = hits.frame_size()
    sides = torch.tensor([width, height, width, height])
    ends = window.on((height, width)).boxes(2) / sides
    assert (moving.boxes[0] - ends[0]).abs().max() < (ends[1] - ends[0]).abs().max() / 4
    # what lies in the box of the whole picture is what the camera shows
    x0, y0, x1, y1 = (still[0] * sides).round().long().tolist()
    found = compare(hits, pipeline, "close_up")
    inside = found.whole[0, :, y0:y1, x0:x1].float()
    assert inside.shape == found.frames[0].shape
    assert float((inside - found.frames[0]).abs().mean()) < 8


def test_a_video_of_which_nothing_is_known(pipeline: FoleyPipeline, tmp_path: Path, render_film: Any) -> None:
    path = render_film(tmp_path / "film.mp4")
    found = compare(FileClip(id="film", path=path, expected="film.mp4"), pipeline, "close_up", clip_s=1.0)
    assert found.events is None
    assert found.counts == {}
    assert list(found.sounds) == ["teacher", "student"]


def test_a_length_is_needed(pipeline: FoleyPipeline, hits: Clip) -> None:
    with pytest.raises(ValueError, match="clip_s"):
        compare(hits, pipeline, "close_up", clip_s=0.0)


def test_videos_of_an_export_bring_their_events(tmp_path: Path) -> None:
    settings = ExportSettings(split="test", duration_s=2.0, side=64, sample_rate=16000)
    export_clips(tmp_path, 1, settings)
    video = FileClip(id="test-000000", path=tmp_path / "test-000000.mp4", expected="test-000000.mp4")
    clip = StageSource("test", 1, duration_s=2.0)[0]
    views: tuple[View, ...] = ("full", "camera_movement")
    for view in views:
        found, expected = (
            known_events(video, window_of(video, view)),
            stage_events(clip, window_of(clip, view)),
        )
        assert found is not None
        assert expected is not None
        np.testing.assert_allclose(found.times, expected.times, atol=1e-6)
        assert np.array_equal(found.is_visible, expected.is_visible)
    of_set = SetLayout(tmp_path / "set")
    of_set.videos.mkdir(parents=True)
    moved = FileClip(id="test-000000", path=of_set.videos / "test-000000.mp4", expected="test-000000.mp4")
    shutil.copy(tmp_path / "test-000000.mp4", of_set.videos)
    shutil.copy(tmp_path / "test.events.jsonl", of_set.events)
    assert known_events(moved, None) is None, "a folder by that name, and no test set"
    of_set.settings.write_text("{}\n")
    found = known_events(moved, None)
    assert found is not None
    assert found.times.tolist() == known_events(video, None).times.tolist()  # type: ignore[union-attr]
    other = FileClip(id="rain", path=tmp_path / "rain.mp4", expected="rain.mp4")
    assert known_events(other, window_of(video, "close_up")) is None
    (tmp_path / "test.events.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match="line 1"):
        known_events(video, window_of(video, "close_up"))
