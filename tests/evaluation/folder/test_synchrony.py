import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from cinefoley.errors import CinefoleyError
from cinefoley.evaluation.folder.pairing import Sample
from cinefoley.evaluation.folder.per_clip_metrics import ratio_scores
from cinefoley.evaluation.folder.synchrony import EventMetric, read_events
from cinefoley.evaluation.scores import Score

RATE = 16000


def score(samples: list[Sample], path: Path) -> dict[str, Score]:
    return ratio_scores(EventMetric(path).measure(samples).ratios, {sample.clip for sample in samples})


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
    right = score([clicks("right", [1.0, 2.5])], path)
    assert {found.value for name, found in right.items() if "F1" in name} == {1.0}
    assert set(right) == {
        *(f"{kind}onset F1 ±{ms} ms" for kind in ("", "visible ") for ms in (50, 100, 250)),
        "off-screen energy",
    }
    wrong = score([clicks("wrong", [1.2, 3.5])], path)
    assert wrong["onset F1 ±100 ms"].value == 0
    assert wrong["onset F1 ±250 ms"].value == pytest.approx(0.5)
    assert wrong["visible onset F1 ±250 ms"].value == pytest.approx(2 / 3)


def test_a_clip_without_events_asks_for_silence(
    clicks: Callable[..., Sample], write_events: Callable[..., Path]
) -> None:
    path = write_events({"clip": "quiet", "events": []})
    assert score([clicks("quiet", [])], path)["onset F1 ±100 ms"].value == 1
    assert score([clicks("quiet", [1.0])], path)["onset F1 ±100 ms"].value == 0


def test_energy_out_of_the_frame_is_measured_where_that_is_known(
    clicks: Callable[..., Sample], write_events: Callable[..., Path]
) -> None:
    entry = {"clip": "a", "events": [{"time_s": 1.0, "end_s": 1.5}], "off_screen": [[0.0, 4.0]]}
    path = write_events(entry)
    right = score([clicks("a", [1.0])], path)["off-screen energy"].value
    wrong = score([clicks("a", [3.0])], path)["off-screen energy"].value
    assert right == pytest.approx(0, abs=1e-4)
    assert wrong == pytest.approx(1, abs=1e-4)


def test_kinds_without_sharp_onsets_and_unknown_clips_are_not_judged(
    clicks: Callable[..., Sample], write_events: Callable[..., Path]
) -> None:
    path = write_events({"clip": "a", "events": [{"time_s": 1.0, "is_onset_like": False}]})
    scores = score([clicks("a", [1.0]), clicks("b", [1.0])], path)
    assert all(found.value is None and found.skipped for found in scores.values())


def test_a_target_that_never_leaves_the_frame_leaves_nothing_to_judge(
    clicks: Callable[..., Sample], write_events: Callable[..., Path]
) -> None:
    path = write_events({"id": "a", "events": [{"time_s": 1.0, "end_s": 1.2}], "off_screen": []})
    assert score([clicks("a", [1.0])], path)["off-screen energy"].skipped is not None


def test_a_sound_of_a_blink_is_judged_as_silence(tmp_path: Path, write_events: Callable[..., Path]) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(160), RATE)
    scores = score([Sample("a", 0, tmp_path / "a.wav")], write_events({"clip": "a", "events": []}))
    assert scores["onset F1 ±50 ms"].value == 1


def test_what_was_judged_is_told(clicks: Callable[..., Sample], write_events: Callable[..., Path]) -> None:
    path = write_events({"clip": "a", "events": []}, {"clip": "b", "events": [], "off_screen": [[0, 1]]})
    measurement = EventMetric(path).measure([clicks(name, []) for name in "abc"])
    assert measurement.protocol["events_judged"] == (
        "2 of 3 samples, of these 2 by onsets, 1 by off-screen energy"
    )
    assert str(measurement.protocol["events"]).startswith("events.jsonl (sha256:")


def test_the_stage_writes_what_is_read(tmp_path: Path) -> None:
    from cinefoley.stage.render import render_clip

    clip = render_clip(4, size=(36, 64), fps=4, kind="drum", duration_s=3.0)
    description = clip.describe(has_boxes=True)
    (tmp_path / "drum.json").write_text(json.dumps(description | {"film": "drum.mp4"}, indent=2) + "\n")
    (tmp_path / "lines.jsonl").write_text(json.dumps(description | {"id": "drum"}) + "\n")
    for name in ("drum.json", "lines.jsonl"):
        (known,) = read_events(tmp_path / name).values()
        assert known.times == pytest.approx([event.time_s for event in clip.events], abs=1e-5)
        assert (known.sounding[:, 1] > known.times).all()
        assert known.off_screen is not None
    soundfile.write(tmp_path / "drum.wav", clip.waveform, clip.sample_rate)
    found = score([Sample("drum", 0, tmp_path / "drum.wav")], tmp_path / "drum.json")
    assert found["onset F1 ±100 ms"].value == 1


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"clip": "a"}',
        '{"clip": "a", "events": [{"time_s": null}]}',
        '{"clip": "a", "events": [{"time_s": 1, "end_s": 0.5}]}',
        '{"clip": "a", "events": [], "off_screen": [[2, 1]]}',
        '{"clip": "a", "events": [], "off_screen": [[0.5, Infinity]]}',
        '{"clip": "a", "events": [{"time_s": NaN}]}',
    ],
)
def test_a_line_that_is_none_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"clip": "a", "events": []}\n' + line + "\n")
    with pytest.raises(CinefoleyError, match=r"events.jsonl, line 2: not the events of a clip"):
        read_events(path)
    with pytest.raises(CinefoleyError, match="cannot be read"):
        read_events(tmp_path / "none.jsonl")


def test_a_clip_is_there_once_and_known_by_its_file(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(
        '\ufeff{"clip": "rain.wav", "events": []}\n{"clip": "v1.2", "events": []}\n', encoding="utf-8"
    )
    assert set(read_events(path)) == {"rain", "v1.2"}
    path.write_text('{"clip": "rain", "events": []}\n{"film": "a/rain.mp4", "events": []}\n')
    with pytest.raises(CinefoleyError, match="line 2: the clip 'rain' appears twice"):
        read_events(path)
