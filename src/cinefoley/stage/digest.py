"""Digest of the stage: identifies what its clips look and sound like.

Tables made with different digests cannot be compared.
"""

import functools
import hashlib
import json

import numpy as np

from cinefoley.stage.kinds import KINDS
from cinefoley.stage.render import draw_take
from cinefoley.stage.version import StageVersion

__all__ = ["stage_digest"]

_SIZE = (48, 64)
_TIMES_S = (0.4, 1.1, 1.9, 2.6)
_DURATION_S = 3.0
_RATE = 16000
_DRAWN = 40


@functools.cache
def stage_digest(version: StageVersion | None = None) -> str:
    """SHA-256 over what the stage renders: frames, crops, sounds, events and boxes of a fixed list of clips.

    Every kind is rendered once, and some clips of every split are drawn. Comments and names may change
    without changing it; whatever a clip looks or sounds like may not.

    Args:
        version: Which stage; :data:`~cinefoley.stage.version.DEFAULT_VERSION` if None.

    Returns:
        64 hexadecimal digits. It takes about a second, once per process.
    """
    digest = hashlib.sha256()
    for number, actor in enumerate(KINDS):
        take = draw_take(number, split="train", duration_s=_DURATION_S, kind=actor.kind, version=version)
        window = np.array([0.3, 0.2, 0.8, 0.7])
        digest.update(take.frames(_TIMES_S, size=_SIZE).tobytes())
        digest.update(take.frames(_TIMES_S[:2], size=_SIZE, aspect=take.aspect, windows=window).tobytes())
        digest.update(np.rint(take.waveform(_RATE) * 32768).astype("<i2").tobytes())
    for split in ("train", "valid", "test"):
        for seed in range(_DRAWN):
            take = draw_take(seed, split=split, version=version)
            boxes = [take.boxes(_TIMES_S, size=_SIZE, source=n) for n in range(len(take.actors))]
            events = [
                (event.kind, round(event.time_s, 6), round(event.strength, 6), round(event.duration_s, 6))
                for event in take.events(size=_SIZE)
            ]
            described = [events, [np.round(box.astype(float), 4).tolist() for pair in boxes for box in pair]]
            digest.update(json.dumps([split, seed, round(take.aspect, 6), *described]).encode())
    return digest.hexdigest()
