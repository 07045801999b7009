from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cinefoley.errors import AudioError, MediaError, MediaWarning
from cinefoley.media.audio.files import read_audio, write_audio
from cinefoley.media.audio.reader import resample_blocks
from cinefoley.media.audio.writer import AudioWriter, Subtype

MakeVideo = Callable[..., Path]
Clicks = Callable[..., npt.NDArray[np.float32]]
Lateness = Callable[..., list[int]]

TONE = torch.sin(torch.arange(32000) * 0.05) * 0.5


@pytest.mark.parametrize(
    ("name", "subtype", "step"),
    [
        ("rain.wav", "PCM_16", 2**-15),
        ("rain.wav", "PCM_24", 2**-23),
        ("rain.wav", "FLOAT", 0.0),
        ("rain.flac", "PCM_16", 2**-15),
        ("rain.flac", "PCM_24", 2**-23),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_what_is_written_is_read_to_the_sample(
    tmp_path: Path, name: str, subtype: Subtype, step: float, channels: int
) -> None:
    waveform = torch.stack([TONE, TONE.flip(0)])[:channels]
    write_audio(tmp_path / name, waveform, 16000, subtype=subtype)
    read, sample_rate = read_audio(tmp_path / name)
    assert sample_rate == 16000
    assert read.shape == (channels, 32000)
    assert (read - waveform).abs().max() <= 1.01 * step


def test_a_mono_waveform_needs_no_channel_axis(tmp_path: Path) -> None:
    write_audio(tmp_path / "rain.wav", TONE, 16000)
    assert soundfile.info(str(tmp_path / "rain.wav")).channels == 1


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_equal_samples_give_equal_bytes_whenever_they_are_written(
    tmp_path: Path, subtype: Subtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_audio(tmp_path / "a.wav", TONE, 16000, subtype=subtype)
    assert b"PEAK" not in (tmp_path / "a.wav").read_bytes()[:100]  # libsndfile dates that chunk


def test_blocks_of_any_size_give_the_same_file(tmp_path: Path) -> None:
    write_audio(tmp_path / "whole.wav", TONE, 16000)
    with AudioWriter(tmp_path / "blocks.wav", 16000) as writer:
        for begin, end in ((0, 1), (1, 500), (500, 500), (500, 32000)):
            writer.write(TONE[begin:end])
    assert writer.length == 32000
    assert (tmp_path / "whole.wav").read_bytes() == (tmp_path / "blocks.wav").read_bytes()


@pytest.mark.parametrize(("subtype", "bits"), [("PCM_16", 16), ("PCM_24", 24)])
def test_samples_are_rounded_to_the_nearest_step(tmp_path: Path, subtype: Subtype, bits: int) -> None:
    steps = torch.tensor([0.9, -0.1, 0.4, -1.9, 1234.0, -4321.0])
    write_audio(tmp_path / "rain.wav", steps / 2 ** (bits - 1), 16000, subtype=subtype)
    read, _ = soundfile.read(tmp_path / "rain.wav", dtype="int32")
    assert (read >> (32 - bits)).tolist() == [1, 0, 0, -2, 1234, -4321]


def test_what_exceeds_full_scale_is_clipped_with_a_warning(tmp_path: Path) -> None:
    with pytest.warns(
        MediaWarning, match=r"rain\.wav: 2 samples beyond full scale were clipped \(peak \+6\.0 dB\)"
    ):
        write_audio(tmp_path / "rain.wav", torch.tensor([0.5, 2.0, -1.5, 1.0]), 16000)
    read, _ = read_audio(tmp_path / "rain.wav")
    assert read[0].tolist() == pytest.approx([0.5, 1, -1, 1], abs=1e-4)


def test_floats_keep_what_exceeds_full_scale(tmp_path: Path) -> None:
    write_audio(tmp_path / "rain.wav", torch.tensor([2.0, -1.5]), 16000, subtype="FLOAT")
    assert read_audio(tmp_path / "rain.wav")[0].tolist() == [[2.0, -1.5]]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_audio_that_is_not_finite_is_an_error_and_leaves_nothing(tmp_path: Path, bad: float) -> None:
    with pytest.raises(AudioError, match="NaN or infinity"):
        write_audio(tmp_path / "rain.wav", torch.tensor([0.0, bad]), 16000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "subtype"), [("rain.mp3", "PCM_16"), ("rain", "PCM_16"), ("rain.flac", "FLOAT")]
)
def test_formats_that_are_not_written_are_told(tmp_path: Path, name: str, subtype: Subtype) -> None:
    with pytest.raises(AudioError, match=r"written as \.wav or \.flac|cannot hold FLOAT"):
        write_audio(tmp_path / name, TONE, 16000, subtype=subtype)


@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 5)])
def test_a_block_must_have_the_channels_of_the_file(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"channels"), AudioWriter(tmp_path / "rain.wav", 16000, 2) as writer:
        writer.write(torch.zeros(shape))
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=30)
@given(
    st.lists(st.integers(0, 3000), min_size=1, max_size=6),
    st.sampled_from([8000, 16000, 22050, 44100, 48000]),
    st.sampled_from([8000, 16000, 22050, 44100, 48000]),
    st.integers(1, 3),
)
def test_resampling_gives_the_exact_length(
    lengths: list[int], source: int, target: int, channels: int
) -> None:
    blocks = [np.ones((channels, length), np.float32) for length in lengths]
    out = np.concatenate(list(resample_blocks(iter(blocks), source, target)), axis=1)
    assert out.shape == (channels, round(Fraction(sum(lengths) * target, source)))


@pytest.mark.parametrize("sample_rate", [16000, 44100, 96000])
def test_resampling_moves_nothing_in_time(tmp_path: Path, sample_rate: int) -> None:
    tone = torch.sin(2 * torch.pi * 440 * torch.arange(48000) / 48000)
    write_audio(tmp_path / "rain.wav", tone, 48000, subtype="FLOAT")
    read, _ = read_audio(tmp_path / "rain.wav", sample_rate=sample_rate)
    expected = torch.sin(2 * torch.pi * 440 * torch.arange(sample_rate) / sample_rate)
    assert read.shape == (1, sample_rate)
    inner = slice(sample_rate // 20, -sample_rate // 20)  # the filter rings at the edges
    assert (read[0] - expected)[inner].abs().max() < 1e-3


def test_mono_is_the_mean_of_the_channels(tmp_path: Path) -> None:
    write_audio(tmp_path / "rain.wav", torch.stack([TONE, -TONE / 2]), 16000, subtype="FLOAT")
    read, _ = read_audio(tmp_path / "rain.wav", mono=True)
    assert torch.allclose(read[0], TONE / 4, atol=1e-6)


@pytest.mark.parametrize("section", [(0.25, None), (0.5, 1), (1.5, 9), (1.9999, 0.1)])
def test_a_section_is_cut_to_the_sample(tmp_path: Path, section: tuple[float, float | None]) -> None:
    write_audio(tmp_path / "rain.wav", TONE, 16000, subtype="FLOAT")
    start, duration = section
    read, _ = read_audio(tmp_path / "rain.wav", start=start, duration=duration)
    begin = round(start * 16000)
    end = None if duration is None else begin + round(duration * 16000)
    assert torch.equal(read[0], TONE[begin:end])


def test_a_section_behind_the_end_is_empty(tmp_path: Path) -> None:
    write_audio(tmp_path / "rain.wav", TONE, 16000)
    assert read_audio(tmp_path / "rain.wav", start=5)[0].shape == (1, 0)


@pytest.mark.parametrize("name", ["long.wav", "long.flac", "long.m4a", "long.mp3", "long.mka"])
def test_a_start_far_in_gives_what_reading_from_the_beginning_gives(
    tmp_path: Path, make_clicks: Clicks, lateness: Lateness, name: str
) -> None:
    wave = make_clicks(60 * 16000, 45 * 16000 + 1000, 46 * 16000)
    path = _encode(tmp_path / name, wave)
    read, _ = read_audio(path, start=45, duration=2)
    assert read.shape == (1, 32000)
    assert lateness(read[0], [1000, 16000]) == [0, 0]


@pytest.mark.parametrize(
    "name", ["a.m4a", "a.mp4", "a.mov", "a.mka", "a.mp3", "a.opus", "a.ogg", "a.webm", "a.flac"]
)
def test_no_encoder_moves_audio_in_time(
    tmp_path: Path, make_clicks: Clicks, lateness: Lateness, name: str
) -> None:
    positions = [0, 7001, 16000, 31000]
    read, sample_rate = read_audio(
        _encode(tmp_path / name, make_clicks(32000, *positions)), sample_rate=16000
    )
    assert sample_rate == 16000
    assert lateness(read[0], positions) == [0, 0, 0, 0]
    assert 32000 <= read.shape[1] <= 32000 + 1024
    if name not in {"a.mka"}:  # FFmpeg writes no trimming for AAC into Matroska
        assert read.shape[1] == pytest.approx(32000, abs=1)


@pytest.mark.parametrize("delay", [Fraction(0), Fraction(1, 4), Fraction(-1, 8)])
@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "pcm_s16le"), ("a.mkv", "flac"), ("a.mp4", "aac")])
def test_the_audio_of_a_video_counts_from_its_first_frame(
    make_video: MakeVideo, make_clicks: Clicks, lateness: Lateness, name: str, codec: str, delay: Fraction
) -> None:
    path = make_video(
        name,
        times=50,
        offset=Fraction(1),
        sound=make_clicks(32000, 4000, 16000),
        sound_codec=codec,
        sound_offset=1 + delay,
    )
    read, _ = read_audio(path)
    late = round(delay * 16000)
    assert lateness(read[0], [4000 + late, 16000 + late]) == pytest.approx([0, 0], abs=16)  # mkv counts in ms
    if delay > 0:
        assert read[0, : late - 32].abs().max() == 0


def test_a_hole_in_the_audio_is_silent(tmp_path: Path, make_clicks: Clicks, lateness: Lateness) -> None:
    path = tmp_path / "hole.mka"
    with av.open(str(path), "w") as target:
        track: Any = target.add_stream("pcm_s16le", rate=16000)
        track.codec_context.layout = "mono"
        for begin in (0, 32000):
            frame = av.AudioFrame.from_ndarray(make_clicks(8000, 4000)[None], format="fltp", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = 16000, Fraction(1, 16000), begin
            for packet in track.encode(frame):
                target.mux(packet)
    read, _ = read_audio(path)
    assert read.shape == (1, 40000)
    assert lateness(read[0], [4000, 36000]) == [0, 0]
    assert read[0, 8000:32000].abs().max() == 0


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_every_kind_of_sample_reads_at_full_scale(tmp_path: Path, subtype: str) -> None:
    path = tmp_path / "scale.wav"
    soundfile.write(str(path), np.array([0.0, 0.5, -0.5, 0.25] * 100), 16000, subtype=subtype)
    assert read_audio(path)[0][0, :4].tolist() == pytest.approx([0, 0.5, -0.5, 0.25], abs=0.01)


def test_a_video_without_audio_is_told(make_video: MakeVideo) -> None:
    with pytest.raises(AudioError, match=r"rain\.mp4: no audio .*found 1 video stream, mp4"):
        read_audio(make_video(times=2))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no such file"):
        read_audio(tmp_path / "none.wav")


@pytest.mark.parametrize("wrong", [{"sample_rate": 0}, {"start": -1}, {"duration": 0}])
def test_numbers_out_of_range_are_programming_mistakes(tmp_path: Path, wrong: dict[str, Any]) -> None:
    write_audio(tmp_path / "rain.wav", TONE, 16000)
    with pytest.raises(ValueError, match=r"sample_rate|start|duration"):
        read_audio(tmp_path / "rain.wav", **wrong)


def _encode(path: Path, wave: npt.NDArray[np.float32]) -> Path:
    codecs = {
        ".mp3": "libmp3lame",
        ".opus": "libopus",
        ".ogg": "libopus",
        ".webm": "libopus",
        ".flac": "flac",
    }
    if path.suffix == ".wav":
        write_audio(path, wave, 16000)
        return path
    with av.open(str(path), "w") as target:
        track: Any = target.add_stream(codecs.get(path.suffix, "aac"), rate=16000)
        track.codec_context.layout = "mono"
        frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = 16000, Fraction(1, 16000), 0
        target.mux(track.encode(frame))
        target.mux(track.encode(None))
    return path


def test_lateness_sees_a_shift(make_clicks: Clicks, lateness: Lateness) -> None:
    shifted: Tensor = torch.from_numpy(make_clicks(2000, 507))
    assert lateness(shifted, [500]) == [7]
