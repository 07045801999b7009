"""Contact sheets of the filmed stage, as docs/stage.md shows them.

    python docs/examples/stage_gallery.py [--out docs/images/stage]

- One sheet for each family. For every kind a 16:9 clip of the test split with at least three events: six
  frames around one of them, the same frames as a centred close-up of half of each side, and the whole clip's
  mel spectrogram and waveform with every event marked.
- ``cameras.jpg``: for every camera six frames from the whole clip, each source's target outlined.
- ``effects.jpg``: for every effect of optics and delivery the same six frames without it and with it.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cinefoley.config.mel import MelConfig
from cinefoley.spectral.mel import mel_spectrogram
from cinefoley.stage.actor import Actor
from cinefoley.stage.camera import LOCKED_OFF
from cinefoley.stage.delivery import Delivery, Drift, Grade
from cinefoley.stage.distribution import CameraKind
from cinefoley.stage.film import Film
from cinefoley.stage.kinds import KINDS
from cinefoley.stage.optics import Optics, draw_optics
from cinefoley.stage.render import StageTake, draw_take

Picture = NDArray[np.uint8]

FRAME = (90, 160)
CLOSE_UP = np.array([0.25, 0.25, 0.75, 0.75])
AROUND_STROKE = (-0.25, -0.12, 0.02, 0.12, 0.25, 0.45)
AROUND_SPELL = (-0.25, 0.0, 0.33, 0.67, 1.0, 1.3)  # of its length, but the first and last
SOUND_WIDTH = 400
RATE = 16000
MEL = MelConfig(hop_length=250, n_mels=FRAME[0])
MARK = (255, 176, 0)
LIMIT = 400_000


def main() -> None:
    """Draw and write the sheets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/images/stage"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for family in sorted({actor.family for actor in KINDS}):
        write(args.out / f"{family}.jpg", [draw_kind(actor) for actor in KINDS if actor.family == family])
    write(args.out / "cameras.jpg", [draw_camera(kind) for kind in get_args(CameraKind)])
    write(args.out / "effects.jpg", draw_effects())


def write(path: Path, rows: list[Picture]) -> None:
    """Write rows below each other."""
    sheet = np.concatenate(rows, axis=0)
    done, data = cv2.imencode(".jpg", sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 78])
    if not done or len(data) > LIMIT:
        raise SystemExit(f"{path.name} would have {len(data)} bytes, more than {LIMIT}")
    path.write_bytes(data.tobytes())
    print(f"{path} {sheet.shape[1]}x{sheet.shape[0]} {len(data) // 1024} KB")


def find_take(actor: type[Actor]) -> tuple[int, StageTake]:
    """A lively wide clip of a kind, seen at its second event, with its seed."""
    first = 20 * KINDS.index(actor)  # or all kinds would share one scene
    for seed in range(first, first + 1000):
        take = draw_take(seed, split="test", kind=actor.kind, version="filmed")
        if take.aspect > 1 and len(take.hits.times) >= 3 and take.events(size=FRAME)[1].is_visible:
            return seed, take
    raise SystemExit(f"no clip of {actor.kind} with three events")


def draw_kind(actor: type[Actor]) -> Picture:
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
        label(frame, f"{offset:+.2f} s", (4, FRAME[0] - 6))
    camera = take.film.camera.kind.replace("_", " ")
    label(full[0], f"{actor.kind} ({camera}, seed {seed})", (4, 12))
    strips = [side_by_side(full), side_by_side(close)]
    sounds = [draw_spectrogram(take, times), draw_waveform(take)]
    rows = [np.concatenate([strip, sound], axis=1) for strip, sound in zip(strips, sounds, strict=True)]
    return with_line(np.concatenate(rows, axis=0))


def draw_camera(kind: CameraKind) -> Picture:
    """Six frames of a clip with this camera and no other effect."""
    takes = (draw_take(seed, split="test", version="filmed") for seed in range(5, 2000))
    take = next(t for t in takes if t.film.camera.kind == kind and t.aspect > 1 and len(t.hits.times) > 2)
    take = replace(take, film=Film(version="filmed", camera=take.film.camera))
    times = np.linspace(0.2, take.duration_s - 0.3, 6)
    frames = take.frames(times, size=FRAME)
    for source in range(len(take.actors)):
        boxes, _ = take.boxes(times, size=FRAME, source=source)
        for frame, box in zip(frames, boxes * np.tile(FRAME[::-1], 2), strict=True):
            x0, y0, x1, y1 = np.rint(box).astype(int).tolist()
            cv2.rectangle(frame, (x0, y0), (x1, y1), MARK, 1)
    for frame, time_s in zip(frames, times, strict=True):
        label(frame, f"{time_s:.1f} s", (4, FRAME[0] - 6))
    label(frames[0], f"{kind.replace('_', ' ')} ({take.actor.kind}, seed {take.seed})", (4, 12))
    return with_line(side_by_side(frames))


def draw_effects() -> list[Picture]:
    """One clip without any effect, and with each alone, at the strong end of its range."""
    clips = (draw_take(seed, split="test", kind="hammer") for seed in range(100))
    clip = next(take for take in clips if len(take.hits.times) > 2 and is_central(take))
    rng = np.random.default_rng(5)
    surfaces = draw_optics(rng)
    effects: dict[str, tuple[Optics, Delivery]] = {
        "no effect": (Optics(), Delivery()),
        "textures and patterns": (Optics(surfaces=surfaces.surfaces), Delivery()),
        "shading of actors": (Optics(shading=surfaces.shading), Delivery()),
        "shallow depth of field": (Optics(blur=0.016), Delivery()),
        "motion blur": (Optics(shutter=0.8), Delivery()),
        "vignette": (Optics(vignette=0.5), Delivery()),
        "grain": (Optics(), Delivery(grain=7.0)),
        "exposure drift": (Optics(), Delivery(exposure=Drift(0.27, 4.0, 0.0))),
        "white balance drift": (Optics(), Delivery(warmth=Drift(0.10, 4.0, 0.0))),
        "grade": (Optics(), Delivery(grade=Grade(contrast=1.2, saturation=0.45, tone=(14.0, -12.0)))),
        "low bit rate": (Optics(), Delivery(quality=15)),
        "black bars": (Optics(), Delivery(picture=(1.0, 0.76))),
        "12 frames a second": (Optics(), Delivery(rate=12.0)),
    }
    start = clip.hits.times[1]
    times = start + np.array((-0.20, -0.12, -0.04, 0.04, 0.12, 1.30))
    rows = []
    for name, (optics, delivery) in effects.items():
        film = Film(version="filmed", camera=LOCKED_OFF, optics=optics, delivery=delivery)
        frames = replace(clip, film=film).frames(times, size=FRAME)
        label(frames[0], name, (4, 12))
        rows.append(with_line(side_by_side(frames)))
    return rows


def is_central(take: StageTake) -> bool:
    """Whether a clip is wide and its contact in the middle third of the frame's height."""
    (_, top, _, bottom) = take.boxes([1.0], size=FRAME)[1][0]
    return take.aspect > 1 and bool(1 / 3 < (top + bottom) / 2 < 2 / 3)


def side_by_side(frames: Picture) -> Picture:
    """Frames in a row."""
    gap = np.full((FRAME[0], 2, 3), 255, dtype=np.uint8)
    return np.concatenate([part for frame in frames for part in (frame, gap)], axis=1)


def with_line(row: Picture) -> Picture:
    """A row with a white line below."""
    return np.concatenate([row, np.full((4, row.shape[1], 3), 255, dtype=np.uint8)], axis=0)


def draw_spectrogram(take: StageTake, times: NDArray[np.float64]) -> Picture:
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


def draw_waveform(take: StageTake) -> Picture:
    """The waveform's peaks; lines are events."""
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


def label(picture: Picture, text: str, place: tuple[int, int]) -> None:
    """Write into a frame, in place."""
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.34, 1)
    x, y = place
    cv2.rectangle(picture, (x - 2, y - height - 3), (x + width, y + 4), (30, 30, 30), -1)
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.34, (255, 255, 255), 1, cv2.LINE_AA)


if __name__ == "__main__":
    main()
