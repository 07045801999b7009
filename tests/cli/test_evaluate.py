"""``cinefoley evaluate`` prints its protocol, names what it leaves out, and agrees with itself over ranks."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

RunCli = Callable[..., Any]


@pytest.fixture(autouse=True)
def _empty_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CINEFOLEY_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="session")
def lite_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small classifier, two blocks of it, with random weights."""
    import torch
    from safetensors.torch import save_file

    from cinefoley.metrics.backbones.lite import LiteNet

    folder = tmp_path_factory.mktemp("lite")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_file(LiteNet(4, [4, 8]).state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"classes": list("abcd"), "channels": [4, 8]}))
    return folder


@pytest.fixture
def sounds(tmp_path: Path) -> tuple[Path, Path]:
    """Eleven clips: generated, and real."""
    for side, offset in (("generated", 100), ("real", 0)):
        (tmp_path / side).mkdir()
        for clip in range(11):
            noise = np.random.Generator(np.random.PCG64(clip + offset)).standard_normal(24000)
            soundfile.write(tmp_path / side / f"clip{clip:02d}.wav", 0.1 * noise, 16000)
    return tmp_path / "generated", tmp_path / "real"


@pytest.fixture
def evaluate(run_cli: RunCli, sounds: tuple[Path, Path], lite_weights: Path) -> RunCli:
    generated, real = sounds
    options = ("--reference", real, "--backbone", "lite", "--lite", lite_weights, "--device", "cpu")
    return lambda *arguments: run_cli("evaluate", generated, *options, "--bootstrap", 40, *arguments)


LOUDNESS = ("level", "level error", "loudness range", "loudness range of the reference")


def test_numbers_come_with_their_protocol_line(evaluate: RunCli) -> None:
    result = evaluate()
    assert result.code == 0
    assert result.err == ""
    lines = result.out.splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["FD-lite", "KID-lite", "KL-lite", "IS-lite"]
    assert [line.split(",")[0] for line in lines[5:9]] == list(LOUDNESS)
    assert lines[9].startswith("E-L1 ")
    assert lines[10].startswith("protocol: protocol cinefoley; backbones lite (sha256:")


def test_json_and_files_hold_the_same_numbers(evaluate: RunCli, tmp_path: Path) -> None:
    result = evaluate("--json", "-o", tmp_path / "report")
    stored = json.loads((tmp_path / "report" / "evaluation.json").read_text())
    assert result.json == stored
    assert stored["protocol"]["clips"] == 11
    assert "protocol: " in (tmp_path / "report" / "evaluation.md").read_text()
    assert "tabular" in (tmp_path / "report" / "evaluation.tex").read_text()
    assert list(stored["scores"]) == [
        "FD-lite",
        "KID-lite",
        "KL-lite",
        "IS-lite",
        *(f"{n}, LU" for n in LOUDNESS),
        "E-L1",
    ]
    assert (tmp_path / "home" / "features").is_dir()
    again = evaluate("--json", "-o", tmp_path / "report")
    assert again.code == 1
    assert "evaluation.json: exists. Pass --force" in again.err
    assert evaluate("--json", "-o", tmp_path / "report", "--force").code == 0


def test_files_that_are_left_out_are_named_on_stderr(evaluate: RunCli, sounds: tuple[Path, Path]) -> None:
    (sounds[0] / "clip03.wav").write_text("no sound\n" * 100)
    result = evaluate("--format", "markdown")
    assert result.code == 0
    assert "skipped: generated" in result.err
    assert "clip03.wav: unreadable" in result.err
    assert "clip03.wav: its partner was skipped" in result.err
    assert "skipped: 2 files in total" in result.err
    assert "clips 10" in result.out


def test_pairs_that_do_not_match_are_one_line(evaluate: RunCli, sounds: tuple[Path, Path]) -> None:
    (sounds[0] / "clip03.wav").unlink()
    result = evaluate()
    assert result.code == 1
    assert result.err.count("\n") == 1
    assert "10 clips are on both sides" in result.err
    assert evaluate("--unpaired").code == 0


def test_missing_weights_name_the_command(run_cli: RunCli, sounds: tuple[Path, Path]) -> None:
    result = run_cli("evaluate", sounds[0], "--reference", sounds[1])
    assert result.code == 1
    assert "cinefoley models pull panns" in result.err


def test_events_add_onset_figures(evaluate: RunCli, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_text("".join(json.dumps({"clip": f"clip{n:02d}", "events": []}) + "\n" for n in range(11)))
    scores = evaluate("--events", events, "--json").json["scores"]
    assert scores["onset F1 ±100 ms"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert "skipped" in scores["off-screen energy"]


def test_onsets_of_the_reference_are_the_events(evaluate: RunCli) -> None:
    result = evaluate("--onsets", "--json").json
    own, others = (result["scores"][f"reference onset F1 ±100 ms{end}"] for end in ("", ", other clips"))
    assert own == others == {"value": 1.0, "low": 1.0, "high": 1.0}  # noise from the first sample has none
    assert "the next 10 by name" in result["protocol"]["reference_onsets"]
    lines = evaluate("--onsets").out.splitlines()
    assert [line[:23] for line in lines[10:12]] == ["reference onset F1 ±100"] * 2


@pytest.mark.slow
def test_stage_clips_are_exported_varied_and_judged(
    run_cli: RunCli, lite_weights: Path, tmp_path: Path
) -> None:
    """The way through: real sounds in the place of generated ones, so all that can be judged is right."""
    clips, varied = tmp_path / "clips", tmp_path / "cm"
    export = ("stage", "export", clips, "--split", "test", "--count", 12, "--duration", 3, "--short-side", 32)
    assert run_cli(*export, "--fps", 8, "--sample-rate", 16000).code == 0
    result = run_cli(
        *("vary", clips / "test.csv", "--camera-movement", "--scale-range", 0.2, 0.3, "--workers", 1),
        *("-o", varied, "--json"),
    )
    assert result.json["events"] == str(varied / "events.jsonl")
    options = ("--backbone", "lite", "--lite", lite_weights, "--device", "cpu", "--bootstrap", 40)
    for films, events in ((clips, clips / "test.events.jsonl"), (varied / "clips", varied / "events.jsonl")):
        result = run_cli(
            "evaluate",
            films,
            "--reference",
            clips,
            "--events",
            events,
            *options,
            "--protocol",
            "audioldm_eval",
            "--labels",
            clips / "test.csv",
            "--json",
        )
        assert result.code == 0, result.err
        scores = result.json["scores"]
        assert scores["onset F1 ±100 ms"]["value"] > 0.95
        assert scores["onset F1 ±100 ms"]["low"] <= scores["onset F1 ±100 ms"]["value"]
        assert scores["visible onset F1 ±100 ms"]["value"] > 0.95
        assert "12 of 12 samples" in result.json["protocol"]["events_judged"]
        kinds = {line.split(",")[2] for line in (clips / "test.csv").read_text().splitlines()}
        assert set(result.json["categories"]) == kinds
    assert scores["off-screen energy"]["value"] < 0.01


def test_wrong_usage_is_told(evaluate: RunCli, tmp_path: Path) -> None:
    assert evaluate("--video", tmp_path).code == 2
    assert evaluate("--unpaired", "--events", tmp_path / "x").code == 2
    assert evaluate("--unpaired", "--onsets").code == 2
    assert evaluate("--unpaired", "--labels", tmp_path / "x").code == 2
    assert evaluate("--bootstrap", 1).code == 2


def test_labels_of_other_clips_are_told(evaluate: RunCli, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("somebody else's,dog\n")
    result = evaluate("--labels", tmp_path / "labels.csv")
    assert result.code == 0
    assert "contains none of the clips" in result.err


@pytest.mark.slow
def test_two_ranks_print_what_one_prints(
    evaluate: RunCli,
    sounds: tuple[Path, Path],
    lite_weights: Path,
    tiny_judge: Path,
    render_film: Callable[..., Path],
) -> None:
    films, events = sounds[0].parent / "films", sounds[0].parent / "events.jsonl"
    films.mkdir()
    for clip in range(3):
        render_film(films / f"clip{clip:02d}.mp4", seed=clip)
    events.write_text("".join(json.dumps({"clip": f"clip{n:02d}", "events": []}) + "\n" for n in range(11)))
    (sounds[0] / "clip02.wav").write_text("no sound\n" * 100)
    judged = ["--video", str(films), "--model", str(tiny_judge), "--events", str(events)]
    alone = evaluate("--json", "--cache", sounds[0].parent / "one", *judged).out
    assert "Align Acc" in alone
    arguments = ["evaluate", str(sounds[0]), "--reference", str(sounds[1]), "--backbone", "lite", *judged]
    arguments += ["--lite", str(lite_weights), "--device", "cpu", "--bootstrap", "40", "--json"]
    command = [
        sys.executable,
        "-m",
        "cinefoley.cli.main",
        *arguments,
        "--cache",
        str(sounds[0].parent / "two"),
    ]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    ranks = [
        subprocess.Popen(command, env=shared | {"RANK": str(rank)}, stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in ranks]
    assert outputs == [alone, ""]


def test_alignment_is_judged_by_a_model_that_has_a_judge(
    evaluate: RunCli, sounds: tuple[Path, Path], tiny_judge: Path, render_film: Callable[..., Path]
) -> None:
    films = sounds[0].parent / "films"
    films.mkdir()
    for clip in range(3):
        render_film(films / f"clip{clip:02d}.mp4", seed=clip)
    result = evaluate("--video", films, "--model", tiny_judge, "--json")
    assert result.code == 0
    for name in ("Align Acc", "Align Acc, posterior mean"):
        assert 0 <= result.json["scores"][name]["value"] <= 1
    protocol = result.json["protocol"]
    assert protocol["alignment_judge"].startswith("features of the teacher (sha256:")
    assert protocol["alignment_mels"] == "0 generated, 3 taken of the sound"
    student = evaluate("--video", films, "--model", tiny_judge, "--video-encoder", "student")
    assert student.code == 1
    assert "has no student video encoder" in student.err
    other = evaluate(
        "--video", films, "--model", tiny_judge, "--video-encoder", tiny_judge / "video_encoder", "--json"
    )
    assert other.json["scores"] == result.json["scores"]
    assert "features of the encoder video_encoder" in other.json["protocol"]["alignment_judge"]
