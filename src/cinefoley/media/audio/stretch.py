"""Time-stretch audio without changing its pitch, by FFmpeg's ``atempo`` (WSOLA)."""

from fractions import Fraction

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.filter import Graph

from cinefoley.media.audio.reader import Samples

__all__ = ["LARGEST_FACTOR", "stretch"]

LARGEST_FACTOR = 2.0
"""Largest change of length, up or down."""

_LEAD_S = 0.1


def stretch(samples: Samples, length: int, sample_rate: int) -> Samples:
    """Change the length of a sound and keep its pitch.

    Args:
        samples: ``(N,)`` float32.
        length: Samples of the result, from half to twice N.
        sample_rate: Samples per second.

    Returns:
        ``(length,)`` float32.

    Raises:
        ValueError: If ``length`` is out of range.
    """
    if not len(samples) / LARGEST_FACTOR <= length <= len(samples) * LARGEST_FACTOR:
        raise ValueError(f"length must be half to twice {len(samples)} samples, got {length}")
    if length == len(samples):
        return samples.copy()
    graph = Graph()
    source = graph.add_abuffer(
        sample_rate=sample_rate, format="flt", layout="mono", time_base=Fraction(1, sample_rate)
    )
    tempo = graph.add("atempo", f"{len(samples) / length:.9f}")
    sink = graph.add("abuffersink")
    source.link_to(tempo)
    tempo.link_to(sink)
    graph.configure()
    # WSOLA gives whole windows only: without more sound behind the end, the end would be silent
    padded = np.concatenate([samples, samples[::-1][: round(_LEAD_S * sample_rate)]]).astype(np.float32)
    frame = AudioFrame.from_ndarray(padded[None], format="flt", layout="mono")
    frame.sample_rate, frame.pts = sample_rate, 0
    graph.push(frame)
    graph.push(None)
    blocks = []
    while True:
        try:
            blocks.append(graph.pull().to_ndarray().reshape(-1))
        except (av.error.EOFError, av.error.BlockingIOError):
            break
    joined = np.concatenate([np.zeros(0, np.float32), *blocks])[:length]
    return np.pad(joined, (0, length - len(joined)))
