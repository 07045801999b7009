from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import torch

from cinefoley.errors import OutputError
from cinefoley.media.audio.files import write_audio
from cinefoley.media.audio.writer import AudioWriter
from cinefoley.media.files.atomic_write import atomic_write, cause_of_failed_write
from cinefoley.media.muxing.save_video import save_video


def test_a_file_appears_when_its_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "rain.json"
    with atomic_write(path) as temporary:
        temporary.write_text("{}")
        assert not path.exists()
        assert temporary.parent == tmp_path
    assert path.read_text() == "{}"
    assert list(tmp_path.iterdir()) == [path]


def test_an_output_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "rain.json") as temporary:
        temporary.write_text("{}")
    (tmp_path / "plain").touch()
    assert (tmp_path / "rain.json").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("failure", [ValueError("no"), KeyboardInterrupt(), OSError(2, "gone", "input.mp4")])
def test_a_failing_block_leaves_what_was_there_and_nothing_else(
    tmp_path: Path, failure: BaseException
) -> None:
    path = tmp_path / "rain.json"
    path.write_text("old")

    def fail() -> None:
        with atomic_write(path) as temporary:
            temporary.write_text("half")
            raise failure

    with pytest.raises(type(failure)):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"the folder .*nowhere does not exist"),
        atomic_write(tmp_path / "nowhere/a"),
    ):
        pass


def test_a_file_in_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="does not exist"), atomic_write(tmp_path / "file" / "a"):
        pass


def test_a_folder_in_place_of_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder"), atomic_write(tmp_path):
        pass


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a folder that is closed even to root")
def test_a_folder_closed_to_us_is_told() -> None:
    with pytest.raises(OutputError, match="no permission to write in /sys"), atomic_write("/sys/rain.wav"):
        pass


def test_a_full_disk_is_told_and_nothing_is_left(no_space: AbstractContextManager[Path]) -> None:
    with no_space as folder:
        with (
            pytest.raises(OutputError, match=r"rain\.json: no space left"),
            atomic_write(folder / "rain.json") as path,
        ):
            path.write_bytes(bytes(100_000))
        assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["rain.wav", "rain.flac"])
def test_audio_that_does_not_fit_is_told_and_nothing_is_left(
    no_space: AbstractContextManager[Path], name: str
) -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, 100_000).astype(np.float32)
    with no_space as folder:
        with pytest.raises(OutputError, match="no space left"):
            write_audio(folder / name, noise, 16000)
        assert list(folder.iterdir()) == []


@pytest.mark.parametrize("length", range(11_900, 12_060, 16))
def test_audio_that_just_does_not_fit_is_never_cut_silently(
    no_space: AbstractContextManager[Path], length: int
) -> None:
    with no_space as folder:
        path = folder / "rain.wav"
        try:
            with AudioWriter(path, 16000) as writer:
                for begin in range(0, length, 500):
                    writer.write(torch.linspace(-1, 1, length)[begin : begin + 500])
        except OutputError:
            assert list(folder.iterdir()) == []
        else:
            assert path.stat().st_size >= 2 * length


def test_a_video_that_does_not_fit_is_told_and_nothing_is_left(
    no_space: AbstractContextManager[Path],
) -> None:
    frames = torch.randint(
        0, 256, (30, 3, 96, 128), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    with no_space as folder:
        with pytest.raises(OutputError, match=r"rain\.mp4: no space left"):
            save_video(folder / "rain.mp4", frames, 25, crf=0)
        assert list(folder.iterdir()) == []


def test_a_cause_that_has_passed_is_an_input_output_error(tmp_path: Path) -> None:
    assert cause_of_failed_write(tmp_path / "fine").errno == 5
