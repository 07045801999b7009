"""Peak memory of a long video: all windows streamed, then a WAV of its whole length muxed beside it.

The video is made in seconds by writing one encoded group of frames again and again. Each length is
measured in a process of its own, so that the peaks do not add up.

Run: python benchmarks/media/long_video.py
"""

import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch

from cinefoley.media.audio.writer import AudioWriter
from cinefoley.media.frames.windows import stream_windows
from cinefoley.media.muxing.replace_audio import replace_audio, video_hash
from cinefoley.media.timing import video_duration

RATE = 24
GROUP_S = 10
WINDOW_S, OVERLAP_S = 8, 1
SAMPLE_RATE = 16000


def make_video(path: Path, length_s: int) -> None:
    """Encode ten seconds of 96x54 once and mux them until the video is long enough."""
    ramp = np.linspace(0, 255, 96, dtype=np.uint8)[None, :, None].repeat(54, 0).repeat(3, 2)
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=RATE, options={"g": str(GROUP_S * RATE), "bf": "0"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 96, 54, "yuv420p"
        coded = []
        for n in range(GROUP_S * RATE):
            pixels = np.ascontiguousarray(np.roll(ramp, n, 1))
            frame = av.VideoFrame.from_ndarray(pixels)
            frame.pts, frame.time_base = n, Fraction(1, RATE)
            coded += stream.encode(frame)
        coded += stream.encode(None)
        data = [(bytes(packet), packet.is_keyframe) for packet in coded]
        for n in range(length_s * RATE):
            payload, is_key = data[n % len(data)]
            packet = av.Packet(payload)
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, RATE), is_key
            packet.pts = packet.dts = n
            packet.duration = 1
            target.mux(packet)


def write_noise(path: Path, length_s: int) -> None:
    """Noise as long as the video, written in blocks of a second."""
    generator = torch.Generator().manual_seed(0)
    with AudioWriter(path, SAMPLE_RATE) as writer:
        for _ in range(length_s):
            writer.write(torch.rand(SAMPLE_RATE, generator=generator) - 0.5)


def run(folder: Path, length_s: int) -> dict[str, float]:
    """Stream the windows and mux the audio; return the peaks in MiB and the seconds."""
    video, audio, out = folder / "video.mp4", folder / "audio.wav", folder / "out.mp4"
    base = _peak()
    begin = time.perf_counter()
    starts = [float(s) for s in range(0, length_s - OVERLAP_S, WINDOW_S - OVERLAP_S)]
    windows = sum(
        1 for _ in stream_windows(video, starts=starts, frames_per_window=WINDOW_S * 4, size=(224, 224))
    )
    streamed, streaming_s = _peak(), time.perf_counter() - begin
    begin = time.perf_counter()
    replace_audio(video, audio, out)
    muxing_s = time.perf_counter() - begin
    assert windows == len(starts)
    assert video_hash(out) == video_hash(video)
    return {
        "duration_s": video_duration(video),
        "windows": windows,
        "video_mib": video.stat().st_size / 2**20,
        "audio_mib": audio.stat().st_size / 2**20,
        "before_mib": base,
        "streaming_mib": streamed,
        "muxing_mib": _peak(),
        "streaming_s": streaming_s,
        "muxing_s": muxing_s,
    }


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print one line per length."""
    print(f"device {platform.machine()} CPU; av {av.__version__}, torch {torch.__version__}")
    print(f"96x54 at {RATE} fps; windows of {WINDOW_S} s, overlap {OVERLAP_S} s, 4 fps, 224x224; AAC")
    for length_s in (600, 7200):
        with tempfile.TemporaryDirectory() as folder:
            make_video(Path(folder) / "video.mp4", length_s)
            write_noise(Path(folder) / "audio.wav", length_s)
            command = [sys.executable, __file__, folder, str(length_s)]
            result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(f"{length_s:>5} s: video {result['video_mib']:.0f} MiB, audio {result['audio_mib']:.0f} MiB")
        print(f"        {result['before_mib']:4.0f} MiB peak RSS before")
        print(
            f"        {result['streaming_mib']:4.0f} MiB after {result['windows']} windows "
            f"({result['streaming_s']:.0f} s)"
        )
        print(f"        {result['muxing_mib']:4.0f} MiB after muxing ({result['muxing_s']:.0f} s)")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(run(Path(sys.argv[1]), int(sys.argv[2]))))
    else:
        main()
