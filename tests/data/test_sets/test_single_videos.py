import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cinefoley.data.test_sets.single_videos import vary_file
from cinefoley.errors import MediaError, OutputError
from cinefoley.media.probe import probe
from cinefoley.variations.camera_movement import CameraMovement
from cinefoley.variations.close_up import CloseUp
from cinefoley.variations.videos import draw_for_video
from cinefoley.variations.window import Window


@pytest.fixture
def rain(tmp_path: Path, render_film: Callable[..., Path]) -> Path:
    return render_film(tmp_path / "rain.mp4")


@pytest.mark.parametrize(
    ("variation", "stem"),
    [(CloseUp(), "rain.close-up"), (CameraMovement(direction="up"), "rain.camera-movement")],
)
def test_a_video_and_the_record_of_its_window_are_written(
    rain: Path, tmp_path: Path, variation: CloseUp | CameraMovement, stem: str
) -> None:
    out = tmp_path / "new" / "folder"
    record = vary_file(rain, out, variation, seed=7)
    assert sorted(path.name for path in out.iterdir()) == [f"{stem}.json", f"{stem}.mp4"]
    assert json.loads((out / f"{stem}.json").read_text()) == record
    window = Window.from_dict(record["window"])
    assert window == draw_for_video(variation, rain, generator=torch.Generator().manual_seed(7))
    video = probe(out / f"{stem}.mp4").video
    assert video is not None
    assert (video.height, video.width) == window.crop_size
    assert (record["seed"], record["scale_range"]) == (7, [0.4, 0.6])


def test_what_was_made_in_the_same_way_is_kept(rain: Path, tmp_path: Path) -> None:
    record = vary_file(rain, tmp_path / "out", CloseUp())
    video = tmp_path / "out" / "rain.close-up.mp4"
    before = video.stat().st_mtime_ns
    assert vary_file(rain, tmp_path / "out", CloseUp()) == record
    assert video.stat().st_mtime_ns == before


def test_what_was_made_otherwise_is_replaced_only_when_asked(rain: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = vary_file(rain, out, CloseUp())
    with pytest.raises(
        OutputError, match=r"rain\.close-up\.mp4: exists, and was made with other arguments.*--force"
    ):
        vary_file(rain, out, CloseUp(), seed=1)
    assert vary_file(rain, out, CloseUp(), seed=1, overwrites=True) != first
    (out / "rain.camera-movement.json").write_text("mine")
    with pytest.raises(OutputError, match=r"rain\.camera-movement\.json: exists"):
        vary_file(rain, out, CameraMovement())
    assert (out / "rain.camera-movement.json").read_text() == "mine"


def test_a_damaged_video_is_made_again_when_asked(rain: Path, tmp_path: Path) -> None:
    vary_file(rain, tmp_path, CloseUp())
    whole = (tmp_path / "rain.close-up.mp4").read_bytes()
    (tmp_path / "rain.close-up.mp4").write_bytes(whole[:-1])
    with pytest.raises(OutputError, match="exists"):
        vary_file(rain, tmp_path, CloseUp())
    vary_file(rain, tmp_path, CloseUp(), overwrites=True)
    assert (tmp_path / "rain.close-up.mp4").read_bytes() == whole


def test_inputs_and_folders_that_cannot_be_used_are_told(rain: Path, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no such file"):
        vary_file(tmp_path / "no.mp4", tmp_path, CloseUp())
    with pytest.raises(OutputError, match="cannot be made"):
        vary_file(rain, rain, CloseUp())
    assert [path.name for path in tmp_path.iterdir()] == ["rain.mp4"]
