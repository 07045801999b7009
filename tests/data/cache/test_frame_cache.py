import errno
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from tests.data.cache.stage_frames import READING, SIZE, mean_error, prepare

from cinefoley.data.cache.clip_frames import ClipFrames
from cinefoley.data.cache.frame_cache import prepare_frames
from cinefoley.data.shards.layout import ShardSettings
from cinefoley.data.shards.prepare import prepare_shards
from cinefoley.data.shards.source import ShardSource
from cinefoley.data.sources.folder import FolderSource
from cinefoley.errors import OutputError
from cinefoley.media.frames.jpeg import decode_jpeg
from cinefoley.media.muxing.replace_audio import replace_audio
from cinefoley.media.muxing.save_video import save_video
from cinefoley.stage.render import render_clip
from cinefoley.variations import CameraMovement
from cinefoley.variations.resizing import resize


def test_what_is_there_is_not_made_again(cache: Path, pictures: ClipFrames) -> None:
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.safetensors")}
    told: list[tuple[int, int]] = []
    again = prepare(cache, 7, on_clip=lambda done, total: told.append((done, total)))
    assert again.digest != pictures.digest
    # clips 4 and 5 share a file now, and so do not find that of clip 4 alone
    assert told == [(6, 7), (7, 7)]
    assert before.items() <= {p: p.stat().st_mtime_ns for p in cache.rglob("*.safetensors")}.items()


def test_two_processes_keep_the_same_bytes(tmp_path: Path, cache: Path, pictures: ClipFrames) -> None:
    assert prepare(tmp_path, workers=2).digest == pictures.digest
    for path in tmp_path.rglob("*.safetensors"):
        assert path.read_bytes() == (cache / path.relative_to(tmp_path)).read_bytes()


def test_clips_of_no_use_are_named_and_the_mute_are_used(tmp_path: Path, some_clips: Path) -> None:
    folder = tmp_path / "clips"
    shutil.copytree(some_clips, folder)
    frames = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (15, 3, 40, 64), dtype=np.uint8))
    save_video(folder / "mute.mp4", frames, 10)
    save_video(folder / "one_frame.mp4", frames[:1], 10)
    save_video(folder / "short.mp4", frames[:8], 10)
    write_with_a_spoilt_picture(folder / "broken_middle.mp4", frames)
    found = prepare_frames(FolderSource(folder), READING, tmp_path / "cache")
    assert set(found.ids) == {"ant_000001", "bee_20000_30000", "cat", "mute"}
    reasons = {entry["id"]: entry["reason"] for entry in found.ledger}
    assert reasons.pop("broken_middle") == "unreadable"
    assert reasons == {"dud": "unreadable", "one_frame": "too short", "short": "too short"}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Larger than a reading of 16 pixels needs; one is broken, one short. Not to be written to."""
    folder = tmp_path_factory.mktemp("films")
    for seed, size in enumerate([(96, 128), (128, 96), (90, 130)]):
        clip = render_clip(seed, fps=10, size=size, duration_s=1.5)
        frames = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)
        save_video(folder / f"{seed}.mp4", frames, 10, waveform=clip.waveform, sample_rate=16000)
    write_with_a_spoilt_picture(folder / "silent.mp4", frames)
    replace_audio(
        folder / "silent.mp4", torch.from_numpy(clip.waveform), folder / "broken.mp4", sample_rate=16000
    )
    (folder / "silent.mp4").unlink()
    save_video(folder / "short.mp4", frames[:11], 10, waveform=clip.waveform, sample_rate=16000)
    (folder / "list.csv").write_text("id,start,label\n0,0,a\n1,0,b\nbroken,0,a\n2,0,a\nshort,0,b\n")
    events = "".join(f'{{"id": "{name}", "events": []}}\n' for name in ("0", "1", "broken", "2", "short"))
    (folder / "list.events.jsonl").write_text(events)
    return folder


def test_shards_and_videos_give_the_same_pictures_to_the_byte(videos: Path, tmp_path: Path) -> None:
    """What is broken, and what is short, is left out of both with the same words; windows are drawn alike."""
    settings = ShardSettings(duration_s=1.5, least_s=1.0, clips_per_shard=2)
    prepare_shards(videos, tmp_path / "shards", csv=videos / "list.csv", settings=settings)
    of_videos = prepare_frames(FolderSource(videos, csv=videos / "list.csv"), READING, tmp_path / "cache")
    of_shards = prepare_frames(ShardSource(tmp_path / "shards"), READING, tmp_path / "none")
    assert of_videos.ids == of_shards.ids == ("0", "1", "2")
    assert of_videos.ledger == of_shards.ledger
    reasons = {line["id"]: line["reason"] for line in of_videos.ledger}
    assert reasons == {"broken": "unreadable", "short": "too short"}
    assert of_videos.sizes == of_shards.sizes == ((96, 128), (128, 96), (90, 130))
    assert of_videos.settings == of_shards.settings
    assert not (tmp_path / "none").exists(), "shards are read where they lie"
    for row in range(3):
        assert of_videos.jpegs(row) == of_shards.jpegs(row)
        window = CameraMovement().draw(of_videos.sizes[row], generator=torch.Generator().manual_seed(row))
        shown = [pictures.video(row, size=SIZE, window=window) for pictures in (of_videos, of_shards)]
        assert torch.equal(*shown)


def test_pictures_of_videos_are_decoded_as_coarsely_as_a_window_allows(videos: Path, tmp_path: Path) -> None:
    """A half of 96 pixels is still more than the 40 that are needed."""
    pictures = prepare_frames(FolderSource(videos), READING, tmp_path)
    assert [pictures.settings.reduction(size) for size in ((96, 128), (79, 160), (360, 640))] == [2, 1, 8]
    shown = pictures.video(0, size=(48, 64))
    fine = torch.stack([torch.from_numpy(decode_jpeg(still)) for still in pictures.jpegs(0)])
    assert mean_error(shown, resize(fine.permute(0, 3, 1, 2), (48, 64))) < 3
    assert READING.reduction((360, 640)) == 1, "what is kept no larger than needed is decoded as it is"


def test_shards_of_another_rate_are_kept_like_other_clips(videos: Path, tmp_path: Path) -> None:
    settings = ShardSettings(duration_s=1.5, least_s=1.0, fps=8)
    prepare_shards(videos, tmp_path / "shards", csv=videos / "list.csv", settings=settings)
    source = ShardSource(tmp_path / "shards")
    pictures = prepare_frames(source, READING, tmp_path / "cache")
    assert list((tmp_path / "cache").rglob("*.safetensors"))
    reasons = {line["id"]: line["reason"] for line in pictures.ledger}
    assert reasons == {"broken": "unreadable", "short": "too short"}
    expected = source[0].video(fps=4, duration=1.5).frames
    assert mean_error(pictures.video(0, size=(96, 128)), resize(resize(expected, (48, 64)), (96, 128))) < 12


def test_shards_of_another_rate_and_of_larger_pictures_are_known_by_what_is_kept(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    clip = render_clip(0, fps=10, size=(720, 960), duration_s=1.5)
    save_video(
        tmp_path / "films" / "large.mp4",
        torch.from_numpy(clip.frames).permute(0, 3, 1, 2),
        10,
        waveform=clip.waveform,
        sample_rate=16000,
    )
    (tmp_path / "list.csv").write_text("id\nlarge\n")
    settings = ShardSettings(duration_s=1.5, least_s=1.0, fps=8, short_side=720)
    prepare_shards(tmp_path / "films", tmp_path / "shards", csv=tmp_path / "list.csv", settings=settings)
    pictures = prepare_frames(ShardSource(tmp_path / "shards"), READING, tmp_path / "cache")
    assert pictures.sizes == ((560, 747),)
    assert decode_jpeg(pictures.jpegs(0)[0]).shape == (560, 747, 3)


def test_a_shard_that_is_gone_or_cut_off_is_named(videos: Path, tmp_path: Path) -> None:
    settings = ShardSettings(duration_s=1.5, least_s=1.0, clips_per_shard=1)
    prepare_shards(videos, tmp_path, csv=videos / "list.csv", settings=settings)
    source = ShardSource(tmp_path)
    first, second = sorted((tmp_path / "shards").glob("*.tar"))[:2]
    first.unlink()
    second.write_bytes(second.read_bytes()[:2000])
    pictures = prepare_frames(source, READING, tmp_path / "cache")
    reasons = {line["id"]: line["reason"] for line in pictures.ledger}
    assert reasons == {"0": "missing", "1": "unreadable", "broken": "unreadable", "short": "too short"}
    assert pictures.ids == ("2",)


def write_with_a_spoilt_picture(path: Path, frames: torch.Tensor) -> None:
    """A film of key frames alone, with zeros in place of the eighth."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"g": "1"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = frames.shape[-1], frames.shape[-2], "yuv420p"
        for frame in frames.permute(0, 2, 3, 1).numpy():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame.copy(), format="rgb24")))
        container.mux(stream.encode(None))
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][7]
    assert packet.pos is not None
    data[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    path.write_bytes(data)


def test_a_full_disk_says_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_bytes
    written: list[Path] = []

    def fill(path: Path, content: bytes) -> int:
        if "pictures-" in str(path) and written:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.extend([path] if "pictures-" in str(path) else [])
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(OutputError, match="2 of 5 clips are cached"):
        prepare(tmp_path)
    monkeypatch.undo()
    assert len(prepare(tmp_path)) == 5
