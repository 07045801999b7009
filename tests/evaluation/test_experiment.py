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
from cinefoley.data.building import build_test_set
from cinefoley.data.folder_source import FolderSource
from cinefoley.data.stage_source import StageSource
from cinefoley.errors import CheckpointMismatchError, DataError
from cinefoley.evaluation.experiment import Experiment, ExperimentSettings, RealClips, window_of
from cinefoley.evaluation.method_scores import METRICS, average, combine, score_method
from cinefoley.evaluation.reproduction import TABLES, Method, TablePlan, TrainingPlan, reproduce_table
from cinefoley.evaluation.scores import Score
from cinefoley.evaluation.stage_events import stage_events
from cinefoley.evaluation.stage_figures import View
from cinefoley.evaluation.table_report import claims, render_table, table_as_json
from cinefoley.media.mux import replace_audio
from cinefoley.metrics.alignment import AlignmentJudge
from cinefoley.metrics.backbones.segments import SegmentBackbone
from cinefoley.models.folder import load_part
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.variations import CameraMovement, CloseUp

CLIP_S = 2.5
RATE = 16000
SETTINGS = ExperimentSettings(num_takes=2, num_inference_steps=2, batch_size=4, clips_per_file=2)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("experiments")


@pytest.fixture
def make_experiment(tiny_judge: Path, cache: Path, spectrum: Any) -> Any:
    def make(count: int = 4, **changes: Any) -> Experiment:
        experiment = Experiment(
            source=StageSource("test", count, duration_s=CLIP_S),
            model=tiny_judge,
            model_folder=tiny_judge,
            judge=AlignmentJudge.from_model(tiny_judge).eval(),
            backbones=[spectrum],
            cache_dir=cache,
            settings=SETTINGS,
            events=stage_events,
        )
        return replace(experiment, **changes)

    return make


@pytest.fixture
def teacher(tiny_judge: Path) -> VideoEncoder:
    return load_part(tiny_judge / "video_encoder", VideoEncoder)


def test_every_take_of_every_clip_is_judged(make_experiment: Any, teacher: VideoEncoder) -> None:
    experiment = make_experiment()
    real = experiment.hear_real(teacher)
    assert real.ids == tuple(experiment.source.ids)
    assert real.teacher_features.shape == (4, 10, 16)
    takes = experiment.measure(real, "close_up")
    assert takes.probability.shape == (4, 2)
    assert takes.onsets.shape == takes.visible_onsets.shape == (4, 2, 3)
    assert len(takes.embeddings["spectrum"]) == 8
    judged = takes.onsets[..., 0] >= 0
    for row in range(4):
        events = stage_events(experiment.source[row], None)
        assert events is not None
        assert judged[row].tolist() == [events.is_onset_like] * 2
        if events.is_onset_like:
            hits, _, missed = takes.onsets[row].unbind(dim=1)
            assert (hits + missed).tolist() == [len(events.times)] * 2


def test_what_is_finished_is_not_made_again(
    make_experiment: Any, teacher: VideoEncoder, spectrum: Any
) -> None:
    """More clips than before find those that are there, and so does a run that was killed."""
    first = make_experiment(4).measure(make_experiment(4).hear_real(teacher), "full")
    spectrum.heard = 0
    larger = make_experiment(6)
    again = larger.measure(larger.hear_real(teacher), "full")
    assert spectrum.heard == 2 + 2 * 2, "two clips' sounds, and their takes"
    assert torch.equal(again.probability[:4], first.probability)


def test_batches_do_not_matter(make_experiment: Any, teacher: VideoEncoder, tmp_path: Path) -> None:
    experiment = make_experiment()
    takes = experiment.measure(experiment.hear_real(teacher), "camera_movement")
    single = make_experiment(cache_dir=tmp_path, settings=replace(SETTINGS, batch_size=1, clips_per_file=3))
    other = single.measure(single.hear_real(teacher), "camera_movement")
    assert torch.allclose(takes.probability, other.probability, atol=1e-4)
    assert single.describe("full") == experiment.describe("full"), "scores are kept for any batch"


def test_takes_of_another_configuration_are_others(
    make_experiment: Any, tiny_judge: Path, tmp_path: Path
) -> None:
    """The same weights, read with another ``foley_config.json``."""
    model = tmp_path / "model"
    shutil.copytree(tiny_judge, model)
    config = json.loads((model / "foley_config.json").read_text())
    changed = "zero_features" if config["null_condition"] == "zero_context" else "zero_context"
    (model / "foley_config.json").write_text(json.dumps(config | {"null_condition": changed}))
    other = make_experiment(model=model, model_folder=model, judge=AlignmentJudge.from_model(model).eval())
    assert other.describe("full") != make_experiment().describe("full")


@pytest.mark.gpu
def test_takes_of_a_gpu_are_judged_alike(make_experiment: Any, teacher: VideoEncoder, tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs CUDA")
    experiment = make_experiment(cache_dir=tmp_path / "cpu")
    takes = experiment.measure(experiment.hear_real(teacher), "close_up")
    device = torch.device("cuda")
    on_gpu = make_experiment(cache_dir=tmp_path / "gpu", device=device, judge=experiment.judge.to(device))
    real = on_gpu.hear_real(teacher.to(device))
    assert real.teacher_features.device.type == "cpu"
    assert torch.allclose(on_gpu.measure(real, "close_up").probability, takes.probability, atol=1e-2)


def test_the_window_is_that_of_the_test_set(make_experiment: Any) -> None:
    from cinefoley.data.making_sets import clip_seed

    clip = make_experiment().source[1]
    generator = torch.Generator().manual_seed(clip_seed(0, clip.id))
    assert window_of(clip, "close_up") == CloseUp().draw(clip.picture_size(), generator=generator)
    assert window_of(clip, "full") is None
    assert window_of(clip, "camera_movement") != window_of(clip, "camera_movement", seed=1)


@pytest.mark.parametrize("variation", [CloseUp(), CameraMovement()])
def test_a_films_window_is_that_of_the_test_set(
    render_film: Any, tmp_path: Path, variation: CloseUp | CameraMovement
) -> None:
    (tmp_path / "films").mkdir()
    render_film(tmp_path / "films" / "one.mp4", size=(90, 130))
    (tmp_path / "one.csv").write_text("id\none\n")
    (built,) = build_test_set(
        tmp_path / "one.csv", tmp_path / "set", variation, clips=tmp_path / "films", is_view=True
    ).clips
    view: View = "close_up" if isinstance(variation, CloseUp) else "camera_movement"
    assert window_of(FolderSource(tmp_path / "films")[0], view) == built.window


def test_a_window_hides_events(make_experiment: Any) -> None:
    """Somewhere among a few clips a camera movement hides what the whole picture shows."""
    hidden = 0
    for row in range(4):
        clip = make_experiment().source[row]
        whole, seen = (stage_events(clip, window_of(clip, view)) for view in ("full", "camera_movement"))
        assert whole is not None
        assert seen is not None
        assert whole.is_visible.all()
        assert whole.off_screen is not None
        assert not len(whole.off_screen)
        assert seen.off_screen is not None
        hidden += len(seen.off_screen)
        assert seen.times.tolist() == whole.times.tolist()
    assert hidden > 0


def test_films_have_no_known_events(some_films: Path) -> None:
    assert stage_events(FolderSource(some_films)[0], None) is None


@pytest.fixture
def some_films(tmp_path: Path, render_film: Any) -> Path:
    (tmp_path / "films").mkdir()
    render_film(tmp_path / "films" / "one.mp4")
    return tmp_path / "films"


def test_real_sounds_are_as_long_as_takes_and_mute_ones_are_left_out(
    make_experiment: Any, teacher: VideoEncoder, render_film: Any, spectrum: Any, tmp_path: Path
) -> None:
    """A sound may end before its picture; heard second by second it would give fewer rows than the others."""
    films = tmp_path / "films"
    films.mkdir()
    silent = render_film(tmp_path / "silent.mp4", duration_s=3.0)
    noise = torch.rand(RATE * 3, generator=torch.Generator().manual_seed(0)) - 0.5
    for name, sound in (("long", noise), ("mute", 0 * noise), ("short", noise[: RATE * 3 // 4])):
        replace_audio(silent, sound, films / f"{name}.mkv", sample_rate=RATE)
    experiment = make_experiment(
        source=FolderSource(films), backbones=[SegmentBackbone(spectrum)], cache_dir=tmp_path / "cache"
    )

    real = experiment.hear_real(teacher)

    assert real.ids == ("long", "short")
    assert [(entry["id"], entry["reason"]) for entry in real.ledger] == [("mute", "mute")]
    long, short = (embedding.features for embedding in real.embeddings["spectrum-segments"])
    assert long.shape == short.shape
    assert len(long) >= 2
    assert float(short[1].max()) < 1e-3 < float(long[1].min())


def test_scores_are_paired_over_the_same_clips(make_experiment: Any, teacher: VideoEncoder) -> None:
    experiment = make_experiment(10)
    real = experiment.hear_real(teacher)
    scores = [
        score_method(real, experiment.measure(real, view), replicas=20) for view in ("full", "close_up")
    ]
    assert list(scores[0]) == [name for name in METRICS if name in scores[0]]
    assert {"FD", "KID", "KL", "IS", "Align Acc"} <= scores[0].keys()
    again = score_method(real, experiment.measure(real, "full"), replicas=20)
    assert again["Align Acc"].replicas == scores[0]["Align Acc"].replicas
    nothing = combine("FD", [scores[0]["FD"], again["FD"]], lambda a, b: a - b)
    assert (nothing.value, nothing.low, nothing.high) == (0, 0, 0)


def test_seeds_are_averaged_replica_by_replica() -> None:
    scores = [{"FD": Score(value=v, replicas=(v - 1, v, v + 1))} for v in (1.0, 3.0)]
    mean = average(scores)["FD"]
    assert (mean.value, mean.replicas) == (2.0, (1.0, 2.0, 3.0))
    assert mean.spread == pytest.approx(2**0.5)
    assert average(scores[:1])["FD"].value == 1.0


def test_what_one_method_lacks_has_no_difference() -> None:
    missing = combine("FD", [Score(value=1.0), Score(skipped="too few")], lambda a, b: a - b)
    assert (missing.value, missing.skipped) == (None, "too few")


@pytest.fixture
def whole_model(tiny_judge: Path, tmp_path: Path, add_audio_encoder: Callable[[Path], None]) -> Path:
    """The tiny model with an audio tower."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_judge, folder)
    add_audio_encoder(folder)
    return folder


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
    assert json.loads(json.dumps(table_as_json(table, "four clips")))["claims"].keys() == claims(table).keys()


def test_with_and_without_a_teacher_as_many_steps_are_made(
    make_experiment: Any, whole_model: Path, render_film: Any, tmp_path: Path
) -> None:
    """Though a mute film has nothing to teach without a teacher."""
    films = tmp_path / "films"
    films.mkdir()
    noise = torch.rand(3 * RATE, generator=torch.Generator().manual_seed(0)) - 0.5
    for seed, level in enumerate((1, 1, 1, 0)):
        silent = render_film(tmp_path / f"{seed}.mp4", seed=seed, duration_s=3.0)
        replace_audio(silent, level * noise, films / f"{seed}.mkv", sample_rate=RATE)
    (tmp_path / "films.csv").write_text("id\n0\n1\n2\n3\ngone\n")
    training = TrainingPlan(
        source=FolderSource(films, csv=tmp_path / "films.csv"),
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
    assert "no teacher: left out." in render_table(table, "p", title="t")


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


def test_a_broken_film_is_named_and_left_out(
    make_experiment: Any, teacher: VideoEncoder, tmp_path: Path
) -> None:
    from cinefoley.media.save import save_video
    from cinefoley.stage.render import render_clip

    folder = tmp_path / "films"
    folder.mkdir()
    for seed in range(2):
        clip = render_clip(seed, split="test", fps=10, size=(48, 64), duration_s=CLIP_S)
        frames = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)
        save_video(folder / f"{seed}.mp4", frames, 10, waveform=clip.waveform, sample_rate=16000)
        save_video(
            folder / f"short{seed}.mp4", frames[:10], 10, waveform=clip.waveform[:16000], sample_rate=16000
        )
    (folder / "dud.mp4").write_text("no film")
    experiment = make_experiment(source=FolderSource(folder), cache_dir=tmp_path / "work")
    real: RealClips = experiment.hear_real(teacher)
    assert real.ids == ("0", "1")
    assert {(entry["id"], entry["reason"]) for entry in real.ledger} == {
        ("dud", "unreadable"),
        ("short0", "too short"),
        ("short1", "too short"),
    }
    takes = experiment.measure(real, "close_up")
    assert (takes.onsets == -1).all()
    assert takes.off_screen.isnan().all()
    (folder / "1.mp4").unlink()
    with pytest.raises(DataError, match=r"1 can be used\. dud: unreadable \(.*dud\.mp4"):
        make_experiment(source=FolderSource(folder), cache_dir=tmp_path / "work").hear_real(teacher)


def test_a_judges_failure_is_not_held_against_a_clip(
    make_experiment: Any,
    teacher: VideoEncoder,
    spectrum: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    experiment = make_experiment(cache_dir=tmp_path)

    def fail(waveform: torch.Tensor, sample_rate: int) -> None:
        raise RuntimeError("CUBLAS_STATUS_ALLOC_FAILED")

    with monkeypatch.context() as patched:
        patched.setattr(spectrum, "embed", fail)
        with pytest.raises(RuntimeError, match="CUBLAS"):
            experiment.hear_real(teacher)
    assert experiment.hear_real(teacher).ledger == ()
