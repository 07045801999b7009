"""Small folders of sounds, a backbone of a few lines, and experiments with it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from cinefoley.data.events.stage_events import stage_events
from cinefoley.data.sources.stage import StageSource
from cinefoley.evaluation.paper.experiment import Experiment, ExperimentSettings
from cinefoley.metrics.alignment import AlignmentScorer
from cinefoley.metrics.backbones.protocol import Embedding, check_waveform
from cinefoley.models.folder import load_part
from cinefoley.models.video_encoder import VideoEncoder

RATE = 16000
CLIP_S = 2.5
SETTINGS = ExperimentSettings(num_takes=2, num_inference_steps=2, batch_size=4, clips_per_file=2)


class Spectrum:
    """Levels of eight bands as features, the same as logits."""

    name = "spectrum"
    digest = "0" * 64
    sample_rate = RATE

    def __init__(self) -> None:
        self.heard = 0

    def embed(self, waveform: torch.Tensor, sample_rate: int) -> Embedding:
        heard = check_waveform(self.name, waveform, at_least=1000, sample_rate=RATE)
        self.heard += 1
        bands = torch.fft.rfft(heard[: len(heard) // 1000 * 1000]).abs().tensor_split(8)
        levels = torch.stack([band.mean() for band in bands]).log1p()
        return Embedding(levels, 3 * levels)


@pytest.fixture
def spectrum() -> Spectrum:
    return Spectrum()


@pytest.fixture
def write_sound() -> Callable[..., Path]:
    """``write_sound(path, seed, seconds=2.5, rate=16000, channels=1)``: coloured noise."""

    def write(path: Path, seed: int, *, seconds: float = 2.5, rate: int = RATE, channels: int = 1) -> Path:
        rng = np.random.Generator(np.random.PCG64(seed))
        noise = rng.standard_normal((round(seconds * rate), channels))
        colour = rng.uniform(0.2, 0.95)
        sound = noise.copy()
        sound[1:] += colour * noise[:-1]
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * sound, rate)
        return path

    return write


@pytest.fixture
def folders(tmp_path: Path, write_sound: Callable[..., Path]) -> Callable[..., tuple[Path, Path]]:
    """``folders(12, samples=1)``: (generated, real) with that many clips."""

    def make(count: int, *, samples: int = 1, **options: Any) -> tuple[Path, Path]:
        generated, real = tmp_path / "generated", tmp_path / "real"
        for clip in range(count):
            write_sound(real / f"clip{clip:02d}.wav", clip, **options)
            for sample in range(samples):
                suffix = f".take{sample + 1}" if samples > 1 else ""
                write_sound(generated / f"clip{clip:02d}{suffix}.wav", 1000 + 50 * sample + clip, **options)
        return generated, real

    return make


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
            alignment=AlignmentScorer.from_model(tiny_judge).eval(),
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
