from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cinefoley.delivery import assembly
from cinefoley.delivery.assembly import CROSS_FADE_S, Piece
from cinefoley.media.audio.files import write_audio

RATE = 1000


@pytest.fixture(scope="module")
def ones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds of full scale."""
    path = tmp_path_factory.mktemp("sounds") / "ones.wav"
    write_audio(path, torch.full((10 * RATE,), 0.5), RATE, subtype="PCM_24")
    return path


def assemble(pieces: list[Piece], duration_s: float, rate: int) -> torch.Tensor:
    blocks = list(assembly.assemble(pieces, duration_s, rate))
    return torch.from_numpy(np.concatenate(blocks, axis=1)[0])


def piece(start_s: float, end_s: float, wav: Path | None, wav_start_s: float = 0.0) -> Piece:
    return Piece(start_s=start_s, end_s=end_s, wav=wav, wav_start_s=wav_start_s)


@pytest.mark.slow
@given(cuts=st.lists(st.floats(0.1, 9.9), max_size=6))
def test_pieces_of_one_take_are_that_take(ones: Path, cuts: list[float]) -> None:
    borders = [0.0, *sorted(cuts), 10.0]
    spaced = [borders[0]]
    for border in borders[1:]:
        if border - spaced[-1] > 2 * CROSS_FADE_S:
            spaced.append(border)
    spaced[-1] = 10.0
    track = assemble([piece(a, b, ones) for a, b in pairwise(spaced)], 10.0, RATE)

    assert track.shape == (10_000,)
    assert torch.allclose(track, torch.full_like(track, 0.5), atol=1e-4)


def test_a_take_gives_way_to_silence_within_the_fade(ones: Path) -> None:
    track = assemble([piece(0, 4, ones), piece(4, 10, None)], 10.0, RATE)

    assert torch.allclose(track[:3990], torch.tensor(0.5), atol=1e-4)
    assert track[4010:].abs().max() == 0
    steps = track[3985:4015].diff()
    assert steps.max() <= 0
    assert steps.min() > -0.5 / 10


def test_a_take_of_a_region_sounds_where_the_region_is(ones: Path) -> None:
    track = assemble([piece(0, 2, None), piece(2, 5, ones, wav_start_s=2.0), piece(5, 10, None)], 10.0, RATE)

    assert track[:2000].abs().max() == 0  # there is no sound of it before
    assert torch.allclose(track[2020:4990], torch.tensor(0.5), atol=1e-4)


@pytest.mark.parametrize("is_followed", [True, False])
def test_takes_no_longer_than_their_shots_do_not_break_off(tmp_path: Path, is_followed: bool) -> None:
    for seconds in (4, 6):
        write_audio(tmp_path / f"{seconds}.wav", torch.full((seconds * RATE,), 0.5), RATE, subtype="PCM_24")
    second = piece(4, 10, tmp_path / "6.wav" if is_followed else None, wav_start_s=4.0)
    track = assemble([piece(0, 4, tmp_path / "4.wav"), second], 10.0, RATE)

    assert track.diff().abs().max() < 0.5 / 10
    assert torch.allclose(track[:3980], torch.tensor(0.5), atol=1e-4)
    assert torch.allclose(track[4020:], torch.tensor(0.5 if is_followed else 0.0), atol=1e-4)


def test_the_rate_is_converted_and_the_length_exact(ones: Path) -> None:
    track = assemble([piece(0, 9.9995, ones)], 9.9995, 48000)

    assert track.shape == (round(9.9995 * 48000),)
    assert track[24000:-24000].mean() == pytest.approx(0.5, abs=1e-3)
