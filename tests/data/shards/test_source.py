import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cinefoley.config.foley import FoleyConfig
from cinefoley.config.frame_rate import FrameRate
from cinefoley.config.mel import MelConfig
from cinefoley.data.cache.clip_cache import prepare_clips
from cinefoley.data.json_lines import read_records
from cinefoley.data.shards.archive import ShardEntry, read_members
from cinefoley.data.shards.layout import ShardSettings
from cinefoley.data.shards.prepare import prepare_shards
from cinefoley.data.shards.source import ShardSource
from cinefoley.data.source_argument import has_splits, open_clip_source
from cinefoley.data.sources.clip_reader import DecodedClip, read_clip
from cinefoley.data.sources.clip_source import ClipSource
from cinefoley.data.sources.file_digests import file_sha256
from cinefoley.data.sources.folder import FolderSource
from cinefoley.errors import DataError, MediaError
from cinefoley.media.frames.jpeg import decode_jpeg
from cinefoley.spectral.mel import mel_spectrogram
from cinefoley.stage.export import ExportSettings, export_clips
from cinefoley.variations.camera_movement import CameraMovement
from cinefoley.variations.close_up import CloseUp

# webdataset leaves the files that it has read to the garbage collector
UNCLOSED = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
SETTINGS = ShardSettings(duration_s=3.0, least_s=1.0, short_side=48, clips_per_shard=2, jpeg_quality=95)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips of the stage as films, with their list and events. Not to be written to."""
    folder = tmp_path_factory.mktemp("films")
    export_clips(folder, 3, ExportSettings(split="train", duration_s=2.5, side=64, fps=25, sample_rate=16000))
    return folder


@pytest.fixture(scope="module")
def shards(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in shards. Not to be written to."""
    out = tmp_path_factory.mktemp("shards")
    prepare_shards(films, out, csv=films / "train.csv", settings=SETTINGS)
    return out


@pytest.fixture
def copied(shards: Path, tmp_path: Path) -> Path:
    """Shards that may be spoilt."""
    for path in shards.rglob("*"):
        target = tmp_path / "copy" / path.relative_to(shards)
        if path.is_dir():
            target.mkdir(parents=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return tmp_path / "copy"


def is_source(source: ClipSource) -> ClipSource:
    """mypy says whether it is one."""
    return source


def every(source: FolderSource | ShardSource) -> list[Any]:
    return [source[number] for number in range(len(source))]


def difference(first: torch.Tensor, second: torch.Tensor) -> float:
    assert first.shape == second.shape
    return float((first.float() - second.float()).abs().mean())


def test_shards_tell_of_their_clips_what_the_films_do(films: Path, shards: Path) -> None:
    folder, source = open_clip_source(str(films)), is_source(open_clip_source(str(shards)))
    assert isinstance(source, ShardSource)
    assert list(source.ids) == list(folder.ids)
    assert source.name == str(shards)
    for number in range(3):
        clip = pickle.loads(pickle.dumps(source[number]))
        assert (clip.labels, clip.events) == (folder[number].labels, folder[number].events)
        assert clip.find_fault() is None
        assert min(clip.frame_size()) == 48
        assert clip.about()["source_sha256"] == file_sha256(films / f"{clip.id}.mp4")
    heard = {label for number in range(3) for label in folder[number].labels}
    assert set(source.label_names) == heard


def test_the_same_frames_are_picked_as_from_the_film(films: Path, shards: Path) -> None:
    for film, kept in zip(every(FolderSource(films)), every(ShardSource(shards)), strict=True):
        first, second = (clip.video(fps=4, size=(32, 32)) for clip in (film, kept))
        assert difference(first.frames, second.frames) < 4
        assert first.duration == second.duration
        first, second = (clip.video(fps=4, size=(32, 32), start=0.75, duration=1) for clip in (film, kept))
        assert first.frames.shape[0] == 4
        assert difference(first.frames, second.frames) < 4


def test_lower_rates_show_the_latest_picture_that_is_kept_and_higher_ones_are_refused(shards: Path) -> None:
    clip = ShardSource(shards)[0]
    kept = [decode_jpeg(still) for still in clip.jpegs()]
    slow = clip.video(fps=2).frames
    message = r"holds 4 frames per second, and the model reads 8\. Prepare shards with --fps 8 --frame-choice"
    with pytest.raises(DataError, match=message):
        clip.video(fps=8)
    assert list(clip.video(fps=2).source_indices.tolist()) == [0, 2, 4, 6, 8]
    assert torch.equal(slow[1].permute(1, 2, 0), torch.from_numpy(kept[2].copy()))


def test_the_choice_of_frames_is_that_of_the_settings(films: Path, tmp_path: Path) -> None:
    rate = FrameRate.of(12, "nearest")
    settings = replace(SETTINGS, fps=12.0, frame_choice="nearest")
    assert ShardSettings.from_description(settings.describe()) == settings
    assert "frame_choice" not in SETTINGS.describe()
    prepare_shards(films, tmp_path / "shards", csv=films / "train.csv", settings=settings)
    kept, film = ShardSource(tmp_path / "shards"), FolderSource(films, csv=films / "train.csv")
    assert kept.settings.frame_rate == rate
    first, second = (source[1].video(fps=rate, size=(32, 32)).frames.float() for source in (film, kept))
    assert float((first - second).abs().mean()) < 4  # JPEG
    other = film[1].video(fps=12, size=(32, 32)).frames.float()
    assert float((other - second).abs().mean()) > float((first - second).abs().mean())


@pytest.mark.parametrize("variation", [CloseUp(), CameraMovement()])
def test_a_window_is_where_it_is_in_the_film(
    films: Path, shards: Path, variation: CloseUp | CameraMovement
) -> None:
    film, kept = FolderSource(films)[1], ShardSource(shards)[1]
    windows = [
        variation.draw(clip.frame_size(), generator=torch.Generator().manual_seed(1)) for clip in (film, kept)
    ]
    assert (windows[0].scale, windows[0].start) == (windows[1].scale, windows[1].start)
    first = film.video(fps=4, size=(24, 24), window=windows[0], start=0.5)
    second = kept.video(fps=4, size=(24, 24), window=windows[1], start=0.5)
    elsewhere = kept.video(fps=4, size=(24, 24), start=0.5)
    assert 2 * difference(first.frames, second.frames) < difference(first.frames, elsewhere.frames)


def test_sound_is_that_of_the_film_to_16_bits(films: Path, shards: Path) -> None:
    film, kept = FolderSource(films)[0], ShardSource(shards)[0]
    whole = film.waveform(16000)
    assert float((kept.waveform(16000) - whole.clamp(-1, 1)).abs().max()) <= 2**-15
    part = kept.waveform(16000, start=0.5, duration=1)
    assert torch.equal(part, kept.waveform(16000)[8000:24000])
    assert len(kept.waveform(8000)) == pytest.approx(len(whole) / 2, abs=1)
    assert len(kept.waveform(16000, start=9)) == 0
    with pytest.raises(ValueError, match="sample_rate"):
        kept.waveform(0)


def test_the_mel_is_that_of_the_sound_as_it_is_kept(shards: Path) -> None:
    clip = ShardSource(shards)[2]
    members = read_members(clip.path, clip.entry.offset, clip.entry.end)
    assert list(members) == ["json", "flac", "mel.npy", *(f"{n:03d}.jpg" for n in range(10))]
    import io

    mel = torch.from_numpy(np.load(io.BytesIO(members["mel.npy"]), allow_pickle=False))
    sound = torch.nn.functional.pad(clip.waveform(16000), (0, 48000))[:48000]
    assert torch.equal(mel, mel_spectrogram(sound[None], SETTINGS.mel)[0].half())


@UNCLOSED
def test_webdataset_reads_the_shards(shards: Path) -> None:
    import webdataset

    paths = sorted(str(path) for path in (shards / "shards").glob("*.tar"))
    read = list(webdataset.WebDataset(paths, shardshuffle=False).decode("rgb8"))
    source = ShardSource(shards)
    assert [sample["__key__"] for sample in read] == list(source.ids)
    for sample, clip in zip(read, every(source), strict=True):
        assert sample["json"]["labels"] == list(clip.labels)
        assert torch.equal(
            torch.from_numpy(sample["003.jpg"].copy()).permute(2, 0, 1), clip.video(fps=4).frames[3]
        )
        assert sample["mel.npy"].shape == (128, 188)


def test_prints_follow_content_labels_and_events(films: Path, shards: Path, tmp_path: Path) -> None:
    source = ShardSource(shards)
    prints = source.fingerprints(file_sha256)
    assert len(set(prints)) == 3
    assert ShardSource(shards).first(2).fingerprints(file_sha256) == prints[:2]
    (tmp_path / "list.csv").write_text((films / "train.csv").read_text().replace(",0,", ",1,"))
    prepare_shards(films, tmp_path / "out", csv=tmp_path / "list.csv", settings=SETTINGS)
    assert not set(ShardSource(tmp_path / "out").fingerprints(file_sha256)) & set(prints)


def test_a_split_is_chosen_and_labels_are_numbered_as_asked(shards: Path) -> None:
    assert len(open_clip_source(str(shards), count=2)) == 2
    assert ShardSource(shards, label_names=("a", "b")).label_names == ("a", "b")
    with pytest.raises(DataError, match=r"no clip of the split 'test' \(found train\)"):
        open_clip_source(str(shards), split="test")
    assert has_splits(str(shards))
    with pytest.raises(DataError, match="shards have their own split CSV"):
        open_clip_source(str(shards), csv=Path("x.csv"))


@UNCLOSED
def test_a_name_with_dots_is_one_key(films: Path, tmp_path: Path) -> None:
    import webdataset

    clips = tmp_path / "clips"
    clips.mkdir()
    (clips / "a.b%c.mp4").write_bytes((films / "train-000000.mp4").read_bytes())
    prepare_shards(clips, tmp_path / "out", settings=SETTINGS)
    (clip,) = every(ShardSource(tmp_path / "out"))
    assert clip.id == "a.b%c"
    assert not has_splits(str(tmp_path / "out"))
    assert (clip.labels, clip.events) == ((), None)
    (sample,) = list(webdataset.WebDataset(str(clip.path), shardshuffle=False).decode())
    assert sample["__key__"] == "a%2Eb%25c"
    assert sample["json"]["id"] == "a.b%c"


def test_what_is_gone_or_damaged_is_told(copied: Path) -> None:
    clip, other = ShardSource(copied)[0], ShardSource(copied)[2]
    whole = clip.path.read_bytes()
    clip.path.write_bytes(whole[: clip.entry.end - 600])
    fault = clip.find_fault()
    assert fault is not None
    assert fault.reason == "unreadable"
    with pytest.raises(MediaError, match="was truncated"):
        clip.video(fps=4)
    clip.path.write_bytes(b"x" * len(whole))
    with pytest.raises(MediaError, match=r"holds no clip|holds another clip"):
        clip.video(fps=4)
    clip.path.write_bytes(whole[:512] + b"{" * 100 + whole[612:])
    with pytest.raises(MediaError, match="damaged"):
        clip.about()
    other.path.unlink()
    fault = other.find_fault()
    assert fault is not None
    assert fault.reason == "missing"
    with pytest.raises(MediaError, match="cannot be read"):
        other.waveform(16000)


def test_a_damaged_picture_or_sound_is_told(copied: Path) -> None:
    clip = ShardSource(copied)[0]
    content = bytearray(clip.path.read_bytes())
    content[clip.entry.stills_offset + 512 : clip.entry.stills_offset + 600] = bytes(88)
    content[clip.entry.offset : clip.entry.stills_offset] = content[
        clip.entry.offset : clip.entry.stills_offset
    ].replace(b"fLaC", b"none")
    clip.path.write_bytes(bytes(content))
    with pytest.raises(MediaError, match="cannot be decoded as JPEG"):
        clip.video(fps=4)
    with pytest.raises(MediaError, match="cannot be decoded as FLAC"):
        clip.waveform(16000)


def test_unfinished_or_damaged_folders_are_told(copied: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no shards"):
        ShardSource(tmp_path)
    (copied / "index.jsonl").write_text('{"id": "a"}\n')
    with pytest.raises(DataError, match="the shards are damaged"):
        ShardSource(copied)
    (copied / "index.jsonl").write_text("")
    with pytest.raises(DataError, match="holds no clip"):
        ShardSource(copied)
    (copied / "index.jsonl").unlink()
    with pytest.raises(DataError, match="unfinished"):
        open_clip_source(str(copied))
    about = json.loads((copied / "shards.json").read_bytes())
    (copied / "index.jsonl").touch()
    (copied / "shards.json").write_text(json.dumps(about | {"settings": {"format": 0}}))
    with pytest.raises(DataError, match="format 0"):
        ShardSource(copied)


def test_large_frames_are_decoded_when_they_are_asked_for_and_nothing_is_written(
    shards: Path, tmp_path: Path
) -> None:
    """At 64 pixels a clip takes more than the shard has of it; at 16 it is decoded ahead, to the same."""
    mel = MelConfig(hop_length=250, n_mels=16)
    config = FoleyConfig(mel=mel, mel_frames=64, video_frames=4, frame_size=(64, 64))
    clips = prepare_clips(ShardSource(shards), config, tmp_path / "large", duration_s=3.0)
    assert not (tmp_path / "large").exists()
    assert clips.frames.shape == (3, 12, 3, 64, 64)
    assert clips.mels.shape == (3, 16, 192)
    row = read_clip(ShardSource(shards)[1], clips.settings)
    assert isinstance(row, DecodedClip)
    assert torch.equal(clips.frames[1], row.frames)
    assert torch.equal(clips.mels[1], row.mel)
    assert torch.equal(clips.frames[1, 3:5, 0], row.frames[3:5, 0])
    assert torch.equal(clips.frames[torch.tensor([[2, 1]])][0, 1], row.frames)
    assert torch.equal(clips.frames[1:][0], row.frames)
    assert torch.equal(clips.mels[torch.tensor([False, True, False])][0], row.mel)
    assert clips.frames[:0].shape == (0, 12, 3, 64, 64)
    assert clips.frames[1, 2:2].shape == (0, 3, 64, 64)
    assert torch.equal(clips.windows(config, 2).frames[3], row.frames[6:10])
    small = replace(config, frame_size=(16, 16))
    ahead = prepare_clips(ShardSource(shards), small, tmp_path / "small", duration_s=3.0)
    assert list((tmp_path / "small").rglob("*.safetensors"))
    for name in ("ids", "kinds", "is_onset_like", "has_events", "lengths_s", "label_names", "ledger"):
        ours, theirs = getattr(clips, name), getattr(ahead, name)
        assert torch.equal(ours, theirs) if isinstance(ours, torch.Tensor) else ours == theirs
    assert torch.equal(ahead.mels[:], clips.mels[:])
    longer = replace(config, mel_frames=224, video_frames=14)
    assert {
        line["reason"]
        for line in prepare_clips(ShardSource(shards), longer, tmp_path / "large", duration_s=4.0).ledger
    } == {"too short"}


def test_the_mel_that_is_kept_is_used_where_it_is_the_models(shards: Path, tmp_path: Path) -> None:
    config = FoleyConfig(mel_frames=64, video_frames=4, frame_size=(64, 64))
    clips = prepare_clips(ShardSource(shards), config, tmp_path, duration_s=3.0)
    row = read_clip(ShardSource(shards)[0], clips.settings)
    assert isinstance(row, DecodedClip)
    assert torch.equal(clips.mels[0], row.mel)
    other = prepare_clips(ShardSource(shards).first(2), config, tmp_path, duration_s=3.0)
    assert other.digest != clips.digest


def test_entries_are_written_and_read_back(shards: Path) -> None:
    for record in read_records(shards / "index.jsonl"):
        assert json.loads(json.dumps(ShardEntry.from_record(record).to_record())) == record
