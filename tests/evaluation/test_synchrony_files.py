import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from cinefoley.errors import CinefoleyError
from cinefoley.evaluation.pairing import Sample
from cinefoley.evaluation.synchrony_files import read_events, score_events

RATE = 16000


@pytest.fixture
def clicks(tmp_path: Path) -> Callable[..., Sample]:
    """``clicks("a", [1.0, 2.5])`` writes four seconds with bursts at these times."""

    def write(name: str, times: list[float]) -> Sample:
        rng = np.random.Generator(np.random.PCG64(0))
        sound = 1e-4 * rng.standard_normal(4 * RATE)
        for time in times:
            start = round(time * RATE)
            sound[start : start + 1600] += 0.3 * rng.standard_normal(1600) * np.exp(-np.arange(1600) / 300)
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, sound, RATE)
        return Sample(name, 0, path)

    return write


@pytest.fixture
def write_events(tmp_path: Path) -> Callable[..., Path]:
    def write(*entries: dict[str, Any]) -> Path:
        path = tmp_path / "events.jsonl"
        path.write_text("\n".join(json.dumps(entry) for entry in entries) + "\n\n")
        return path

    return write


def test_right_times_score_one_and_others_less(
    clicks: Callable[..., Sample], write_events: Callable[..., Path]
) -> None:
    events = [{"time_s": 2.5, "is_visible": False}, {"time_s": 1.0}]
    path = write_events({"clip": "right", "events": events}, {"film": "wrong.mp4", "events": events})
    known = read_events(path)
    right = score_events([clicks("right", [1.0, 2.5])], known)
    assert {score.value for name, score in right.items() if "F1" in name} == {1.0}
    assert set(right) == {
        *(f"{kind}onset F1 ±{ms} ms" for kind in ("", "visible ") for ms in (50, 100, 250)),
        "off-screen energy",
    }
    wrong = score_events([clicks("wrong", [1.2, 3.5])], known)
    assert wrong["onset F1 ±100 ms"].value == 0
    assert wrong["onset F1 ±250 ms"].value == pytest.approx(0.5)
    assert wrong["visible onset F1 ±250 ms"].value == pytest.approx(2 / 3)


def test_a_clip_without_events_asks_for_silence(
    clicks: Callable[..., Sample], write_events: Callable[..., Path]
) -> None:
    known = read_events(write_events({"clip": "quiet", "events": []}))
    assert score_events([clicks("quiet", [])], known)["onset F1 ±100 ms"].value == 1
    assert score_events([clicks("quiet", [1.0])], known)["onset F1 ±100 ms"].value == 0


def test_energy_out_of_the_frame_is_measured_where_that_is_known(
    clicks: Callable[..., Sample], write_events: Callable[..., Path]
) -> None:
    entry = {"clip": "a", "events": [{"time_s": 1.0, "end_s": 1.5}], "off_screen": [[0.0, 4.0]]}
    known = read_events(write_events(entry))
    right = score_events([clicks("a", [1.0])], known)["off-screen energy"].value
    wrong = score_events([clicks("a", [3.0])], known)["off-screen energy"].value
    assert right == pytest.approx(0, abs=1e-4)
    assert wrong == pytest.approx(1, abs=1e-4)


def test_kinds_without_sharp_onsets_and_unknown_clips_are_not_judged(
    clicks: Callable[..., Sample], write_events: Callable[..., Path]
) -> None:
    known = read_events(write_events({"clip": "a", "events": [{"time_s": 1.0, "is_onset_like": False}]}))
    scores = score_events([clicks("a", [1.0]), clicks("b", [1.0])], known)
    assert all(score.value is None and score.skipped for score in scores.values())


@pytest.mark.parametrize("line", ["{", "[]", '{"clip": "a"}', '{"clip": "a", "events": [{"time_s": null}]}'])
def test_a_line_that_is_none_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"clip": "a", "events": []}\n' + line + "\n")
    with pytest.raises(CinefoleyError, match=r"events.jsonl, line 2: not the events of a clip"):
        read_events(path)
    with pytest.raises(CinefoleyError, match="cannot be read"):
        read_events(tmp_path / "none.jsonl")
