"""Frames that Diff-Foley's own reader picked from its demo clips, and what they look like.

``fixtures/video.npz`` holds, for each clip (21.5 frames per second; 8.2 s from the start, sampled at 4), the
source frame of each of the 33 frames, and mean, deviation and block means of the tensors that reach the
encoder, before (``lossless``) and after the lossy re-encode of the reference.
"""

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from cinefoley.config.frame_rate import FrameRate
from cinefoley.media.frames.sampling import frame_count, pick_frames, sampling_instant
from cinefoley.media.frames.video import Video, load_video

FIXTURE = Path(__file__).parent / "fixtures" / "video.npz"
SOURCE_RATE = Fraction(43, 2)
DURATION = Fraction(82, 10)
TOLERANCE = 2e-3  # decoder and encoder versions differ by this much; see the fixture's notes


@pytest.fixture(scope="module")
def reference() -> dict[str, npt.NDArray[np.float64]]:
    with np.load(FIXTURE) as arrays:
        return dict(arrays)


@pytest.fixture(params=["drum", "car"])
def clip(request: pytest.FixtureRequest) -> tuple[str, Video]:
    name: str = request.param
    folder = os.environ.get("CINEFOLEY_CLIPS")
    if folder is None:
        pytest.skip("CINEFOLEY_CLIPS names no folder of real clips")
    return name, load_video(Path(folder) / f"{name}.mp4", 4, (224, 224), 0.0, 8.2)


@pytest.mark.parametrize("name", ["gun", "drum", "car"])
def test_the_rule_picks_the_frames_of_the_reference(
    reference: dict[str, npt.NDArray[np.float64]], name: str
) -> None:
    rate = FrameRate(Fraction(4))
    instants = [sampling_instant(n, Fraction(0), rate) for n in range(frame_count(DURATION, rate.fps))]
    frames = ((index / SOURCE_RATE, index) for index in range(217))
    assert list(pick_frames(frames, instants)) == reference[f"{name}_src_index"].tolist()
    assert len(instants) == reference[f"{name}_n"]


@pytest.mark.clips
def test_the_film_gives_the_frames_of_the_reference(
    reference: dict[str, npt.NDArray[np.float64]], clip: tuple[str, Video]
) -> None:
    name, video = clip
    assert video.source_indices.tolist() == reference[f"{name}_src_index"].tolist()


@pytest.mark.clips
@pytest.mark.parametrize(("suffix", "tolerance"), [("", TOLERANCE), ("_lossless", 1e-5)])
def test_the_pixels_have_the_reference_statistics(
    reference: dict[str, npt.NDArray[np.float64]], clip: tuple[str, Video], suffix: str, tolerance: float
) -> None:
    name, video = clip
    pixels = video.frames.double().numpy() / 255
    assert pixels.mean(axis=(2, 3)) == pytest.approx(reference[f"{name}_frame_mean{suffix}"], abs=tolerance)
    assert pixels.std(axis=(2, 3)) == pytest.approx(reference[f"{name}_frame_std{suffix}"], abs=tolerance)


@pytest.mark.clips
def test_every_block_of_the_picture_is_where_the_reference_has_it(
    reference: dict[str, npt.NDArray[np.float64]], clip: tuple[str, Video]
) -> None:
    name, video = clip
    pixels = video.frames.double().numpy() / 255
    blocks = pixels.reshape(-1, 3, 16, 14, 16, 14).mean(axis=(3, 5))
    assert blocks == pytest.approx(reference[f"{name}_thumb16_lossless"].astype(np.float64), abs=1e-3)
