import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.full_disk import file_size_limit

from cinefoley.data.events.event_file import read_annotations
from cinefoley.data.shards.layout import ShardSettings
from cinefoley.data.shards.prepare import prepare_shards
from cinefoley.data.shards.source import ShardSource
from cinefoley.data.sources.clip_source import ClipSource
from cinefoley.data.sources.folder import FolderSource
from cinefoley.data.sources.stage import StageSource
from cinefoley.distillation.presets import distillation
from cinefoley.distillation.run import DistillSettings, distill
from cinefoley.errors import (
    CheckpointMismatchError,
    CinefoleyError,
    DataError,
    MissingWeightsError,
    OutputError,
)
from cinefoley.models.folder import load_part
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.training.run_folder import locked_run
from cinefoley.training.run_settings import RunResult

CLIP_S = 2.5  # the tiny model's window
IMPORTS = [str(Path(__file__).parent), str(Path(__file__).parents[2])]  # for the scripts below
OVERRIDES = {"steps": 6, "batch_size": 4, "precision": "fp32", "log_every": 1, "checkpoint_every": 2}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def run(
    model: Path,
    cache: Path,
    run_dir: Path,
    *,
    count: int = 6,
    source: ClipSource | None = None,
    **changes: Any,
) -> RunResult:
    settings = DistillSettings(
        recipe=distillation("paper"),
        teacher=model,
        run_dir=run_dir,
        cache_dir=cache,
        clip_s=CLIP_S,
        overrides=OVERRIDES,
    )
    clips = source or StageSource("train", count, duration_s=CLIP_S)
    return distill(clips, replace(settings, **changes))


def losses(run_dir: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (run_dir / "log.jsonl").read_text().splitlines()]


def test_the_student_drops_into_its_teachers_model(tiny_model: Path, cache: Path, tmp_path: Path) -> None:
    result = run(tiny_model, cache, tmp_path)
    assert result.parts == (tmp_path / "video_encoder",)
    assert (result.config.steps, result.num_clips, result.ledger) == (6, 6, ())
    student = load_part(tmp_path / "video_encoder", VideoEncoder)
    teacher = load_part(tiny_model / "video_encoder", VideoEncoder)
    assert not torch.equal(student.projection.weight, teacher.projection.weight)
    pipeline = FoleyPipeline.from_pretrained(tiny_model, video_encoder=tmp_path / "video_encoder")
    frames = torch.rand(1, 10, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(pipeline.encode_video(frames), student(frames), atol=1e-5)
    card = (tmp_path / "README.md").read_text()
    assert "Trained by `cinefoley distill`" in card
    assert "6 steps of 4 clips, AdamW at 0.0005" in card
    assert "first weights: the teacher's" in card
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["recipe"]["variation"]["variation_proportion"] == 0.75
    assert record["train"]["batch_norm"] == "frozen"


def test_validation_measures_whole_and_varied_clips(tiny_model: Path, cache: Path, tmp_path: Path) -> None:
    result = run(tiny_model, cache, tmp_path, held_out=StageSource("valid", 2, duration_s=CLIP_S))
    assert {"valid_cosine_whole", "valid_cosine_varied"} <= result.last.keys()


def test_an_epoch_is_one_pass_over_the_clips(tiny_model: Path, cache: Path, tmp_path: Path) -> None:
    recipe = distillation("paper_both")
    assert recipe.schedule.train_config(320).steps == 25 * 10
    recipe = replace(recipe, schedule=replace(recipe.schedule, epochs=2))
    overrides = {**OVERRIDES, "steps": None}
    assert run(tiny_model, cache, tmp_path, recipe=recipe, overrides=overrides).config.steps == 3


def test_shards_give_the_losses_of_their_videos(
    tiny_model: Path, stage_films: Path, stage_shards: Path, tmp_path: Path
) -> None:
    """To the last digit, and so the same student; nothing but the teacher's features is kept of shards."""
    events = read_annotations(stage_films / "train.events.jsonl")
    videos = FolderSource(stage_films, csv=stage_films / "train.csv", events=events)
    run(tiny_model, tmp_path / "cache-1", tmp_path / "films", source=videos)
    run(tiny_model, tmp_path / "cache-2", tmp_path / "shards", source=ShardSource(stage_shards))
    assert losses(tmp_path / "shards") == losses(tmp_path / "films")
    weights = [
        load_part(tmp_path / name / "video_encoder", VideoEncoder).state_dict()
        for name in ("films", "shards")
    ]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert [path.name.split("-")[0] for path in (tmp_path / "cache-2").iterdir()] == ["features"]


def test_shards_of_other_settings_give_nearly_the_losses_of_the_videos(
    tiny_model: Path, stage_films: Path, stage_shards: Path, tmp_path: Path
) -> None:
    """With JPEG of quality 80 in place of 90, within a twentieth of each loss."""
    settings = ShardSettings(duration_s=5.0, least_s=4.0, jpeg_quality=80)
    prepare_shards(stage_films, tmp_path / "coarse", csv=stage_films / "train.csv", settings=settings)
    run(tiny_model, tmp_path / "cache", tmp_path / "as-films", source=ShardSource(stage_shards))
    run(tiny_model, tmp_path / "cache", tmp_path / "run", source=ShardSource(tmp_path / "coarse"))
    assert losses(tmp_path / "run") != losses(tmp_path / "as-films")
    assert losses(tmp_path / "run") == pytest.approx(losses(tmp_path / "as-films"), rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("data", ["stage", "shards"])
def test_a_run_killed_in_mid_epoch_resumes_to_the_same_losses(
    tiny_model: Path, cache: Path, stage_shards: Path, tmp_path: Path, data: str
) -> None:
    """Each in a process of its own: the same threads, whatever tests before this one have left here."""
    clips = "None" if data == "stage" else f"t.ShardSource({str(stage_shards)!r})"

    def start(name: str, *, kill_at: int = 0) -> subprocess.CompletedProcess[str]:
        script = textwrap.dedent(f"""
            import os, signal, sys
            sys.path[:0] = {IMPORTS!r}
            from pathlib import Path
            import test_run as t
            def kill(line):
                if line["step"] == {kill_at}:
                    os.kill(os.getpid(), signal.SIGKILL)
            model, cache, run_dir = map(Path, {[str(tiny_model), str(cache), str(tmp_path / name)]!r})
            t.run(model, cache, run_dir, on_log=kill, source={clips})
        """)
        return subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)

    assert start("whole").returncode == 0
    assert start("killed", kill_at=5).returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "video_encoder").exists()
    assert start("killed").returncode == 0
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    weights = [
        load_part(tmp_path / name / "video_encoder", VideoEncoder).state_dict()
        for name in ("killed", "whole")
    ]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


@pytest.mark.slow
@pytest.mark.parametrize("data", ["stage", "shards"])
def test_two_ranks_train_as_one_does(
    tiny_model: Path, cache: Path, stage_shards: Path, tmp_path: Path, data: str
) -> None:
    source = None if data == "stage" else ShardSource(stage_shards)
    clips = "None" if data == "stage" else f"t.ShardSource({str(stage_shards)!r})"
    run(tiny_model, cache, tmp_path / "alone", source=source)
    script = tmp_path / "ranks.py"
    script.write_text(
        textwrap.dedent(f"""
        import sys
        sys.path[:0] = {IMPORTS!r}
        from pathlib import Path
        import torch
        torch.set_num_threads(1)
        import test_run as t
        model, cache, run_dir = map(Path, {[str(tiny_model), str(cache), str(tmp_path / "together")]!r})
        t.run(model, cache, run_dir, source={clips})
    """)
    )
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=0"]
    command = [*torchrun, "--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0", str(script)]
    ranks = subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert ranks.returncode == 0, ranks.stderr
    assert losses(tmp_path / "together") == pytest.approx(losses(tmp_path / "alone"), rel=1e-5)


def test_a_student_of_another_shape_is_refused(tiny_model: Path, cache: Path, tmp_path: Path) -> None:
    VideoEncoder(width=4, blocks=(1, 1, 1, 1), feature_dim=8).save_pretrained(tmp_path / "other")
    with pytest.raises(CheckpointMismatchError, match="feature_dim 8 there, 16 here"):
        run(tiny_model, cache, tmp_path / "run", init=tmp_path / "other")


def test_a_student_can_start_from_other_weights(tiny_model: Path, cache: Path, tmp_path: Path) -> None:
    run(tiny_model, cache, tmp_path / "first")
    run(tiny_model, cache, tmp_path / "second", init=tmp_path / "first" / "video_encoder")
    record = json.loads((tmp_path / "second" / "run.json").read_text())
    assert record["init"] == [str(tmp_path / "first" / "video_encoder")]
    assert losses(tmp_path / "second")[0] != losses(tmp_path / "first")[0]
    with pytest.raises(CheckpointMismatchError, match=r"parts teacher .*, student "):
        run(tiny_model, cache, tmp_path / "second")


@pytest.mark.parametrize(
    "change",
    [{"recipe": distillation("paper_100")}, {"overrides": {**OVERRIDES, "seed": 1}}],
    ids=["preset", "seed"],
)
def test_a_folder_of_another_run_is_refused_and_left_as_it_is(
    tiny_model: Path, cache: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    run(tiny_model, cache, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises(CheckpointMismatchError):
        run(tiny_model, cache, tmp_path, **change)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_a_finished_run_keeps_its_number_format(tiny_model: Path, cache: Path, tmp_path: Path) -> None:
    """Repeating the command with another precision computes nothing, and so changes no record either."""
    for precision in ("bf16", "fp32"):
        run(tiny_model, cache, tmp_path, overrides={**OVERRIDES, "precision": precision})
        assert json.loads((tmp_path / "run.json").read_text())["arithmetic"] == "bf16"


def test_another_teacher_is_refused_in_the_same_folder(
    tiny_model: Path, guided_tiny_model: Path, cache: Path, tmp_path: Path
) -> None:
    """A copy of the model is the same teacher; other weights are not."""
    run(tiny_model, cache, tmp_path / "run")
    run(guided_tiny_model, cache, tmp_path / "run")
    encoder = load_part(tiny_model / "video_encoder", VideoEncoder)
    with torch.no_grad():
        encoder.projection.bias.add_(0.1)
    encoder.save_pretrained(tmp_path / "other" / "video_encoder")
    (tmp_path / "other" / "foley_config.json").write_bytes((tiny_model / "foley_config.json").read_bytes())
    with pytest.raises(CheckpointMismatchError, match="parts teacher"):
        run(tmp_path / "other", cache, tmp_path / "run")


def test_two_runs_do_not_share_a_folder(tiny_model: Path, cache: Path, tmp_path: Path) -> None:
    with locked_run(tmp_path), pytest.raises(OutputError, match="in use by another run"):
        run(tiny_model, cache, tmp_path)


def test_no_model_no_teacher(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError):
        run(tmp_path / "nowhere", cache, tmp_path / "run")


def test_unusable_clips_are_an_error(tiny_model: Path, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "dud.mp4").write_text("no film")
    settings = DistillSettings(
        recipe=distillation("paper"), teacher=tiny_model, run_dir=tmp_path / "run", cache_dir=cache
    )
    with pytest.raises(DataError, match=r"none of 1 clips can be used.*dud: unreadable"):
        distill(FolderSource(tmp_path / "clips"), settings)
    assert json.loads((tmp_path / "run" / "ledger.jsonl").read_text())["reason"] == "unreadable"


def test_a_run_stopped_by_a_full_disk_can_be_resumed(tiny_model: Path, cache: Path, tmp_path: Path) -> None:
    run(tiny_model, cache, tmp_path / "whole")
    with file_size_limit(60_000), pytest.raises((OutputError, CinefoleyError), match=r"space|written"):
        run(tiny_model, cache, tmp_path / "full")
    run(tiny_model, cache, tmp_path / "full")
    assert losses(tmp_path / "full") == losses(tmp_path / "whole")
