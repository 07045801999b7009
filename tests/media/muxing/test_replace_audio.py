from collections.abc import Callable
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from cinefoley.errors import AudioError, MediaError, MediaWarning, OutputError, VideoError
from cinefoley.media.audio.files import read_audio, write_audio
from cinefoley.media.frames.video import load_video
from cinefoley.media.muxing.replace_audio import fitting_suffixes, replace_audio, video_hash, video_suffix
from cinefoley.media.probe import probe
from cinefoley.media.timing import video_duration

MakeVideo = Callable[..., Path]
Clicks = Callable[..., npt.NDArray[np.float32]]
Lateness = Callable[..., list[int]]
Numbers = Callable[[Tensor], list[int]]

UNEVEN = [Fraction(t, 1000) for t in (0, 30, 90, 100, 340, 350, 700, 720, 1300, 1310, 1340, 1900, 1960)]


def _packets(path: Path) -> list[tuple[Fraction, int, bool]]:
    """When each frame is shown, how large it is and whether it is a key frame, in stored order."""
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        first = min(p.pts * p.time_base for p in packets if p.pts is not None)
        return [(p.pts * p.time_base - first, p.size, p.is_keyframe) for p in packets if p.pts is not None]


@pytest.mark.parametrize("source", ["rain.mp4", "rain.mov", "rain.mkv"])
@pytest.mark.parametrize("target", ["out.mp4", "out.m4v", "out.mov", "out.mkv"])
@pytest.mark.parametrize("times", [50, UNEVEN], ids=["constant rate", "variable rate"])
def test_the_frame_is_copied_bit_for_bit(
    make_video: MakeVideo, make_clicks: Clicks, lateness: Lateness, source: str, target: str, times: Any
) -> None:
    film = make_video(source, times=times, sound=np.ones(32000, np.float32) / 2)
    out = film.with_name(target)
    length = round(video_duration(film) * 16000)
    replace_audio(film, make_clicks(length, 8000, 20000), out, sample_rate=16000)
    assert video_hash(out) == video_hash(film)
    for (time, *copied), (expected, *original) in zip(_packets(out), _packets(film), strict=True):
        assert float(time) == pytest.approx(float(expected), abs=1e-3)
        assert copied == original
    assert video_duration(out) == pytest.approx(video_duration(film), abs=1e-3)
    sound, _ = read_audio(out)
    assert sound.shape[1] == pytest.approx(length, abs=16)
    assert lateness(sound[0], [8000, 20000]) == [0, 0]
    with av.open(str(out)) as container:
        assert len(container.streams) == 2
        assert container.duration is not None
        assert container.duration / av.time_base == pytest.approx(video_duration(film), abs=0.002)


def test_webm_takes_vp9_and_opus(make_video: MakeVideo, make_clicks: Clicks, lateness: Lateness) -> None:
    film = make_video("rain.webm", times=50, codec="libvpx-vp9", options={"cpu-used": "8"})
    for name in ("out.webm", "out.mkv", "out.mp4"):
        out = film.with_name(name)
        replace_audio(film, make_clicks(32000, 8000), out, sample_rate=16000)
        assert video_hash(out) == video_hash(film)
        sound, _ = read_audio(out, sample_rate=16000)
        assert sound.shape == (1, 32000)
        assert lateness(sound[0], [8000]) == [0]
    audio = probe(film.with_name("out.webm")).audio
    assert audio is not None
    assert (audio.codec, audio.sample_rate) == ("opus", 48000)


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "source", "target"),
    [
        ("libx265", "yuv420p", "a.mkv", "b.mp4"),
        ("libsvtav1", "yuv420p", "a.mp4", "b.mkv"),
        ("libsvtav1", "yuv420p", "a.mkv", "b.webm"),
        ("prores_ks", "yuv422p10le", "a.mov", "b.mov"),
        ("ffv1", "bgr0", "a.mkv", "b.mkv"),
        ("mpeg4", "yuv420p", "a.avi", "b.mkv"),
        ("mjpeg", "yuvj420p", "a.avi", "b.mov"),
    ],
)
def test_other_codecs_are_copied_too(
    make_video: MakeVideo, codec: str, pix_fmt: str, source: str, target: str
) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    film = make_video(source, times=10, size=(64, 96), codec=codec, pix_fmt=pix_fmt, options=options)
    out = film.with_name(target)
    replace_audio(film, torch.zeros(6400), out, sample_rate=16000)
    assert video_hash(out) == video_hash(film)
    assert torch.equal(load_video(out, fps=25).frames, load_video(film, fps=25).frames)


def test_hevc_in_mp4_is_tagged_so_that_every_player_knows_it(make_video: MakeVideo) -> None:
    film = make_video(
        "a.mkv", times=3, size=(64, 96), codec="libx265", options={"x265-params": "log-level=none"}
    )
    replace_audio(film, torch.zeros(16), film.with_name("b.mp4"), sample_rate=16000)
    with av.open(str(film.with_name("b.mp4"))) as container:
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"


def test_a_transport_stream_becomes_an_mp4_that_begins_at_zero(
    make_video: MakeVideo, make_clicks: Clicks, lateness: Lateness
) -> None:
    film = make_video("tv.ts", times=50, offset=Fraction(7, 2))
    out = film.with_name("out.mp4")
    replace_audio(film, make_clicks(32000, 8000), out, sample_rate=16000)
    with av.open(str(out)) as container:
        assert [s.start_time for s in container.streams] == [0, 0]
        assert container.duration == 2_000_000
    assert torch.equal(load_video(out, fps=25).frames, load_video(film, fps=25).frames)
    assert lateness(read_audio(out)[0][0], [8000]) == [0]


def test_an_aspect_that_only_the_container_states_is_kept_or_its_loss_told(make_video: MakeVideo) -> None:
    plain = make_video("plain.mkv", times=3, codec="libvpx-vp9", size=(64, 96))
    film = plain.with_name("wide.mp4")
    with av.open(str(plain)) as source, av.open(str(film), "w") as target:
        copy = target.add_stream_from_template(source.streams.video[0])
        copy.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = copy
                target.mux(packet)
    replace_audio(film, torch.zeros(16), film.with_name("out.mp4"), sample_rate=16000)
    with av.open(str(film.with_name("out.mp4"))) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
    with pytest.warns(MediaWarning, match=r"out\.mkv: loses the pixel aspect 4:3"):
        replace_audio(film, torch.zeros(16), film.with_name("out.mkv"), sample_rate=16000)


@pytest.mark.parametrize("target", ["out.mp4", "out.mov", "out.mkv"])
def test_rotation_aspect_and_colours_are_kept(make_video: MakeVideo, target: str) -> None:
    def configure(stream: Any) -> None:
        stream.set_display_rotation(90)
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        stream.codec_context.color_primaries = 9
        stream.codec_context.color_trc = 16
        stream.codec_context.colorspace = 9
        stream.codec_context.color_range = 1

    film = make_video(times=5, size=(64, 96), configure=configure)
    out = film.with_name(target)
    replace_audio(film, torch.zeros(3200), out, sample_rate=16000)
    video = probe(out).video
    assert video is not None
    assert video.rotation == 90
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        assert stream.sample_aspect_ratio == Fraction(4, 3)
        assert (stream.color_primaries, stream.color_trc, stream.colorspace, stream.color_range) == (
            9,
            16,
            9,
            1,
        )


@pytest.mark.parametrize(
    ("target", "codec", "tolerance"),
    [
        ("out.mp4", "aac", 0),
        ("out.mp4", "alac", 0),
        ("out.mp4", "flac", 0),
        ("out.mov", "pcm_s16le", 0),
        ("out.mov", "pcm_s24le", 0),
        ("out.mov", "alac", 0),
        ("out.mkv", "flac", 0),
        ("out.mkv", "pcm_s24le", 0),
        ("out.mkv", "aac", 1024),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_the_audio_is_as_long_as_the_frame_to_the_sample(
    make_video: MakeVideo, target: str, codec: Any, tolerance: int, channels: int
) -> None:
    film = make_video(times=31, fps=Fraction(43, 2))  # 1.44186 s: no whole number of milliseconds
    length = round(Fraction(62, 43) * 16000)
    out = film.with_name(target)
    tone = torch.sin(torch.arange(40000) * 0.05).expand(channels, -1) / 2
    replace_audio(film, tone, out, sample_rate=16000, codec=codec)
    sound, sample_rate = read_audio(out)
    assert sample_rate == 16000
    assert length <= sound.shape[1] <= length + tolerance
    assert sound.shape[0] == channels
    if codec != "aac":
        assert (sound - tone[:, :length]).abs().max() < 1e-4
    audio = probe(out).audio
    assert audio is not None
    assert audio.codec == codec


@pytest.mark.parametrize("target", ["out.mp4", "out.mkv"])
def test_audio_of_a_section_lies_in_its_place(
    make_video: MakeVideo, make_clicks: Clicks, lateness: Lateness, target: str
) -> None:
    film = make_video(times=50)
    out = film.with_name(target)
    sound = make_clicks(16000, 0, 4000, 12000)
    replace_audio(film, sound, out, sample_rate=16000, start=0.5, duration=0.5)
    assert video_hash(out) == video_hash(film)
    placed, _ = read_audio(out)
    assert placed.shape == (1, 32000)
    assert lateness(placed[0], [8000, 12000]) == [0, 0]
    assert placed[0, 20000 - 4000 + 1500 :].abs().max() < 1e-3  # the third click lies beyond the section


def test_a_short_audio_is_followed_by_silence(make_video: MakeVideo) -> None:
    film = make_video(times=50)
    replace_audio(film, torch.full((8000,), 0.5), film.with_name("out.mkv"), sample_rate=16000)
    sound, _ = read_audio(film.with_name("out.mkv"))
    assert sound.shape == (1, 32000)
    assert sound[0, :8000].min() > 0.49
    assert sound[0, 8000:].abs().max() == 0


@pytest.mark.parametrize("sample_rate", [None, 44100])
def test_the_audio_may_come_from_a_file(
    make_video: MakeVideo, make_clicks: Clicks, lateness: Lateness, sample_rate: int | None
) -> None:
    film = make_video(times=50)
    write_audio(film.with_name("take.wav"), make_clicks(32000, 8000), 16000)
    replace_audio(film, film.with_name("take.wav"), film.with_name("out.mov"), sample_rate=sample_rate)
    sound, _ = read_audio(film.with_name("out.mov"), sample_rate=16000)
    assert lateness(sound[0], [8000]) == [0]
    audio = probe(film.with_name("out.mov")).audio
    assert audio is not None
    assert audio.sample_rate == (sample_rate or 16000)


def test_a_video_may_be_replaced_by_itself(make_video: MakeVideo) -> None:
    film = make_video(times=25)
    before = video_hash(film)
    replace_audio(film, torch.zeros(16000), film, sample_rate=16000)
    assert video_hash(film) == before
    assert probe(film).audio is not None
    assert [path.name for path in film.parent.iterdir()] == [film.name]


def test_titles_are_kept(make_video: MakeVideo) -> None:
    film = make_video(times=3)
    with av.open(str(film)) as source, av.open(str(film.with_name("t.mp4")), "w") as target:
        target.metadata["title"] = "Rain"
        copy = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = copy
                target.mux(packet)
    replace_audio(film.with_name("t.mp4"), torch.zeros(16), film.with_name("o.mkv"), sample_rate=16000)
    with av.open(str(film.with_name("o.mkv"))) as container:
        assert {k.lower(): v for k, v in container.metadata.items()}["title"] == "Rain"


def test_a_video_that_is_cut_off_keeps_what_is_left(make_video: MakeVideo) -> None:
    film = make_video("cut.mp4", times=100, options={"g": "10"}, container_options={"movflags": "faststart"})
    film.write_bytes(film.read_bytes()[: film.stat().st_size * 3 // 4])
    out = film.with_name("out.mp4")
    replace_audio(film, torch.zeros(64000), out, sample_rate=16000)
    assert video_hash(out) == video_hash(film)
    assert video_duration(out) == pytest.approx(video_duration(film), abs=0.1)
    assert video_duration(out) < 4


@pytest.mark.parametrize(
    ("codec", "source", "target", "message"),
    [
        (
            "libx264",
            "a.mp4",
            "b.webm",
            r"a\.mp4: its h264 video cannot be copied into \.webm .*vp9.* Write \.mp4, ",
        ),
        (
            "libvpx-vp9",
            "a.webm",
            "b.mov",
            r"a\.webm: its vp9 video cannot be copied into \.mov\. Write \.mkv",
        ),
        ("libx264", "a.mp4", "b.avi", r"b\.avi: videos are written as \.mp4"),
        ("libx264", "a.mp4", "b", r"b: videos are written as \.mp4"),
    ],
)
def test_what_a_container_cannot_hold_is_told(
    make_video: MakeVideo, codec: str, source: str, target: str, message: str
) -> None:
    film = make_video(source, times=3, codec=codec)
    with pytest.raises(MediaError, match=message):
        replace_audio(film, torch.zeros(16), film.with_name(target), sample_rate=16000)
    assert [path.name for path in film.parent.iterdir()] == [source]


def test_a_audio_codec_that_does_not_fit_is_told(make_video: MakeVideo) -> None:
    film = make_video(times=3)
    with pytest.raises(MediaError, match="mp4 videos hold audio as aac, alac, flac, opus, not as pcm_s16le"):
        replace_audio(film, torch.zeros(16), film.with_name("b.mp4"), sample_rate=16000, codec="pcm_s16le")
    with pytest.raises(ValueError, match="codec must be one of"):
        replace_audio(film, torch.zeros(16), film.with_name("b.mp4"), sample_rate=16000, codec="mp3")  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"sample_rate": None}, {"sample_rate": 0}, {"start": -1}, {"duration": 0}])
def test_numbers_out_of_range_are_programming_mistakes(make_video: MakeVideo, wrong: dict[str, Any]) -> None:
    film = make_video(times=3)
    with pytest.raises(ValueError, match=r"sample_rate|start|duration"):
        replace_audio(film, torch.zeros(16), film.with_name("b.mp4"), **{"sample_rate": 16000, **wrong})


def test_inputs_that_do_not_fit_are_told(make_video: MakeVideo, tmp_path: Path) -> None:
    film = make_video(times=3)
    write_audio(tmp_path / "take.wav", torch.zeros(16), 16000)
    with pytest.raises(VideoError, match=r"take\.wav: no video stream"):
        replace_audio(tmp_path / "take.wav", torch.zeros(16), tmp_path / "b.mp4", sample_rate=16000)
    with pytest.raises(AudioError, match=r"rain\.mp4: no audio"):
        replace_audio(film, film, tmp_path / "b.mp4")
    with pytest.raises(OutputError, match="does not exist"):
        replace_audio(film, tmp_path / "take.wav", tmp_path / "nowhere" / "b.mp4")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rain.mp4", "take.wav"]


@pytest.mark.parametrize("target", ["out.mp4", "out.mkv", "out.mov"])
def test_a_video_that_does_not_fit_is_told_and_nothing_is_left(
    make_video: MakeVideo, no_space: AbstractContextManager[Path], target: str
) -> None:
    film = make_video(times=50)
    noise = torch.rand(2, 32000, generator=torch.Generator().manual_seed(0))
    with no_space as folder:
        before = set(folder.iterdir())
        with pytest.raises(OutputError, match="no space left"):
            replace_audio(film, noise, folder / target, sample_rate=16000)
        assert set(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.mp4", ".mp4"), ("a.MOV", ".MOV"), ("a.webm", ".webm"), ("a.avi", ".mkv"), ("a", ".mkv")],
)
def test_takes_have_the_suffix_of_the_video_where_it_can_be_written(name: str, suffix: str) -> None:
    assert video_suffix(name) == suffix


@pytest.fixture
def write_odd(tmp_path: Path) -> Callable[[str, str], Path]:
    """``write_odd(name, codec)`` writes a video of a codec that few containers take."""

    def write(name: str, codec: str) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream: Any = container.add_stream(codec, rate=10)
            stream.width, stream.height = 64, 48
            stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
            for number in range(10):
                frame = av.VideoFrame.from_ndarray(
                    np.full((48, 64, 3), 20 * number, np.uint8), format="rgb24"
                )
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return write


def test_a_frame_goes_into_the_first_container_that_takes_it(
    write_odd: Callable[[str, str], Path], render_film: Callable[..., Path], tmp_path: Path
) -> None:
    assert fitting_suffixes(render_film(tmp_path / "rain.mp4")) == (".mp4", ".mkv", ".mov")
    gif = write_odd("rain.gif", "gif")
    suffix = fitting_suffixes(gif)[0]
    replace_audio(gif, torch.zeros(16000), tmp_path / f"out{suffix}", sample_rate=16000)
    assert video_hash(tmp_path / f"out{suffix}") == video_hash(gif)
    with pytest.raises(VideoError, match=r"wmv2 video can be copied into none of \.mkv, \.mov.*Convert"):
        fitting_suffixes(write_odd("rain.wmv", "wmv2"))
