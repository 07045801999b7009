"""Events of an exported film are those of the clip of the stage that it was made of."""

import json
from pathlib import Path

import numpy as np
import pytest

from cinefoley.data.events.event_file import EventFile
from cinefoley.data.events.stage_events import stage_events
from cinefoley.data.sources.folder import FolderSource
from cinefoley.data.sources.stage import StageSource
from cinefoley.errors import DataError
from cinefoley.evaluation.views import View, window_of
from cinefoley.stage.export import ExportSettings, export_clips

SECONDS = 3.0


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four films, their list and their events. Not to be written to."""
    settings = ExportSettings(split="test", duration_s=SECONDS, side=64, sample_rate=16000)
    folder = tmp_path_factory.mktemp("stage")
    export_clips(folder, 4, settings)
    return folder


@pytest.mark.parametrize("view", ["full", "close_up", "camera_movement"])
def test_they_are_those_of_the_stage_up_to_the_end_of_takes(exported: Path, view: View) -> None:
    whole = EventFile(exported / "test.events.jsonl", until_s=SECONDS)
    short = EventFile(exported / "test.events.jsonl", until_s=SECONDS / 2)
    videos = FolderSource(exported, csv=exported / "test.csv")
    clips = StageSource("test", 4, duration_s=SECONDS)
    left_out = 0
    for row in range(4):
        video, clip = videos[row], clips[row]
        found, expected = whole(video, window_of(video, view)), stage_events(clip, window_of(video, view))
        early = short(video, window_of(video, view))
        assert found is not None
        assert expected is not None
        assert early is not None
        np.testing.assert_allclose(found.times, expected.times, atol=1e-6)
        np.testing.assert_allclose(found.sounding, expected.sounding, atol=1e-6)
        assert np.array_equal(found.is_visible, expected.is_visible)
        assert found.is_onset_like == expected.is_onset_like
        assert early.times.tolist() == [time for time in found.times if time < SECONDS / 2]
        left_out += len(found.times) - len(early.times)
    assert left_out > 0


def test_a_clip_that_is_not_written_down_is_unknown(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("id\ntest-000000\ntest-000001\n")
    first, *_ = (exported / "test.events.jsonl").read_text().splitlines()
    bare = {name: value for name, value in json.loads(first).items() if name != "sources"}
    (tmp_path / "events.jsonl").write_text(f"\n{json.dumps(bare)}\n")
    events = EventFile(tmp_path / "events.jsonl", until_s=SECONDS)
    videos = FolderSource(exported, csv=tmp_path / "test.csv")
    known, unknown = videos[0], videos[1]
    assert events(known, None) is not None
    assert events(known, window_of(known, "close_up")) is None, "nobody knows what a window shows"
    assert events(unknown, None) is None


@pytest.mark.parametrize(
    "line", ["{}", "[]", '{"id": "a"}', '{"id": "a", "events": [{}]}', '{"id": "a", "events": 3}', "\xff"]
)
def test_a_line_that_is_no_clip_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "test.events.jsonl"
    path.write_bytes(b'{"id": "b", "events": []}\n' + line.encode("latin-1") + b"\n")
    with pytest.raises(DataError, match=r"test\.events\.jsonl, line 2: not the events of a clip"):
        EventFile(path, until_s=SECONDS)


def test_a_window_over_damaged_boxes_is_told(exported: Path, tmp_path: Path) -> None:
    first, *_ = (exported / "test.events.jsonl").read_text().splitlines()
    (tmp_path / "events.jsonl").write_text(json.dumps(json.loads(first) | {"sources": []}) + "\n")
    video = FolderSource(exported, csv=exported / "test.csv")[0]
    with pytest.raises(DataError, match="line 1"):
        EventFile(tmp_path / "events.jsonl", until_s=SECONDS)(video, window_of(video, "close_up"))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        EventFile(tmp_path / "events.jsonl", until_s=SECONDS)
