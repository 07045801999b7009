"""Videos made on the spot: every frame carries its own number as a row of black and white bars."""

import errno
import os
import resource
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
import torch
from av.video.frame import VideoFrame
from torch import Tensor

BITS = 10


def draw_number(number: int, height: int, width: int) -> npt.NDArray[np.uint8]:
    """A frame ``(H, W, 3)`` whose lower half shows ``number`` in bars, its upper half a corner mark."""
    frame = np.full((height, width, 3), 64, np.uint8)
    frame[: height // 4, : width // 4] = (255, 0, 0)
    edges = np.linspace(0, width, BITS + 1).astype(int)
    for bit in range(BITS):
        frame[height // 2 :, edges[bit] : edges[bit + 1]] = 255 if number >> bit & 1 else 0
    return frame


def read_number(frame: Tensor) -> int:
    _, height, width = frame.shape
    edges = np.linspace(0, width, BITS + 1).astype(int)
    centres = [(edges[i] + edges[i + 1]) // 2 for i in range(BITS)]
    return sum(int(frame[:, height * 3 // 4, x].float().mean() > 128) << bit for bit, x in enumerate(centres))


def write_video(
    path: Path,
    *,
    times: Sequence[Fraction] | int = 50,
    fps: Fraction | int = 25,
    size: tuple[int, int] = (48, 80),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    configure: Callable[[Any], None] | None = None,
    draw: Callable[[int, int, int], npt.NDArray[Any]] = draw_number,
    source_format: str = "rgb24",
    offset: Fraction = Fraction(0),
    sound: npt.NDArray[np.float32] | None = None,
    sound_rate: int = 16000,
    sound_codec: str = "aac",
    sound_offset: Fraction = Fraction(0),
) -> Path:
    if isinstance(times, int):
        times = [n / Fraction(fps) for n in range(times)]
    with av.open(str(path), "w", container_options=container_options or {}) as target:
        stream: Any = target.add_stream(codec, rate=Fraction(fps), options=options or {})
        stream.height, stream.width = size
        stream.pix_fmt = pix_fmt
        is_fine = codec == "libx264" and path.suffix != ".avi"
        stream.codec_context.time_base = Fraction(1, 90000) if is_fine else 1 / Fraction(fps)
        track: Any = None
        if sound is not None:
            track = target.add_stream(sound_codec, rate=sound_rate)
            track.codec_context.layout = "mono"
        if configure is not None:
            configure(stream)
        for n, time in enumerate(times):
            frame = VideoFrame.from_ndarray(draw(n, *size), format=source_format)
            frame.time_base = stream.codec_context.time_base
            frame.pts = round((time + offset) / frame.time_base)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
        if track is not None and sound is not None:
            samples = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(sound[None]), format="fltp", layout="mono"
            )
            samples.sample_rate, samples.time_base = sound_rate, Fraction(1, sound_rate)
            samples.pts = round(sound_offset * sound_rate)
            target.mux(track.encode(samples))
            target.mux(track.encode(None))
    return path


def clicks(length: int, *positions: int) -> npt.NDArray[np.float32]:
    """Silence with short bursts; decoded by any codec their centres can be found again."""
    wave = np.zeros(length, np.float32)
    burst = np.hanning(64).astype(np.float32) * np.cos(np.arange(64) * 1.0).astype(np.float32)
    for position in positions:
        wave[position : position + 64] += 0.9 * burst[: length - position]
    return wave


def find_clicks(waveform: Tensor, positions: Sequence[int], reach: int = 400) -> list[int]:
    """For each expected position, by how many samples the burst there is late."""
    burst = torch.from_numpy(clicks(64, 0))
    late = []
    for position in positions:
        padded = torch.nn.functional.pad(waveform, (reach, reach + 64))
        around = padded[position : position + 2 * reach + 64]
        late.append(
            int(torch.nn.functional.conv1d(around[None, None], burst[None, None])[0, 0].argmax()) - reach
        )
    return late


@pytest.fixture
def make_video(tmp_path: Path) -> Callable[..., Path]:
    """``make_video("rain.mp4", times=50, fps=25, ...)`` writes a numbered video and returns its path."""
    return lambda name="rain.mp4", **settings: write_video(tmp_path / name, **settings)


@pytest.fixture
def numbers() -> Callable[[Tensor], list[int]]:
    """Read the frame numbers of ``(T, 3, H, W)``."""
    return lambda frames: [read_number(frame) for frame in frames]


@pytest.fixture
def make_clicks() -> Callable[..., npt.NDArray[np.float32]]:
    return clicks


@pytest.fixture
def lateness() -> Callable[..., list[int]]:
    return find_clicks


@pytest.fixture
def numbered_frame() -> Callable[[int, int, int], npt.NDArray[np.uint8]]:
    return draw_number


@contextmanager
def _file_size_limit(folder: Path) -> Iterator[Path]:
    """Let no file of this process grow beyond 24 KB: EFBIG, everywhere and without privileges."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (24_000, hard))
    try:
        yield folder
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    """A disk of 24 KB: ENOSPC, where mounting is permitted."""
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip(f"mounting is not permitted here; {errno.errorcode[errno.EFBIG]} is tested instead")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.fixture(params=[_file_size_limit, _small_disk], ids=["size limit", "full disk"])
def no_space(request: pytest.FixtureRequest, tmp_path: Path) -> AbstractContextManager[Path]:
    """A context that yields a folder in which nothing larger than 24 KB fits."""
    manager: AbstractContextManager[Path] = request.param(tmp_path)
    return manager
