from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cinefoley.data.sources.video_frames import bounded_size, read_video_frames
from cinefoley.errors import MediaError
from cinefoley.media.frames.jpeg import decode_jpeg
from cinefoley.media.frames.video import load_video
from cinefoley.media.muxing.save_video import save_video


@given(size=st.tuples(st.integers(1, 4000), st.integers(1, 4000)), short_side=st.integers(16, 600))
def test_a_picture_is_only_ever_made_smaller_and_keeps_its_shape(
    size: tuple[int, int], short_side: int
) -> None:
    height, width = bounded_size(size, short_side)
    assert (height, width) == size or min(height, width) == short_side
    assert abs(height * size[1] - width * size[0]) <= max(size)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    frames = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (20, 3, 40, 64), dtype=np.uint8))
    save_video(tmp_path / "film.mp4", frames, 10)
    return tmp_path / "film.mp4"


def test_pictures_are_those_that_loading_the_video_picks(film: Path) -> None:
    kept = read_video_frames(film, (40, 64), fps=4, duration_s=5.0)
    video = load_video(film, 4, None, 0, 5.0)
    assert np.array_equal(np.stack(kept.frames), video.frames.permute(0, 2, 3, 1).numpy())
    assert (kept.size, kept.duration_s, kept.damage) == ((40, 64), video.duration, None)
    assert kept.progress == sorted(kept.progress)
    assert kept.progress[0] == pytest.approx(1 / 19)
    assert len(kept.progress) == 8


def test_stills_are_the_pictures_and_always_the_same_bytes(film: Path) -> None:
    kept, again = (read_video_frames(film, (20, 32), fps=4, duration_s=1.0) for _ in range(2))
    assert kept.jpegs(90) == again.jpegs(90)
    assert len(kept.jpegs(90)) == 4
    assert decode_jpeg(kept.jpegs(90)[0]).shape == (20, 32, 3)


def test_what_is_lost_of_a_video_is_told(film: Path) -> None:
    content = film.read_bytes()
    film.write_bytes(content[: len(content) // 4] + bytes(600) + content[len(content) // 4 + 600 :])
    kept = read_video_frames(film, (40, 64), fps=4, duration_s=2.0)
    assert kept.damage is not None
    film.write_bytes(b"no film")
    with pytest.raises(MediaError):
        read_video_frames(film, (40, 64), fps=4, duration_s=2.0)
