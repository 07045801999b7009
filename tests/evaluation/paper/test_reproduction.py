import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from cinefoley.config.published_results import PAPER_TABLES
from cinefoley.data.sources.folder import FolderSource
from cinefoley.data.sources.stage import StageSource
from cinefoley.errors import CheckpointMismatchError
from cinefoley.evaluation.paper.claims import claims
from cinefoley.evaluation.paper.encoder_training import TrainingPlan
from cinefoley.evaluation.paper.reproduction import match_scored_dtype, reproduce_table
from cinefoley.evaluation.paper.table_report import render_table, table_as_json
from cinefoley.evaluation.paper.tables import TABLES, Method, TablePlan
from cinefoley.media.muxing.replace_audio import replace_audio
from cinefoley.models.folder import load_part
from cinefoley.models.video_encoder import VideoEncoder

CLIP_S = 2.5
RATE = 16000


@pytest.fixture
def whole_model(tiny_judge: Path, tmp_path: Path, add_audio_encoder: Callable[[Path], None]) -> Path:
    """The tiny model with an audio tower."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_judge, folder)
    add_audio_encoder(folder)
    return folder


@pytest.mark.slow
def test_a_tables_whole_chain(make_experiment: Any, whole_model: Path, tmp_path: Path) -> None:
    """Teacher, student and the encoder without a teacher, trained, generated, scored and written."""
    experiment = make_experiment(4, model=whole_model, model_folder=whole_model, cache_dir=tmp_path / "work")
    training = TrainingPlan(
        source=StageSource("train", 4, duration_s=CLIP_S),
        runs_dir=tmp_path / "runs",
        cache_dir=tmp_path / "work",
        clip_s=CLIP_S,
        overrides={"epochs": 1.0, "batch_size": 2, "warmup_steps": 1, "precision": "fp32"},
    )
    plan = replace(TABLES["table1"], clips=4, takes=1, seeds=2)
    told: list[str] = []
    scores_dir = tmp_path / "scores"
    reproduce = partial(
        reproduce_table, "table1", plan, replicas=10, scores_dir=scores_dir, on_stage=told.append
    )
    assert reproduce(experiment, training, part=(2, 2)) is None
    assert [line for line in told if line.startswith("training")] == ["training paper-0", "training paper-1"]
    table = reproduce(experiment, training)
    assert table is not None
    assert [line for line in told if line.startswith("training")][2:] == [
        "training direct-paper-0",
        "training direct-paper-1",
    ]
    methods = ("teacher", "student", "no teacher")
    assert set(table.scores) == {(v, m) for v in ("full", "close_up", "camera_movement") for m in methods}
    assert table.runs["paper-1"]["last"]["step"] == 2
    kept = [path.read_text() for path in scores_dir.iterdir()]
    assert not [text for text in kept if str(tmp_path) in text]  # scores are there to be shared
    assert table.hours > 0
    teacher, trained = (
        load_part(folder / "video_encoder", VideoEncoder).state_dict()["projection.weight"]
        for folder in (whole_model, tmp_path / "runs" / "direct-paper-0")
    )
    assert not torch.equal(teacher, trained)
    told.clear()
    longer = replace(training, overrides={**training.overrides, "epochs": 1.5})
    with pytest.raises(CheckpointMismatchError):  # encoders of other settings do not get into the table
        reproduce(experiment, longer)
    halves = replace(training, overrides={**training.overrides, "precision": "bf16"})
    with pytest.raises(CheckpointMismatchError, match="was trained in fp32, this asks for bf16"):
        reproduce(experiment, halves)
    told.clear()
    for left in ("runs", "work"):  # scores are all that a table needs
        shutil.rmtree(tmp_path / left)
    again = reproduce(experiment, training)
    assert again is not None
    assert told == []
    before, after = (t.scores["close_up", "student"]["FD"] for t in (table, again))
    assert replace(after, replicas=()) == replace(before, replicas=())
    assert after.replicas == pytest.approx(before.replicas, rel=1e-5, nan_ok=True)
    text = render_table(table, "four clips", title="Table 1", note="A test.")
    for expected in ("| CM | no teacher |", "74.882 (", "recovered Align Acc, CU", "Protocol: four clips."):
        assert expected in text
    assert "teacher" not in table.skipped
    assert table.runs["paper-0"]["arithmetic"] == "fp32"
    assert table.mixed == ()
    (path,) = scores_dir.glob("paper-0.close_up.*.json")
    kept_scores = json.loads(path.read_text())
    kept_scores["run"]["weights"] = "of another machine"
    kept_scores["run"]["last"]["elapsed_s"] += 7200
    path.write_text(json.dumps(kept_scores))
    mixed = reproduce(experiment, training)
    assert mixed is not None
    hours = 2 + table.runs["paper-0"]["last"]["elapsed_s"] / 3600
    assert mixed.hours == pytest.approx(table.hours + hours)  # both trainings count
    assert "paper-0: its test sets were measured with different trainings" in render_table(
        mixed, "p", title="t"
    )
    report = json.loads(json.dumps(table_as_json(table, "four clips")))
    assert list(report["claims"]) == [claim.name for claim in claims(table)]
    # a machine that computes in another dtype finds these scores, and continues in theirs
    elsewhere = replace(experiment, dtype=torch.bfloat16)
    matched = [
        match_scored_dtype(elsewhere, plan, folder, replicas=10) for folder in (scores_dir, tmp_path / "none")
    ]
    assert [found.dtype for found in matched] == [torch.float32, torch.bfloat16]


def test_with_and_without_a_teacher_as_many_steps_are_made(
    make_experiment: Any, whole_model: Path, render_film: Any, tmp_path: Path
) -> None:
    """Though a mute film has nothing to teach without a teacher."""
    videos = tmp_path / "films"
    videos.mkdir()
    noise = torch.rand(3 * RATE, generator=torch.Generator().manual_seed(0)) - 0.5
    for seed, level in enumerate((1, 1, 1, 0)):
        silent = render_film(tmp_path / f"{seed}.mp4", seed=seed, duration_s=3.0)
        replace_audio(silent, level * noise, videos / f"{seed}.mkv", sample_rate=RATE)
    (tmp_path / "films.csv").write_text("id\n0\n1\n2\n3\ngone\n")
    training = TrainingPlan(
        source=FolderSource(videos, csv=tmp_path / "films.csv"),
        runs_dir=tmp_path / "runs",
        cache_dir=tmp_path / "work",
        clip_s=CLIP_S,
        overrides={"epochs": 2.0, "batch_size": 2, "warmup_steps": 1},
    )
    experiment = make_experiment(2, model=whole_model, model_folder=whole_model)
    table = reproduce_table(
        "table1",
        replace(TABLES["table1"], takes=1, seeds=1, views=("full",)),
        experiment,
        training,
        replicas=0,
    )
    assert table is not None
    runs = table.runs["paper-0"], table.runs["direct-paper-0"]
    assert [run["num_clips"] for run in runs] == [4, 3]
    assert [run["last"]["step"] for run in runs] == [4, 4]


def test_without_an_audio_tower_a_row_is_left_out(make_experiment: Any, tmp_path: Path) -> None:
    plan = TablePlan(
        methods=(Method(name="teacher"), Method(name="no teacher", preset="paper", has_teacher=False)),
        clips=4,
        takes=2,
        seeds=1,
    )
    training = TrainingPlan(
        source=StageSource("train", 2, duration_s=CLIP_S),
        runs_dir=tmp_path / "runs",
        cache_dir=tmp_path / "work",
        clip_s=CLIP_S,
    )
    table = reproduce_table("table1", plan, make_experiment(), training, replicas=0)
    assert table is not None
    assert list(table.skipped) == ["no teacher"]
    assert "audio_encoder" in table.skipped["no teacher"]
    assert "no teacher: skipped." in render_table(table, "p", title="t")


def test_the_papers_share_of_what_is_lost_comes_out_of_its_numbers() -> None:
    """56 % on close-ups and 45 % on camera movements, as the paper's Table 1 has it."""
    rows = PAPER_TABLES["table1"]
    full = rows["full", "teacher"][-1]
    for view, share in (("close_up", 0.56), ("camera_movement", 0.455)):
        teacher, student = rows[view, "teacher"][-1], rows[view, "student"][-1]
        assert (student - teacher) / (full - teacher) == pytest.approx(share, abs=0.005)


def test_every_row_of_ours_has_one_of_the_papers() -> None:
    for name, plan in TABLES.items():
        rows = {method for _, method in PAPER_TABLES[name]}
        assert rows | {"teacher"} == {method.name for method in plan.methods} - {"no teacher", "cinematic"}
