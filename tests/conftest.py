"""What several rooms' tests share: the choice of slow tests, a tiny model on disk, and small films."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from cinefoley.config.model import ModelConfig
    from cinefoley.config.recipes import TrainingPreset


# shared machines are noisy: how long an example takes says nothing about the code
hypothesis.settings.register_profile("cinefoley", deadline=None)
hypothesis.settings.load_profile("cinefoley")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--run-slow", action="store_true", help="also run tests that take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("slow") and not config.getoption("--run-slow"):
            item.add_marker(pytest.mark.skip(reason="slow: pass --run-slow"))
        if item.get_closest_marker("muon") and not _has_muon():
            item.add_marker(pytest.mark.skip(reason="this PyTorch has no Muon"))


def _has_muon() -> bool:
    import torch

    return hasattr(torch.optim, "Muon")


def make_tiny_config() -> "ModelConfig":
    """All parts of a model, as small as they come: windows of 2.5 s, frames of 32 pixels."""
    from cinefoley.config.foley import FoleyConfig
    from cinefoley.config.mel import MelConfig
    from cinefoley.config.model import AutoencoderConfig, DenoiserConfig, ModelConfig, VideoEncoderConfig

    return ModelConfig(
        foley=FoleyConfig(
            mel=MelConfig(hop_length=250, n_mels=64), mel_frames=160, video_frames=10, frame_size=(32, 32)
        ),
        video_encoder=VideoEncoderConfig(width=4, blocks=(1, 1, 1, 1), feature_dim=16),
        autoencoder=AutoencoderConfig(
            channels=1,
            block_out_channels=(4, 4, 8),
            layers_per_block=1,
            norm_num_groups=2,
            has_middle_attention=False,
        ),
        denoiser=DenoiserConfig(
            block_out_channels=(8, 16),
            has_attention=(False, True),
            layers_per_block=1,
            num_heads=2,
            context_dim=16,
            norm_num_groups=4,
        ),
        max_frames=10,
    )


@pytest.fixture(scope="session")
def tiny_training() -> "TrainingPreset":
    """Recipes for networks as small as they come, with windows of 4 s: a step takes no time."""
    from dataclasses import replace

    from cinefoley.config.model import AudioEncoderConfig
    from cinefoley.config.presets import lite_training
    from cinefoley.config.recipes import ScheduleRecipe

    preset, model = lite_training(), make_tiny_config()
    brief = ScheduleRecipe(steps=2, batch_size=2, learning_rate=1e-3, warmup_steps=1)
    audio = AudioEncoderConfig(
        n_mels=64,
        channels=(4, 4, 8, 8, 8),
        time_pools=(2, 2, 2, 2, 1),
        band_pools=(2, 2, 2, 2, 2),
        feature_dim=16,
    )
    return replace(
        preset,
        name="tiny",
        model=replace(
            model,
            foley=replace(model.foley, mel_frames=256, video_frames=16),
            audio_encoder=audio,
            max_frames=16,
        ),
        cavp=replace(
            preset.cavp,
            schedule=brief,
            warm_start=brief,
            windows=3,
            window_frames=4,
            gap_frames=2,
            mel=model.foley.mel,
        ),
        autoencoder=replace(preset.autoencoder, schedule=brief, crop_frames=32),
        ldm=replace(preset.ldm, schedule=brief, windows_per_clip=2),
        alignment=replace(
            preset.alignment, schedule=brief, block_out_channels=(8, 16), num_heads=2, norm_num_groups=4
        ),
    )


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with random weights. Not to be written to: copy it first."""
    import torch

    from cinefoley.models import build
    from cinefoley.pipelines.foley import FoleyPipeline

    config = make_tiny_config()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pipeline = FoleyPipeline(
            video_encoder=build.build_video_encoder(config.video_encoder),
            conditioner=build.build_conditioner(config),
            unet=build.build_denoiser(config.denoiser),
            vae=build.build_autoencoder(config.autoencoder),
            scheduler=build.build_scheduler(config.denoiser),
            foley_config=config.foley,
        )
    folder = tmp_path_factory.mktemp("models") / "tiny"
    pipeline.save_pretrained(folder)
    return folder


def _with_classifier(model: Path, folder: Path, part: str, channels: tuple[int, ...]) -> Path:
    """A copy of the tiny model with a classifier of random weights."""
    import torch

    from cinefoley.models.classifier import AlignmentClassifier

    shutil.copytree(model, folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        classifier = AlignmentClassifier(
            block_out_channels=channels, feature_dim=16, max_frames=10, num_heads=2, norm_num_groups=4
        )
    classifier.save_pretrained(folder / part)
    return folder


@pytest.fixture(scope="session")
def guided_tiny_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with a guidance classifier beside it. Not to be written to."""
    folder = tmp_path_factory.mktemp("models") / "guided"
    return _with_classifier(tiny_model, folder, "guidance_classifier", (8, 16))


@pytest.fixture(scope="session")
def tiny_judge(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with an alignment classifier of random weights. Not to be written to."""
    folder = tmp_path_factory.mktemp("models") / "judge"
    return _with_classifier(tiny_model, folder, "alignment", (8, 16, 16))


@pytest.fixture(scope="session")
def add_audio_encoder() -> Callable[[Path], None]:
    """``add_audio_encoder(folder)`` puts an audio tower of random weights into a copy of a tiny model."""

    def add(folder: Path) -> None:
        import torch

        from cinefoley.models.audio_encoder import AudioEncoder

        with torch.random.fork_rng():
            torch.manual_seed(0)
            AudioEncoder(
                n_mels=64,
                channels=(4, 4, 8, 8, 8),
                time_pools=(2, 2, 2, 2, 1),
                band_pools=(2, 2, 2, 2, 2),
                feature_dim=16,
            ).save_pretrained(folder / "audio_encoder")

    return add


@pytest.fixture(scope="session")
def render_film() -> Callable[..., Path]:
    """``render_film(path, seed=0, duration_s=2.0, fps=12, size=(48, 64))`` writes a silent stage clip."""

    def render(
        path: Path, *, seed: int = 0, duration_s: float = 2.0, fps: int = 12, size: tuple[int, int] = (48, 64)
    ) -> Path:
        import torch

        from cinefoley.media.muxing.save_video import save_video
        from cinefoley.stage.render import render_clip

        clip = render_clip(seed, split="test", fps=fps, size=size, duration_s=duration_s)
        save_video(path, torch.from_numpy(clip.frames).permute(0, 3, 1, 2), fps)
        return path

    return render


@pytest.fixture(scope="session")
def study_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two methods: 4 clips, 2 attention checks, films of half a second. Not to be written to."""
    import torch

    from cinefoley.media.muxing.replace_audio import replace_audio
    from cinefoley.media.muxing.save_video import save_video

    root = tmp_path_factory.mktemp("study")
    folders = {name: root / name for name in ("base", "ours", "real", "wrong")}
    for folder in folders.values():
        folder.mkdir()
    time_s = torch.arange(4000) / 8000
    for number in range(6):
        first, second = ("base", "ours") if number < 4 else ("wrong", "real")
        name = f"clip{number}.mp4" if number < 4 else f"check{number - 4}.mp4"
        frames = torch.full((6, 3, 48, 64), 20 + 30 * number, dtype=torch.uint8)
        tone = 0.1 * torch.sin(2 * torch.pi * (300 + 50 * number) * time_s)
        save_video(folders[first] / name, frames, 12, waveform=tone, sample_rate=8000)
        replace_audio(folders[first] / name, tone / 2, folders[second] / name, sample_rate=8000)
    (root / "study.toml").write_text(
        'title = "Doors and drums"\ncontact = "study@example.org"\n'
        '[methods]\n"Base" = "base"\n"Ours" = "ours"\n'
        '[attention]\nbetter = "real"\nworse = "wrong"\nper_participant = 1\n'
    )
    return root


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """For bits that are compared with another process's: sums may depend on how many threads share them."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def stage_films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six films of 5 s, 64 pixels on the shorter side, with list and events. Not to be written to."""
    from cinefoley.stage.export import ExportSettings, export_clips

    folder = tmp_path_factory.mktemp("stage-films")
    export_clips(folder, 6, ExportSettings(split="train", duration_s=5.0, side=64, fps=12, sample_rate=16000))
    return folder


@pytest.fixture(scope="session")
def stage_shards(stage_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in three shards. Not to be written to."""
    from cinefoley.data.shards.layout import ShardSettings
    from cinefoley.data.shards.prepare import prepare_shards

    out = tmp_path_factory.mktemp("stage-shards")
    settings = ShardSettings(duration_s=5.0, least_s=4.0, clips_per_shard=2)
    prepare_shards(stage_films, out, csv=stage_films / "train.csv", settings=settings)
    return out


@pytest.fixture(params=["avsync.mp4", "car.mp4", "drum.mp4", "vggsound.mp4"])
def real_clip(request: pytest.FixtureRequest) -> Path:
    """A real clip, from the folder that ``CINEFOLEY_CLIPS`` names."""
    folder = os.environ.get("CINEFOLEY_CLIPS")
    if folder is None:
        pytest.skip("CINEFOLEY_CLIPS names no folder of real clips")
    name: str = request.param
    return Path(folder) / name
