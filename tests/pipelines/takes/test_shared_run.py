"""Takes of many videos: whoever generates them, and wherever they go, they are the same."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.full_disk import file_size_limit

from cinefoley.data.json_lines import read_records
from cinefoley.data.shards.take_shards import read_shard_audio, read_shard_mel, take_sounds
from cinefoley.errors import DataError, MediaError, OutputError
from cinefoley.media.audio.files import read_audio
from cinefoley.media.files.claims import claimed
from cinefoley.pipelines.takes.model_choice import ModelChoice
from cinefoley.pipelines.takes.settings import GenerationSettings
from cinefoley.pipelines.takes.shared_run import generate_shared, generate_to_shards
from cinefoley.pipelines.takes.take_job import TakeJob
from cinefoley.pipelines.takes.video_source import VideoFile

SETTINGS = GenerationSettings(num_takes=2, num_inference_steps=2, saves_mel=True, writes_video=False)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory, render_film: Callable[..., Path]) -> list[VideoFile]:
    """Three videos and a file that is none."""
    folder = tmp_path_factory.mktemp("videos")
    paths = [render_film(folder / f"clip{number}.mp4", seed=number) for number in range(3)]
    (folder / "broken.mp4").write_bytes(b"no video")
    return [VideoFile(path) for path in (paths[0], folder / "broken.mp4", *paths[1:])]


@pytest.fixture
def job(tmp_path: Path, tiny_model: Path) -> TakeJob:
    return TakeJob(
        out=tmp_path / "out",
        settings=SETTINGS,
        model=ModelChoice(name=str(tiny_model), device="cpu", precision="fp32"),
    )


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("shards/*.tar")}


def test_shards_hold_the_takes_that_files_hold_and_name_what_was_skipped(
    job: TakeJob, videos: list[VideoFile], tmp_path: Path
) -> None:
    files = generate_shared(TakeJob(out=tmp_path / "files", settings=SETTINGS, model=job.model), videos)
    ledger = generate_to_shards(job, videos, videos_per_shard=2)
    assert files is not None
    assert ledger is not None

    assert [line["outcome"] for line in files] == [line["outcome"] for line in ledger]
    assert [line["outcome"] for line in ledger] == ["made", "skipped", "made", "made"]
    assert "broken.mp4" in ledger[1]["message"]
    assert read_records(job.out / "ledger.jsonl") == ledger
    sounds = take_sounds(job.out)
    assert sounds is not None
    assert sorted(sounds) == [f"clip{clip}.take{take}" for clip in range(3) for take in (1, 2)]
    for name, path in sounds.items():
        beside = tmp_path / "files" / f"{name}.wav"
        assert (read_shard_audio(path)[0] == read_audio(beside)[0]).all()
        mel = read_shard_mel(path)
        assert mel is not None
        assert mel.shape == (1, 64, 160)
    left = [path.name for path in (tmp_path / "files").iterdir() if path.name.startswith(".")]
    assert left == []
    assert not list((tmp_path / "files").glob("*.mp4"))


def test_shards_are_resumed_to_the_same_bytes_after_damage(job: TakeJob, videos: list[VideoFile]) -> None:
    generate_to_shards(job, videos, videos_per_shard=2)
    expected = digests(job.out)
    first, second = sorted((job.out / "shards").glob("*.tar"))
    untouched = second.stat().st_mtime_ns
    first.write_bytes(first.read_bytes()[:1000])  # truncated
    stale = job.out / "shards" / ".cinefoley-0123.part"
    stale.mkdir()
    (stale / ".lock").touch()  # of a process that was killed
    generate_to_shards(job, videos, videos_per_shard=2)

    assert digests(job.out) == expected
    assert second.stat().st_mtime_ns == untouched
    assert not list(job.out.rglob("*.part"))


def test_a_flipped_byte_is_reported_and_other_settings_are_refused(
    job: TakeJob, videos: list[VideoFile]
) -> None:
    generate_to_shards(job, videos)
    [tar] = (job.out / "shards").glob("*.tar")
    content = bytearray(tar.read_bytes())
    sounds = take_sounds(job.out)
    assert sounds is not None
    begin = next(
        entry[1]
        for entry in json.loads(tar.with_suffix(".json").read_bytes())["members"]
        if entry[0] == "clip0.take1.flac"
    )
    content[begin + 300] ^= 1
    tar.write_bytes(content)

    with pytest.raises(MediaError, match=r"clip0\.take1\.flac is damaged"):
        read_shard_audio(sounds["clip0.take1"])
    other = GenerationSettings(num_takes=3, num_inference_steps=2, saves_mel=True, writes_video=False)
    with pytest.raises(DataError, match="another num_takes"):
        generate_to_shards(TakeJob(out=job.out, settings=other, model=job.model), videos)


def test_a_full_disk_stops_the_run_and_is_gone_on_from(job: TakeJob, videos: list[VideoFile]) -> None:
    with file_size_limit(100_000), pytest.raises(OutputError, match="no space left"):
        generate_to_shards(job, videos, videos_per_shard=2)
    assert not list(job.out.rglob("*.part"))
    assert not list(job.out.glob("shards/*.tar"))
    ledger = generate_to_shards(job, videos, videos_per_shard=2)
    assert ledger is not None
    assert [line["outcome"] for line in ledger] == ["made", "skipped", "made", "made"]


def test_a_claim_is_held_by_one_process_and_leaves_nothing(tmp_path: Path) -> None:
    with claimed(tmp_path / "out", "a") as first, claimed(tmp_path / "out", "a", waits=False) as second:
        assert (first, second) == (True, False)
    assert list(tmp_path.iterdir()) == []
