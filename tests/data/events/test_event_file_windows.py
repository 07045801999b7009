"""What the windows of a test set show of the stage's events."""

import json
from pathlib import Path

import numpy as np
import pytest

from cinefoley.data.events.event_file import record_in_window
from cinefoley.data.json_lines import read_records
from cinefoley.data.test_sets.test_set import read_test_set
from cinefoley.data.test_sets.video_set import build_test_set
from cinefoley.errors import DataError
from cinefoley.stage.export import ExportSettings, export_clips
from cinefoley.variations import CameraMovement, CloseUp, Cut, Variation, Window
from cinefoley.variations.effects import Bars, Occluder


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of four clips of the stage, their films and their events. Not to be written to."""
    settings = ExportSettings(split="test", duration_s=3.0, side=32, fps=8, sample_rate=16000)
    return export_clips(tmp_path_factory.mktemp("stage"), 4, settings).list_path


@pytest.mark.parametrize("is_view", [False, True])
@pytest.mark.parametrize("variation", [CloseUp(placement="uniform"), CameraMovement(), Cut()])
def test_a_set_of_stage_clips_tells_what_its_windows_show(
    exported: Path, tmp_path: Path, variation: Variation, is_view: bool
) -> None:
    built = build_test_set(exported, tmp_path / "set", variation, is_view=is_view)
    assert built.events_path is not None
    full = read_records(exported.with_suffix(".events.jsonl"))
    seen = read_records(built.events_path)
    assert [entry["clip"] for entry in seen] == [clip.id for clip in built.clips]
    for clip, before, after in zip(built.clips, full, seen, strict=True):
        assert [event["end_s"] for event in after["events"]] == [event["end_s"] for event in before["events"]]
        height, width = before["size"]
        pixels = clip.window.boxes(24, (height, width)).numpy()
        for whole, cropped in zip(before["sources"], after["sources"], strict=True):
            boxes = np.array(whole["target_boxes"]) * [width, height, width, height]
            low = (boxes[:, :2] - pixels[:, :2]) / (pixels[:, 2:] - pixels[:, :2])
            assert np.array(cropped["target_boxes"])[:, :2] == pytest.approx(low, abs=1e-3)
        hidden = np.ones(24, dtype=bool)
        for source in after["sources"]:
            x0, y0, x1, y1 = np.array(source["target_boxes"]).T
            hidden &= (x1 <= 0) | (x0 >= 1) | (y1 <= 0) | (y0 >= 1)
        told = np.zeros(24, dtype=bool)
        for begin, end in after["off_screen"]:
            told[round(begin * 8) : round(end * 8)] = True
        assert told.tolist() == hidden.tolist()


def test_bars_and_what_passes_in_front_hide_events_and_leave_boxes(exported: Path) -> None:
    (record, *_) = read_records(exported.with_suffix(".events.jsonl"))
    size = (record["size"][0], record["size"][1])
    x0, _, x1, _ = np.array(record["sources"][0]["target_boxes"]).T
    narrow = Bars(width=0.49)  # only the middle of the frame remains
    seen = record_in_window(record, Window(kind="aspect_mask", size=size, effects=(narrow,)))
    is_inside = (x0 < 0.51) & (x1 > 0.49)
    hidden = np.zeros(24, dtype=bool)
    for begin, end in seen["off_screen"]:
        hidden[round(begin * 8) : round(end * 8)] = True
    assert hidden.tolist() == (~is_inside).tolist()
    assert seen["sources"][0]["target_boxes"] == record["sources"][0]["target_boxes"]
    wide = Occluder(width=1.5, moves_right=True, begin=0.0, lasts_s=3.0, colour=(0, 0, 0))
    covered = record_in_window(record, Window(kind="occlusion", size=size, effects=(wide,)))
    assert any(begin < 1.5 < end for begin, end in covered["off_screen"])  # covers all in the middle
    times = {event["time_s"]: event["is_visible"] for event in covered["events"]}
    assert not any(is_visible for time, is_visible in times.items() if 1.2 < time < 1.8)
    both = record_in_window(record, Window(kind="sequence", size=size, effects=(narrow, wide)))
    assert sum(e - b for b, e in both["off_screen"]) >= sum(e - b for b, e in seen["off_screen"])


def test_small_windows_at_the_border_leave_targets_out(exported: Path, tmp_path: Path) -> None:
    variation = CameraMovement(scale_range=(0.15, 0.2))
    built = build_test_set(exported, tmp_path / "set", variation, is_view=True)
    assert built.events_path is not None
    assert any(entry["off_screen"] for entry in read_records(built.events_path))


def test_two_processes_and_a_second_run_write_the_same_events(exported: Path, tmp_path: Path) -> None:
    first = build_test_set(exported, tmp_path / "one", CloseUp(), is_view=True).events_path
    second = build_test_set(exported, tmp_path / "two", CloseUp(), is_view=True, jobs=2).events_path
    assert first is not None
    assert second is not None
    before = first.read_bytes()
    assert second.read_bytes() == before
    first.write_text("half a li")
    build_test_set(exported, tmp_path / "one", CloseUp(), is_view=True)
    assert first.read_bytes() == before


def test_a_list_without_events_gives_a_set_without(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_bytes(exported.read_bytes())
    build_test_set(tmp_path / "other.csv", tmp_path / "set", CloseUp(), clips=exported.parent, is_view=True)
    assert read_test_set(tmp_path / "set").events_path is None


def test_events_without_boxes_give_a_set_without_events(exported: Path, tmp_path: Path) -> None:
    """Nobody knows what a window shows of them."""
    (tmp_path / "test.csv").write_bytes(exported.read_bytes())
    line = {"id": "test-000000", "events": [{"time_s": 0.5, "kind": "strike"}]}
    (tmp_path / "test.events.jsonl").write_text(json.dumps(line))
    out = tmp_path / "set"
    assert build_test_set(tmp_path / "test.csv", out, CloseUp(), clips=exported.parent, is_view=True).clips
    assert read_test_set(out).events_path is None


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"id": "test-000000", "sources": [{"target_boxes": []}]}',
        '{"id": "test-000000", "size": [32, 57], "sources": []}',
    ],
)
def test_a_line_that_describes_no_clip_is_named(exported: Path, tmp_path: Path, line: str) -> None:
    (tmp_path / "test.csv").write_bytes(exported.read_bytes())
    other = json.dumps({"id": "a clip that is not listed"})
    (tmp_path / "test.events.jsonl").write_text(f"{other}\n\n{line}\n")
    out = tmp_path / "set"
    with pytest.raises(DataError, match=r"test\.events\.jsonl, line 3: not the events of a clip"):
        build_test_set(tmp_path / "test.csv", out, CloseUp(), clips=exported.parent, is_view=True)
