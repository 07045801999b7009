from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from cinefoley.config.foley import FoleyConfig
from cinefoley.data.shards.layout import ShardSettings
from cinefoley.data.shards.prepare import prepare_shards
from cinefoley.data.shards.source import ShardClip, ShardSource
from cinefoley.data.sources.vggsound_stand_in import make_stand_in
from cinefoley.errors import MediaError
from cinefoley.media.audio.files import read_audio, write_audio
from cinefoley.media.frames.video import Video
from cinefoley.pipelines.takes.video_source import ShardVideo, VideoFile, as_video_source

CONFIG = FoleyConfig(frame_size=(16, 16))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> ShardClip:
    """A clip of 2 s. Its shard is not to be written to."""
    folder = tmp_path_factory.mktemp("clip")
    made = make_stand_in(
        folder / "v", 1, faulty_share=0.0, num_distinct=1, size=(24, 32), fps=8, duration_s=2.0
    )
    settings = ShardSettings(duration_s=2.0, least_s=1.5)
    prepare_shards(made.clips, folder / "shards", csv=made.csv, settings=settings)
    return ShardSource(folder / "shards")[0]


def test_a_path_is_a_video_on_disk(render_film: Callable[..., Path], tmp_path: Path) -> None:
    path = render_film(tmp_path / "rain.mp4")
    video = as_video_source(str(path))
    assert video == VideoFile(path)
    assert as_video_source(video) is video
    assert (video.suffix, video.model_input(CONFIG)) == (".mp4", path)
    video.check()
    assert video.describe()["name"] == "rain.mp4"
    with pytest.raises(MediaError):
        VideoFile(tmp_path / "gone.mp4").check()


def test_a_clip_of_shards_is_watched_where_it_lies(clip: ShardClip) -> None:
    video = ShardVideo.of(clip)
    video.check()
    watched = video.model_input(CONFIG)
    assert isinstance(watched, Video)
    assert torch.equal(watched.frames, clip.video(fps=4, size=(16, 16)).frames)
    assert video.path.parent == clip.path
    assert video.path.stem == Path(clip.about()["source"]).stem
    assert video.describe()["sha256"] == clip.entry.digest


@pytest.mark.parametrize("start", [0.0, 0.5])
def test_a_take_of_a_clip_holds_the_very_pictures_and_the_sound(
    clip: ShardClip, tmp_path: Path, start: float
) -> None:
    sound = torch.from_numpy(np.random.default_rng(0).uniform(-0.5, 0.5, 24000).astype(np.float32))
    write_audio(tmp_path / "take.wav", sound, 16000)
    ShardVideo.of(clip).write_take(tmp_path / "take.wav", tmp_path / "take.mkv", start=start)
    with av.open(str(tmp_path / "take.mkv")) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    assert packets == clip.jpegs()
    heard, rate = read_audio(tmp_path / "take.mkv")
    written, _ = read_audio(tmp_path / "take.wav")
    begin = round(start * rate)
    assert heard.shape[1] == 32000
    assert torch.equal(heard[:, begin : begin + 24000], written)
    assert not heard[:, :begin].any()
    assert not heard[:, begin + 24000 :].any()


def test_a_shard_that_is_gone_is_told(clip: ShardClip, tmp_path: Path) -> None:
    gone = ShardClip(path=tmp_path / "gone.tar", entry=clip.entry, fps=clip.fps, sample_rate=clip.sample_rate)
    with pytest.raises(MediaError, match="cannot be read"):
        ShardVideo(gone, "rain").check()
    with pytest.raises(MediaError, match="cannot be read"):
        ShardVideo.of(gone)
