import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.dask_cluster import Cluster

from cinefoley.cli.reproduction.setup import table_plan
from cinefoley.data.shards.layout import ShardSettings
from cinefoley.data.shards.prepare import prepare_shards
from cinefoley.data.shards.source import ShardSource
from cinefoley.data.sources.vggsound_stand_in import make_stand_in
from cinefoley.evaluation.paper.experiment import Experiment
from cinefoley.media.audio.files import write_audio
from cinefoley.stage.export import ExportSettings, export_clips

RunCli = Callable[..., Any]


@pytest.fixture
def rerun(run_cli: RunCli, tiny_judge: Path) -> RunCli:
    """``rerun("table4", ...)`` on a few clips of the stage, with networks of no size."""
    size = ("--model", tiny_judge, "--clips", 3, "--train-clips", 2, "--seeds", 1, "--quick")
    common = (*size, "--workers", 1, "--device", "cpu", "--precision", "fp32")
    return lambda table, *arguments: run_cli("reproduce", table, *common, *arguments)


def test_a_table_is_printed_beside_the_papers_and_kept(rerun: RunCli, tmp_path: Path) -> None:
    result = rerun("table4", "-o", tmp_path)
    assert result.code == 0
    assert result.out.startswith("# Table 4 on stage\n\nSmoke run")
    assert (tmp_path / "table4.quick.md").read_text() == result.out.removesuffix("\n")
    for expected in (
        "## k = 75 % minus k = 50 %",
        "| CU | k = 75 % |",
        "85.071 (",
        "Protocol: data stage ",
        "3 test clips, 1 take, ",
    ):
        assert expected in result.out
    report = json.loads((tmp_path / "table4.quick.json").read_text())
    assert len(report["scores"]) == 12
    assert {"FAD", "FD", "KID", "KL", "Align Acc"} <= report["scores"][0].keys()
    assert {path.name for path in (tmp_path / "quick-runs").iterdir()} == {
        "paper_50-0",
        "paper-0",
        "paper_100-0",
    }
    again = rerun("table4", "-o", tmp_path, "--json", "--quiet")
    assert again.json[0]["scores"] == report["scores"]
    assert again.err == ""
    some = rerun("table4", "-o", tmp_path, "--json", "--quiet", "--view", "camera_movement").json[0]["scores"]
    assert some == [score for score in report["scores"] if score["view"] != "close_up"]
    assert "without close_up." in (tmp_path / "table4.quick.partial.md").read_text()
    row = rerun("table4", "-o", tmp_path, "--json", "--quiet", "--method", "k = 100 %").json[0]["scores"]
    assert "without k = 50 %, k = 75 %." in (tmp_path / "table4.quick.partial.md").read_text()
    assert json.loads((tmp_path / "table4.quick.json").read_text()) == report
    assert row == [score for score in report["scores"] if score["method"] in ("teacher", "k = 100 %")]
    few = ("--view", "full", "--method", "k = 100 %", "--quality", "draft")
    assert ", quality draft, 8 steps, guidance 4.5" in rerun("table4", "-o", tmp_path, *few).out


@pytest.mark.slow
def test_shards_are_trained_on_and_measured_by_their_splits(rerun: RunCli, tmp_path: Path) -> None:
    """A stand-in of 26 rows has 23 clips to train on and three to test with; nothing is unpacked."""
    made = make_stand_in(
        tmp_path / "vgg", 26, faulty_share=0.0, num_distinct=2, size=(48, 64), fps=8, duration_s=3.0
    )
    settings = ShardSettings(duration_s=3.0, least_s=2.5)
    prepare_shards(made.clips, tmp_path / "shards", csv=made.csv, settings=settings)
    options = (
        "--data",
        tmp_path / "shards",
        "--backbone",
        "lite",
        "--train-clips",
        4,
        "-o",
        tmp_path / "out",
    )
    result = rerun("table4", *options)
    assert result.code == 0, result.err
    assert f"# Table 4 on {tmp_path / 'shards'}" in result.out
    assert f"data {tmp_path / 'shards'}; 3 test clips, 1 take, " in result.out
    assert "4 steps on 4 training clips, AdamW at 0.0005, 8 clips per step, 1 training seed, " in result.out
    report = json.loads((tmp_path / "out" / "table4.quick.json").read_text())
    assert len(report["scores"]) == 12
    source = ShardSource(tmp_path / "shards", split="train")
    run = json.loads((tmp_path / "out" / "quick-runs" / "paper-0" / "run.json").read_text())
    assert (run["source"], run["num_clips"]) == (source.name, 4)
    assert not list((tmp_path / "out").rglob("*.mkv"))
    again = rerun("table4", *options, "--json", "--quiet")
    assert again.json[0]["scores"] == report["scores"]


def test_a_dry_run_prints_hours_for_several_numbers_of_devices(rerun: RunCli, tmp_path: Path) -> None:
    options = ("-o", tmp_path / "out", "--dry-run", "--limit", 2, "--json", "-q")
    result = rerun("table1", *options, "--devices", 1, "--devices", 64)
    assert result.code == 0, result.err
    steps = {step["name"].partition(":")[0]: step for step in result.json["steps"]}
    takes = steps["generate and measure"]
    assert takes["pieces"] == 3 * 3 * 2 * 1  # encoders, test sets, clips, takes of --quick
    assert takes["hours"]["1"] == pytest.approx(64 * takes["hours"]["64"])
    assert not (tmp_path / "out" / "runs").exists()


def test_real_data_is_measured_by_the_papers_protocol() -> None:
    given: dict[str, Any] = dict.fromkeys(("clips", "takes", "seeds", "view", "method", "limit", "quick"))
    whole = table_plan("table1", given | {"data": "vggsound"})
    pilot = table_plan("table1", given | {"data": "vggsound", "limit": 50})
    stage = table_plan("table1", given | {"data": "stage"})
    assert (whole.clips > 1_000_000, whole.takes, whole.seeds) == (True, 10, 3)
    assert (pilot.clips, pilot.takes) == (50, 10)
    assert (stage.clips, stage.takes) == (1000, 2)


@pytest.mark.slow
def test_two_ranks_share_a_table_and_one_prints_it(rerun: RunCli, tiny_judge: Path, tmp_path: Path) -> None:
    """Training, takes and features are shared; scores are those of one process."""
    alone = rerun("table4", "-o", tmp_path / "alone", "--method", "k = 75 %", "--json", "-q").json
    size = ["--model", str(tiny_judge), "--clips", "3", "--train-clips", "2", "--seeds", "1", "--quick"]
    size += [
        "--workers",
        "1",
        "--device",
        "cpu",
        "--precision",
        "fp32",
        "--method",
        "k = 75 %",
        "--json",
        "-q",
    ]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    command = [sys.executable, "-m", "cinefoley.cli.main", "reproduce", "table4", *size]
    ranks = [
        subprocess.Popen(
            [*command, "-o", str(tmp_path / "two")],
            env=shared | {"RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in ranks]
    assert [process.returncode for process in ranks] == [0, 0]
    assert outputs[1] == ""
    teacher = [score for score in json.loads(outputs[0])[0]["scores"] if score["method"] == "teacher"]
    assert teacher == [score for score in alone[0]["scores"] if score["method"] == "teacher"]
    assert not list((tmp_path / "two").rglob("*.part"))


@pytest.mark.slow
def test_a_cluster_measures_what_one_process_measures(
    rerun: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--method", "teacher", "--json", "-q")
    alone = rerun("table4", "-o", tmp_path / "alone", *options).json
    cluster = Cluster(tmp_path)
    monkeypatch.setattr(Experiment, "_make_takes", None)  # not in this process: the worker has its own
    try:
        cluster.start_scheduler()
        cluster.start_worker()
        dask = ("--engine", "dask", "--scheduler", cluster.address)
        shared = rerun("table4", "-o", tmp_path / "shared", *options, *dask)
    finally:
        cluster.stop()
    assert shared.code == 0, shared.err
    assert shared.json[0]["scores"] == alone[0]["scores"]


@pytest.mark.slow
def test_an_export_is_measured_by_its_events(rerun: RunCli, tmp_path: Path) -> None:
    """Films are longer than takes. When only the boxes in their file change, takes are judged anew."""
    data = tmp_path / "stage"
    settings = ExportSettings(split="train", duration_s=6.0, side=64, sample_rate=16000)
    export_clips(data, 2, settings)
    export_clips(data, 3, replace(settings, split="test"))
    options = ("--data", data, "--backbone", "lite", "-o", tmp_path / "out", "--method", "teacher", "--json")
    result = rerun("table4", *options)
    assert result.code == 0, result.err
    (table,) = result.json
    assert "onsets within ±100 ms of test.events.jsonl (sha256:" in table["protocol"]
    assert all("visible onset F1" in score for score in table["scores"])
    events = data / "test.events.jsonl"
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    for source in (source for line in lines for source in line["sources"]):
        for name in ("target_boxes", "contact_boxes"):
            source[name] = [[2.0, 2.0, 3.0, 3.0] for _ in source[name]]
    events.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (unseen,) = rerun("table4", *options).json
    scores = {(score["view"], score["method"]): score for score in table["scores"]}
    for score in unseen["scores"]:
        before = scores[score["view"], score["method"]]
        is_same = score["visible onset F1"] == before["visible onset F1"]
        assert is_same == (score["view"] == "full")
        assert score["onset F1"] == before["onset F1"]


def test_a_row_whose_optimiser_is_missing_is_left_out(
    rerun: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("torch.optim.Muon", raising=False)
    result = rerun("table3", "-o", tmp_path, "--method", "f_cu", "--method", "cinematic")
    assert result.code == 0
    assert "cinematic: skipped. The optimizer muon needs PyTorch 2.9" in result.out
    assert "| CU | f_cu |" in result.out
    assert "| CU | cinematic |" not in result.out
    assert "AdamW at 0.0005, 8 clips per step (cinematic: Muon at 0.0015, 8 clips per step)" in result.out


def test_a_model_without_a_judge_is_told(run_cli: RunCli, tiny_model: Path, tmp_path: Path) -> None:
    result = run_cli("reproduce", "table1", "-o", tmp_path, "--model", tiny_model, "--quick", "--quiet")
    assert result.code == 1
    assert "no alignment classifier" in result.err


def test_other_data_needs_the_published_backbones(
    run_cli: RunCli, tiny_judge: Path, tmp_path: Path, render_film: Callable[..., Path], monkeypatch: Any
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    render_film(tmp_path / "films.mp4")
    result = run_cli("reproduce", "table1", "-o", tmp_path / "out", "--model", tiny_judge, "--data", tmp_path)
    assert result.code == 1
    assert "models pull panns" in result.err


@pytest.mark.parametrize("is_listed", [False, True])
def test_clips_that_are_trained_on_are_no_test(
    rerun: RunCli, tmp_path: Path, render_film: Callable[..., Path], is_listed: bool
) -> None:
    films = tmp_path / "films"
    films.mkdir()
    for name in ("a", "b", "c"):
        render_film(films / f"{name}.mp4")
    rows = tmp_path / "rows.csv"
    rows.write_text("id,label\na,rain\nb,rain\nc,rain\n")
    listed = ("--csv", rows) if is_listed else ()
    result = rerun("table4", "-o", tmp_path / "out", "--data", films, *listed, "--backbone", "lite")
    assert result.code == 1
    assert "2 of 3 clips to test with are training clips too, first a" in result.err
    assert "--csv" in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("table2",), "table2 needs the TOML file of one study"),
        (("table1", "study.toml", "-o", "out"), "other tables take no file"),
        (("table2", "one.toml", "two.toml"), "table2 needs the TOML file of one study"),
        (("table1", "-o", "out", "--part", "3/2"), "K from 1 to N"),
        (("table1", "-o", "out", "--part", "4/4", "--seeds", "1"), "table1 has 3 encoders, and no part"),
        (("figure6", "a/rain.mp4", "b/rain.mp4", "-o", "out"), "two videos have the same name"),
        (("figure6", "--data", "films", "-o", "out"), "figure6 is drawn of videos"),
        (("table1",), "name an output folder"),
        (("figure4", "a/rain.mp4", "b/rain.mp4", "-o", "out"), "two clips have the same name"),
        (("figure4", "stage:3", "stage:03", "-o", "out"), "two clips have the same name"),
        (("figure4", "-o", "out", "--clips", "3"), "figure4 does not use --clips"),
        (("figure4", "-o", "out", "--view", "dolly"), "--view is one of full, close_up"),
        (("figure6", "-o", "out", "--device", "cpu"), "figure6 does not use --device"),
        (("table1", "-o", "out", "--view", "closeup"), "--view is one of full, close_up, camera_movement"),
        (
            ("table3", "-o", "out", "--method", "f_xy"),
            "--method is one of teacher, f_cu, f_cm,",
        ),
        (("table3", "-o", "out", "--student", "folder"), "table3 does not use --student"),
        (("table3", "-o", "out", "--quick", "--steps", "25"), "--quick sets --steps"),
        (("table1", "-o", "out", "--epochs", "0"), "--epochs must be positive and finite, got 0"),
        (("table1", "-o", "out", "--backbone", "nonsense"), "--backbone is one of panns, vggish, lite"),
        (
            ("table1", "-o", "out", "--backbone", "lite", "--backbone", "panns"),
            "lite and panns would both measure",
        ),
        (("table1", "-o", "out", "--bootstrap", "2"), "a 95 % interval needs at least 40 resamplings"),
        (("table1", "-o", "out", "--guidance-scale", "-1"), "--guidance-scale"),
        (("table1", "-o", "out", "--scale-range", "0.5", "0.4"), "scale_range must be ordered inside (0, 1]"),
        (("table1", "-o", "out", "--epochs", "nan"), "--epochs must be positive and finite, got nan"),
    ],
)
def test_what_does_not_go_together_is_a_usage_error(
    run_cli: RunCli, arguments: tuple[str, ...], message: str
) -> None:
    result = run_cli("reproduce", *arguments)
    assert result.code == 2
    assert message in " ".join(result.err.split())


@pytest.fixture
def hearing_model(tiny_model: Path, tmp_path: Path, add_audio_encoder: Callable[[Path], None]) -> Path:
    """The tiny model with an audio tower, and no student."""
    folder = tmp_path / "hearing"
    shutil.copytree(tiny_model, folder)
    add_audio_encoder(folder)
    return folder


def test_figure6_counts_the_heat_on_the_stages_targets(
    run_cli: RunCli, hearing_model: Path, tmp_path: Path
) -> None:
    student = hearing_model / "video_encoder"
    out = tmp_path / "out"
    common = ("--model", hearing_model, "--student", student, "--clips", 2, "--steps", 2, "-o", out)
    result = run_cli("reproduce", "figure6", *common, "--quiet")
    assert result.code == 0, result.err
    assert {path.name for path in out.iterdir()} == {
        f"figure6.{kind}" for kind in ("png", "pdf", "mp4", "md")
    }
    assert "| test set | clips | teacher | student | student minus teacher | area |" in result.out
    for name in ("full view", "CU", "CM"):
        (row,) = [line for line in result.out.splitlines() if line.startswith(f"| {name} |")]
        assert row.split("|")[5].strip() == "+0.0"  # the teacher is its own student here
    again = run_cli("reproduce", "figure6", *common, "--quiet", "--json")
    assert again.json["full"]["gain"]["value"] == 0


def test_figure4_draws_films_and_clips_of_the_stage(
    run_cli: RunCli, tiny_model: Path, tmp_path: Path, render_film: Callable[..., Path]
) -> None:
    film, out = render_film(tmp_path / "rain.mp4"), tmp_path / "out"
    options = ("--model", tiny_model, "--student", tiny_model / "video_encoder", "--steps", 2, "-o", out)
    result = run_cli("reproduce", "figure4", film, "stage:3", *options, "--json")
    assert result.code == 0, result.err
    names = {f"figure4.{name}.{kind}" for name in ("rain", "test-000003") for kind in ("png", "pdf")}
    assert {path.name for path in out.iterdir()} == names
    assert [entry["clip"] for entry in result.json] == [str(film), "stage:3"]
    counts = result.json[1]["onsets_in_the_picture"]["close_up"]
    assert counts["teacher"] == counts["student"]  # the teacher is its own student here
    assert result.json[0]["onsets_in_the_picture"] == {"close_up": {}, "camera_movement": {}}


def test_figure4_of_no_film_is_told(run_cli: RunCli, tmp_path: Path) -> None:
    result = run_cli("reproduce", "figure4", tmp_path / "nowhere.mp4", "-o", tmp_path / "out")
    assert result.code == 1
    assert "nowhere.mp4" in result.err
    assert not (tmp_path / "out").exists()


def test_figure6_of_a_film_is_an_explanation(
    run_cli: RunCli, hearing_model: Path, tmp_path: Path, render_film: Callable[..., Path]
) -> None:
    film = render_film(tmp_path / "rain.mp4")
    out = tmp_path / "out"
    options = ("--model", hearing_model, "--steps", 2, "-o", out, "--json")
    result = run_cli("reproduce", "figure6", film, *options)
    assert result.code == 0, result.err
    assert [entry["explained"] for entry in result.json] == ["similarity to the generated sound"]
    assert (out / "figure6.rain.pdf").read_bytes().startswith(b"%PDF-")


def test_figure6_on_the_stage_needs_an_audio_tower(run_cli: RunCli, tiny_model: Path, tmp_path: Path) -> None:
    result = run_cli("reproduce", "figure6", "--model", tiny_model, "--quick", "-o", tmp_path)
    assert result.code == 1
    assert "has no audio_encoder/" in result.err


def test_figure5_shows_every_category_of_table1s_takes(
    run_cli: RunCli, tiny_judge: Path, tmp_path: Path
) -> None:
    size = ("--model", tiny_judge, "--clips", 3, "--quick", "--device", "cpu", "--precision", "fp32")
    options = (*size, "--student", tiny_judge / "video_encoder", "-o", tmp_path, "--quiet")
    result = run_cli("reproduce", "figure5", *options)
    assert result.code == 0, result.err
    assert (tmp_path / "figure5.pdf").read_bytes().startswith(b"%PDF-")
    assert "| overall | 3 |" in result.out
    assert (tmp_path / "figure5.md").read_text() in result.out
    assert str(tmp_path) not in (tmp_path / "figure5.md").read_text()
    again = run_cli("reproduce", "figure5", *options, "--json").json
    assert sum(row["clips"] for row in again["categories"]) >= 3
    assert all(row["teacher"] == row["student"] for row in again["categories"])  # its own student here


def test_figure5_needs_a_student(run_cli: RunCli, tiny_judge: Path, tmp_path: Path) -> None:
    options = ("--model", tiny_judge, "--quick", "-o", tmp_path, "--quiet")
    result = run_cli("reproduce", "figure5", *options)
    assert result.code == 1
    assert "no student found" in result.err
    shutil.copytree(tiny_judge, own := tmp_path / "own")
    shutil.copytree(own / "video_encoder", own / "video_encoder_student")
    size = ("--clips", 3, "--quick", "--device", "cpu", "--precision", "fp32")
    result = run_cli("reproduce", "figure5", "--model", own, *size, "-o", tmp_path)
    assert result.code == 0
    assert "does not exist; using the student of " in result.err
    result = run_cli("reproduce", "figure5", *options, "--student", tmp_path / "nowhere")
    assert "nowhere: no student found" in result.err


def test_test_sets_of_film_language_are_exported(rerun: RunCli, tmp_path: Path) -> None:
    exported = rerun("film_language", "-o", tmp_path, "--view", "occlusion", "--export", "--quiet")
    assert exported.code == 0, exported.err
    clips = tmp_path / "film_language" / "occlusion" / "clips"
    assert exported.out == f"{clips}\n"
    assert len(list(clips.glob("test-*.mp4"))) == 3
    assert (tmp_path / "film_language" / "occlusion" / "events.jsonl").is_file()


def test_film_language_has_every_method_and_the_sounds_of_others(
    rerun: RunCli, tiny_judge: Path, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    for view in ("full", "occlusion"):
        for number in range(3):
            (tmp_path / "mine" / view).mkdir(parents=True, exist_ok=True)
            write_audio(tmp_path / "mine" / view / f"test-{number:06d}.wav", torch.zeros(1, 8000), 16000)
    student = tiny_judge / "video_encoder"
    options = (
        *("--view", "occlusion", "--method", "shipped", "--student", student),
        *("--entry", f"mine={tmp_path / 'mine'}"),
    )
    result = rerun("film_language", "-o", tmp_path, *options)
    assert result.code == 0, result.err
    text = (tmp_path / "film_language.quick.partial.md").read_text()
    assert "E-L1, x1000 (lower)" in text
    for row in ("| full view | teacher |", "| occlusion | shipped |", "| occlusion | mine |"):
        assert row in text
    assert "## What each technique costs, and what is recovered" in text
    assert "Protocol: data stage " in text
    assert (tmp_path / "film_language.quick.partial.png").is_file()
    again = rerun("film_language", "-o", tmp_path, *options, "--json", "--quiet").json
    assert {(s["view"], s["method"]) for s in again["scores"]} >= {("occlusion", "mine"), ("full", "shipped")}
    (tmp_path / "mine" / "full" / "test-000001.wav").unlink()
    missing = rerun("film_language", "-o", tmp_path, *options)
    assert missing.code == 1
    assert "1 of 3 clips have no sound, first test-000001" in missing.err


def test_options_of_film_language_are_checked(rerun: RunCli, tmp_path: Path) -> None:
    for table, options, message in (
        ("table1", ("--export",), "table1 does not use --export"),
        ("film_language", ("--entry", "teacher=."), "--entry is NAME=FOLDER with a name of its own"),
        ("film_language", ("--entry", "x=/nowhere"), "/nowhere is no folder"),
        ("film_language", ("--view", "dolly"), "--view is one of full, close_up"),
    ):
        result = rerun(table, "-o", tmp_path, *options)
        assert result.code == 2
        assert message in " ".join(result.err.replace("│", " ").split())
