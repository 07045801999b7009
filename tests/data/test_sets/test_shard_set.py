import json
from pathlib import Path

import pytest
import torch

from cinefoley.data.shards.layout import ShardSettings
from cinefoley.data.shards.prepare import prepare_shards
from cinefoley.data.shards.source import ShardSource
from cinefoley.data.sources.file_digests import file_sha256
from cinefoley.data.sources.vggsound_stand_in import StandIn, make_stand_in
from cinefoley.data.test_sets.shard_set import build_shard_set
from cinefoley.data.test_sets.test_set import read_test_set
from cinefoley.data.test_sets.video_set import build_test_set
from cinefoley.errors import DataError, MediaError
from cinefoley.media.audio.files import read_audio
from cinefoley.variations.camera_movement import CameraMovement
from cinefoley.variations.close_up import CloseUp
from cinefoley.variations.variation import Variation
from cinefoley.variations.zoom import Zoom


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    """Thirteen rows, two of them to test with. Not to be written to."""
    folder = tmp_path_factory.mktemp("vggsound") / "made"
    return make_stand_in(folder, 13, faulty_share=0.0, num_distinct=2, size=(48, 64), fps=8, duration_s=2.0)


@pytest.fixture(scope="module")
def shards(stand_in: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in shards. Not to be written to."""
    out = tmp_path_factory.mktemp("shards")
    prepare_shards(stand_in.clips, out, csv=stand_in.csv, settings=ShardSettings(duration_s=2.0, least_s=1.5))
    return out


@pytest.mark.parametrize("variation", [CloseUp(), CameraMovement()], ids=["close-up", "movement"])
def test_windows_and_labels_are_those_of_a_set_of_the_films(
    stand_in: StandIn, shards: Path, tmp_path: Path, variation: CloseUp | CameraMovement
) -> None:
    built = build_shard_set(ShardSource(shards, split="test"), tmp_path / "a", variation, seed=3)
    same = build_test_set(
        stand_in.csv, tmp_path / "b", variation, clips=stand_in.clips, split="test", seed=3, is_view=True
    )
    assert [clip.id for clip in built.clips] == [clip.id for clip in same.clips]
    assert len(built.clips) == 2
    for ours, theirs in zip(built.clips, same.clips, strict=True):
        assert (ours.window, ours.label) == (theirs.window, theirs.label)
        for name in ("start_s", "split", "seed", "source", "source_sha256"):
            assert ours.record[name] == theirs.record[name]


@pytest.mark.parametrize("variation", [CloseUp(), Zoom()], ids=["close-up", "zoom"])
def test_films_show_the_window_and_keep_the_sound(shards: Path, tmp_path: Path, variation: Variation) -> None:
    source = ShardSource(shards, split="test")
    kept = {clip.id: clip for clip in map(source.__getitem__, range(2))}
    for clip in build_shard_set(source, tmp_path, variation).clips:
        assert clip.video_path is not None
        assert clip.video_path.stem == Path(kept[clip.id].about()["source"]).stem
        shown = clip.load_video(fps=4).frames.float()
        expected = kept[clip.id].video(fps=4, window=clip.window).frames.float()
        assert shown.shape == expected.shape
        assert float((shown - expected).abs().mean()) < 6
        sound, rate = read_audio(clip.video_path)
        assert rate == 16000
        assert torch.equal(sound[0], kept[clip.id].waveform(16000))
    assert not list(tmp_path.rglob("*.part"))


def test_a_view_reads_the_shards(shards: Path, tmp_path: Path) -> None:
    source = ShardSource(shards, split="test")
    build_shard_set(source, tmp_path, CloseUp(), is_view=True)
    assert not (tmp_path / "clips").exists()
    built = read_test_set(tmp_path)
    assert built.is_view
    for clip in built.clips:
        assert clip.clip is not None
        expected = clip.clip.video(fps=4, size=(16, 16), window=clip.window)
        assert torch.equal(clip.load_video(fps=4, size=(16, 16)).frames, expected.frames)
        with pytest.raises(MediaError, match="is a clip of shards, not a file"):
            clip.crop()


def test_what_is_there_is_not_made_again_and_two_processes_make_the_same(
    shards: Path, tmp_path: Path
) -> None:
    source = ShardSource(shards)
    first = build_shard_set(source, tmp_path / "a", CameraMovement(), jobs=2)
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "a" / "clips").iterdir()}
    (tmp_path / "a" / "clips" / str(first.clips[4].record["film"])).write_bytes(b"cut off")
    again = build_shard_set(source, tmp_path / "a", CameraMovement())
    assert [clip.record for clip in again.clips] == [clip.record for clip in first.clips]
    made = {
        path.name
        for path in (tmp_path / "a" / "clips").iterdir()
        if path.stat().st_mtime_ns > times[path.name]
    }
    assert made == {first.clips[4].record["film"]}
    with pytest.raises(DataError, match="holds another test set"):
        build_shard_set(source, tmp_path / "a", CameraMovement(), seed=1)
    with pytest.raises(ValueError, match="jobs must not be 0"):
        build_shard_set(source, tmp_path / "b", CloseUp(), jobs=0)


def test_a_damaged_clip_is_named_in_the_ledger(stand_in: StandIn, tmp_path: Path) -> None:
    settings = ShardSettings(duration_s=2.0, least_s=1.5)
    prepare_shards(stand_in.clips, tmp_path / "shards", csv=stand_in.csv, split="test", settings=settings)
    source = ShardSource(tmp_path / "shards")
    spoilt = source[0]
    content = bytearray(spoilt.path.read_bytes())
    content[spoilt.entry.stills_offset + 512 : spoilt.entry.stills_offset + 600] = bytes(88)
    spoilt.path.write_bytes(bytes(content))
    built = build_shard_set(source, tmp_path / "cu", CloseUp())
    assert [clip.id for clip in built.clips] == [source[1].id]
    (line,) = built.ledger
    assert (line["id"], line["reason"]) == (spoilt.id, "unreadable")
    film = built.clips[0].video_path
    assert film is not None
    assert json.loads((tmp_path / "cu" / "manifest.jsonl").read_text())["film_sha256"] == file_sha256(film)
