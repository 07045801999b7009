import json
from pathlib import Path

import pytest

from cinefoley.config.training import TrainConfig
from cinefoley.data.json_lines import Record
from cinefoley.errors import CheckpointMismatchError
from cinefoley.training.run_folder import RunFolder


class Clips:
    """Three clips of five; the others are missing."""

    digest = "a" * 64
    ledger: tuple[Record, ...] = 2 * ({"id": "x", "reason": "missing", "message": "no file"},)

    def __len__(self) -> int:
        return 3


def begin(path: Path, *, preset: str = "paper", is_main: bool = True) -> RunFolder:
    folder = RunFolder(path, is_main=is_main)
    folder.begin("distillation", preset, "films", Clips(), {"teacher": "b" * 64}, init=["the teacher's"])
    return folder


def test_a_run_folder_resumes_only_its_own_run(tmp_path: Path) -> None:
    begin(tmp_path)
    record = json.loads((tmp_path / "run.json").read_text())
    assert (record["num_clips"], record["left_out"]) == (3, {"missing": 2})
    begin(tmp_path)
    with pytest.raises(CheckpointMismatchError, match=r"another run .preset paper there, paper_50 here"):
        begin(tmp_path, preset="paper_50")
    assert json.loads((tmp_path / "run.json").read_text()) == record


def test_a_damaged_record_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(CheckpointMismatchError, match="is damaged"):
        begin(tmp_path)


def test_ranks_that_do_not_write_do_not_read_either(tmp_path: Path) -> None:
    """On a machine of its own, a folder of that name may hold anything."""
    begin(tmp_path)
    before = (tmp_path / "run.json").read_bytes()
    other = begin(tmp_path, preset="paper_50", is_main=False)
    other.record_start(TrainConfig(steps=1), "fp32")
    other.write_card("distill", "somewhere")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"run.json": before}


def test_a_part_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = begin(tmp_path)

    def save(path: Path) -> None:
        path.mkdir()
        (path / "weights").write_text("new")

    def fail(path: Path) -> None:
        path.mkdir()
        raise RuntimeError("no such layer")

    part = folder.write_part("video_encoder", save)
    assert (part / "weights").read_text() == "new"
    with pytest.raises(RuntimeError, match="no such layer"):
        folder.write_part("video_encoder", fail)
    assert [path.name for path in part.iterdir()] == ["weights"]
    assert not (tmp_path / ".video_encoder.part").exists()
