"""Contact sheets of the stage, one for each family: what docs/stage.md shows.

    python docs/examples/stage_gallery.py [--out docs/images/stage]

For every kind a clip of the test split that is 16:9 and has at least three events: six frames around
one of them, below the same frames as a centred close-up of half of each side shows them, and beside them the
whole clip's mel spectrogram and waveform with every event marked.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cinefoley.config.mel import MelConfig
from cinefoley.spectral.mel import mel_spectrogram
from cinefoley.stage.actor import Actor
from cinefoley.stage.kinds import KINDS
from cinefoley.stage.render import StageTake, draw_take

Picture = NDArray[np.uint8]

FRAME = (99, 176)
CLOSE_UP = np.array([0.25, 0.25, 0.75, 0.75])
AROUND_STROKE = (-0.25, -0.12, 0.02, 0.12, 0.25, 0.45)
AROUND_SPELL = (-0.25, 0.0, 0.33, 0.67, 1.0, 1.3)  # of its length, but the first and last
SOUND_WIDTH = 480
RATE = 16000
MEL = MelConfig(hop_length=250, n_mels=FRAME[0])
MARK = (255, 176, 0)
LIMIT = 500_000


def main() -> None:
    """Draw and write the sheets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/images/stage"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for family in sorted({actor.family for actor in KINDS}):
        rows = [draw_row(actor) for actor in KINDS if actor.family == family]
        sheet = np.concatenate(rows, axis=0)
        done, data = cv2.imencode(".jpg", sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 84])
        if not done or len(data) > LIMIT:
            raise SystemExit(f"{family}.jpg would have {len(data)} bytes, more than {LIMIT}")
        (args.out / f"{family}.jpg").write_bytes(data.tobytes())
        print(f"{args.out / family}.jpg {sheet.shape[1]}x{sheet.shape[0]} {len(data) // 1024} KB")


def find_take(actor: type[Actor]) -> tuple[int, StageTake]:
    """A lively wide clip of a kind, with its seed."""
    first = 20 * KINDS.index(actor)  # or all kinds would share one scene
    for seed in range(first, first + 1000):
        take = draw_take(seed, split="test", kind=actor.kind)
        if take.aspect > 1 and len(take.hits.times) >= 3:
            return seed, take
    raise SystemExit(f"no clip of {actor.kind} with three events")


def draw_row(actor: type[Actor]) -> Picture:
    """Frames, crops and sound of one kind."""
    seed, take = find_take(actor)
    start, lasts = take.hits.times[1], take.hits.durations[1]
    offsets = np.array(AROUND_SPELL if lasts > 0 else AROUND_STROKE)
    if lasts > 0:
        offsets = np.where(offsets < 0, offsets, np.where(offsets <= 1, offsets * lasts, lasts + 0.3))
    times = start + offsets
    full = take.frames(times, size=FRAME)
    close = take.frames(times, size=FRAME, windows=CLOSE_UP)
    for frame, offset in zip(full, offsets, strict=True):
        _write(frame, f"{offset:+.2f} s", (4, FRAME[0] - 6))
    material, size = take.actor.material.name, take.actor.size
    _write(full[0], f"{actor.kind} ({material}, size {size:.1f}, seed {seed})", (4, 13))
    strips = [_side_by_side(full), _side_by_side(close)]
    sounds = [_spectrogram(take, times), _waveform(take)]
    rows = [np.concatenate([strip, sound], axis=1) for strip, sound in zip(strips, sounds, strict=True)]
    line = np.full((6, rows[0].shape[1], 3), 255, dtype=np.uint8)
    return np.concatenate([*rows, line], axis=0)


def _side_by_side(frames: Picture) -> Picture:
    gap = np.full((FRAME[0], 2, 3), 255, dtype=np.uint8)
    return np.concatenate([part for frame in frames for part in (frame, gap)], axis=1)


def _spectrogram(take: StageTake, times: NDArray[np.float64]) -> Picture:
    """Low bands below; orange ticks are events, the white line above spans the frames on the left."""
    mel = mel_spectrogram(torch.from_numpy(take.waveform(RATE))[None], MEL)[0].numpy()[::-1]
    gray = cv2.resize((mel.clip(0, 1) * 255).astype(np.uint8), (SOUND_WIDTH, FRAME[0]))
    picture = cv2.cvtColor(cv2.applyColorMap(gray, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    left, right = (round(t / take.duration_s * SOUND_WIDTH) for t in (times[0], times[-1]))
    cv2.line(picture, (left, 2), (right, 2), (255, 255, 255), 2)
    for start, lasts in zip(take.hits.times, take.hits.durations, strict=True):
        x, end = (round(t / take.duration_s * SOUND_WIDTH) for t in (start, start + lasts))
        cv2.line(picture, (x, FRAME[0] - 12), (x, FRAME[0]), MARK, 2)
        cv2.line(picture, (x, FRAME[0] - 2), (end, FRAME[0] - 2), MARK, 2)
    return np.asarray(picture, dtype=np.uint8)


def _waveform(take: StageTake) -> Picture:
    picture = np.full((FRAME[0], SOUND_WIDTH, 3), 24, dtype=np.uint8)
    sound = take.waveform(RATE)
    blocks = sound[: len(sound) // SOUND_WIDTH * SOUND_WIDTH].reshape(SOUND_WIDTH, -1)
    middle = FRAME[0] // 2
    for time_s in take.hits.times:
        x = round(time_s / take.duration_s * SOUND_WIDTH)
        cv2.line(picture, (x, 0), (x, FRAME[0]), (120, 84, 0), 1)
    for x, block in enumerate(blocks):
        high, low = (round(middle - value * (middle - 3)) for value in (block.max(), block.min()))
        cv2.line(picture, (x, high), (x, low), (140, 200, 255), 1)
    return picture


def _write(picture: Picture, text: str, place: tuple[int, int]) -> None:
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.36, 1)
    x, y = place
    cv2.rectangle(picture, (x - 2, y - height - 3), (x + width, y + 4), (30, 30, 30), -1)
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.36, (255, 255, 255), 1, cv2.LINE_AA)


if __name__ == "__main__":
    main()
