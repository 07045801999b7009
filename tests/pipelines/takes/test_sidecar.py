import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinefoley.errors import MissingWeightsError, OutputError
from cinefoley.pipelines.takes.files import TakeFiles
from cinefoley.pipelines.takes.model_record import ModelRecord, file_sha256
from cinefoley.pipelines.takes.sidecar import check_sidecar, find_differences, write_sidecar


def make_takes(folder: Path, numbers: Iterable[int]) -> list[TakeFiles]:
    takes = [
        TakeFiles(take=n, wav=folder / f"rain.take{n}.wav", video=folder / f"rain.take{n}.mp4")
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


WEIGHTS = {
    "unet/a.safetensors": "u",
    "vae/a.safetensors": "v",
    "conditioner/a.safetensors": "c",
    "video_encoder/a.safetensors": "teacher",
    "video_encoder_student/a.safetensors": "student",
    "guidance_classifier/a.safetensors": "g",
    "alignment/a.safetensors": "a",
}
NO_STUDENT = {name: digest for name, digest in WEIGHTS.items() if "student" not in name}


@pytest.mark.parametrize(
    ("there", "here", "difference"),
    [
        ({}, {}, None),
        ({}, {"video_encoder": "student"}, None),
        ({}, {"video_encoder": "teacher"}, "video encoder default, not teacher"),
        ({"video_encoder": "student"}, {"video_encoder": "teacher"}, "video encoder student, not teacher"),
        ({"sha256": NO_STUDENT}, {"sha256": NO_STUDENT, "video_encoder": "teacher"}, None),
        ({"sha256": NO_STUDENT}, {}, "another video encoder with the name default"),
        ({}, {"video_encoder": "mine", "sha256": WEIGHTS | {"--video-encoder/b": "student"}}, None),
        (
            {},
            {"video_encoder": "mine", "sha256": WEIGHTS | {"--video-encoder/b": "x"}},
            "video encoder default, not mine",
        ),
        ({"name": "other"}, {}, None),
        (
            {"name": "other", "sha256": WEIGHTS | {"unet/a.safetensors": "x"}},
            {},
            "model other, not lite",
        ),
        ({"sha256": WEIGHTS | {"vae/a.safetensors": "x"}}, {}, "another model with the name lite"),
        ({"sha256": WEIGHTS | {"alignment/a.safetensors": "x"}}, {}, None),
        ({"sha256": WEIGHTS | {"guidance_classifier/a.safetensors": "x"}}, {}, None),
        ({"sha256": {}}, {}, None),
    ],
)
def test_weights_are_compared_and_not_what_they_are_called(
    there: dict[str, Any], here: dict[str, Any], difference: str | None
) -> None:
    other, own = (ModelRecord(**{"name": "lite", "sha256": WEIGHTS} | given) for given in (there, here))
    assert own.difference(json.loads(json.dumps(asdict(other)))) == difference


def test_the_guidance_classifier_counts_where_it_guides() -> None:
    other = ModelRecord(name="lite", sha256=WEIGHTS | {"guidance_classifier/a.safetensors": "x"})
    own = ModelRecord(name="lite", sha256=WEIGHTS)
    assert own.difference(asdict(other), is_doubly_guided=True) == "another model with the name lite"


@pytest.mark.parametrize("there", [None, "lite", {}, {"name": "lite", "sha256": None}])
def test_a_record_that_does_not_tell_weights_differs_in_nothing_that_is_known(there: Any) -> None:
    assert ModelRecord(name="lite", sha256=WEIGHTS).difference(there) is None


def test_only_takes_that_were_find_differences_are_named(tmp_path: Path) -> None:
    takes = make_takes(tmp_path, [1, 2])
    write(tmp_path, {"seed": 0, "settings": {"duration": None, "saves_mel": True}}, takes)
    write(tmp_path, {"seed": 5, "settings": {"duration": 2.0, "saves_mel": False}}, takes[1:])
    path, nothing = tmp_path / "rain.json", {"num_takes": 2, "saves_mel": False}

    assert find_differences(path, takes, nothing) == {}, "a take with mels is one without"
    assert find_differences(path, takes, {"seed": 5, "duration": 2.0}) == {
        1: ["duration unset, not 2.0", "seed 0, not 5"]
    }
    assert find_differences(path, takes, {"saves_mel": True}) == {2: ["mels off, not on"]}
    assert find_differences(path, takes[1:], {"seed": 5}) == {}


def test_digests_are_those_of_the_files(tiny_model: Path) -> None:
    record = ModelRecord.of("tiny", tiny_model, "teacher")
    file = tiny_model / "vae" / "diffusion_pytorch_model.safetensors"

    assert record.sha256["vae/diffusion_pytorch_model.safetensors"] == file_sha256(file)
    assert file_sha256(file) == hashlib.sha256(file.read_bytes()).hexdigest()
    assert record.video_encoder == "teacher"
    assert len(record.sha256) == 4
    own = ModelRecord.of("tiny", tiny_model, str(tiny_model / "video_encoder"))
    assert own.difference(asdict(record)) is None
    with pytest.raises(MissingWeightsError, match="it is no video encoder"):
        ModelRecord.of("tiny", tiny_model, "nowhere")
