import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from tests.full_disk import file_size_limit

from cinefoley.config.recipes import TrainingPreset
from cinefoley.data.cache.clip_cache import prepare_clips
from cinefoley.data.sources.clip_source import ClipSource
from cinefoley.data.sources.folder import FolderSource
from cinefoley.data.sources.stage import StageSource
from cinefoley.distillation.no_teacher import VariedVideo
from cinefoley.distillation.presets import paper_close_up
from cinefoley.errors import (
    CheckpointMismatchError,
    CinefoleyError,
    DataError,
    MissingWeightsError,
    OutputError,
)
from cinefoley.models.audio_encoder import AudioEncoder
from cinefoley.models.classifier import AlignmentClassifier
from cinefoley.models.conditioner import Conditioner
from cinefoley.models.folder import load_part, load_scheduler
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.training.run_folder import locked_run
from cinefoley.training.run_settings import RunResult
from cinefoley.training.stages.run import train_stage
from cinefoley.training.stages.settings import Stage, StageSettings

CLIP_S = 5.0
COUNT = 4


def source(count: int = COUNT) -> StageSource:
    return StageSource("train", count, duration_s=CLIP_S)


@dataclass(frozen=True)
class Trained:
    """Runs of the stages that others start from, and how to begin another."""

    folder: Path
    preset: TrainingPreset

    def run(self, stage: Stage, run_dir: Path, data: ClipSource | None = None, **changes: Any) -> RunResult:
        settings = StageSettings(
            preset=self.preset, run_dir=run_dir, cache_dir=self.folder / "cache", clip_s=CLIP_S
        )
        return train_stage(stage, data or source(), replace(settings, **changes))

    @property
    def models(self) -> tuple[Path, ...]:
        return self.folder / "cavp", self.folder / "autoencoder"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_training: TrainingPreset) -> Trained:
    runs = Trained(tmp_path_factory.mktemp("runs"), tiny_training)
    runs.run("cavp", runs.folder / "cavp")
    runs.run("autoencoder", runs.folder / "autoencoder")
    return runs


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def test_cavp_writes_both_encoders_after_a_warm_start(trained: Trained) -> None:
    folder = trained.folder / "cavp"
    assert load_part(folder / "video_encoder", VideoEncoder).config.feature_dim == 16
    assert load_part(folder / "audio_encoder", AudioEncoder).config.n_mels == 64
    steps = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert {"semantic", "temporal"} <= steps[-1].keys()
    assert (folder / "warm_start" / "log.jsonl").exists()


def test_a_fixed_audio_encoder_keeps_its_weights(trained: Trained, tmp_path: Path) -> None:
    """In the warm start too; and what is repeated without it, or beside another, is refused."""
    begun, run_dir = trained.folder / "cavp", tmp_path / "run"
    trained.run("cavp", run_dir, init=[begun], trains_audio=False)

    before, after = (load_part(run / "audio_encoder", AudioEncoder).state_dict() for run in (begun, run_dir))
    assert all(torch.equal(before[name], after[name]) for name in before)
    videos = [load_part(run / "video_encoder", VideoEncoder).projection.weight for run in (begun, run_dir)]
    assert not torch.equal(*videos)
    assert (run_dir / "warm_start" / "log.jsonl").exists()

    with pytest.raises(MissingWeightsError, match="audio_encoder/ with --init"):
        trained.run("cavp", run_dir, trains_audio=False)
    other = load_part(begun / "audio_encoder", AudioEncoder)
    with torch.no_grad():
        other.projection.bias.add_(1)
    other.save_pretrained(tmp_path / "other" / "audio_encoder")
    with pytest.raises(CheckpointMismatchError, match="parts audio_encoder"):
        trained.run("cavp", run_dir, init=[tmp_path / "other"], trains_audio=False)


def test_varied_clips_are_validated_on_as_varied_clips(trained: Trained, tmp_path: Path) -> None:
    """Their own pictures, of which there are more than of those to train on."""
    varied = {
        "variation": VariedVideo(variation=paper_close_up(variation_proportion=1.0)),
        "warm_start_steps": 0,
    }
    held_out = StageSource("valid", COUNT, duration_s=CLIP_S)
    result = trained.run("cavp", tmp_path, source(2), held_out=held_out, **varied)
    assert result.last["valid_loss"] > 0

    with pytest.raises(CheckpointMismatchError, match="look is"):
        trained.run("cavp", tmp_path, source(2), held_out=held_out, warm_start_steps=0)


def test_a_window_never_reaches_beyond_the_sound(trained: Trained, tmp_path: Path) -> None:
    """5.2 s are 21 frames of which the last has no whole share of the mel."""
    clips = StageSource("train", COUNT, duration_s=5.2)
    overrides = {"steps": 12, "batch_size": 4}
    result = trained.run("cavp", tmp_path, clips, clip_s=5.2, overrides=overrides)
    assert result.last["step"] == 12


def test_an_autoencoders_latents_get_unit_variance(trained: Trained) -> None:
    vae = load_part(trained.folder / "autoencoder" / "vae", AutoencoderKL)
    foley = trained.preset.model.foley
    clips = prepare_clips(source(), foley, trained.folder / "cache", duration_s=CLIP_S)
    mels = clips.windows(foley, 4).mels[:].float()[:, None]
    with torch.no_grad():
        scaled = vae.encode(mels).latent_dist.mean * vae.config.scaling_factor
    assert float(scaled.std()) == pytest.approx(1.0, abs=0.02)


def test_a_generator_is_trained_from_both_and_makes_a_model_that_generates(
    trained: Trained, tmp_path: Path, tiny_training: TrainingPreset
) -> None:
    told: list[str] = []
    result = trained.run(
        "ldm", tmp_path / "ldm", models=trained.models, on_log=lambda line: told.append(str(line["step"]))
    )
    assert [part.name for part in result.parts] == ["unet", "conditioner", "scheduler"]
    assert (result.num_clips, result.ledger, result.config.steps) == (COUNT, (), 2)
    assert result.last["step"] == 2
    assert told[-1] == "2"
    pipeline = FoleyPipeline(
        video_encoder=load_part(trained.models[0] / "video_encoder", VideoEncoder),
        vae=load_part(trained.models[1] / "vae", AutoencoderKL),
        unet=load_part(tmp_path / "ldm" / "unet", UNet2DConditionModel),
        conditioner=load_part(tmp_path / "ldm" / "conditioner", Conditioner),
        scheduler=load_scheduler(tmp_path / "ldm" / "scheduler"),
        foley_config=tiny_training.model.foley,
    )
    features = pipeline.encode_video(torch.rand(1, 16, 3, 32, 32))
    mel = pipeline.decode(pipeline.sample(features, num_inference_steps=2))
    assert mel.shape == (1, 64, 256)
    card = (tmp_path / "ldm" / "README.md").read_text()
    assert f"{COUNT} clips of stage:train; none skipped" in card
    assert "video_encoder `" in card
    assert "2 steps of 2 clips" in card


@pytest.mark.parametrize("stage", ["cavp", "ldm", "alignment"])
def test_held_out_clips_are_validated_on(trained: Trained, tmp_path: Path, stage: Stage) -> None:
    held_out = StageSource("valid", 2, duration_s=CLIP_S)
    overrides = {"steps": 1}
    result = trained.run(
        stage, tmp_path, models=trained.models, held_out=held_out, warm_start_steps=0, overrides=overrides
    )
    assert result.last["valid_loss"] > 0
    if stage == "ldm":
        heard = {path.stem for path in tmp_path.rglob("*.wav")}
        assert heard == {f"step-000001.{name}" for name in held_out.ids}


@pytest.mark.parametrize(("stage", "part"), [("alignment", "alignment"), ("guidance", "guidance_classifier")])
def test_a_classifier_is_trained_to_judge_or_to_guide(
    trained: Trained, tmp_path: Path, stage: Stage, part: str
) -> None:
    result = trained.run(stage, tmp_path, models=trained.models)
    assert result.parts == (tmp_path / part,)
    assert load_part(tmp_path / part, AlignmentClassifier).config.feature_dim == 16
    assert 0 <= result.last["accuracy"] <= 1


def test_a_finished_run_is_not_trained_again(trained: Trained, tmp_path: Path) -> None:
    shutil.copytree(trained.folder / "autoencoder", tmp_path / "again")
    before = (tmp_path / "again" / "log.jsonl").read_text()
    trained.run("autoencoder", tmp_path / "again")
    assert (tmp_path / "again" / "log.jsonl").read_text() == before


def test_a_folder_of_another_run_is_refused(trained: Trained, tmp_path: Path) -> None:
    there = tmp_path / "run"
    shutil.copytree(trained.folder / "autoencoder", there)
    with pytest.raises(CheckpointMismatchError, match="stage autoencoder there, cavp here"):
        trained.run("cavp", there)
    other = replace(trained.preset, name="other")
    with pytest.raises(CheckpointMismatchError, match="preset tiny there, other here"):
        trained.run("autoencoder", there, preset=other)
    with pytest.raises(CheckpointMismatchError, match=r"data_digest \w+ there, \w+ here"):
        trained.run("autoencoder", there, source(2))
    (there / "run.json").write_text("{")
    with pytest.raises(CheckpointMismatchError, match="is damaged"):
        trained.run("autoencoder", there)


def test_the_second_of_two_runs_in_one_folder_is_refused_at_once(trained: Trained, tmp_path: Path) -> None:
    with locked_run(tmp_path), pytest.raises(CinefoleyError, match="in use by another run"):
        trained.run("autoencoder", tmp_path)
    assert files(tmp_path) == {"run.lock"}


def test_other_ranks_write_nothing(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    trained.run("autoencoder", tmp_path)
    assert not files(tmp_path) & {"vae", "README.md", "run.json", "ledger.jsonl"}


def test_parts_to_start_from_must_be_there_and_fit(
    trained: Trained, tmp_path: Path, tiny_model: Path
) -> None:
    with pytest.raises(MissingWeightsError, match=r"starts from a video_encoder, .* \(none was named\)"):
        trained.run("ldm", tmp_path)
    with pytest.raises(MissingWeightsError, match=r"starts from a vae, and no model has one"):
        trained.run("ldm", tmp_path, models=trained.models[:1])
    with pytest.raises(CheckpointMismatchError, match="mel_frames 160 there, 256 here"):
        trained.run("ldm", tmp_path, models=(tiny_model,))
    wide = replace(
        trained.preset, model=replace(trained.preset.model, video_encoder=replace(
            trained.preset.model.video_encoder, feature_dim=32))
    )  # fmt: skip
    with pytest.raises(CheckpointMismatchError, match=r"features of 16 numbers .* has 32"):
        trained.run("ldm", tmp_path, models=trained.models, preset=wide)
    with pytest.raises(MissingWeightsError, match="No model 'nowhere'"):
        trained.run("ldm", tmp_path, models=("nowhere",))


def test_clips_that_are_all_bad_end_the_run_with_their_reasons(trained: Trained, tmp_path: Path) -> None:
    videos = tmp_path / "films"
    videos.mkdir()
    (videos / "text.mp4").write_text("no film")
    with pytest.raises(DataError, match=r"none of 1 clips .* \(text: unreadable\)"):
        trained.run("autoencoder", tmp_path / "run", FolderSource(videos))
    (entry,) = [json.loads(line) for line in (tmp_path / "run" / "ledger.jsonl").read_text().splitlines()]
    assert (entry["id"], entry["reason"]) == ("text", "unreadable")


def test_the_alignment_stage_needs_two_clips(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="needs two clips"):
        trained.run("alignment", tmp_path, source(1), models=trained.models)


def test_a_missing_extra_is_an_error_before_decoding(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CinefoleyError, match=r"pip install 'cinefoley\[train\]'"):
        trained.run("autoencoder", tmp_path)
    assert not files(tmp_path)


def test_videos_without_known_events_skip_the_warm_start(
    trained: Trained, tmp_path: Path, render_film: Callable[..., Path]
) -> None:
    from cinefoley.media.muxing.save_video import save_video
    from cinefoley.stage.render import render_clip

    videos = tmp_path / "films"
    videos.mkdir()
    for seed in range(2):
        clip = render_clip(seed, fps=8, size=(32, 32), duration_s=CLIP_S, kind="drum")
        frames = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)
        save_video(videos / f"{seed}.mp4", frames, 8, waveform=clip.waveform, sample_rate=16000)
    notes: list[str] = []
    result = trained.run("cavp", tmp_path / "run", FolderSource(videos), on_note=notes.append)
    assert result.num_clips == 2
    assert not (tmp_path / "run" / "warm_start").exists()
    assert len(notes) == 1
    assert "no warm start" in notes[0]


def test_a_warm_start_can_be_left_out(trained: Trained, tmp_path: Path) -> None:
    trained.run("cavp", tmp_path, warm_start_steps=0)
    assert not (tmp_path / "warm_start").exists()


def test_first_weights_can_be_those_of_another_run(trained: Trained, tmp_path: Path) -> None:
    """With a learning rate that moves nothing, they are also the last ones."""
    frozen = {"learning_rate": 1e-12, "steps": 1}
    there = trained.folder / "autoencoder"
    trained.run("autoencoder", tmp_path / "run", init=(there,), overrides=frozen)
    before, after = (
        load_part(folder / "vae", AutoencoderKL).state_dict() for folder in (there, tmp_path / "run")
    )
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in before)
    assert f"first weights: {there}" in (tmp_path / "run" / "README.md").read_text()
    wide = replace(trained.preset, model=replace(trained.preset.model, autoencoder=replace(
        trained.preset.model.autoencoder, block_out_channels=(4, 8, 8))))  # fmt: skip
    with pytest.raises(CheckpointMismatchError, match="vae: the weights to begin with are of another shape"):
        trained.run("autoencoder", tmp_path / "wide", init=(there,), preset=wide)


def test_the_progress_of_preparation_is_reported(trained: Trained, tmp_path: Path) -> None:
    told: dict[str, list[tuple[int, int]]] = {}
    trained.run(
        "ldm",
        tmp_path / "run",
        source(3),
        models=trained.models,
        cache_dir=tmp_path / "cache",
        on_prepared=lambda what, done, total: told.setdefault(what, []).append((done, total)),
    )
    assert {what: counts[-1] for what, counts in told.items()} == {
        "clips": (3, 3),
        "features": (6, 6),
        "latents": (6, 6),
    }


def test_a_full_disk_loses_only_the_part_being_written(trained: Trained, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained.folder / "autoencoder", run)
    shutil.rmtree(run / "vae")
    with (
        file_size_limit(4_000),
        pytest.raises(OutputError, match=r"vae: cannot be written .* checkpoint is kept"),
    ):
        trained.run("autoencoder", run)
    assert not list(run.glob(".vae*"))
    trained.run("autoencoder", run)
    assert load_part(run / "vae", AutoencoderKL)
