from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cinefoley.data.cache.extracted_shards import extract_audio, extract_videos
from cinefoley.data.shards.layout import ShardSettings
from cinefoley.data.shards.prepare import prepare_shards
from cinefoley.data.shards.source import ShardSource, open_test_shards
from cinefoley.data.sources.folder import FolderSource
from cinefoley.data.sources.split_csv import read_split
from cinefoley.data.sources.vggsound_stand_in import StandIn, make_stand_in
from cinefoley.errors import DataError
from cinefoley.media.audio.files import read_audio

SETTINGS = ShardSettings(duration_s=2.0, least_s=1.5)


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    folder = tmp_path_factory.mktemp("vggsound") / "made"
    return make_stand_in(folder, 13, faulty_share=0.0, num_distinct=2, size=(24, 32), fps=8, duration_s=2.0)


@pytest.fixture(scope="module")
def shards(stand_in: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shards")
    prepare_shards(stand_in.clips, out, csv=stand_in.csv, settings=SETTINGS)
    return out


def test_films_of_shards_are_found_under_the_names_of_those_they_were_made_of(
    stand_in: StandIn, shards: Path, tmp_path: Path
) -> None:
    source = ShardSource(shards)
    told: list[tuple[int, int]] = []
    folder, csv = extract_videos(source, tmp_path, on_clip=lambda done, total: told.append((done, total)))
    assert told[-1] == (13, 13)
    assert read_split(csv) == sorted(read_split(stand_in.csv), key=lambda row: list(source.ids).index(row.id))
    again = FolderSource(folder, csv=csv)
    assert {path.stem for path in folder.glob("*.mkv")} == {path.stem for path in stand_in.clips.iterdir()}
    kept, film = source[4], again[4]
    shown, decoded = (clip.video(fps=4, size=(12, 16)).frames.float() for clip in (kept, film))
    assert float((shown - decoded).abs().mean()) < 6
    assert torch.equal(film.waveform(16000), kept.waveform(16000))


def test_what_is_unpacked_is_not_unpacked_again(shards: Path, tmp_path: Path) -> None:
    source = ShardSource(shards).first(2)
    folder = extract_audio(source, tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.flac")}
    assert len(before) == 2
    assert extract_audio(source, tmp_path) == folder
    assert {path.name: path.stat().st_mtime_ns for path in folder.glob("*.flac")} == before
    assert extract_audio(ShardSource(shards).first(1), tmp_path) != folder
    sound, rate = read_audio(sorted(folder.glob("*.flac"))[0])
    assert (rate, sound.shape[0]) == (16000, 1)


def test_measuring_takes_the_test_split_where_there_is_one(
    stand_in: StandIn, shards: Path, tmp_path: Path
) -> None:
    measured = open_test_shards(shards)
    assert measured is not None
    assert len(measured) == 2
    prepare_shards(stand_in.clips, tmp_path / "unlisted", settings=SETTINGS)
    whole = open_test_shards(tmp_path / "unlisted")
    assert whole is not None
    assert len(whole) == 13
    assert open_test_shards(stand_in.clips) is None


def test_clips_of_films_of_one_name_cannot_be_told_apart(shards: Path, tmp_path: Path) -> None:
    source = ShardSource(shards)
    source.rows = [source.rows[0], replace(source.rows[0], id="twin")]
    with pytest.raises(DataError, match="are both of the video"):
        extract_audio(source, tmp_path)
