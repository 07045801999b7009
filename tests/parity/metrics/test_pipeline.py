"""Files in, numbers out: 24 pairs that went through audioldm_eval (``fixtures/metrics/pipeline.npz``)."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch
from safetensors.torch import save_file

from cinefoley.metrics import (
    frechet_distance,
    inception_score,
    kernel_inception_distance,
    kl_divergence,
    load_backbone,
)
from cinefoley.metrics.backbones.reading import read_clip

Reference = Mapping[str, Any]
SIDES = ("gen", "ref")
EXACT_FRECHET = 1.33843559047963  # of the reference's features, by numpy's singular values in float64


@pytest.fixture(scope="module")
def reference(reference_fixture: Callable[[str], dict[str, Any]]) -> Reference:
    return reference_fixture("metrics/pipeline")


@pytest.fixture(scope="module")
def clips(metric_inputs: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Both folders, written as 16-bit WAVs."""
    folder = tmp_path_factory.mktemp("pipeline")
    files: dict[str, list[Path]] = {side: [] for side in SIDES}
    for side in SIDES:
        (folder / side).mkdir()
    for number in range(24):
        for side, samples in zip(SIDES, metric_inputs.film_pair(9, number), strict=True):
            path = folder / side / f"v{number:02d}.wav"
            soundfile.write(path, samples.T, 16000, subtype="PCM_16")
            files[side].append(path)
    return files


@pytest.fixture(scope="module")
def scaled_panns(
    drawn_weights: Callable[[str], dict[str, torch.Tensor]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Features and logits of usual size; as safetensors, which is read too."""
    state = drawn_weights("cnn14_16k")
    state["fc1.weight"] *= 0.02
    state["fc1.bias"] *= 0.02
    state["fc_audioset.weight"] *= 40
    path = tmp_path_factory.mktemp("scaled") / "panns.safetensors"
    save_file(state, path)
    return path


@pytest.mark.slow
def test_every_number_of_the_pipeline(
    clips: Mapping[str, list[Path]],
    scaled_panns: Path,
    vggish_file: Path,
    reference: Reference,
    assert_close: Callable[..., None],
) -> None:
    panns, vggish = load_backbone("panns", scaled_panns), load_backbone("vggish", vggish_file)
    features, logits, segments = {}, {}, {}
    for side in SIDES:
        heard = [read_clip(path) for path in clips[side]]
        embedded = [panns.embed(waveform, 16000) for waveform in heard]
        features[side] = torch.stack([embedding.features for embedding in embedded])
        logits[side] = torch.stack([e.logits for e in embedded if e.logits is not None])
        segments[side] = torch.cat([vggish.embed(waveform, 16000).features for waveform in heard])
        assert_close(features[side], reference[f"{side}/2048"], 1e-4)
        assert_close(logits[side], reference[f"{side}/logits"], 1e-4)
        assert_close(segments[side], reference[f"{side}/vggish"], 1e-4)
    _check_metrics(features, logits, segments, reference, rel=1e-4)


def test_every_number_from_the_reference_features(reference: Reference) -> None:
    features, logits, segments = (
        {side: torch.from_numpy(reference[f"{side}/{kind}"]) for side in SIDES}
        for kind in ("2048", "logits", "vggish")
    )
    _check_metrics(features, logits, segments, reference, rel=1e-5)


def _check_metrics(
    features: Mapping[str, torch.Tensor],
    logits: Mapping[str, torch.Tensor],
    segments: Mapping[str, torch.Tensor],
    reference: Reference,
    *,
    rel: float,
) -> None:
    found = {
        "frechet_distance": frechet_distance(features["ref"], features["gen"]),
        "frechet_audio_distance": frechet_distance(segments["ref"], segments["gen"]),
        "kullback_leibler_divergence_softmax": kl_divergence(logits["ref"], logits["gen"]),
        "kullback_leibler_divergence_sigmoid": kl_divergence(
            logits["ref"], logits["gen"], activation="sigmoid"
        ),
    }
    found["inception_score_mean"], found["inception_score_std"] = inception_score(logits["gen"])
    kernel = kernel_inception_distance(features["ref"], features["gen"])
    small = kernel_inception_distance(features["ref"], features["gen"], subset_size=5)
    found["kernel_inception_distance_mean"], found["kernel_inception_distance_std"] = kernel
    found["kid_subset5_mean"], found["kid_subset5_std"] = small
    # scipy's root of a 2048 x 2048 matrix of rank 23 is off by 5e-5 of a trace of 46, and ours is not
    assert float(found["frechet_distance"]) == pytest.approx(EXACT_FRECHET, rel=rel / 10)
    for name, value in found.items():
        error = 1.2e-4 if name == "frechet_distance" else 1e-5
        assert float(value) == pytest.approx(float(reference[name]), rel=rel, abs=error), name
