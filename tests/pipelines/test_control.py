import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cinefoley.config.model import AudioEncoderConfig
from cinefoley.errors import (
    AudioError,
    CheckpointMismatchError,
    CinefoleyError,
    MediaError,
    MissingWeightsError,
)
from cinefoley.media.audio.files import write_audio
from cinefoley.models.build import build_audio_encoder
from cinefoley.models.kinds import Kinds
from cinefoley.pipelines.control import example_window, shift_mean
from cinefoley.pipelines.foley import FoleyPipeline

RATE = 16000


@pytest.fixture(scope="module")
def folder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with an audio encoder and two kinds."""
    folder = tmp_path_factory.mktemp("models") / "kinds"
    shutil.copytree(tiny_model, folder)
    config = AudioEncoderConfig(
        n_mels=64, channels=(4, 4), time_pools=(4, 4), band_pools=(8, 8), feature_dim=16
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        build_audio_encoder(config).save_pretrained(folder / "audio_encoder")
        means = torch.randn(3, 2, 16)
    names = ("video_means", "audio_means", "audio_peaks")
    Kinds(names=("bell", "dog"), **dict(zip(names, means, strict=True))).save(folder)
    return folder


def tone(seconds: float, rate: int = RATE) -> Tensor:
    return 0.3 * torch.sin(2 * torch.pi * 440 / rate * torch.arange(round(seconds * rate)))


def test_the_mean_is_replaced_and_what_varies_is_kept() -> None:
    features = torch.nn.functional.normalize(torch.randn(2, 12, 16), dim=-1)
    mean = torch.randn(16)

    shifted = shift_mean(features, mean)

    assert torch.allclose(shifted.norm(dim=-1), torch.ones(2, 12))
    unscaled = features - features.mean(1, keepdim=True) + mean
    assert torch.allclose(torch.cosine_similarity(shifted, unscaled, dim=-1), torch.ones(2, 12))
    same = shift_mean(features, features[:1].mean(1)[0])
    assert torch.allclose(same[0], features[0], atol=1e-6)


def test_kinds_come_back_and_belong_to_their_encoders(folder: Path, tmp_path: Path) -> None:
    kinds = Kinds.load(folder)
    assert kinds is not None
    assert Kinds.names_of(folder) == kinds.names == ("bell", "dog")
    assert float(kinds.weigh(torch.randn(5, 16)).sum()) == pytest.approx(1)
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    (other / "audio_encoder" / "extra.safetensors").write_bytes(b"retrained")
    with pytest.raises(CheckpointMismatchError, match="made for other encoders"):
        Kinds.load(other)
    (other / "kinds" / "config.json").write_text("{")
    with pytest.raises(CinefoleyError, match="is damaged"):
        Kinds.load(other)


def test_example_kind_and_avoidance_change_the_take_at_the_same_seed(folder: Path, tmp_path: Path) -> None:
    pipeline = FoleyPipeline.from_pretrained(folder)
    video = torch.rand(1, 10, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    sound = tmp_path / "bell.wav"
    write_audio(sound, torch.stack([tone(1, 44100), tone(1, 44100)]), 44100)

    def generate(**options: object) -> Tensor:
        return pipeline(video, seed=3, num_inference_steps=2, **options).audios  # type: ignore[arg-type]

    plain = generate()
    for options in ({"example": sound}, {"example": (tone(0.5), RATE)}, {"kind": "dog"}, {"unlike": sound}):
        assert not torch.allclose(generate(**options), plain, atol=1e-4)
    assert torch.equal(generate(example=sound), generate(example=sound))
    with pytest.raises(ValueError, match="not both"):
        generate(example=sound, kind="dog")
    with pytest.raises(CinefoleyError, match="does not know the kind 'cat'; it knows bell, dog"):
        generate(kind="cat")


def test_models_without_the_part_say_so(tiny_model: Path) -> None:
    pipeline = FoleyPipeline.from_pretrained(tiny_model)
    with pytest.raises(MissingWeightsError, match="no audio_encoder/"):
        pipeline.control(example=(tone(1), RATE))
    with pytest.raises(MissingWeightsError, match="names no kinds"):
        pipeline.control(kind="dog")
    assert pipeline.control().wanted is None


def test_examples_fill_a_window(tiny_model: Path) -> None:
    config = FoleyPipeline.from_pretrained(tiny_model).foley_config
    short = example_window((tone(0.3), RATE), config)
    assert len(short) == config.window_samples
    assert float(short.abs().max()) == pytest.approx(1, abs=1e-3)
    assert torch.equal(short[:RATE], short[RATE : 2 * RATE])
    loud_late = torch.cat([0.01 * tone(6), tone(6)])
    assert float(example_window((loud_late, RATE), config).abs().mean()) > 0.5


@pytest.mark.parametrize(
    ("sound", "error", "message"),
    [
        (torch.zeros(RATE), AudioError, "silent"),
        (tone(0.1), AudioError, "lasts 0.100 s"),
        (torch.full((RATE,), np.nan), AudioError, "NaN"),
        (None, MediaError, "notes.txt"),
    ],
)
def test_what_is_no_example_is_one_line(
    tiny_model: Path, tmp_path: Path, sound: Tensor | None, error: type[Exception], message: str
) -> None:
    config = FoleyPipeline.from_pretrained(tiny_model).foley_config
    notes = tmp_path / "notes.txt"
    notes.write_text("no sound")
    with pytest.raises(error, match=message) as caught:
        example_window(notes if sound is None else (sound, RATE), config)
    assert "\n" not in str(caught.value)
