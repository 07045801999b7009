import shlex
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from cinefoley.errors import CinefoleyError, MediaError, VideoError
from cinefoley.media.frames.video import load_video
from cinefoley.media.probe import AudioInfo, probe
from cinefoley.media.timing import video_duration

MakeVideo = Callable[..., Path]


def test_a_video_is_described(make_video: MakeVideo) -> None:
    info = probe(make_video(times=50, size=(64, 96), sound=np.zeros(32000, np.float32)))
    assert (info.container, info.duration_s, info.path.name) == ("mp4", 2.0, "rain.mp4")
    assert info.video is not None
    assert (info.video.codec, info.video.width, info.video.height) == ("h264", 96, 64)
    assert (info.video.average_rate, info.video.pixel_format) == (Fraction(25), "yuv420p")
    assert (info.video.bit_depth, info.video.has_alpha, info.video.rotation) == (8, False, 0)
    assert info.audio == AudioInfo(codec="aac", sample_rate=16000, channels=1)


@pytest.mark.parametrize(("rotation", "size"), [(90, (64, 96)), (180, (96, 64)), (270, (64, 96))])
def test_width_and_height_are_those_of_the_upright_frame(
    make_video: MakeVideo, rotation: int, size: tuple[int, int]
) -> None:
    path = make_video(times=5, size=(64, 96), configure=lambda s: s.set_display_rotation(rotation))
    video = probe(path).video
    assert video is not None
    assert (video.rotation, (video.width, video.height)) == (rotation, size)
    assert load_video(path).size == (video.height, video.width)


@pytest.mark.parametrize(
    ("pix_fmt", "codec", "depth", "alpha"),
    [("yuv420p10le", "libx264", 10, False), ("bgra", "ffv1", 8, True), ("gray16le", "ffv1", 16, False)],
)
def test_depth_and_transparency_are_told(
    make_video: MakeVideo, pix_fmt: str, codec: str, depth: int, alpha: bool
) -> None:
    video = probe(make_video("deep.mkv", times=2, codec=codec, pix_fmt=pix_fmt)).video
    assert video is not None
    assert (video.bit_depth, video.has_alpha) == (depth, alpha)


@pytest.mark.parametrize(
    ("name", "codec", "container"),
    [
        ("a.mkv", "libx264", "mkv"),
        ("a.webm", "libvpx-vp9", "webm"),
        ("a.mov", "libx264", "mov"),
        ("a.avi", "mpeg4", "avi"),
    ],
)
def test_containers_go_by_their_usual_names(
    make_video: MakeVideo, name: str, codec: str, container: str
) -> None:
    assert probe(make_video(name, times=5, codec=codec)).container == container


def test_audio_alone_has_no_video(sound_file: Path) -> None:
    info = probe(sound_file)
    assert info.video is None
    assert info.audio == AudioInfo(codec="mp3", sample_rate=44100, channels=1)
    assert info.duration_s == pytest.approx(1, abs=0.1)


def test_a_cover_frame_is_no_video(sound_file: Path) -> None:
    with av.open(str(sound_file)) as container:
        assert len(container.streams.video) == 1
    with pytest.raises(VideoError) as error:
        load_video(sound_file)
    assert str(error.value) == (
        "song.mp3: no video stream (found 1 audio stream, 1 cover image, mp3). cinefoley needs a clip with "
        f"a video stream; look at it with `cinefoley doctor {shlex.quote(str(sound_file))}`."
    )


@pytest.fixture
def sound_file(tmp_path: Path) -> Path:
    """An mp3 with cover art."""
    cover = tmp_path / "cover.png"
    Image.new("RGB", (32, 32), "red").save(cover)
    path = tmp_path / "song.mp3"
    with av.open(str(cover)) as art, av.open(str(path), "w") as target:
        track = target.add_stream("libmp3lame", rate=44100)
        assert isinstance(track, av.AudioStream)
        track.codec_context.layout = "mono"
        picture = target.add_stream_from_template(art.streams.video[0])
        picture.disposition = av.stream.Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        for packet in art.demux(video=0):
            if packet.size:
                packet.stream = picture
                target.mux(packet)
        target.mux(track.encode(frame))
        target.mux(track.encode(None))
    return path


READERS: list[Callable[[Path], object]] = [probe, load_video, video_duration]


@pytest.mark.parametrize("read", READERS)
def test_what_is_no_video_is_told_in_one_line(read: Callable[[Path], object], tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "noise.mp4").write_bytes(bytes(range(256)) * 40)
    (tmp_path / "notes.txt").write_text("dear diary\n" * 100)
    (tmp_path / "list.m3u8").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n"
    )
    (tmp_path / "concat.txt").write_text("ffconcat version 1.0\nfile other.mp4\n")
    (tmp_path / "page.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    Image.new("RGB", (32, 32)).save(tmp_path / "still.png")
    Image.new("RGB", (32, 32)).save(tmp_path / "still.jpg")
    expected = {
        "none.mp4": "no such file",
        ".": "is a folder",
        "empty.mp4": "is empty",
        "noise.mp4": "is not a media file",
        "notes.txt": "is not a media file",
        "list.m3u8": "is not a media file",
        "concat.txt": "is not a media file",
        "page.svg": "is a still image",
        "still.png": "is a still image",
        "still.jpg": "is a still image",
    }
    for name, message in expected.items():
        with pytest.raises(MediaError, match=message) as error:
            read(tmp_path / name)
        assert "\n" not in str(error.value)


def test_an_mp4_without_its_index_is_told_to_be_cut_off(make_video: MakeVideo) -> None:
    path = make_video(times=50)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(MediaError, match="its index is missing"):
        probe(path)


def test_a_name_with_a_colon_is_a_file_and_no_protocol(make_video: MakeVideo) -> None:
    assert probe(make_video("concat:rain.mp4", times=2)).video is not None


@pytest.mark.parametrize("cut", [1, 10, 100, 500, 1000, 1500])
def test_no_cut_ever_gives_another_error_than_ours(make_video: MakeVideo, cut: int) -> None:
    for name, codec in (("a.mkv", "libx264"), ("a.ts", "libx264"), ("a.webm", "libvpx-vp9")):
        path = make_video(name, times=3, codec=codec)
        path.write_bytes(path.read_bytes()[:cut])
        for read in READERS:
            try:
                read(path)
            except (CinefoleyError, Warning):
                continue
