"""Every failure is one clear line and exit 1, and leaves nothing behind."""

import _thread
import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.full_disk import file_size_limit

from cinefoley.media.audio.files import write_audio

RunCli = Callable[..., Any]

WEIGHTS = "diffusion_pytorch_model.safetensors"


def assert_refused(result: Any, *parts: str) -> None:
    """Exit 1, nothing on stdout, one line on stderr that says all this."""
    assert (result.code, result.out) == (1, "")
    assert len(result.err.splitlines()) == 1
    assert result.err.startswith("error: ")
    for part in parts:
        assert part in result.err


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def write_text(path: Path) -> None:
    path.write_text("This is no film.\n" * 40)


def write_sound(path: Path) -> None:
    write_audio(path, torch.zeros(16000), 16000)


def write_no_frames(path: Path) -> None:
    with av.open(str(path), "w") as target:
        stream: Any = target.add_stream("libx264", rate=25)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        target.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("name", "write", "told"),
    [
        ("notes.mp4", write_text, "notes.mp4: is not a media file"),
        ("empty.mp4", Path.touch, "empty.mp4: is empty (0 bytes)"),
        ("rain.wav", write_sound, "rain.wav: no video stream (found 1 audio stream, wav)"),
        ("none.mp4", write_no_frames, "none.mp4: "),
        ("gone.mp4", lambda path: None, "gone.mp4: no such file"),
    ],
)
def test_a_file_that_is_no_video_is_told_without_loading_the_model(
    generate: RunCli, tmp_path: Path, name: str, write: Callable[[Path], None], told: str
) -> None:
    write(tmp_path / name)
    result = generate(tmp_path / name, "--model", tmp_path / "no-such-model")

    assert_refused(result, told)
    assert left_in(tmp_path / "out") == []


def test_a_video_that_fails_is_told_at_the_end_and_the_others_finish(
    generate: RunCli, rain: Path, tmp_path: Path
) -> None:
    write_text(tmp_path / "notes.mp4")
    result = generate(tmp_path / "notes.mp4", rain, "-q")

    assert result.code == 1
    assert result.out.splitlines() == [str(tmp_path / "out" / f"rain.take1{s}") for s in (".wav", ".mp4")]
    first, last = result.err.splitlines()
    assert first.startswith("error: notes.mp4: is not a media file")
    assert last == "1 of 2 videos failed."


def test_of_a_video_that_is_cut_off_the_rest_is_used_and_a_warning_says_how_much(
    generate: RunCli, render_film: Callable[..., Path], tmp_path: Path
) -> None:
    video = render_film(tmp_path / "rain.mkv", duration_s=4.0)
    whole = video.read_bytes()
    video.write_bytes(whole[: len(whole) * 2 // 3])
    result = generate(video, "-q")

    assert result.code == 0
    assert result.err.startswith("warning: rain.mkv: is cut off or damaged: used the first ")
    assert " s of 4.0 s" in result.err
    assert len(result.err.splitlines()) == 1
    assert left_in(tmp_path / "out") == ["rain.json", "rain.take1.mkv", "rain.take1.wav"]


def test_a_video_without_its_index_is_told(
    generate: RunCli, render_film: Callable[..., Path], tmp_path: Path
) -> None:
    video = render_film(tmp_path / "rain.mp4")
    whole = video.read_bytes()
    video.write_bytes(whole[: len(whole) // 2])

    assert_refused(generate(video), "rain.mp4: its index is missing", "cut off?")


def test_a_start_behind_the_end_is_told(generate: RunCli, rain: Path, tmp_path: Path) -> None:
    assert_refused(generate(rain, "--start", 5), "nothing is left at 5.000 s", "earlier start")
    assert left_in(tmp_path / "out") == []


@pytest.mark.parametrize(
    "wrong",
    [
        ("--takes", 0),
        ("--steps", 0),
        ("--seed", -1),
        ("--start", "nan"),
        ("--duration", 0),
        ("--duration", "inf"),
        ("--guidance-scale", "nan"),
        ("--double-guidance", -1),
        ("--double-guidance", "nan"),
        ("--sampler", "euler"),
        ("--compat", "audioldm"),
        ("--subtype", "MP3"),
        ("--precision", "fp8"),
    ],
)
def test_a_number_out_of_range_is_wrong_usage(generate: RunCli, rain: Path, wrong: tuple[str, Any]) -> None:
    result = generate(rain, *wrong)

    assert result.code == 2
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--sampler", "ddim", "--steps", 7], "use 5 or 8"),
        (["--sampler", "plms", "--double-guidance", 50], "'plms' takes no double guidance"),
        (
            ["--compat", "diff-foley", "--double-guidance", 50, "--guidance-scale", 1],
            "drops the classifier at guidance_scale 1",
        ),
    ],
)
def test_choices_that_do_not_go_together_are_wrong_usage(
    generate: RunCli, rain: Path, tmp_path: Path, options: list[object], told: str
) -> None:
    result = generate(rain, *options)

    assert result.code == 2
    assert told in " ".join(result.err.split())
    assert left_in(tmp_path / "out") == []


def test_a_file_in_the_way_of_the_folder_is_told(generate: RunCli, rain: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")

    assert_refused(generate(rain, "-o", tmp_path / "taken"), f"{tmp_path}/taken: cannot be written", "-o")
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_a_folder_that_is_closed_to_us_is_told(generate: RunCli, rain: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)

    assert_refused(generate(rain, "-o", closed), f"{closed}: cannot be written", "-o")


@pytest.mark.parametrize("what", ["wav", "mel"])
def test_a_disk_that_fills_up_leaves_nothing(generate: RunCli, rain: Path, tmp_path: Path, what: str) -> None:
    options = ("--subtype", "FLOAT", "--save-mel") if what == "mel" else ("--subtype", "FLOAT")
    size = 24_000  # the WAV takes 128 KB, the mel 40 KB
    with file_size_limit(size):
        result = generate(rain, *options)

    assert_refused(result, f"{tmp_path}/out/rain.take1.", ": no space left", "Free some space")
    assert ".cinefoley-" not in result.err
    assert left_in(tmp_path / "out") == []


def test_the_takes_of_a_former_run_survive_a_disk_that_fills_up(
    generate: RunCli, rain: Path, tmp_path: Path
) -> None:
    generate(rain)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with file_size_limit(24_000):
        result = generate(rain, "--force", "--seed", 1)

    assert_refused(result, "no space left")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_a_json_of_somebody_else_is_not_replaced(generate: RunCli, rain: Path, tmp_path: Path) -> None:
    events = tmp_path / "rain.json"
    events.write_text('{"events": []}')

    assert_refused(generate(rain, "-o", tmp_path), f"{events}: exists and is no record of takes", "--force")
    assert events.read_text() == '{"events": []}'
    assert generate(rain, "-o", tmp_path, "--force").code == 0
    assert json.loads(events.read_text())["takes"]


def test_two_videos_of_one_name_are_refused_before_any_work(
    generate: RunCli, rain: Path, tmp_path: Path
) -> None:
    (tmp_path / "b").mkdir()
    other = shutil.copy(rain, tmp_path / "b" / "rain.mov")

    assert_refused(generate(rain, other), str(rain), str(other), "would both write rain.take1.wav")
    assert left_in(tmp_path / "out") == []


def test_an_unknown_model_is_told_with_those_there_are(generate: RunCli, rain: Path, tmp_path: Path) -> None:
    result = generate(rain, "--model", "large")

    assert_refused(result, "No model 'large'", "lite", "hub id")
    assert left_in(tmp_path / "out") == []


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A model folder to damage."""
    return shutil.copytree(tiny_model, tmp_path / "model")


def change_weights(part: Path, change: Callable[[dict[str, torch.Tensor], str], None]) -> str:
    """Change the first tensor of a part's weights and return its name."""
    state = load_file(part / WEIGHTS)
    first = next(key for key, value in state.items() if value.is_floating_point())
    change(state, first)
    save_file(state, part / WEIGHTS)
    return first


def put_nan(state: dict[str, torch.Tensor], key: str) -> None:
    state[key].view(-1)[0] = float("nan")


def remove(state: dict[str, torch.Tensor], key: str) -> None:
    del state[key]


def widen(state: dict[str, torch.Tensor], key: str) -> None:
    state[key] = torch.zeros(*state[key].shape, 2)


@pytest.mark.parametrize(
    ("change", "told"), [(put_nan, "NaN"), (remove, "1 keys missing"), (widen, "has shape")]
)
def test_weights_that_do_not_fit_are_told_with_part_and_key(
    generate: RunCli, rain: Path, model: Path, change: Callable[..., None], told: str
) -> None:
    key = change_weights(model / "unet", change)

    assert_refused(generate(rain, "--model", model), f"{model}/unet", f"'{key}'", told)


@pytest.mark.parametrize("part", ["video_encoder", "conditioner", "unet", "vae", "scheduler"])
def test_a_missing_part_is_named(generate: RunCli, rain: Path, model: Path, part: str) -> None:
    shutil.rmtree(model / part)

    assert_refused(generate(rain, "--model", model), str(model / part))


def test_a_damaged_file_of_weights_is_told(generate: RunCli, rain: Path, model: Path) -> None:
    (model / "vae" / WEIGHTS).write_bytes(b"not weights at all")

    assert_refused(generate(rain, "--model", model), f"{model}/vae: damaged")


def test_a_folder_that_is_no_model_is_told(generate: RunCli, rain: Path, tmp_path: Path) -> None:
    assert_refused(generate(rain, "--model", tmp_path), "is not a model folder", "foley_config.json")


def test_a_model_without_a_student_says_so(generate: RunCli, rain: Path) -> None:
    assert_refused(generate(rain, "--video-encoder", "student"), "has no student", "--video-encoder")


def test_a_model_without_a_guidance_classifier_says_how_to_get_one(
    generate: RunCli, rain: Path, tmp_path: Path
) -> None:
    result = generate(rain, "--double-guidance", 50)

    assert_refused(result, "has no guidance_classifier/", "Turn double guidance off", "models import")
    assert left_in(tmp_path / "out") == []


def test_an_encoder_that_is_not_there_is_told(generate: RunCli, rain: Path, tmp_path: Path) -> None:
    assert_refused(generate(rain, "--video-encoder", tmp_path / "gone"), f"{tmp_path}/gone: no such folder")


def test_a_model_that_fails_ends_the_run_but_earlier_failures_are_told(
    generate: RunCli, rain: Path, tmp_path: Path
) -> None:
    write_text(tmp_path / "notes.mp4")
    result = generate(tmp_path / "notes.mp4", rain, "--model", "large")

    assert result.code == 1
    assert "error: notes.mp4" in result.err
    assert "error: No model 'large'" in result.err


def test_a_device_that_is_not_visible_is_told_with_those_that_are(
    generate: RunCli, rain: Path, tmp_path: Path
) -> None:
    result = generate(rain, "--device", "cuda:99")

    assert_refused(result, "Device 'cuda:99' is not visible: this process sees ", "Pass --device c")
    assert left_in(tmp_path / "out") == []


def test_a_device_that_does_not_exist_is_told(generate: RunCli, rain: Path) -> None:
    assert_refused(generate(rain, "--device", "tpu"), "No device 'tpu'", "auto, cpu, cuda")


@pytest.fixture
def _hears_ctrl_c() -> Iterator[None]:
    """Jobs that a shell starts in the background ignore Ctrl-C, and so would tests run in one."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


def interrupt_when(exists: Path, is_over: threading.Event) -> threading.Thread:
    """Press Ctrl-C as soon as a file is there."""

    def watch() -> None:
        while not is_over.is_set():
            if exists.exists():
                _thread.interrupt_main()
                return

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


@pytest.mark.usefixtures("_hears_ctrl_c")
def test_ctrl_c_leaves_finished_takes_and_no_others(generate: RunCli, rain: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    is_over = threading.Event()
    watcher = interrupt_when(out / "rain.json", is_over)
    try:
        result = generate(rain, "--takes", 12, "--quiet")
    finally:
        is_over.set()
        watcher.join()

    assert result.code == 130
    assert "interrupted" in result.err
    finished = [name for name in left_in(out) if name != "rain.json"]
    wavs = {name.removesuffix(".wav") for name in finished if name.endswith(".wav")}
    assert 1 <= len(wavs) < 12
    assert {name.removesuffix(".mp4") for name in finished if name.endswith(".mp4")} == wavs
    assert len(finished) == 2 * len(wavs)


@pytest.mark.usefixtures("_hears_ctrl_c")
def test_ctrl_c_before_the_first_take_leaves_nothing(generate: RunCli, rain: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    is_over = threading.Event()
    watcher = interrupt_when(out, is_over)
    try:
        result = generate(rain, "--steps", 100, "--quiet")
    finally:
        is_over.set()
        watcher.join()

    assert result.code == 130
    assert left_in(out) == []
