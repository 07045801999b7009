import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from cinefoley.config.frame_rate import FrameRate
from cinefoley.errors import MediaError, MediaWarning, VideoError
from cinefoley.media.frames.sampling import frame_count, pick_frames, sampling_instant
from cinefoley.media.frames.video import load_video, resample_video, video_from_frames
from cinefoley.media.timing import video_duration

MakeVideo = Callable[..., Path]
Numbers = Callable[[Tensor], list[int]]

UNEVEN = [Fraction(t, 1000) for t in (0, 30, 90, 100, 340, 350, 700, 720, 1300, 1310, 1340, 1900, 1960)]


def _expected(
    times: list[Fraction], end: Fraction, fps: Fraction, start: Fraction = Fraction(0)
) -> list[int]:
    instants = [sampling_instant(n, start, FrameRate(fps)) for n in range(frame_count(end - start, fps))]
    return list(pick_frames(((t, n) for n, t in enumerate(times)), instants))


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("rain.mp4", "libx264", "yuv420p"),
        ("rain.mkv", "libx264", "yuv420p"),
        ("rain.ts", "libx264", "yuv420p"),
        ("rain.webm", "libvpx-vp9", "yuv420p"),
        ("rain.avi", "mpeg4", "yuv420p"),
        ("rain.avi", "libx264", "yuv420p"),
        ("rain.mpg", "mpeg2video", "yuv420p"),
        ("rain.flv", "libx264", "yuv420p"),
        ("rain.mov", "prores_ks", "yuv422p10le"),
    ],
)
def test_every_container_gives_the_same_frames(
    make_video: MakeVideo, numbers: Numbers, name: str, codec: str, pix_fmt: str
) -> None:
    path = make_video(name, times=50, codec=codec, pix_fmt=pix_fmt, size=(64, 96))
    video = load_video(path, fps=4)
    times = [Fraction(n, 25) for n in range(50)]
    assert (
        numbers(video.frames) == _expected(times, Fraction(2), Fraction(4)) == video.source_indices.tolist()
    )
    assert video.duration == pytest.approx(2, abs=1e-3) == video_duration(path)
    assert video.size == (64, 96)
    assert video.times.tolist() == [n / 4 for n in range(8)]


@pytest.mark.parametrize("name", ["phone.mkv", "phone.mp4"])
@pytest.mark.parametrize("fps", [Fraction(4), Fraction(10), Fraction(24000, 1001)])
def test_a_variable_frame_rate_is_read_by_its_timestamps(
    make_video: MakeVideo, numbers: Numbers, name: str, fps: Fraction
) -> None:
    path = make_video(name, times=UNEVEN)
    video = load_video(path, fps=fps)
    assert numbers(video.frames) == _expected(UNEVEN, Fraction(video.duration), fps)
    assert video.duration == pytest.approx(video_duration(path)) == pytest.approx(2, abs=0.05)


@given(start=st.integers(0, 1900), duration=st.integers(20, 3000))
def test_a_section_is_sampled_from_its_own_start(start: int, duration: int) -> None:
    frames = torch.arange(50, dtype=torch.uint8)[:, None, None, None].expand(50, 3, 2, 2)
    section = resample_video(video_from_frames(frames, 25), 4, None, start / 1000, duration / 1000)
    begin = Fraction(start, 1000)
    end = min(Fraction(2), begin + Fraction(duration, 1000))
    times = [Fraction(n, 25) for n in range(50)]
    assert section.frames[:, 0, 0, 0].tolist() == _expected(times, end, Fraction(4), begin)
    assert section.duration == pytest.approx(float(end - begin))


@pytest.mark.parametrize(("start", "duration"), [(0, None), (0.5, 1), (0.123, 0.9), (1.9, None), (1.5, 9)])
def test_a_video_and_its_frames_in_memory_are_sampled_alike(
    make_video: MakeVideo, start: float, duration: float | None
) -> None:
    path = make_video("rain.mkv", times=50, codec="ffv1", pix_fmt="bgr0")
    whole = load_video(path, fps=25)
    assert whole.source_indices.tolist() == list(range(50))
    film = load_video(path, 4, (32, 40), start, duration)
    memory = resample_video(video_from_frames(whole.frames, 25), 4, (32, 40), start, duration)
    assert torch.equal(film.frames, memory.frames)
    assert torch.equal(film.source_indices, memory.source_indices)
    assert film.duration == memory.duration
    assert film.start == start


@pytest.mark.parametrize("name", ["long.mp4", "long.mkv", "long.ts", "long.avi"])
def test_a_start_far_in_gives_what_reading_from_the_beginning_gives(
    make_video: MakeVideo, numbers: Numbers, name: str
) -> None:
    path = make_video(name, times=600, fps=10, options={"g": "37", "preset": "veryfast"})
    video = load_video(path, 4, None, start=41.3, duration=3)
    times = [Fraction(n, 10) for n in range(600)]
    expected = _expected(times, Fraction(443, 10), Fraction(4), Fraction(413, 10))
    assert numbers(video.frames) == expected == video.source_indices.tolist()
    assert video.duration == pytest.approx(3)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize(("hflip", "vflip"), [(False, False), (True, False), (False, True)])
def test_phone_rotation_is_honoured(make_video: MakeVideo, rotation: int, hflip: bool, vflip: bool) -> None:
    settings: dict[str, Any] = {"times": 3, "size": (64, 96), "options": {"qp": "0"}}
    plain = load_video(make_video("plain.mp4", **settings), fps=25).frames
    turned = load_video(
        make_video(
            "turned.mp4", configure=lambda s: s.set_display_rotation(rotation, hflip, vflip), **settings
        ),
        fps=25,
    ).frames
    expected = torch.rot90(plain, rotation // 90, dims=(2, 3))
    if hflip:
        expected = expected.flip(3)
    if vflip:
        expected = expected.flip(2)
    assert torch.equal(turned, expected)


@pytest.mark.parametrize("size", [(47, 63), (1, 1), (33, 20)])
def test_odd_sizes_stay_as_they_are(make_video: MakeVideo, size: tuple[int, int]) -> None:
    path = make_video("odd.mkv", times=5, size=size, codec="ffv1", pix_fmt="bgr0", draw=_noise)
    video = load_video(path, fps=25)
    assert video.size == size
    assert np.array_equal(video.frames[3].permute(1, 2, 0).numpy(), _noise(3, *size))


@pytest.mark.parametrize(
    "pix_fmt", ["yuv420p10le", "yuv422p10le", "yuv444p10le", "yuv444p", "yuvj420p", "gray"]
)
def test_deep_and_unusual_pixel_formats_are_read(
    make_video: MakeVideo, numbers: Numbers, pix_fmt: str
) -> None:
    video = load_video(make_video("deep.mkv", times=25, pix_fmt=pix_fmt), fps=5)
    assert video.frames.dtype == torch.uint8
    assert numbers(video.frames) == _expected([Fraction(n, 25) for n in range(25)], Fraction(1), Fraction(5))


def test_what_is_transparent_is_black(make_video: MakeVideo) -> None:
    def half_clear(n: int, height: int, width: int) -> npt.NDArray[np.uint8]:
        frame = np.full((height, width, 4), 200, np.uint8)
        frame[..., 3] = np.linspace(0, 255, width).astype(np.uint8)
        return frame

    path = make_video(
        "clear.mkv", times=2, codec="ffv1", pix_fmt="bgra", draw=half_clear, source_format="rgba"
    )
    shown = load_video(path, fps=25).frames[0, 0, 0].float()
    assert shown[0] == 0
    assert shown[-1] == 200
    assert torch.allclose(shown, 200 * torch.linspace(0, 255, 80).floor() / 255, atol=0.51)


def test_interlaced_frames_stay_woven(make_video: MakeVideo, numbers: Numbers) -> None:
    path = make_video("tv.mpg", times=25, codec="mpeg2video", options={"flags": "+ilme+ildct"}, size=(64, 96))
    assert numbers(load_video(path, fps=5).frames) == [2, 7, 12, 17, 22]


@pytest.mark.parametrize("name", ["live.mkv", "live.webm"])
def test_a_file_that_states_no_duration_is_read_to_its_end(make_video: MakeVideo, name: str) -> None:
    codec = "libx264" if name.endswith("mkv") else "libvpx-vp9"
    path = make_video(name, times=25, codec=codec, container_options={"live": "1"})
    with av.open(str(path)) as container:
        assert container.duration is None
    assert load_video(path).duration == pytest.approx(1, abs=1e-3) == video_duration(path)


def test_time_counts_from_the_first_frame(make_video: MakeVideo, numbers: Numbers) -> None:
    path = make_video("late.ts", times=25, offset=Fraction(7, 2))
    video = load_video(path)
    assert numbers(video.frames) == [3, 9, 15, 21]
    assert video.duration == pytest.approx(1) == video_duration(path)


def test_frames_are_squashed_by_pillows_antialiased_bilinear_filter(make_video: MakeVideo) -> None:
    path = make_video("noise.mkv", times=2, size=(90, 161), codec="ffv1", pix_fmt="bgr0", draw=_noise)
    video = load_video(path, 25, (24, 32))
    expected = Image.fromarray(_noise(1, 90, 161)).resize((32, 24), Image.Resampling.BILINEAR)
    assert np.array_equal(video.frames[1].permute(1, 2, 0).numpy(), np.asarray(expected))


def test_a_rate_above_the_videos_own_repeats_frames(make_video: MakeVideo, numbers: Numbers) -> None:
    assert numbers(load_video(make_video(times=3, fps=5), fps=10).frames) == [0, 0, 1, 1, 2, 2]


def test_a_single_frame_is_a_clip(make_video: MakeVideo) -> None:
    video = load_video(make_video(times=1))
    assert len(video) == 1
    assert video.duration == pytest.approx(0.04)


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv", "cut.webm"])
def test_a_video_that_is_cut_off_is_used_as_far_as_it_goes(make_video: MakeVideo, name: str) -> None:
    path = make_video(
        name,
        times=100,
        codec="libvpx-vp9" if name.endswith("webm") else "libx264",
        size=(64, 96),
        options={"g": "10", "deadline": "realtime", "cpu-used": "8", "row-mt": "1"}
        if name.endswith("webm")
        else {"g": "10"},
        container_options={"movflags": "faststart"} if name.endswith("mp4") else {},
        draw=_noise,
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.warns(
        MediaWarning, match=rf"{name}: is cut off or damaged: used the first [12]\.\d s of 4\.0 s"
    ):
        video = load_video(path)
    assert 1 < video.duration < 3
    assert video.duration == pytest.approx(video_duration(path), abs=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_video(path, duration=0.9).duration == pytest.approx(0.9)


def test_frames_that_cannot_be_decoded_are_skipped_and_counted(
    make_video: MakeVideo, numbers: Numbers
) -> None:
    path = make_video(times=50, options={"g": "1"})
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        spoiled = [(p.pos, p.size) for p in packets[20:23]]
    data = bytearray(path.read_bytes())
    for position, size in spoiled:
        assert position is not None
        data[position : position + size] = bytes(size)
    path.write_bytes(data)
    with pytest.warns(MediaWarning, match="skipped 3 frames that cannot be decoded"):
        video = load_video(path, fps=25)
    shown = numbers(video.frames)
    assert shown == [*range(20), 19, 19, 19, *range(23, 50)]
    with pytest.warns(MediaWarning, match="skipped 3 frames"):  # also where reading ends before the video
        load_video(path, fps=25, duration=1.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_video(path, fps=25, duration=0.5)


def test_a_video_without_one_good_frame_is_an_error(make_video: MakeVideo) -> None:
    path = make_video(times=10, options={"g": "1"})
    with av.open(str(path)) as container:
        spoiled = [(p.pos or 0, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    for position, size in spoiled:
        data[position : position + size] = bytes(size)
    path.write_bytes(data)
    with pytest.raises(VideoError, match=r"rain\.mp4: no frame in its h264 video stream can be decoded"):
        load_video(path)


def test_a_start_beyond_the_end_is_an_error(make_video: MakeVideo) -> None:
    path = make_video(times=25)
    for start in (1, 1.5, 30):
        with pytest.raises(VideoError, match=r"the video lasts 1\.00 s, so nothing begins at"):
            load_video(path, start=start)
    with pytest.raises(VideoError, match="nothing begins at"):
        resample_video(load_video(path), start=2)


def test_a_missing_video_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"none\.mp4: no such file"):
        load_video(tmp_path / "none.mp4")


@pytest.mark.parametrize("settings", [{"fps": 0}, {"start": -1}, {"duration": 0}, {"size": (0, 4)}])
def test_numbers_out_of_range_are_programming_mistakes(
    make_video: MakeVideo, settings: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"fps|start|duration|size"):
        load_video(make_video(times=2), **settings)


@pytest.mark.parametrize(
    "frames",
    [
        torch.zeros(2, 3, 4, 4),
        torch.zeros(2, 4, 4, 3, dtype=torch.uint8),
        torch.zeros(0, 3, 4, 4, dtype=torch.uint8),
        torch.zeros(3, 4, 4, dtype=torch.uint8),
    ],
)
def test_frames_in_memory_must_be_frames(frames: Tensor) -> None:
    with pytest.raises(ValueError, match=r"uint8 \(T, 3, H, W\)"):
        video_from_frames(frames, 25)


def _noise(n: int, height: int, width: int) -> npt.NDArray[np.uint8]:
    generator = np.random.default_rng(n)
    return generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
