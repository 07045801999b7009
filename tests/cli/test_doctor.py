import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cinefoley.cli.inspection import describe_model
from cinefoley.cli.machine import describe_machine
from cinefoley.media.audio.files import write_audio

RunCli = Callable[..., Any]


def test_the_machine_is_described_in_json(run_cli: RunCli) -> None:
    result = run_cli("doctor", "--json")

    assert result.code == 0
    report = result.json
    assert report["versions"]["torch"] == torch.__version__
    assert "libavcodec" in report["versions"]["ffmpeg"]
    precision = "bfloat16" if report["cpu"]["has_fast_bf16"] else "float32"
    assert report["devices"][-1] == {"name": "cpu", "precision": precision}
    assert report["cpu"]["cores"] >= 1
    assert report["disk"]["free_gib"] > 0
    assert "lite" in report["models"]
    assert "eval" in report["extras"]


def test_the_machine_is_described_in_lines(run_cli: RunCli) -> None:
    result = run_cli("doctor")

    assert (result.code, result.err) == (0, "")
    starts = [line.split()[0] for line in result.out.splitlines()]
    assert {"python", "torch", "ffmpeg", "device", "processor", "memory", "disk", "allocator"} <= set(starts)


def test_python_programs_are_advised_to_keep_memory_until_the_environment_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    for name in ("MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_"):
        monkeypatch.delenv(name, raising=False)
    before = describe_machine()["allocator"]
    if before["name"] != "glibc":
        pytest.skip("the advice is for glibc")
    for name, value in (("MMAP_MAX", "0"), ("TRIM_THRESHOLD", "16000000000"), ("TOP_PAD", "300000000")):
        monkeypatch.setenv(f"MALLOC_{name}_", value)
    after = describe_machine()["allocator"]

    assert before["keeps_freed_memory"], "the command itself has set it"
    assert "keep_freed_memory()" in before["advice"]
    assert after["advice"] is None
    assert after["settings"]["MALLOC_TRIM_THRESHOLD_"] == "16000000000"


def test_jemalloc_needs_no_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD", "/usr/lib/libjemalloc.so.2")
    allocator = describe_machine()["allocator"]

    assert allocator["name"] == "jemalloc"
    assert allocator["keeps_freed_memory"]
    assert allocator["advice"] is None


def test_a_video_is_told_with_its_takes_and_windows(
    run_cli: RunCli, render_film: Callable[..., Path], tmp_path: Path
) -> None:
    video = render_film(tmp_path / "rain.mov", duration_s=9.0, fps=4)
    report = run_cli("doctor", video, "--json").json
    told = run_cli("doctor", video).out

    assert report["container"] == "mov"
    assert report["duration_s"] == 9.0
    assert report["audio"] is None
    assert report["video"]["width"] == 64
    assert report["video"]["fps"] == 4.0
    assert report["takes_suffix"] == ".mov"
    assert report["num_windows"] == 2
    assert "yes: writes rain.take1.wav and rain.take1.mov" in told


def test_a_video_without_a_container_of_its_own_goes_into_matroska(
    run_cli: RunCli, render_film: Callable[..., Path], tmp_path: Path
) -> None:
    video = render_film(tmp_path / "rain.mp4").rename(tmp_path / "rain.avi")

    assert run_cli("doctor", video, "--json").json["takes_suffix"] == ".mkv"


def test_sound_without_pictures_cannot_be_used(run_cli: RunCli, tmp_path: Path) -> None:
    write_audio(tmp_path / "rain.wav", torch.zeros(1600), 16000)
    result = run_cli("doctor", tmp_path / "rain.wav")

    assert result.code == 1
    assert result.err.startswith("error: rain.wav: no video stream (found 1 audio stream, wav).")


def test_a_model_folder_is_told_part_by_part(run_cli: RunCli, tiny_model: Path) -> None:
    report = run_cli("doctor", tiny_model, "--json").json
    told = run_cli("doctor", tiny_model)

    assert told.code == 0
    assert "32x32 at 4 fps" in told.out
    assert list(report["parts"]) == ["video_encoder", "conditioner", "unet", "vae"]
    conditioner = report["parts"]["conditioner"]
    assert conditioner["parameters"] == 16 * 16 + 16 + 10 * 16
    assert conditioner["dtypes"] == ["F32"]
    assert len(conditioner["sha256"]["diffusion_pytorch_model.safetensors"]) == 64


def test_a_student_is_a_part_of_its_model(tiny_model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    shutil.copytree(folder / "video_encoder", folder / "video_encoder_student")

    assert describe_model(folder)["parts"]["video_encoder_student"]["problem"] is None


def damage_header(folder: Path) -> None:
    (folder / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"\xff" * 64)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: shutil.rmtree(folder / "vae"), "vae: no such folder"),
        (lambda folder: shutil.rmtree(folder / "scheduler"), "scheduler: no scheduler_config.json"),
        (lambda folder: (folder / "video_encoder_student").mkdir(), "video_encoder_student: no weights"),
        (lambda folder: (folder / "vae" / "config.json").unlink(), "vae: config.json: No such file"),
        (lambda folder: (folder / "vae" / "config.json").write_text("{"), "vae: "),
        (damage_header, "vae: diffusion_pytorch_model.safetensors is damaged"),
    ],
)
def test_a_broken_part_is_named(
    run_cli: RunCli, tiny_model: Path, tmp_path: Path, damage: Callable[[Path], None], told: str
) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    damage(folder)
    result = run_cli("doctor", folder)

    assert result.code == 1
    assert told in result.err
    assert len(result.err.splitlines()) == 1


def test_an_encoder_of_its_own_is_told_with_the_option_that_takes_it(
    run_cli: RunCli, tiny_model: Path, tmp_path: Path
) -> None:
    run = tmp_path / "my run"
    shutil.copytree(tiny_model / "video_encoder", run / "video_encoder")
    for folder in (run, run / "video_encoder"):
        result = run_cli("doctor", folder)
        assert result.code == 0
        assert f"--video-encoder '{run / 'video_encoder'}'" in result.out
    (run / "video_encoder" / "diffusion_pytorch_model.safetensors").write_bytes(b"\xff" * 64)
    broken = run_cli("doctor", run)
    assert broken.code == 1
    assert "diffusion_pytorch_model.safetensors is damaged" in broken.err


def test_a_folder_that_is_no_model_is_told(run_cli: RunCli, tmp_path: Path) -> None:
    result = run_cli("doctor", tmp_path)

    assert result.code == 1
    assert "is not a model folder: no foley_config.json" in result.err


def test_json_is_printed_of_a_broken_model_too(run_cli: RunCli, tiny_model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    shutil.rmtree(folder / "unet")
    result = run_cli("doctor", folder, "--json")

    assert result.code == 1
    assert json.loads(result.out)["parts"]["unet"]["problem"] == "no such folder"
