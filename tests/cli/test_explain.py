import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.dask_cluster import threads

from cinefoley.media.audio.files import read_audio, write_audio
from cinefoley.media.muxing.replace_audio import replace_audio
from cinefoley.media.probe import probe
from cinefoley.models.video_encoder import VideoEncoder

RunCli = Callable[..., Any]


@pytest.fixture
def explain(run_cli: RunCli, tiny_model: Path, tmp_path: Path) -> RunCli:
    """``explain(film, ...)`` with the tiny model, which has no student, into ``tmp_path / "out"``."""
    options = ("--model", tiny_model, "--steps", 2, "-o", tmp_path / "out")
    return lambda *arguments: run_cli("explain", *options, *arguments)


@pytest.fixture
def student(tiny_model: Path, tmp_path: Path) -> Path:
    encoder = VideoEncoder.from_pretrained(tiny_model / "video_encoder")
    with torch.no_grad():
        encoder.projection.weight.mul_(torch.linspace(0.5, 1.5, encoder.projection.in_features))
    encoder.save_pretrained(tmp_path / "student")
    return tmp_path / "student"


def test_a_figure_and_a_video_are_written(explain: RunCli, rain: Path, student: Path, tmp_path: Path) -> None:
    result = explain(rain, "--student", student)
    assert result.code == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "rain.explain.png",
        "rain.explain.pdf",
        "rain.explain.mp4",
    }
    assert "teacher: feature energy" in result.out
    assert "student: feature energy" in result.out
    video = probe(tmp_path / "out" / "rain.explain.mp4")
    assert video.video is not None
    assert video.audio is not None
    assert video.video.width == 2 * 64
    sound, _ = read_audio(tmp_path / "out" / "rain.explain.mp4")
    assert 0.5 < sound.abs().max() < 0.99, (
        "what random weights make is loud, and was lowered rather than clipped"
    )


def test_what_is_there_is_replaced_only_by_force(explain: RunCli, rain: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "rain.explain.pdf").write_text("mine")
    result = explain(rain)
    assert result.code == 1
    assert "rain.explain.pdf: exists. Pass --force" in result.err
    assert (tmp_path / "out" / "rain.explain.pdf").read_text() == "mine"
    assert explain(rain, "--force").code == 0
    assert explain(rain, "--view", "cut").code == 0
    assert (tmp_path / "out" / "rain.cut.explain.png").is_file()


def test_without_a_student_the_teacher_stands_alone(explain: RunCli, rain: Path) -> None:
    result = explain(rain, "--json")
    assert result.code == 0
    assert "only the teacher is explained" in result.err
    assert list(json.loads(result.out)["mean"]) == ["teacher"]


def test_the_workers_of_a_cluster_explain_what_one_process_explains(
    explain: RunCli, rain: Path, render_film: Callable[..., Path], tmp_path: Path
) -> None:
    videos = (rain, render_film(tmp_path / "storm.mp4", seed=1))
    alone = explain(*videos, "--json")
    figures = {path: path.read_bytes() for path in (tmp_path / "out").glob("*.p[dn][fg]")}
    with threads(2) as address:
        shared = explain(*videos, "--json", "--force", "--engine", "dask", "--scheduler", address)
    assert shared.code == 0, shared.err
    assert shared.json == alone.json
    assert {path: path.read_bytes() for path in (tmp_path / "out").glob("*.p[dn][fg]")} == figures
    assert len(list((tmp_path / "out").glob("*.mp4"))) == 2
    assert explain(rain, "--engine", "dask").code == 2


def test_a_videos_own_sound_is_shown(explain: RunCli, rain: Path, tmp_path: Path) -> None:
    write_audio(tmp_path / "tone.wav", torch.sin(torch.arange(32000) / 10)[None] * 0.5, 16000)
    replace_audio(rain, tmp_path / "tone.wav", tmp_path / "with_sound.mp4")
    assert explain(tmp_path / "with_sound.mp4").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--start", 60), 1, "rain.mp4"),
        (("--layer", "conv1"), 2, "layer must be one of"),
        (("--student", "nowhere"), 1, "nowhere"),
    ],
)
def test_what_cannot_be_done_is_said(
    explain: RunCli, rain: Path, arguments: tuple[object, ...], code: int, message: str
) -> None:
    result = explain(rain, *arguments)
    assert result.code == code
    assert message in " ".join(result.err.split())


def test_a_file_without_a_picture_is_refused(explain: RunCli, tmp_path: Path) -> None:
    write_audio(tmp_path / "tone.wav", torch.zeros(1, 16000), 16000)
    result = explain(tmp_path / "tone.wav")
    assert result.code == 1
    assert "has no video stream" in result.err


def test_a_missing_extra_is_named(explain: RunCli, rain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cinefoley.cli.extras.find_spec", lambda name: None)
    result = explain(rain)
    assert result.code == 1
    assert "captum and matplotlib" in result.err
    assert "pip install 'cinefoley[analysis]'" in result.err


def test_a_folder_that_cannot_be_written_is_told(explain: RunCli, rain: Path, tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    result = explain(rain)
    assert result.code == 1
    assert "cannot be created" in result.err
