import hashlib
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

from cinefoley.errors import MediaError, OutputError, VideoError
from cinefoley.media.audio.files import read_audio, write_audio
from cinefoley.media.frames.video import load_video
from cinefoley.media.muxing import crop_video as cropping
from cinefoley.media.muxing.crop_video import crop_video, cropped_video_suffix
from cinefoley.media.probe import probe
from cinefoley.media.timing import video_duration

MakeVideo = Callable[..., Path]
Box = tuple[int, int, int, int]

UNEVEN = [Fraction(t, 1000) for t in (0, 30, 90, 100, 340, 350, 700, 720, 1300, 1310, 1340, 1900, 1960)]
TONE = np.sin(np.arange(32000) * 0.05).astype(np.float32) / 2


def still(time: Fraction, size: tuple[int, int]) -> Box:
    return 8, 4, 48, 28


def sliding(time: Fraction, size: tuple[int, int]) -> Box:
    x0 = 2 * (int(10 * time) % 20)
    return x0, 10, x0 + 40, 34


def _times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        times = sorted(p.pts * p.time_base for p in packets if p.pts is not None)
        return [float(time - times[0]) for time in times]


def _sound(path: Path) -> tuple[list[str], float]:
    """A digest of every audio packet, and by how much the audio begins after the video."""
    begins: dict[str, float] = {}
    coded = []
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size and packet.pts is not None:
                kind, time = packet.stream.type, float(packet.pts * packet.time_base)
                begins[kind] = min(time, begins.get(kind, time))
                if kind == "audio":
                    coded.append(hashlib.sha256(bytes(packet)).hexdigest())
    return coded, begins["audio"] - begins["video"]


def _psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(10 * torch.log10(255**2 / (a.float() - b.float()).square().mean().clamp_min(1e-9)))


@pytest.mark.parametrize("crop", [still, sliding])
@pytest.mark.parametrize("times", [50, UNEVEN], ids=["constant rate", "variable rate"])
@pytest.mark.parametrize("name", ["rain.mp4", "rain.mov", "rain.mkv"])
def test_the_box_of_every_frame_is_shown_at_its_time_with_the_audio_untouched(
    make_video: MakeVideo, name: str, times: Any, crop: Any
) -> None:
    video = make_video(name, times=times, sound=TONE)
    out = video.with_stem("out")
    crop_video(video, out, crop)
    assert _times(out) == pytest.approx(_times(video), abs=1e-3)
    assert video_duration(out) == pytest.approx(video_duration(video), abs=1e-3)
    packets, late = _sound(out)
    assert packets == _sound(video)[0]
    assert late == pytest.approx(_sound(video)[1], abs=1e-3)
    assert torch.equal(read_audio(out)[0], read_audio(video)[0])
    expected, shown = load_video(video, fps=25, crop=crop), load_video(out, fps=25)
    assert torch.equal(shown.source_indices, expected.source_indices)
    assert _psnr(shown.frames, expected.frames) > 38
    assert probe(out).container == probe(video).container


@pytest.mark.parametrize("late_s", [Fraction(-1, 5), Fraction(3, 10)])
def test_audio_stays_in_sync_where_it_does_not_begin_with_the_frame(
    make_video: MakeVideo, make_clicks: Any, lateness: Any, late_s: Fraction
) -> None:
    video = make_video(
        "a.mkv",
        times=50,
        offset=Fraction(1, 2),
        sound=make_clicks(32000, 12000),
        sound_offset=Fraction(1, 2) + late_s,
    )
    crop_video(video, video.with_stem("out"), still)
    assert _sound(video.with_stem("out"))[0] == _sound(video)[0]
    place = round(12000 + late_s * 16000)
    assert lateness(read_audio(video.with_stem("out"))[0][0], [place]) == lateness(
        read_audio(video)[0][0], [place]
    )


def test_the_same_call_writes_the_same_bytes(make_video: MakeVideo) -> None:
    for name in ("rain.mp4", "rain.mkv"):
        video = make_video(name, times=30, sound=TONE)
        for out in ("a", "b"):
            crop_video(video, video.with_stem(out), sliding)
        assert video.with_stem("a").read_bytes() == video.with_stem("b").read_bytes()


def test_webm_stays_webm(make_video: MakeVideo) -> None:
    video = make_video("a.webm", times=5, codec="libvpx-vp9", options={"cpu-used": "8"})
    assert cropped_video_suffix(video) == ".webm"
    crop_video(video, video.with_stem("out"), still)
    info = probe(video.with_stem("out"))
    assert info.video is not None
    assert (info.container, info.video.codec) == ("webm", "vp9")
    expected = load_video(video, fps=25, crop=still).frames
    assert _psnr(load_video(video.with_stem("out"), fps=25).frames, expected) > 38


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_video_is_stored_upright(make_video: MakeVideo, degrees: int) -> None:
    def configure(stream: Any) -> None:
        stream.set_display_rotation(degrees)
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)

    def lower_part(time: Fraction, size: tuple[int, int]) -> Box:
        return 4, size[0] - 30, 44, size[0] - 2

    video = make_video(times=5, size=(64, 96), configure=configure)
    out = video.with_stem("out")
    crop_video(video, out, lower_part)
    info = probe(out).video
    assert info is not None
    assert (info.rotation, info.width, info.height) == (0, 40, 28)
    expected = load_video(video, fps=25, crop=lower_part).frames
    assert _psnr(load_video(out, fps=25).frames, expected) > 38
    with av.open(str(out)) as container:
        aspect = Fraction(4, 3) if degrees == 180 else Fraction(3, 4)
        assert container.streams.video[0].sample_aspect_ratio == aspect


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "name", "kept"),
    [
        ("libx264", "yuv444p", "a.mp4", "yuv444p"),
        ("libx264", "yuvj420p", "a.mp4", "yuvj420p"),
        ("libx264", "yuv420p10le", "a.mkv", "yuv420p10le"),
        ("ffv1", "gray", "a.mkv", "yuv420p"),
        ("prores_ks", "yuv422p10le", "a.mov", "yuv422p10le"),
        ("prores_ks", "yuva444p10le", "a.mov", "yuv444p"),
        ("ffv1", "bgr0", "a.mkv", "yuv444p"),
        ("ffv1", "yuv411p", "a.mkv", "yuv422p"),
        ("ffv1", "yuv440p", "a.mkv", "yuv444p"),
        ("ffv1", "yuv410p", "a.mkv", "yuv420p"),
        ("ffv1", "yuv420p12le", "a.mkv", "yuv420p10le"),
    ],
)
def test_the_pixel_format_is_kept_or_the_nearest_is_taken(
    make_video: MakeVideo, codec: str, pix_fmt: str, name: str, kept: str
) -> None:
    video = make_video(name, times=3, size=(64, 96), codec=codec, pix_fmt=pix_fmt)
    out = video.with_stem("out")
    crop_video(video, out, still)
    info = probe(out).video
    assert info is not None
    assert info.pixel_format == kept
    expected = load_video(video, fps=25, crop=still).frames
    assert _psnr(load_video(out, fps=25).frames, expected) > 33  # 4:1:1 and 4:1:0 pass through a filter


def test_colour_tags_and_titles_are_kept(make_video: MakeVideo) -> None:
    def configure(stream: Any) -> None:
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = 9, 16, 9, 1

    video = make_video(times=3, size=(64, 96), configure=configure, pix_fmt="yuv420p10le")
    crop_video(video, video.with_stem("out"), still)
    with av.open(str(video.with_stem("out"))) as container:
        stream = container.streams.video[0]
        tags = (stream.color_primaries, stream.color_trc, stream.colorspace, stream.color_range)
        assert tags == (9, 16, 9, 1)


def test_cutting_loses_nothing_before_the_encoder(make_video: MakeVideo, monkeypatch: Any) -> None:
    monkeypatch.setitem(cropping._CRF, "libx264", 0)  # lossless
    video = make_video(times=5, size=(48, 80))
    crop_video(video, video.with_stem("out"), still)

    def planes(path: Path) -> list[list[npt.NDArray[np.uint8]]]:
        with av.open(str(path)) as container:
            return [
                [
                    np.frombuffer(memoryview(p), np.uint8).reshape(p.height, -1)[:, : p.width]
                    for p in frame.planes
                ]
                for frame in container.decode(video=0)
            ]

    x0, y0, x1, y1 = still(Fraction(0), (48, 80))
    for full, cut in zip(planes(video), planes(video.with_stem("out")), strict=True):
        for step, before, after in zip((1, 2, 2), full, cut, strict=True):
            assert np.array_equal(after, before[y0 // step : y1 // step, x0 // step : x1 // step])


@pytest.mark.parametrize(
    ("name", "sound_codec", "suffix"),
    [
        ("a.mp4", "aac", ".mp4"),
        ("a.MOV", "pcm_s16le", ".MOV"),
        ("a.avi", "mp3", ".mkv"),
        ("a.ts", "aac", ".mp4"),
    ],
)
def test_the_container_is_kept_where_it_can_be_written(
    make_video: MakeVideo, name: str, sound_codec: str, suffix: str
) -> None:
    video = make_video(name, times=25, sound=TONE, sound_codec=sound_codec)
    assert cropped_video_suffix(video) == suffix
    out = video.with_name("out" + suffix)
    crop_video(video, out, still)
    if suffix != ".mp4" or name.endswith(".mp4"):
        assert _sound(out)[0] == _sound(video)[0]
    else:  # mp4 stores AAC without the header that a transport stream puts before each packet
        assert torch.equal(read_audio(out)[0], read_audio(video)[0])


def test_a_container_that_cannot_hold_the_audio_is_left_for_mkv(make_video: MakeVideo) -> None:
    video = make_video("a.mkv", times=25, sound=TONE, sound_codec="pcm_u8")
    lying = video.rename(video.with_name("b.mp4"))
    assert cropped_video_suffix(lying) == ".mkv"
    with pytest.raises(MediaError, match=r"b\.mp4: its pcm_u8 audio cannot be copied into \.mp4\. Write"):
        crop_video(lying, video.with_name("out.mp4"), still)
    assert [path.name for path in video.parent.iterdir()] == ["b.mp4"]


def test_a_video_that_is_cut_off_keeps_what_is_left(make_video: MakeVideo) -> None:
    video = make_video("cut.mp4", times=100, options={"g": "10"}, container_options={"movflags": "faststart"})
    video.write_bytes(video.read_bytes()[: video.stat().st_size * 3 // 4])
    with pytest.warns(UserWarning, match=r"cut\.mp4: is cut off or damaged"):
        crop_video(video, video.with_stem("out"), still)
    with pytest.warns(UserWarning, match=r"cut\.mp4"):
        left = len(load_video(video, fps=25))
    assert len(load_video(video.with_stem("out"), fps=25)) == pytest.approx(left, abs=1)


def test_a_video_may_be_replaced_by_its_crop(make_video: MakeVideo) -> None:
    video = make_video(times=5)
    crop_video(video, video, still)
    assert load_video(video).size == (24, 40)
    assert [path.name for path in video.parent.iterdir()] == [video.name]


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((1, 0, 41, 24), "even pixels"),
        ((0, 0, 40, 23), "even pixels"),
        ((60, 0, 100, 24), "inside 80x48"),
        ((-2, 0, 40, 24), "inside 80x48"),
        ((0, 0, 0, 24), "inside 80x48"),
    ],
)
def test_boxes_that_do_not_fit_are_programming_mistakes(
    make_video: MakeVideo, box: Box, message: str
) -> None:
    video = make_video(times=3)
    with pytest.raises(ValueError, match=message):
        crop_video(video, video.with_stem("out"), lambda time, size: box)
    with pytest.raises(ValueError, match="one size"):
        crop_video(video, video.with_stem("out"), lambda time, size: (0, 0, 40 if time == 0 else 42, 24))
    assert [path.name for path in video.parent.iterdir()] == [video.name]


def test_inputs_and_outputs_that_cannot_be_used_are_told(make_video: MakeVideo, tmp_path: Path) -> None:
    video = make_video(times=3)
    write_audio(tmp_path / "a.wav", torch.zeros(16), 16000)
    with pytest.raises(VideoError, match=r"a\.wav: no video stream"):
        crop_video(tmp_path / "a.wav", tmp_path / "b.mp4", still)
    with pytest.raises(MediaError, match=r"no\.mp4: no such file"):
        crop_video(tmp_path / "no.mp4", tmp_path / "b.mp4", still)
    with pytest.raises(MediaError, match=r"b\.avi: videos are written as"):
        crop_video(video, tmp_path / "b.avi", still)
    with pytest.raises(OutputError, match="does not exist"):
        crop_video(video, tmp_path / "nowhere" / "b.mp4", still)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "rain.mp4"]


def test_a_video_that_changes_its_size_is_refused(make_video: MakeVideo) -> None:
    small, large = make_video("a.h264", times=5, size=(48, 80)), make_video("b.h264", times=5, size=(64, 96))
    both = small.with_name("c.h264")
    both.write_bytes(small.read_bytes() + large.read_bytes())
    with pytest.raises(VideoError, match=r"c\.h264: its frames change their size from 80x48 to 96x64"):
        crop_video(both, small.with_name("out.mkv"), still)


def test_a_video_that_does_not_fit_is_told_and_nothing_is_left(
    make_video: MakeVideo, no_space: AbstractContextManager[Path]
) -> None:
    noise = np.random.default_rng(0)
    video = make_video(
        times=50,
        size=(96, 128),
        draw=lambda n, height, width: noise.integers(0, 256, (height, width, 3), np.uint8),
    )
    with no_space as folder:
        before = set(folder.iterdir())
        with pytest.raises(OutputError, match="no space left"):
            crop_video(video, folder / "out.mp4", lambda time, size: (0, 0, 128, 96))
        assert set(folder.iterdir()) == before
