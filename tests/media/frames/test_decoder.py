"""Damaged transport streams: new streams on the way, times that jump."""

import random
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import pytest
import torch

from cinefoley.errors import CinefoleyError, MediaWarning
from cinefoley.media.audio.files import read_audio
from cinefoley.media.frames.video import load_video
from cinefoley.media.muxing.replace_audio import video_hash
from cinefoley.media.muxing.save_video import save_video
from cinefoley.media.timing import video_duration
from cinefoley.stage.render import render_clip

_PACKET = 188


@pytest.fixture(scope="module")
def wrapping(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stage clip whose timestamps wrap after a second; FFmpeg looks at less of it when it opens it."""
    folder = tmp_path_factory.mktemp("wrapping")
    clip = render_clip(0, split="test", fps=6, size=(48, 64), duration_s=10.0)
    frames, waveform = torch.from_numpy(clip.frames).permute(0, 3, 1, 2), torch.from_numpy(clip.waveform)
    save_video(folder / "clip.mp4", frames, 6, waveform=waveform, sample_rate=16000)
    start = Fraction(1 << 33, 90000) - 1
    with av.open(str(folder / "clip.mp4")) as source, av.open(str(folder / "clip.ts"), "w") as target:
        copies = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.pts is None or packet.dts is None:
                continue
            shift = round(start / packet.time_base)
            packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
            packet.stream = copies[packet.stream.index]
            target.mux(packet)
    return folder / "clip.ts"


@pytest.mark.parametrize("count", [1, 30])
def test_streams_that_appear_late_change_nothing(wrapping: Path, tmp_path: Path, count: int) -> None:
    content = wrapping.read_bytes()
    packets = [content[at : at + _PACKET] for at in range(0, len(content), _PACKET)]
    late = len(packets) * 9 // 10
    start = next(p for p in packets[late:] if p[1] & 0x40 and p[2] == 0)  # of a frame
    packets[late:late] = [bytes([start[0], 0x45, number, *start[3:]]) for number in range(count)]
    path = tmp_path / "late.ts"
    path.write_bytes(b"".join(packets))
    whole, video = load_video(wrapping, size=(24, 32)), load_video(path, size=(24, 32))
    assert torch.equal(video.frames, whole.frames)
    assert video_hash(path) == video_hash(wrapping)
    assert torch.equal(read_audio(path)[0], read_audio(wrapping)[0])


@pytest.mark.filterwarnings("ignore::cinefoley.errors.MediaWarning")
@pytest.mark.parametrize("seed", [1, 3, 5, 6])
@pytest.mark.parametrize("read", [lambda path: load_video(path, 4, (64, 64)), read_audio, video_duration])
def test_flipped_bits_end_in_frames_or_in_an_error(
    wrapping: Path, tmp_path: Path, seed: int, read: Callable[[Path], object]
) -> None:
    rng, content = random.Random(seed), bytearray(wrapping.read_bytes())
    for _ in range(500):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path = tmp_path / "flipped.ts"
    path.write_bytes(content)
    with suppress(CinefoleyError):
        read(path)


def test_times_that_jump_by_hours_make_nothing_longer(make_video: Callable[..., Path]) -> None:
    sound = torch.zeros(16000).numpy()
    first = make_video("jump.ts", times=25, sound=sound)
    second = make_video(
        "later.ts", times=25, sound=sound, offset=Fraction(18000), sound_offset=Fraction(18000)
    )
    first.write_bytes(first.read_bytes() + second.read_bytes())
    with pytest.warns(MediaWarning, match=r"jump\.ts: its timestamps jump by more than 10 minutes"):
        video = load_video(first, fps=25)
    assert len(video) == 50
    assert video_duration(first) == pytest.approx(2, abs=0.05)
    with pytest.warns(MediaWarning, match=r"jump\.ts: its timestamps jump by more than 10 minutes"):
        waveform, rate = read_audio(first)
    assert waveform.shape[1] / rate == pytest.approx(2, abs=0.2)


def test_a_frame_that_is_shown_for_an_hour_is_believed_where_the_header_says_so(
    make_video: Callable[..., Path],
) -> None:
    path = make_video("slides.mp4", times=[Fraction(0), Fraction(3600), Fraction(3601)])
    video = load_video(path, fps=Fraction(1, 60))
    assert video.source_indices.tolist() == [0] * 60
    assert video.duration == video_duration(path) == pytest.approx(3602, abs=1)
