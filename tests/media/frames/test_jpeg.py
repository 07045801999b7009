from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from cinefoley.config.frame_rate import FrameRate
from cinefoley.errors import AudioError, VideoError
from cinefoley.media.audio.files import read_audio
from cinefoley.media.audio.flac import decode_flac, encode_flac
from cinefoley.media.frames.jpeg import JpegFrames, decode_jpeg, encode_jpeg
from cinefoley.media.frames.pixels import Pixels
from cinefoley.media.frames.video import load_video, sample_video
from cinefoley.media.muxing.mjpeg import save_mjpeg
from cinefoley.media.probe import probe
from cinefoley.media.sections import Section
from cinefoley.stage.render import render_clip


@pytest.fixture(scope="module")
def stills() -> list[bytes]:
    """Eight, of odd height."""
    clip = render_clip(0, fps=4, size=(45, 64), duration_s=2.0)
    return [encode_jpeg(frame, quality=95) for frame in clip.frames]


def pictures(stills: list[bytes]) -> JpegFrames:
    return JpegFrames(stills, Fraction(4), Fraction(2), "the clip")


def test_a_still_is_nearly_the_frame_and_always_the_same_bytes() -> None:
    frame = render_clip(0, fps=4, size=(48, 64), duration_s=1.0).frames[2]
    still = encode_jpeg(frame, quality=95)
    assert still == encode_jpeg(frame.copy(), quality=95)
    assert np.abs(decode_jpeg(still).astype(int) - frame).mean() < 6
    assert len(encode_jpeg(frame, quality=40)) < len(still)


@pytest.mark.parametrize("content", [b"", b"no jpeg", b"\xff\xd8\xff\xe0"])
def test_what_is_no_jpeg_is_told(content: bytes) -> None:
    with pytest.raises(VideoError, match="rain: cannot be decoded as JPEG"):
        decode_jpeg(content, name="rain")


@pytest.mark.parametrize("reduction", [2, 4, 8])
def test_a_coarse_frame_is_the_average_of_blocks(reduction: int) -> None:
    frame = render_clip(0, fps=4, size=(80, 128), duration_s=1.0).frames[2]
    still = encode_jpeg(frame, quality=95)
    coarse, fine = decode_jpeg(still, reduction=reduction), decode_jpeg(still)
    blocks = fine.reshape(80 // reduction, reduction, 128 // reduction, reduction, 3).mean(axis=(1, 3))
    assert coarse.shape == (80 // reduction, 128 // reduction, 3)
    assert np.abs(coarse - blocks).mean() < 2


def test_rows_and_columns_of_a_coarse_frame_are_rounded_up() -> None:
    still = encode_jpeg(np.zeros((45, 63, 3), np.uint8), quality=90)
    assert decode_jpeg(still, reduction=4).shape == (12, 16, 3)
    with pytest.raises(ValueError, match="reduction must be one of 1, 2, 4, 8, got 3"):
        decode_jpeg(still, reduction=3)


def test_jpegs_are_picked_like_the_frames_of_a_video(stills: list[bytes]) -> None:
    whole = sample_video(pictures(stills), FrameRate(Fraction(4)), None, Section.of(0, None), None)
    assert whole.source_indices.tolist() == list(range(8))
    assert whole.duration == 2.0
    part = sample_video(pictures(stills), FrameRate(Fraction(2)), (8, 8), Section.of(0.5, 1), None)
    assert part.source_indices.tolist() == [2, 4]
    with pytest.raises(VideoError, match=r"the clip: the video lasts 2\.00 s"):
        sample_video(pictures(stills), FrameRate(Fraction(4)), None, Section.of(2, None), None)


def test_a_change_sees_the_number_and_the_pixels_of_each_still(stills: list[bytes]) -> None:
    asked: list[tuple[int, tuple[int, int]]] = []

    def change(index: int, pixels: Pixels) -> Pixels:
        asked.append((index, (pixels.shape[0], pixels.shape[1])))
        return pixels[0:20, index : index + 10]

    source = JpegFrames(stills, Fraction(4), Fraction(2), "the clip", change=change)
    shown = sample_video(source, FrameRate(Fraction(2)), None, Section.of(0, None), None).frames
    assert asked[:4] == [(index, (45, 64)) for index in (0, 2, 4, 6)]
    assert torch.equal(shown[3], torch.from_numpy(decode_jpeg(stills[6])[0:20, 6:16].copy()).permute(2, 0, 1))


def test_audio_is_kept_to_16_bits_and_clipped_at_full_scale() -> None:
    sound = torch.randn(16000, generator=torch.Generator().manual_seed(0)) / 2
    content = encode_flac(sound, 16000)
    assert content == encode_flac(sound.numpy(), 16000)
    samples, rate = decode_flac(content)
    assert rate == 16000
    assert float((torch.from_numpy(samples) - sound.clamp(-1, 1)).abs().max()) <= 2**-15
    with pytest.raises(AudioError, match="rain: cannot be decoded as FLAC"):
        decode_flac(b"no flac", name="rain")


def test_a_video_of_jpegs_has_their_frames_and_exactly_their_audio(
    stills: list[bytes], tmp_path: Path
) -> None:
    sound = torch.round(torch.linspace(-1, 1, 32000) * 32767) / 32768
    options = {"size": (45, 64), "duration": 2.0, "waveform": sound, "sample_rate": 16000}
    save_mjpeg(tmp_path / "a.mkv", stills, 4, **options)  # type: ignore[arg-type]
    save_mjpeg(tmp_path / "b.mkv", stills, 4, **options)  # type: ignore[arg-type]
    assert (tmp_path / "a.mkv").read_bytes() == (tmp_path / "b.mkv").read_bytes()
    info = probe(tmp_path / "a.mkv")
    assert info.video is not None
    assert info.audio is not None
    assert (info.video.codec, info.audio.codec) == ("mjpeg", "flac")
    video = load_video(tmp_path / "a.mkv", 4)
    assert (video.duration, video.size, len(video)) == (2.0, (45, 64), 8)
    decoded = np.stack([decode_jpeg(still) for still in stills]).transpose(0, 3, 1, 2)
    # FFmpeg spreads colour over 2x2 pixels in another way than libjpeg
    assert np.abs(video.frames.numpy().astype(int) - decoded).mean() < 6
    heard, rate = read_audio(tmp_path / "a.mkv")
    assert rate == 16000
    assert torch.equal(heard[0], sound)


@pytest.mark.parametrize("bad", [{"jpegs": []}, {"duration": 1.75}])
def test_a_video_without_a_still_or_of_no_length_is_refused(
    stills: list[bytes], tmp_path: Path, bad: dict[str, object]
) -> None:
    options = {"jpegs": stills, "duration": 2.0} | bad
    with pytest.raises(ValueError, match="need JPEGs that are shown until"):
        save_mjpeg(
            tmp_path / "a.mkv", fps=4, size=(45, 64), waveform=torch.zeros(8), sample_rate=16000, **options  # type: ignore[arg-type]
        )  # fmt: skip


def test_a_header_that_states_any_size_is_no_reason_to_allocate_it(stills: list[bytes]) -> None:
    at = stills[0].index(b"\xff\xc0") + 5
    huge = stills[0][:at] + b"\xff\xff\xff\xff" + stills[0][at + 4 :]
    with pytest.raises(VideoError, match="cannot be decoded as JPEG"):
        decode_jpeg(huge)
    content = encode_flac(torch.linspace(-0.5, 0.5, 4000), 16000)
    stated = int.from_bytes(content[18:26], "big") | 0xF_FFFF_FFFF  # the number of samples has 36 bits
    with pytest.raises(AudioError, match="cannot be decoded as FLAC"):
        decode_flac(content[:18] + stated.to_bytes(8, "big") + content[26:])
