from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from cinefoley.config.frame_rate import FrameRate
from cinefoley.media.frames.crop import last_frame_time
from cinefoley.media.frames.decoder import FrameReader
from cinefoley.media.frames.downscaling import DownscaledFrames, downscale
from cinefoley.media.frames.frame_source import FileFrames
from cinefoley.media.frames.pixels import resize
from cinefoley.media.frames.sparse_decoder import decode_sparsely
from cinefoley.media.frames.video import load_video, sample_frames
from cinefoley.media.muxing.save_video import save_video
from cinefoley.media.sections import Section
from cinefoley.stage.render import render_clip

RATE = FrameRate(Fraction(4))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds with frames that no other refers to. Not to be written to."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    clip = render_clip(1, fps=24, size=(48, 64), duration_s=3.0)
    save_video(path, torch.from_numpy(clip.frames).permute(0, 3, 1, 2), 24)
    return path


@pytest.mark.parametrize(
    "rate",
    [
        FrameRate(Fraction(4)),
        FrameRate(Fraction(30000, 1001)),
        FrameRate(Fraction(1)),
        FrameRate(Fraction(50)),
        FrameRate(Fraction(12), "nearest"),
        FrameRate(Fraction(7), "nearest"),
    ],
)
@pytest.mark.parametrize("duration", [Fraction(10), Fraction(3), Fraction(17, 10), Fraction(1, 10)])
def test_it_picks_what_decoding_everything_picks(film: Path, rate: FrameRate, duration: Fraction) -> None:
    sparse = decode_sparsely(film, rate, duration)
    whole = load_video(film, rate, None, 0, duration)
    assert sparse is not None
    assert torch.equal(torch.from_numpy(np.stack(sparse.pixels)).permute(0, 3, 1, 2), whole.frames)
    assert float(sparse.duration) == whole.duration
    assert [time * 24 for time in sparse.times] == whole.source_indices.tolist()
    assert sparse.last == last_frame_time(film)


def test_videos_that_it_is_not_for_are_left_to_the_full_way(film: Path, tmp_path: Path) -> None:
    frames = load_video(film, 24)
    save_video(tmp_path / "other.mkv", frames)
    assert decode_sparsely(tmp_path / "other.mkv", RATE, Fraction(3)) is None
    content = bytearray(film.read_bytes())
    middle = content.index(b"mdat") + len(content) // 3
    content[middle : middle + 4000] = bytes(4000)
    (tmp_path / "damaged.mp4").write_bytes(content)
    assert decode_sparsely(tmp_path / "damaged.mp4", RATE, Fraction(3)) is None


def test_pixels_are_handed_over_before_they_are_kept(film: Path) -> None:
    sparse = decode_sparsely(film, RATE, Fraction(1), lambda pixels: pixels[:2, :2])
    assert sparse is not None
    assert {pixels.shape for pixels in sparse.pixels} == {(2, 2, 3)}


def test_shrunk_frames_remember_when_each_is_shown(film: Path) -> None:
    with FrameReader(film) as reader:
        source = DownscaledFrames(FileFrames(reader), (24, 32))
        pixels, indices, duration = sample_frames(source, RATE, None, Section.of(0, None))
    sparse = decode_sparsely(film, RATE, Fraction(3), lambda pixels: downscale(pixels, (24, 32)))
    assert sparse is not None
    assert [source.times[index] for index in indices] == sparse.times
    assert np.array_equal(np.stack(pixels), np.stack(sparse.pixels))
    assert duration == 3.0


@pytest.mark.parametrize("size", [(32, 40), (15, 20), (7, 9), (60, 7)])
def test_shrinking_looks_like_the_antialiased_filter(size: tuple[int, int]) -> None:
    picture = render_clip(1, fps=1, size=(60, 80), duration_s=1.0).frames[0]
    shrunk = downscale(picture, size)
    assert shrunk.shape == (*size, 3)
    assert np.abs(shrunk.astype(int) - resize(picture, size)).mean() < 6


def test_a_small_frame_is_left_as_it_is() -> None:
    picture = np.zeros((4, 6, 3), np.uint8)
    assert downscale(picture, (4, 6)) is picture
    assert downscale(picture, (8, 8)) is picture
