"""Camera movement: what part of the scene the frame shows at every instant.

A camera is described by where the subject stands in its frame and by how large the frame is, both as
functions of time. It therefore fits a scene of any aspect.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cinefoley.stage.canvas import Point
from cinefoley.stage.distribution import CAMERA, CAMERAS, CameraKind, Range

__all__ = ["LOCKED_OFF", "CameraPath", "Framing", "Leg", "Shake", "Track", "View", "draw_camera"]

_WHOLE = np.array([0.0, 0.0, 1.0, 1.0])
_LARGEST_SUBJECT = 1.3  # of the frame's side: a push in stops there
_WAVES = 7  # sines of one shake
_FALL = 0.8  # amplitude of hand shake over frequency: f ** -0.8


@dataclass(frozen=True, slots=True)
class Leg:
    """One movement from wherever the track is to ``value``; at once if it starts and ends together."""

    start_s: float
    end_s: float
    value: float | None
    """Where it ends; None for the value that the scene's composition gives."""
    easing: float = 0.3
    """Share of the movement in which it gathers speed, and again in which it loses it; in (0, 0.5]."""


@dataclass(frozen=True, slots=True)
class Track:
    """A number over time: it starts at ``first``, and moves in legs that do not overlap."""

    first: float | None = None
    legs: tuple[Leg, ...] = ()

    def at(self, times_s: NDArray[np.float64], *, composed: float) -> NDArray[np.float64]:
        """Its values ``(T,)``; ``composed`` stands for None."""
        start = composed if self.first is None else self.first
        values = np.full(len(times_s), start)
        for leg in self.legs:
            end = composed if leg.value is None else leg.value
            values += (end - start) * _eased(times_s, leg)
            start = end
        return values


def _eased(times_s: NDArray[np.float64], leg: Leg) -> NDArray[np.float64]:
    """Share of a leg that is done: speed rises in a straight line, stays, and falls in a straight line."""
    if leg.end_s <= leg.start_s:
        return (times_s >= leg.start_s).astype(np.float64)
    along = np.clip((times_s - leg.start_s) / (leg.end_s - leg.start_s), 0, 1)
    to_end, ramp = np.minimum(along, 1 - along), leg.easing
    done = np.where(to_end < ramp, to_end**2 / (2 * ramp), to_end - ramp / 2) / (1 - ramp)
    return np.where(along < 0.5, done, 1 - done)


@dataclass(frozen=True, slots=True, eq=False)
class Shake:
    """Movement without an aim: sums of sines. x and y in short sides, roll in radians."""

    hz: NDArray[np.float64]
    """``(K,)`` frequencies."""
    amplitudes: NDArray[np.float64]
    """``(3, K)``."""
    phases: NDArray[np.float64]
    """``(3, K)`` in radians."""

    def at(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """``(3, T)``: x, y, roll."""
        angles = 2 * np.pi * self.hz[None, :, None] * times_s + self.phases[:, :, None]
        return np.asarray((self.amplitudes[:, :, None] * np.sin(angles)).sum(axis=1))


class View(NamedTuple):
    """What the camera shows at one instant; see :class:`Framing`."""

    window: NDArray[np.float64]
    pivot: NDArray[np.float64]
    roll: float
    slide: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Framing:
    """What the camera shows at T instants."""

    windows: NDArray[np.float64]
    """``(T, 4)``, ``(x0, y0, x1, y1)`` as fractions of the scene's frame; may reach beyond it."""
    pivots: NDArray[np.float64]
    """``(T, 2)``, the point about which the camera rolls, as fractions of the scene's frame."""
    rolls: NDArray[np.float64]
    """``(T,)``, the camera's roll in radians."""
    slides: NDArray[np.float64]
    """``(T,)``, how far the background has moved to the right behind the subject, in short sides."""

    def __iter__(self) -> Iterator[View]:
        return (
            View(*parts)
            for parts in zip(
                self.windows, self.pivots, self.rolls.tolist(), self.slides.tolist(), strict=True
            )
        )

    def through(self, windows: NDArray[np.float64]) -> "Framing":
        """What windows ``(T, 4)`` of the camera's frame, as fractions of it, show of the scene."""
        corner, size = self.windows[:, :2], self.windows[:, 2:] - self.windows[:, :2]
        shown = np.concatenate([corner + windows[:, :2] * size, corner + windows[:, 2:] * size], axis=1)
        return Framing(windows=shown, pivots=self.pivots, rolls=self.rolls, slides=self.slides)

    def boxes(self, boxes: NDArray[np.float64], frame: Point) -> NDArray[np.float32]:
        """Boxes ``(T, 4)`` of the scene's frame as fractions of what is shown.

        A rolled box is the upright box around it.

        Args:
            boxes: ``(x0, y0, x1, y1)`` at each instant, as fractions of the scene's frame.
            frame: Width and height of that frame, in its shorter sides.
        """
        corners = boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]]
        if self.rolls.any():
            cos, sin = np.cos(self.rolls), np.sin(self.rolls)
            turns = np.stack([np.stack([cos, sin], axis=1), np.stack([-sin, cos], axis=1)], axis=1)
            pivots = self.pivots[:, None]
            corners = (corners - pivots) * np.array(frame) @ turns / np.array(frame) + pivots
        corner, size = self.windows[:, None, :2], (self.windows[:, 2:] - self.windows[:, :2])[:, None]
        seen = (corners - corner) / size
        return np.concatenate([seen.min(axis=1), seen.max(axis=1)], axis=1).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraPath:
    """The camera of one clip."""

    kind: CameraKind
    across: Track = Track()
    """The subject's place across the frame, 0 at its left border and 1 at its right."""
    down: Track = Track()
    """The subject's place down the frame, 0 at its top and 1 at its bottom."""
    side: Track = Track(1.0)
    """Side of the frame as a fraction of the scene's own frame."""
    slide: Track = Track(0.0)
    """How far the background has moved to the right behind the subject, in the frame's shorter sides."""
    shakes: tuple[Shake, ...] = ()
    cuts_s: tuple[float, ...] = ()
    """When the frame changes at once."""

    @property
    def is_moving(self) -> bool:
        """Whether the frame ever changes."""
        return self.kind != "locked_off"

    def framing(
        self, times_s: NDArray[np.float64], *, frame: Point, subject: Point, extent: Point
    ) -> Framing:
        """What it shows at the instants ``(T,)``.

        Args:
            times_s: In seconds.
            frame: Width and height of the scene's frame, in its shorter sides.
            subject: The subject's place in the scene's frame, as fractions of it.
            extent: The subject's width and height, as fractions of it.
        """
        count = len(times_s)
        if not self.is_moving:
            return Framing(
                windows=np.broadcast_to(_WHOLE, (count, 4)),
                pivots=np.full((count, 2), 0.5),
                rolls=np.zeros(count),
                slides=np.zeros(count),
            )
        side = np.maximum(self.side.at(times_s, composed=1.0), max(extent) / _LARGEST_SUBJECT)
        shaken = sum((shake.at(times_s) for shake in self.shakes), start=np.zeros((3, count)))
        low, high = CAMERA.composed.low, CAMERA.composed.high
        corners = []
        for axis, track in enumerate((self.across, self.down)):
            place = track.at(times_s, composed=min(max(subject[axis], low), high))
            corners.append(subject[axis] - (place + shaken[axis] / frame[axis]) * side)
        corner = np.stack(corners, axis=1)
        return Framing(
            windows=np.concatenate([corner, corner + side[:, None]], axis=1),
            pivots=corner + side[:, None] / 2,
            rolls=shaken[2],
            slides=self.slide.at(times_s, composed=0.0),
        )


LOCKED_OFF = CameraPath(kind="locked_off")
"""The camera on its tripod: it shows the scene's own frame."""


def draw_camera(rng: np.random.Generator, duration_s: float) -> CameraPath:
    """Draw a camera as :mod:`cinefoley.stage.distribution` says, for a clip of this length."""
    kinds = list(CAMERAS)
    kind = kinds[int(rng.choice(len(kinds), p=list(CAMERAS.values())))]
    if kind == "locked_off":
        return LOCKED_OFF
    side = CAMERA.frame.draw(rng)
    if kind == "handheld":
        return CameraPath(kind=kind, side=Track(side), shakes=(_draw_sway(rng), _draw_hands(rng)))
    shakes = (_draw_hands(rng),) if rng.random() < CAMERA.on_shoulder else ()
    if kind in ("pan", "tilt"):
        track, place = _draw_sweep(rng, duration_s, kind), Track()
        across, down = (track, place) if kind == "pan" else (place, track)
        return CameraPath(kind=kind, across=across, down=down, side=Track(side), shakes=shakes)
    if kind == "tracking":
        slide = float(rng.choice((-1, 1))) * CAMERA.track.draw(rng) / 2
        leg = Leg(0.0, duration_s, slide, CAMERA.easing.draw(rng))
        return CameraPath(
            kind=kind, side=Track(side), slide=Track(-slide, (leg,)), shakes=(_draw_error(rng),)
        )
    if kind == "reframing_cut":
        return _draw_cut(rng, duration_s, side, shakes)
    return _draw_push(rng, duration_s, kind, shakes)


def _draw_sweep(rng: np.random.Generator, duration_s: float, kind: CameraKind) -> Track:
    """Places of the subject during a pan or tilt; a tilt leaves it upwards only."""
    rest = CAMERA.rest.draw(rng)
    if rng.random() < CAMERA.leaves:
        beyond = CAMERA.beyond.draw(rng)
        away = 1 + beyond if rng.random() < 0.5 or kind == "tilt" else -beyond
        manner = rng.random()
        if manner < CAMERA.returns:
            places = [rest, away, CAMERA.rest.draw(rng)]
        else:
            places = [away, rest] if manner < CAMERA.returns + CAMERA.arrives else [rest, away]
    else:
        low, high = CAMERA.rest.low, CAMERA.rest.high
        ends = [p for p in (Range(low, high).draw(rng) for _ in range(16)) if _is_far(p, rest)]
        places = [rest, ends[0] if ends else low + high - rest]
        if rng.random() < CAMERA.back:
            places.append(CAMERA.rest.draw(rng))
    return Track(places[0], _draw_legs(rng, duration_s, places[1:]))


def _is_far(place: float, other: float) -> bool:
    return abs(place - other) >= CAMERA.least_travel


def _draw_legs(rng: np.random.Generator, duration_s: float, places: list[float]) -> tuple[Leg, ...]:
    """Movements to each place in turn, somewhere in the clip, with a rest between two."""
    moves = [CAMERA.move_s.draw(rng) for _ in places]
    holds = [CAMERA.hold_s.draw(rng) for _ in places[1:]]
    fit = min(1.0, 0.95 * duration_s / (sum(moves) + sum(holds)))
    start = float(rng.uniform(0, duration_s - fit * (sum(moves) + sum(holds))))
    legs = []
    for place, move, hold in zip(places, moves, [*holds, 0.0], strict=True):
        legs.append(Leg(start, start + fit * move, place, CAMERA.easing.draw(rng)))
        start += fit * (move + hold)
    return tuple(legs)


def _draw_push(
    rng: np.random.Generator, duration_s: float, kind: CameraKind, shakes: tuple[Shake, ...]
) -> CameraPath:
    """Push in, or the same backwards: pull out."""
    near = CAMERA.zoom.draw(rng)
    (leg,) = _draw_legs(rng, duration_s, [near])
    tracks: list[tuple[float | None, float | None]] = [
        (1.0, near),
        (None, CAMERA.recentred.draw(rng)),
        (None, CAMERA.recentred.draw(rng)),
    ]
    if kind == "pull_out":
        tracks = [(end, start) for start, end in tracks]
    side, across, down = (
        Track(start, (Leg(leg.start_s, leg.end_s, end, leg.easing),)) for start, end in tracks
    )
    return CameraPath(kind=kind, across=across, down=down, side=side, shakes=shakes)


def _draw_cut(
    rng: np.random.Generator, duration_s: float, side: float, shakes: tuple[Shake, ...]
) -> CameraPath:
    """A wider and a nearer frame of the same action, either first; now and then a cut back."""
    nearer = side * CAMERA.zoom.draw(rng)
    places: list[tuple[float | None, float | None]] = [
        (side, nearer),
        (None, CAMERA.recentred.draw(rng)),
        (None, CAMERA.recentred.draw(rng)),
    ]
    if rng.random() < 0.5:
        places = [(second, first) for first, second in places]
    cuts = [CAMERA.cut_at.draw(rng) * duration_s]
    if rng.random() < CAMERA.cut_back:
        cuts.append((cuts[0] + duration_s) / 2)
    frame, across, down = (
        Track(pair[0], tuple(Leg(cut, cut, pair[1 - number]) for number, cut in enumerate(cuts)))
        for pair in places
    )
    return CameraPath(
        kind="reframing_cut", across=across, down=down, side=frame, shakes=shakes, cuts_s=tuple(cuts)
    )


def _draw_hands(rng: np.random.Generator) -> Shake:
    roll = math.radians(CAMERA.roll_deg.draw(rng))
    return _draw_shake(rng, CAMERA.shake_hz, CAMERA.shake.draw(rng), roll)


def _draw_sway(rng: np.random.Generator) -> Shake:
    return _draw_shake(rng, CAMERA.sway_hz, CAMERA.sway.draw(rng), 0.0)


def _draw_error(rng: np.random.Generator) -> Shake:
    return _draw_shake(rng, CAMERA.sway_hz, CAMERA.track_error.draw(rng), 0.0)


def _draw_shake(rng: np.random.Generator, band_hz: tuple[float, float], rms: float, roll: float) -> Shake:
    """Sines at random frequencies of a band, evenly in its logarithm."""
    low, high = np.log(band_hz).tolist()
    hz = np.exp(rng.uniform(low, high, _WAVES))
    shape = hz**-_FALL * rng.uniform(0.5, 1.5, (3, _WAVES))
    shape *= math.sqrt(2) / np.linalg.norm(shape, axis=1, keepdims=True)
    return Shake(hz, shape * np.array([[rms], [rms], [roll]]), rng.uniform(0, 2 * np.pi, (3, _WAVES)))
