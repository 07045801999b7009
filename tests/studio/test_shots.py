import io
from pathlib import Path

import pytest
import torch
from PIL import Image

from cinefoley.errors import MediaError
from cinefoley.media.muxing.save_video import save_video
from cinefoley.media.shots import Shot, find_shots
from cinefoley.studio.shots import shot_thumbnail

pytest.importorskip("scenedetect")


def test_a_cut_parts_two_shots_that_follow_without_a_gap(two_shots: Path) -> None:
    first, second = find_shots(two_shots)

    assert first.start_s == 0
    assert second.end_s == pytest.approx(3.0)
    assert first.end_s == second.start_s == pytest.approx(1.5, abs=0.1)


def test_a_video_without_a_cut_is_one_shot(tmp_path: Path) -> None:
    save_video(tmp_path / "still.mp4", torch.full((24, 3, 48, 64), 90, dtype=torch.uint8), 12)

    assert find_shots(tmp_path / "still.mp4") == [Shot(0.0, 2.0)]


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_text("not a film")

    with pytest.raises(MediaError):
        find_shots(tmp_path / "x.mp4")


def test_a_shots_picture_is_small_and_from_its_middle(two_shots: Path) -> None:
    images = [
        Image.open(io.BytesIO(shot_thumbnail(two_shots, shot, height=36))) for shot in find_shots(two_shots)
    ]

    assert [image.size for image in images] == [(64, 36), (64, 36)]
    assert images[0].tobytes() != images[1].tobytes()
