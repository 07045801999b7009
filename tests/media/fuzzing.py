"""Damages small media files by a seed and reads them in every way; run as a process that may be killed.

``python -m tests.media.fuzzing FOLDER SEED...`` repeats a failure of ``test_fuzz.py``. It writes the
originals into the folder if that is empty, and prints one line of JSON for each seed. Without seeds it reads
them from standard input. The seeds ``crash`` and ``hang`` do what they say, to test the watchdog.
"""

import json
import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from cinefoley.config.frame_rate import FrameRate
from cinefoley.errors import CinefoleyError, MediaWarning
from cinefoley.media.audio.files import read_audio, write_audio
from cinefoley.media.audio.flac import decode_flac, encode_flac
from cinefoley.media.frames.crop import last_frame_time
from cinefoley.media.frames.jpeg import decode_jpeg, encode_jpeg
from cinefoley.media.frames.sparse_decoder import decode_sparsely
from cinefoley.media.frames.video import load_video
from cinefoley.media.frames.windows import sample_windows, stream_windows
from cinefoley.media.muxing.crop_video import cropped_video_suffix
from cinefoley.media.muxing.replace_audio import fitting_suffixes, replace_audio, video_hash
from cinefoley.media.probe import probe
from cinefoley.media.timing import video_duration
from cinefoley.variations import CameraMovement
from cinefoley.variations.videos import draw_for_video, vary_video

_RATE, _FPS = 16000, 12
_CODECS: dict[str, tuple[str | None, str | None, str | None]] = {  # video codec, pixel format, audio codec
    "mp4": ("libx264", "yuv420p", "aac"),
    "mov": ("libx264", "yuv422p", "pcm_s16le"),
    "mkv": ("libx264", "yuv420p", "flac"),
    "webm": ("libvpx-vp9", "yuv420p", "libopus"),
    "avi": ("mpeg4", "yuv420p", "mp3"),
    "ts": ("libx264", "yuv420p", "aac"),
    "wmv": ("wmv2", "yuv420p", "wmav2"),
    "gif": ("gif", "rgb8", None),
    "mp3": (None, None, "mp3"),
    "ogg": (None, None, "libopus"),
    "m4a": (None, None, "aac"),
}


def write_originals(folder: Path) -> None:
    """Write one undamaged file of each kind: 12 frames of 32x32 pixels, one second of audio."""
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (_FPS, 3, 8, 8), dtype=torch.uint8, generator=generator)
    frames = frames.repeat_interleave(4, 2).repeat_interleave(4, 3)
    waveform = 0.3 * torch.sin(torch.arange(_RATE) / 5)
    for suffix in ("wav", "flac"):
        write_audio(folder / f"clip.{suffix}", waveform, _RATE)
    for suffix, codecs in _CODECS.items():
        _write_by_pyav(
            folder / f"clip.{suffix}", frames.permute(0, 2, 3, 1).numpy(), waveform.numpy(), *codecs
        )
    (folder / "frame.jpg").write_bytes(encode_jpeg(frames[0].permute(1, 2, 0).numpy(), quality=80))
    (folder / "stored.flac").write_bytes(encode_flac(waveform, _RATE))


def _write_by_pyav(
    path: Path, frames: Any, waveform: Any, video: str | None, pixel_format: str | None, audio: str | None
) -> None:
    form = "asf" if path.suffix == ".wmv" else None
    with av.open(str(path), "w", format=form, container_options={"fflags": "+bitexact"}) as target:
        # A transport stream longer than the seconds that FFmpeg looks at before it names the streams, so that
        # damage adds streams later; its timestamps of 33 bits pass the largest one on the way.
        is_transport_stream = path.suffix == ".ts"
        fps, first = (1, (1 << 33) // 90000 - 4) if is_transport_stream else (_FPS, 0)
        picture: Any = target.add_stream(video, rate=fps) if video else None
        sound: Any = target.add_stream(audio, rate=48000 if audio == "libopus" else 44100) if audio else None
        if sound:
            sound.codec_context.layout, sound.bit_rate = "mono", 32000
        if picture:
            picture.width, picture.height, picture.pix_fmt = 32, 32, pixel_format
            for n, pixels in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
                frame.pts, frame.time_base = first + n, Fraction(1, fps)
                target.mux(picture.encode(frame))
            target.mux(picture.encode(None))
        if sound:
            samples = av.AudioFrame.from_ndarray(waveform[None].astype(np.float32), "fltp", "mono")
            samples.sample_rate, samples.pts = _RATE, first * _RATE // fps
            resampler = av.AudioResampler(
                sound.format, "mono", sound.rate, sound.codec_context.frame_size or 1024
            )
            for part in [*resampler.resample(samples), *resampler.resample(None), None]:
                target.mux(sound.encode(part))


def damage(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    """Damage a file in one to three ways; return it with their names."""
    damaged, names = bytearray(content), []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        change = rng.choice(_CHANGES)
        names.append(change.__name__.strip("_"))
        change(damaged, rng)
        if not damaged:
            break
    return bytes(damaged), "+".join(names)


def _flip_bits(data: bytearray, rng: random.Random) -> None:
    for _ in range(int(500 ** rng.random())):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _flip_header_bits(data: bytearray, rng: random.Random) -> None:
    for _ in range(int(30 ** rng.random())):
        data[rng.randrange(min(len(data), 600))] ^= 1 << rng.randrange(8)


def _cut_the_end(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def _cut_the_start(data: bytearray, rng: random.Random) -> None:
    del data[: rng.randrange(min(len(data), 400))]


def _zero(data: bytearray, rng: random.Random) -> None:
    begin, end = _range(data, rng)
    data[begin:end] = bytes(end - begin)


def _swap(data: bytearray, rng: random.Random) -> None:
    (first, end), other = _range(data, rng), rng.randrange(len(data))
    other = min(other, len(data) - (end - first))
    data[first:end], data[other : other + end - first] = data[other : other + end - first], data[first:end]


def _repeat(data: bytearray, rng: random.Random) -> None:
    begin, end = _range(data, rng)
    data[begin:begin] = data[begin:end]


def _set_numbers(data: bytearray, rng: random.Random) -> None:
    """Extreme values where sizes, counts, rates and times may be."""
    for _ in range(rng.choice((1, 1, 4))):
        at = rng.randrange(len(data)) if rng.random() < 0.5 else rng.randrange(min(len(data), 1000))
        value = rng.choice((0, 1, 0x7F, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF))
        stored = value.to_bytes(4, rng.choice(("big", "little")))
        data[at : at + 4] = stored[: len(data) - at]


def _fill_header(data: bytearray, rng: random.Random) -> None:
    end = rng.randrange(1, 65)
    data[:end] = rng.randbytes(min(end, len(data)))


_CHANGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip_bits,
    _flip_bits,
    _flip_header_bits,
    _cut_the_end,
    _cut_the_start,
    _zero,
    _swap,
    _repeat,
    _set_numbers,
    _set_numbers,
    _fill_header,
)


def _range(data: bytearray, rng: random.Random) -> tuple[int, int]:
    begin = rng.randrange(len(data))
    return begin, min(len(data), begin + int(4000 ** rng.random()))


def _sampled(path: Path) -> None:
    video = load_video(path, fps=4, size=(64, 64))
    assert video.frames.shape[1:] == (3, 64, 64)
    for window in sample_windows(video, starts=[0.0, 0.5], frames_per_window=4):
        assert window.shape == (4, 3, 64, 64)


def _section(path: Path) -> None:
    load_video(path, fps=6, start=0.4, duration=0.4)


def _windows(path: Path) -> None:
    windows = list(stream_windows(path, starts=[0.0, 0.4], frames_per_window=4, size=(16, 16)))
    assert len(windows) == 2


def _sparse(path: Path) -> None:
    decode_sparsely(path, FrameRate(Fraction(4)), Fraction(1))


def _audio(path: Path) -> None:
    waveform, _ = read_audio(path)
    assert torch.isfinite(waveform).all()


def _resampled_audio(path: Path) -> None:
    waveform, _ = read_audio(path, sample_rate=8000, mono=True, start=0.1, duration=0.5)
    assert waveform.shape[0] == 1
    assert waveform.shape[1] <= 4000


_READERS: tuple[Callable[[Path], object], ...] = (
    probe,
    _sampled,
    _section,
    _windows,
    _sparse,
    _audio,
    _resampled_audio,
    video_duration,
    last_frame_time,
    video_hash,
    fitting_suffixes,
    cropped_video_suffix,
)


def _varied(path: Path, out: Path) -> None:
    window = draw_for_video(CameraMovement(), path, generator=torch.Generator().manual_seed(0))
    vary_video(path, out, window)


def _with_new_audio(path: Path, out: Path) -> None:
    replace_audio(path, torch.zeros(_RATE), out, sample_rate=_RATE)


def _as_audio(path: Path, out: Path) -> None:
    replace_audio(path.with_name("clip.mp4"), path, out)


_WRITERS: tuple[Callable[[Path, Path], None], ...] = (_varied, _with_new_audio, _as_audio)


def check(folder: Path, seed: int) -> tuple[str, list[str]]:
    """Damage one file and read it in every way.

    Returns:
        What was damaged and how, and everything that went wrong.
    """
    rng = random.Random(seed)
    original = rng.choice(
        sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("damaged"))
    )
    content, how = damage(original.read_bytes(), rng)
    path = folder / f"damaged{original.suffix}"
    path.write_bytes(content)
    problems = list[str]()
    if original.name == "frame.jpg":
        problems += _problems("decode_jpeg", lambda: decode_jpeg(content, reduction=rng.choice((1, 2))))
    if original.name == "stored.flac":
        problems += _problems("decode_flac", lambda: decode_flac(content))
    for reader in _READERS:
        problems += _problems(reader.__name__, lambda reader=reader: reader(path))  # type: ignore[misc]
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)  # a killed process may have left files
    out.mkdir()
    for writer in _WRITERS:
        problems += _written_problems(writer, path, out / f"{writer.__name__}{rng.choice(('.mp4', '.mkv'))}")
    path.unlink()
    return f"{original.name} {how}", problems


def _problems(name: str, read: Callable[[], object]) -> Iterator[str]:
    try:
        read()
    except CinefoleyError as exc:
        if not str(exc).strip():
            yield f"{name}: an error without a message"
    except Exception:
        yield f"{name}: {traceback.format_exc()}"


def _written_problems(writer: Callable[[Path, Path], None], path: Path, out: Path) -> Iterator[str]:
    yield from _problems(writer.__name__, lambda: writer(path, out))
    for file in out.parent.iterdir():
        if file == out:
            yield from (f"incomplete output, {problem}" for problem in _unreadable(file))
        else:
            yield f"{writer.__name__}: left {file.name} behind"
        file.unlink()


def _unreadable(file: Path) -> list[str]:
    try:
        probe(file)
    except CinefoleyError as exc:
        return [str(exc)]
    return []


def main(arguments: list[str]) -> None:
    """Check seeds from the command line, or from standard input."""
    folder, seeds = Path(arguments[0]), arguments[1:]
    folder.mkdir(exist_ok=True)
    if not any(folder.iterdir()):
        write_originals(folder)
    torch.set_num_threads(1)
    av.logging.set_level(None)
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", MediaWarning)
    resource.setrlimit(resource.RLIMIT_AS, (16 << 30, resource.RLIM_INFINITY))  # a bomb ends here
    if not seeds:
        print("ready", flush=True)  # noqa: T201
    for seed in map(str.strip, seeds or sys.stdin):
        begin = time.process_time()
        if seed == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        while seed == "hang":
            pass
        damaged, problems = check(folder, int(seed))
        seconds = round(time.process_time() - begin, 3)
        row = {
            "seed": seed,
            "damaged": damaged,
            "problems": problems,
            "seconds": seconds,
            "peak_mib": _peak_mib(),
        }
        print(json.dumps(row), flush=True)  # noqa: T201


def _peak_mib() -> int:
    """Largest resident memory so far; ``ru_maxrss`` would count the parent process before the start too."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), 0)


if __name__ == "__main__":
    main(sys.argv[1:])
