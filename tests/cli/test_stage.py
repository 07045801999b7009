import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cinefoley.media.audio.files import read_audio
from cinefoley.media.muxing.replace_audio import video_hash
from cinefoley.media.probe import probe
from cinefoley.stage.render import render_clip

RunCli = Callable[..., Any]

SMALL = ("--size", "64x48", "--fps", 12, "--duration", 1.5)


def test_a_video_its_sound_and_its_events_are_written(run_cli: RunCli, tmp_path: Path) -> None:
    video = tmp_path / "drum.mp4"
    result = run_cli("stage", "render", "-o", video, "--seed", 3, "--kind", "drum", "--split", "test", *SMALL)

    assert (result.code, result.out, result.err) == (0, f"{video}\n", "")
    info = probe(video)
    assert info.video is not None
    assert info.audio is not None
    assert (info.video.codec, info.audio.codec) == ("h264", "aac")
    assert (info.video.width, info.video.height) == (64, 48)
    sound, rate = read_audio(video.with_suffix(".wav"))
    assert sound.shape == (1, round(1.5 * rate))
    clip = render_clip(3, split="test", fps=12, size=(48, 64), duration_s=1.5, kind="drum")
    described = json.loads(video.with_suffix(".json").read_text())
    assert described["events"] == clip.describe()["events"]
    assert described["size"] == [48, 64]


def test_a_silent_video_has_no_sound_but_its_wav_has(run_cli: RunCli, tmp_path: Path) -> None:
    video = tmp_path / "drum.mp4"
    run_cli("stage", "render", "-o", video, "--silent", *SMALL)

    assert probe(video).audio is None
    assert video.with_suffix(".wav").exists()


def test_the_same_seed_renders_the_same_pictures(run_cli: RunCli, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert run_cli("stage", "render", "-o", tmp_path / f"{name}.mp4", "--seed", 5, *SMALL).code == 0

    assert video_hash(tmp_path / "a.mp4") == video_hash(tmp_path / "b.mp4")
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_several_clips_go_into_a_folder_under_their_seeds(run_cli: RunCli, tmp_path: Path) -> None:
    out = tmp_path / "new" / "clips"
    result = run_cli(
        "stage", "render", "-o", out, "--count", 2, "--seed", 7, "--split", "valid", "--json", *SMALL
    )

    assert result.code == 0
    clips = result.json["clips"]
    assert [clip["seed"] for clip in clips] == [7, 8]
    assert [Path(clip["film"]).name for clip in clips] == ["valid-000007.mp4", "valid-000008.mp4"]
    assert len(list(out.iterdir())) == 6
    assert all(
        clip["num_events"] == len(json.loads(Path(clip["json"]).read_text())["events"]) for clip in clips
    )


@pytest.mark.parametrize("suffix", [".mp4", ".wav", ".json"])
def test_what_is_there_is_replaced_only_by_force(run_cli: RunCli, tmp_path: Path, suffix: str) -> None:
    there = tmp_path / f"drum{suffix}"
    there.write_text("mine")
    refused = run_cli("stage", "render", "-o", tmp_path / "drum.mp4", *SMALL)

    assert refused.code == 1
    assert refused.err == f"error: {there}: exists. Pass --force to replace it, or write elsewhere.\n"
    assert there.read_text() == "mine"
    assert run_cli("stage", "render", "-o", tmp_path / "drum.mp4", "--force", *SMALL).code == 0
    assert there.read_bytes() != b"mine"


def test_a_kind_that_does_not_exist_is_answered_with_those_that_do(run_cli: RunCli, tmp_path: Path) -> None:
    result = run_cli("stage", "render", "-o", tmp_path / "x.mp4", "--kind", "trombone", *SMALL)

    assert result.code == 2
    assert "no kind 'trombone'" in result.err
    assert "drum" in result.err


@pytest.mark.parametrize("size", ["64", "64x", "axb", "0x0", "64*48"])
def test_a_size_is_width_times_height(run_cli: RunCli, tmp_path: Path, size: str) -> None:
    result = run_cli("stage", "render", "-o", tmp_path / "x.mp4", "--size", size)

    assert result.code == 2
    assert "WIDTHxHEIGHT" in result.err or "8x8 pixels" in result.err
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_told(run_cli: RunCli, tmp_path: Path) -> None:
    result = run_cli("stage", "render", "-o", tmp_path / "gone" / "x.mp4", *SMALL)

    assert result.code == 1
    assert "the folder" in result.err
    assert "does not exist" in result.err


def test_an_export_prints_its_list(run_cli: RunCli, tmp_path: Path) -> None:
    small = ("--short-side", 32, "--fps", 8, "--duration", 1)
    result = run_cli("stage", "export", "--split", "test", "--count", 2, *small, tmp_path / "set")

    assert (result.code, result.out) == (0, f"{tmp_path / 'set' / 'test.csv'}\n")
    again = run_cli("stage", "export", "--split", "test", "--count", 3, *small, tmp_path / "set", "--json")
    assert (again.json["rendered"], again.json["kept"]) == (1, 2)
    refused = run_cli("stage", "export", "--split", "test", "--count", 2, tmp_path / "set")
    assert refused.code == 1
    assert "other settings" in refused.err


def test_every_frame_has_its_boxes(run_cli: RunCli, tmp_path: Path) -> None:
    assert run_cli("stage", "render", "-o", tmp_path / "x.mp4", "--sample-rate", 48000, *SMALL).code == 0

    described = json.loads((tmp_path / "x.json").read_text())
    assert len(described["sources"][0]["contact_boxes"]) == 18
    assert read_audio(tmp_path / "x.wav")[1] == 48000
