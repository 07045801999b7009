"""Waveforms, front-ends and features that audioldm_eval computed (``fixtures/metrics/backbones.npz``)."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cinefoley.metrics import load_backbone
from cinefoley.metrics.backbones.panns import log_mel
from cinefoley.metrics.backbones.reading import prepare
from cinefoley.metrics.backbones.vggish import log_mel_examples

Reference = Mapping[str, Any]
NETWORK = 1e-5  # of the largest number: what two orders of float32 sums differ by, and to spare
READ = ["80_16000_20000_1_0.05", "81_22050_44100_2_0.03", "82_44100_100001_2_0.0"]
READ += ["83_48000_110000_1_-0.02", "84_32000_70001_1_0.0", "85_8000_20000_1_0.0"]


@pytest.fixture(scope="module")
def reference(reference_fixture: Callable[[str], dict[str, Any]]) -> Reference:
    return reference_fixture("metrics/backbones")


def wave(metric_inputs: Any, key: str) -> torch.Tensor:
    """``wave_seed1_32000``."""
    _, seed, length = key.split("_")
    return torch.from_numpy(metric_inputs.sound(int(seed.removeprefix("seed")), int(length))[0])


@pytest.mark.parametrize("case", READ)
def test_files_are_read_alike(case: str, metric_inputs: Any, reference: Reference) -> None:
    seed, rate, length, channels, offset = case.split("_")
    samples = metric_inputs.as_pcm16(
        metric_inputs.sound(
            int(seed), int(length), sample_rate=int(rate), offset=float(offset), channels=int(channels)
        )
    )
    found = prepare(torch.from_numpy(samples / np.float32(32768)), int(rate)).numpy()
    key = f"read/seed{seed}_sr{rate}_n{length}_ch{channels}_dc{offset}"
    assert len(found) == int(reference[f"{key}_len"])
    ends = np.concatenate([found[:200], found[-200:]])
    assert np.abs(ends - reference[key]).max() < 1e-6
    energy = np.square(found.astype(np.float64)).sum()
    assert energy == pytest.approx(float(reference[f"{key}_sumsq"]), rel=1e-6)


def test_log_mels_of_panns(metric_inputs: Any, reference: Reference) -> None:
    found = log_mel(wave(metric_inputs, "wave_seed1_32000"))
    assert np.abs(found.numpy() - reference["panns/logmel/wave_seed1_32000"]).max() < 1e-3
    assert bool((log_mel(torch.zeros(32000)) == -100).all())


def test_examples_of_vggish(metric_inputs: Any, reference: Reference) -> None:
    found = log_mel_examples(wave(metric_inputs, "wave_seed1_32000"))
    assert np.abs(found.numpy() - reference["vggish/examples/wave_seed1_32000"]).max() < 1e-6


@pytest.mark.slow
def test_embeddings_of_panns(
    metric_inputs: Any, reference: Reference, panns_file: Path, assert_close: Callable[..., None]
) -> None:
    backbone = load_backbone("panns", panns_file)
    for key in (key.removeprefix("panns/2048/") for key in reference if key.startswith("panns/2048/")):
        heard = torch.zeros(32000) if key.startswith("silence") else wave(metric_inputs, key)
        features, logits = backbone.embed(heard, 16000)
        assert logits is not None
        assert_close(features, reference[f"panns/2048/{key}"], NETWORK)
        assert_close(logits, reference[f"panns/logits/{key}"], NETWORK)


@pytest.mark.slow
def test_embeddings_of_vggish(
    metric_inputs: Any, reference: Reference, vggish_file: Path, assert_close: Callable[..., None]
) -> None:
    backbone = load_backbone("vggish", vggish_file)
    for key in (key.removeprefix("vggish/embedding/") for key in reference if "/embedding/" in key):
        features, logits = backbone.embed(wave(metric_inputs, key), 16000)
        assert logits is None
        assert_close(features, reference[f"vggish/embedding/{key}"], NETWORK)


@pytest.mark.parametrize("variant", ["with_final_relu", "pca_8bit", "relu_pca_8bit"])
def test_what_others_take_for_vggish_is_something_else(variant: str, reference: Reference) -> None:
    ours = reference["vggish/embedding/wave_seed1_32000"]
    theirs = reference[f"vggish/embedding_{variant}/wave_seed1_32000"]
    assert np.abs(ours - theirs).max() > 0.1 * np.abs(ours).max()
