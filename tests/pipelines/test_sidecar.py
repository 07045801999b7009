import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinefoley.errors import OutputError
from cinefoley.pipelines.sidecar import ModelRecord, TakeFiles, check_sidecar, file_sha256, write_sidecar


def make_takes(folder: Path, numbers: Iterable[int]) -> list[TakeFiles]:
    takes = [
        TakeFiles(take=n, wav=folder / f"rain.take{n}.wav", film=folder / f"rain.take{n}.mp4")
        for n in numbers
    ]
    for take in takes:
        take.wav.touch()
    return takes


def write(folder: Path, record: dict[str, Any], takes: list[TakeFiles]) -> None:
    staging = folder / "staging"
    staging.mkdir(exist_ok=True)
    write_sidecar(folder / "rain.json", record, takes, staging=staging)
    assert list(staging.iterdir()) == []


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


@given(runs=st.lists(st.sets(st.integers(1, 6), min_size=1), min_size=1, max_size=5))
def test_every_take_is_on_record_once_with_the_run_that_made_it_last(
    runs: list[set[int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("takes")
    expected: dict[int, int] = {}
    for seed, numbers in enumerate(runs):
        write(folder, {"seed": seed}, make_takes(folder, sorted(numbers)))
        expected |= dict.fromkeys(numbers, seed)

    newest = read(folder / "rain.json")
    recorded = [(take["take"], run["seed"]) for run in (newest, *newest["earlier"]) for take in run["takes"]]
    assert newest["seed"] == len(runs) - 1
    assert sorted(recorded) == sorted(expected.items())


def test_takes_that_were_deleted_are_forgotten(tmp_path: Path) -> None:
    first, _ = make_takes(tmp_path, [1, 2])
    write(tmp_path, {"seed": 1}, make_takes(tmp_path, [1, 2]))
    first.wav.unlink()
    write(tmp_path, {"seed": 2}, make_takes(tmp_path, [3]))

    (earlier,) = read(tmp_path / "rain.json")["earlier"]
    assert [take["take"] for take in earlier["takes"]] == [2]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"events": []}', "\x00\x01"])
def test_a_file_of_somebody_else_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "rain.json").write_text(content)

    with pytest.raises(OutputError, match=r"rain\.json: exists and is no record of takes"):
        check_sidecar(tmp_path / "rain.json")


def test_our_own_file_and_none_at_all_are_welcome(tmp_path: Path) -> None:
    check_sidecar(tmp_path / "rain.json")
    write(tmp_path, {}, make_takes(tmp_path, [1]))
    check_sidecar(tmp_path / "rain.json")


def test_digests_are_those_of_the_files(tiny_model: Path) -> None:
    record = ModelRecord.of("tiny", tiny_model, "teacher")
    file = tiny_model / "vae" / "diffusion_pytorch_model.safetensors"

    assert record.sha256["vae/diffusion_pytorch_model.safetensors"] == file_sha256(file)
    assert file_sha256(file) == hashlib.sha256(file.read_bytes()).hexdigest()
    assert record.video_encoder == "teacher"
    assert len(record.sha256) == 4
