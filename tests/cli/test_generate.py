import inspect
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

from cinefoley.cli.generate import generate as generate_command
from cinefoley.media.audio.files import read_audio
from cinefoley.media.audio.fitted_writer import fit_to_full_scale
from cinefoley.media.muxing.replace_audio import video_hash
from cinefoley.media.probe import probe
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.pipelines.takes.settings import GenerationSettings

RunCli = Callable[..., Any]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_every_take_is_a_wav_and_a_film_with_the_record_beside_them(
    generate: RunCli, rain: Path, out: Path
) -> None:
    result = generate(rain, "--takes", 2, "-q")

    assert result.code == 0
    pairs = ["rain.take1.mp4", "rain.take1.wav", "rain.take2.mp4", "rain.take2.wav"]
    assert names(out) == ["rain.json", *pairs]
    assert sorted(result.out.splitlines()) == [str(out / name) for name in pairs]
    assert result.err == ""


def test_the_sound_is_as_long_as_the_picture_and_the_picture_is_untouched(
    generate: RunCli, rain: Path, out: Path
) -> None:
    generate(rain)
    sound, rate = read_audio(out / "rain.take1.wav")
    in_film, _ = read_audio(out / "rain.take1.mp4", sample_rate=rate)

    assert (rate, sound.shape) == (16000, (1, 32000))
    assert in_film.shape == (1, 32000)
    assert video_hash(out / "rain.take1.mp4") == video_hash(rain)


def test_a_take_far_beyond_full_scale_is_limited_and_lowered_and_says_so(
    generate: RunCli, rain: Path, out: Path, tiny_model: Path
) -> None:
    result = generate(rain, "--subtype", "FLOAT", "--precision", "fp32")  # random weights are loud
    (take,) = json.loads((out / "rain.json").read_text())["takes"]
    audio = FoleyPipeline.from_pretrained(tiny_model)(rain, num_inference_steps=2).audios
    peak_db = 20 * np.log10(float(audio.abs().max()))

    assert take["peak_db"] == pytest.approx(peak_db, abs=0.01)
    assert take["gain_db"] == pytest.approx(5 - peak_db, abs=0.01)
    assert take["limited_db"] == pytest.approx(-6, abs=0.01)
    assert result.err == (
        f"note: rain.take1.wav: lowered by {-take['gain_db']:.1f} dB and limited to stay within full scale.\n"
    )
    sound, _ = read_audio(out / "rain.take1.wav")
    assert sound.abs().max() == pytest.approx(10 ** (-1 / 20), rel=1e-6)
    assert torch.equal(sound, fit_to_full_scale(audio, 16000)[0])


def test_a_take_that_nobody_hears_says_so(
    generate: RunCli, rain: Path, out: Path, tmp_path: Path, tiny_model: Path
) -> None:
    silent = shutil.copytree(tiny_model, tmp_path / "silent")
    weights = silent / "vae" / "diffusion_pytorch_model.safetensors"
    state = load_file(weights)
    save_file(state | {name: 0 * state[name] for name in state if "decoder.conv_out" in name}, weights)
    result = generate(rain, "--model", silent)
    assert "note: rain.take1.wav: almost silent (peak -" in result.err
    (take,) = json.loads((out / "rain.json").read_text())["takes"]
    assert (take["gain_db"], take["limited_db"]) == (0, 0)


def test_takes_differ_and_the_seed_makes_each_again(
    generate: RunCli, rain: Path, out: Path, tmp_path: Path
) -> None:
    generate(rain, "--takes", 2, "--seed", 7)
    generate(rain, "--takes", 2, "--seed", 7, "-o", tmp_path / "again")
    first, second = ((out / f"rain.take{take}.wav").read_bytes() for take in (1, 2))

    assert first != second
    assert (tmp_path / "again" / "rain.take1.wav").read_bytes() == first
    assert (tmp_path / "again" / "rain.take2.wav").read_bytes() == second


def test_the_record_holds_what_makes_the_takes_again(
    generate: RunCli, rain: Path, out: Path, tiny_model: Path
) -> None:
    generate(rain, "--seed", 7, "--guidance-scale", 2, "--takes", 2)
    record = json.loads((out / "rain.json").read_text())

    assert record["film"]["name"] == "rain.mp4"
    assert len(record["film"]["sha256"]) == 64
    assert record["model"]["name"] == str(tiny_model)
    assert set(record["model"]["sha256"]) == {
        f"{part}/diffusion_pytorch_model.safetensors"
        for part in ("video_encoder", "conditioner", "unet", "vae")
    }
    assert record["seed"] == 7
    assert record["settings"]["guidance_scale"] == 2
    assert record["settings"]["num_inference_steps"] == 2
    assert (record["samples"], record["sample_rate"]) == (32000, 16000)
    assert record["windows"]["starts_s"] == [0.0]
    assert record["versions"]["torch"] == torch.__version__
    assert record["timings_s"]["total"] > record["timings_s"]["sample"] > 0
    assert [take["wav"] for take in record["takes"]] == ["rain.take1.wav", "rain.take2.wav"]


@pytest.mark.parametrize("sampler", ["ddim", "plms"])
def test_another_sampler_makes_other_takes_and_is_on_record(
    generate: RunCli, rain: Path, out: Path, tmp_path: Path, sampler: str
) -> None:
    generate(rain)
    result = generate(rain, "--sampler", sampler, "-o", tmp_path / sampler)

    assert result.code == 0
    settings = json.loads((tmp_path / sampler / "rain.json").read_text())["settings"]
    assert settings["sampler"] == sampler
    assert (tmp_path / sampler / "rain.take1.wav").read_bytes() != (out / "rain.take1.wav").read_bytes()


def test_double_guidance_and_compat_make_other_takes_and_are_on_record(
    generate: RunCli, rain: Path, tmp_path: Path, guided_tiny_model: Path
) -> None:
    ways: dict[str, list[object]] = {
        "plain": [],
        "guided": ["--double-guidance", 500],
        "compat": ["--double-guidance", 500, "--compat", "diff-foley"],
    }
    sounds = set()
    for name, options in ways.items():
        assert generate(rain, "--model", guided_tiny_model, "-o", tmp_path / name, *options).code == 0
        sounds.add((tmp_path / name / "rain.take1.wav").read_bytes())

    assert len(sounds) == 3
    record = json.loads((tmp_path / "compat" / "rain.json").read_text())
    assert (record["settings"]["double_guidance_scale"], record["settings"]["compat"]) == (500, "diff-foley")
    assert "guidance_classifier/diffusion_pytorch_model.safetensors" in record["model"]["sha256"]


def test_a_film_longer_than_a_window_is_covered_by_several(
    generate: RunCli, render_film: Callable[..., Path], tmp_path: Path, out: Path
) -> None:
    film = render_film(tmp_path / "long.mkv", duration_s=6.0)
    result = generate(film, "--save-mel", "--json")

    assert len(json.loads((out / "long.json").read_text())["windows"]["starts_s"]) == 4
    assert soundfile.info(out / "long.take1.wav").frames == 96000
    assert np.load(out / "long.take1.mel.npy").shape == (4, 64, 160)
    assert result.json["films"][0]["outputs"][0]["mel"] == str(out / "long.take1.mel.npy")


def test_a_new_take_does_not_leave_an_earlier_ones_mel(generate: RunCli, rain: Path, out: Path) -> None:
    """It would be judged in place of the new take's sound."""
    generate(rain, "--save-mel")
    assert (out / "rain.take1.mel.npy").exists()
    assert generate(rain, "--seed", 2, "--force").code == 0
    assert not (out / "rain.take1.mel.npy").exists()


def test_a_section_is_as_long_as_asked_and_lies_in_place_in_the_whole_film(
    generate: RunCli, rain: Path, out: Path
) -> None:
    generate(rain, "--start", 0.5, "--duration", 0.75)
    sound, rate = read_audio(out / "rain.take1.wav")
    in_film, _ = read_audio(out / "rain.take1.mp4", sample_rate=rate)

    assert sound.shape == (1, 12000)
    assert in_film.shape == (1, 32000)
    assert in_film[:, 8000:20000].square().mean() > 100 * in_film[:, 22000:].square().mean()
    assert video_hash(out / "rain.take1.mp4") == video_hash(rain)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_samples_are_stored_as_asked(generate: RunCli, rain: Path, out: Path, subtype: str) -> None:
    generate(rain, "--subtype", subtype)

    assert soundfile.info(out / "rain.take1.wav").subtype == subtype


def test_json_tells_outputs_seed_and_time_of_every_film(
    generate: RunCli, rain: Path, out: Path, tmp_path: Path
) -> None:
    result = generate(rain, tmp_path / "gone.mp4", "--seed", 3, "--json")
    made, failed = result.json["films"]

    assert result.code == 1
    assert result.json["failed"] == 1
    (output,) = made["outputs"]
    files = {"wav": str(out / "rain.take1.wav"), "film": str(out / "rain.take1.mp4")}
    assert output.items() >= {"take": 1, **files}.items()
    assert output["peak_db"] > -180
    assert output["gain_db"] <= 0
    assert (made["seed"], made["duration_s"], made["error"]) == (3, 2.0, None)
    assert made["seconds"] > 0
    assert failed["film"] == str(tmp_path / "gone.mp4")
    assert failed["error"] == f"{tmp_path}/gone.mp4: no such file."


def test_takes_that_are_there_are_skipped(generate: RunCli, rain: Path, out: Path) -> None:
    generate(rain)
    before = (out / "rain.take1.wav").stat().st_mtime_ns
    again = generate(rain)

    assert again.code == 0
    assert again.out == ""
    assert again.err == f"note: skipped rain.take1.wav: already in {out}; overwrite with --force.\n"
    assert (out / "rain.take1.wav").stat().st_mtime_ns == before


def test_takes_that_were_made_otherwise_are_not_taken_for_what_is_asked_for(
    generate: RunCli, rain: Path, out: Path, tmp_path: Path, tiny_model: Path
) -> None:
    generate(rain)
    before = (out / "rain.take1.wav").read_bytes()
    other = tmp_path / "other"
    shutil.copytree(tiny_model, other)
    for part in ("unet", "video_encoder"):
        weights = other / part / "diffusion_pytorch_model.safetensors"
        save_file({key: value + 1e-3 for key, value in load_file(weights).items()}, weights)
    encoder = other / "video_encoder"
    for options, change in (
        (("--seed", 9, "-q"), "seed 0, not 9"),
        (("--seed", 9, "--takes", 2), "seed 0, not 9"),
        (("--video-encoder", encoder), f"video encoder default, not {encoder}"),
        (("--model", other), f"model {tiny_model}, not {other}"),
    ):
        refused = generate(rain, *options)
        assert refused.code == 1
        assert f"error: {out}: contains rain.take1.wav, generated with {change}." in refused.err
        assert (out / "rain.take1.wav").read_bytes() == before
    assert generate(rain, "--model", tmp_path / "no-such-model").code == 1
    assert "skipped" in generate(rain, "--video-encoder", "teacher").err, "the model has no other"
    assert generate(rain, "--video-encoder", encoder, "--force").code == 0
    assert "skipped" in generate(rain, "--video-encoder", encoder).err


def test_takes_without_a_record_are_skipped_and_named(generate: RunCli, rain: Path, out: Path) -> None:
    generate(rain)
    (out / "rain.json").unlink()
    again = generate(rain, "--seed", 9)
    assert again.code == 0
    assert "note: no record of the settings of rain.take1.wav.\n" in again.err


def test_an_encoder_that_is_not_there_is_told_before_takes_are_compared(
    generate: RunCli, rain: Path, tmp_path: Path
) -> None:
    generate(rain)
    refused = generate(rain, "--video-encoder", tmp_path / "nope")
    assert refused.code == 1
    assert f"error: {tmp_path / 'nope'}: no weights in this folder" in refused.err


def test_only_missing_takes_are_made_and_the_record_keeps_both_runs(
    generate: RunCli, rain: Path, out: Path
) -> None:
    generate(rain, "--seed", 1)
    first = (out / "rain.take1.wav").read_bytes()
    result = generate(rain, "--seed", 1, "--takes", 3, "--json")

    (film,) = result.json["films"]
    assert [take["take"] for take in film["skipped"]] == [1]
    assert [take["take"] for take in film["outputs"]] == [2, 3]
    assert (out / "rain.take1.wav").read_bytes() == first
    generate(rain, "--seed", 2, "--force")
    record = json.loads((out / "rain.json").read_text())
    assert (record["seed"], [take["take"] for take in record["takes"]]) == (2, [1])
    (earlier,) = record["earlier"]
    assert (earlier["seed"], [take["take"] for take in earlier["takes"]]) == (1, [2, 3])


def test_a_take_made_later_is_the_same_as_one_made_at_once(
    generate: RunCli, rain: Path, out: Path, tmp_path: Path
) -> None:
    generate(rain)
    generate(rain, "--takes", 2)
    generate(rain, "--takes", 2, "-o", tmp_path / "at-once")

    assert (out / "rain.take2.wav").read_bytes() == (tmp_path / "at-once" / "rain.take2.wav").read_bytes()


def test_a_take_that_lacks_its_film_is_made_again(generate: RunCli, rain: Path, out: Path) -> None:
    generate(rain)
    (out / "rain.take1.mp4").unlink()
    generate(rain)

    assert (out / "rain.take1.mp4").exists()


@pytest.mark.parametrize("name", ["rain.take1.mp4", "rain.take1.wav", "rain.take1.mkv"])
def test_a_file_of_a_takes_name_that_is_no_take_stays(
    generate: RunCli, rain: Path, out: Path, name: str
) -> None:
    out.mkdir()
    (out / name).write_text("the camera's first take")
    result = generate(rain)

    assert result.code == 1
    assert f"{name}: exists, but no record names it as a take" in result.err
    assert {path.name: path.read_text() for path in out.iterdir()} == {name: "the camera's first take"}
    assert generate(rain, "--force").code == 0


def test_what_is_told_of_skipped_takes_is_there(generate: RunCli, rain: Path, out: Path) -> None:
    generate(rain)
    assert "generated with mels off, not on" in generate(rain, "--save-mel").err
    generate(rain, "--save-mel", "--force")
    (skipped,) = generate(rain, "--json").json["films"][0]["skipped"]

    assert skipped == {"take": 1, "wav": str(out / "rain.take1.wav"), "film": str(out / "rain.take1.mp4")}


def test_force_makes_takes_again(generate: RunCli, rain: Path, out: Path) -> None:
    generate(rain, "--seed", 1)
    first = (out / "rain.take1.wav").read_bytes()
    result = generate(rain, "--seed", 2, "--force")

    assert result.code == 0
    assert (out / "rain.take1.wav").read_bytes() != first
    record = json.loads((out / "rain.json").read_text())
    assert (record["seed"], record["earlier"]) == (2, [])


def test_folders_and_patterns_stand_for_their_films(
    generate: RunCli, rain: Path, out: Path, tmp_path: Path
) -> None:
    shots = tmp_path / "shots"
    shots.mkdir()
    shutil.copy(rain, shots / "b.mp4")
    shutil.copy(rain, shots / "a.mp4")
    result = generate(shots, str(tmp_path / "ra*.mp4"), "--json")

    assert [Path(film["film"]).name for film in result.json["films"]] == ["a.mp4", "b.mp4", "rain.mp4"]
    assert len(names(out)) == 9


def test_a_folder_can_be_run_into_itself_twice(generate: RunCli, rain: Path) -> None:
    for _ in range(2):
        assert generate(rain.parent, "-o", rain.parent).code == 0

    assert names(rain.parent) == ["rain.json", "rain.mp4", "rain.take1.mp4", "rain.take1.wav"]


@pytest.mark.parametrize("suffix", [".mov", ".mkv", ".webm"])
def test_a_take_keeps_its_films_container(
    generate: RunCli, render_film: Callable[..., Path], tmp_path: Path, out: Path, suffix: str
) -> None:
    film = render_film(tmp_path / f"rain{suffix}")

    assert generate(film, "-q").err == ""
    assert probe(out / f"rain.take1{suffix}").container == suffix[1:]


def test_a_film_of_another_container_goes_into_matroska_and_that_is_told(
    generate: RunCli, render_film: Callable[..., Path], tmp_path: Path, out: Path
) -> None:
    film = render_film(tmp_path / "rain.mp4").rename(tmp_path / "rain.3gp")
    result = generate(film)

    assert result.code == 0
    assert "rain.3gp: .3gp files cannot be written; the video stream is copied into .mkv." in result.err
    assert video_hash(out / "rain.take1.mkv") == video_hash(film)
    assert generate(film).out == ""


def test_a_film_that_is_not_what_its_suffix_says_goes_into_matroska(
    generate: RunCli, render_film: Callable[..., Path], tmp_path: Path, out: Path
) -> None:
    film = render_film(tmp_path / "rain.mkv").rename(tmp_path / "rain.webm")  # H.264, which webm refuses
    result = generate(film)

    assert result.code == 0
    assert "warning: rain.webm: .webm does not accept its video stream; wrote rain.take1.mkv." in result.err
    assert names(out) == ["rain.json", "rain.take1.mkv", "rain.take1.wav"]
    assert generate(film).out == ""


def test_the_student_watches_where_it_is_asked_to(
    generate: RunCli, rain: Path, out: Path, tiny_model: Path
) -> None:
    result = generate(rain, "--video-encoder", tiny_model / "video_encoder")

    assert result.code == 0
    record = json.loads((out / "rain.json").read_text())
    assert record["model"]["video_encoder"] == str(tiny_model / "video_encoder")
    assert any(key.startswith("--video-encoder/") for key in record["model"]["sha256"])


def test_quiet_leaves_results_alone(generate: RunCli, rain: Path) -> None:
    generate(rain)
    result = generate(rain, "--quiet")

    assert (result.code, result.out, result.err) == (0, "", "")


def test_the_defaults_of_the_options_are_those_of_the_settings() -> None:
    options = inspect.signature(generate_command).parameters
    settings = GenerationSettings()

    assert options["takes"].default == settings.num_takes
    assert options["seed"].default == settings.seed
    for name in ("quality", "steps", "guidance_scale", "sampler"):
        assert options[name].default is None, "the model's quality decides"
    assert options["double_guidance"].default == settings.double_guidance_scale
    assert options["compat"].default == settings.compat
    assert options["start"].default == settings.start
    assert options["duration"].default == settings.duration
    assert options["subtype"].default == settings.subtype
    assert options["save_mel"].default == settings.saves_mel
    assert options["force"].default == settings.overwrites


def test_a_picture_that_no_take_could_hold_is_told_before_anything_is_generated(
    generate: RunCli, tmp_path: Path, out: Path
) -> None:
    film = tmp_path / "rain.wmv"
    with av.open(str(film), "w") as container:
        stream: Any = container.add_stream("wmv2", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(stream.encode(None))
    result = generate(film)
    assert result.code == 1
    assert "wmv2 video can be copied into none of .mkv, .mov" in result.err
    assert not out.exists()


def test_a_stretch_of_a_take_is_redone_and_the_rest_stays(generate: RunCli, rain: Path, out: Path) -> None:
    generate(rain, "--takes", 2, "-q")
    before, _ = soundfile.read(out / "rain.take2.wav", dtype="int16")

    result = generate(rain, "--redo", "0.5-1.2", "--take", 2, "-q")

    assert result.code == 0, result.err
    assert result.out.splitlines() == [str(out / "rain.take2.wav"), str(out / "rain.take2.mp4")]
    after, _ = soundfile.read(out / "rain.take2.wav", dtype="int16")
    assert np.array_equal(after[:8000], before[:8000])
    assert np.array_equal(after[19200:], before[19200:])
    assert not np.array_equal(after[9000:18000], before[9000:18000])
    assert read_audio(out / "rain.take2.mp4", sample_rate=16000)[0].shape == (1, 32000)
    takes = json.loads((out / "rain.json").read_text())["takes"]
    assert [entry.get("redone") for entry in takes] == [
        None,
        [{"start_s": 0.5, "end_s": 1.2, "seed": 0, "cross_fade_s": 0.02}],
    ]
    generate(rain, "--redo", "0.5-1.2", "--take", 2, "-q")
    again, _ = soundfile.read(out / "rain.take2.wav", dtype="int16")
    assert not np.array_equal(again, after)
    for options, text in (
        (["--redo", "1.2-0.5"], "write from and to"),
        (["--redo", "1-2", "--take", 3], "there is no such take"),
        (["--redo", "3-4"], "outside the take"),
    ):
        failed = generate(rain, *options)
        assert failed.code in (1, 2)
        assert text in failed.err.replace("\n", " ")


def test_a_shot_list_places_windows_and_is_recorded(
    run_cli: RunCli, rain: Path, tiny_model: Path, tmp_path: Path
) -> None:
    shots = tmp_path / "shots.csv"
    shots.write_text("start_s,end_s\n0,1\n1,2\n")
    common = ("--model", tiny_model, "--steps", 1, "--quiet", "--device", "cpu")
    for name, choice in (("list", shots), ("off", "off"), ("auto", "auto")):
        assert run_cli("generate", rain, "-o", tmp_path / name, "--shots", choice, *common).code == 0
    listed, off, auto = (
        json.loads((tmp_path / name / "rain.json").read_text()) for name in ("list", "off", "auto")
    )
    assert listed["shots"] == [{"start_s": 0.0, "end_s": 1.0}, {"start_s": 1.0, "end_s": 2.0}]
    assert listed["windows"]["starts_s"] == [0.0, 1.0]
    assert (off["shots"], auto["shots"]) == (None, [{"start_s": 0.0, "end_s": 2.0}])
    sounds = [(tmp_path / name / "rain.take1.wav").read_bytes() for name in ("off", "auto")]
    assert sounds[0] == sounds[1]  # a video without cuts
    before, _ = soundfile.read(tmp_path / "list" / "rain.take1.wav", dtype="int16")
    redone = run_cli("generate", rain, "-o", tmp_path / "list", "--redo", "0.5-1.5", *common)
    assert redone.code == 0, redone.err
    after, _ = soundfile.read(tmp_path / "list" / "rain.take1.wav", dtype="int16")
    assert np.array_equal(after[:8000], before[:8000])
    assert np.array_equal(after[24000:], before[24000:])
    for part in (slice(9000, 15000), slice(17000, 23000)):  # both sides of the cut
        assert not np.array_equal(after[part], before[part])
    shots.write_text("start_s,end_s\n0,1\n0.5,2\n")
    wrong = run_cli("generate", rain, "-o", tmp_path / "wrong", "--shots", shots, *common)
    assert wrong.code == 1
    assert "line 3: the shot overlaps the one before" in wrong.err
