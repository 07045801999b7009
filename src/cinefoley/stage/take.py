"""A clip that is drawn but not rendered: any frame or crop at any size, the sound at any rate."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefoley.stage.actor import Actor, Box, Hit
from cinefoley.stage.camera import Framing, View
from cinefoley.stage.canvas import Canvas, Projection
from cinefoley.stage.clip import StageEvent, StageSource, visible_share
from cinefoley.stage.figure import FLOOR
from cinefoley.stage.film import PLAIN, Film
from cinefoley.stage.generator import Split, make_generator
from cinefoley.stage.rhythm import Hits
from cinefoley.stage.scene import Composition, Scene
from cinefoley.stage.synthesis import place_in_room
from cinefoley.stage.world import World

__all__ = ["Split", "StageTake"]

_WHOLE = np.array([0.0, 0.0, 1.0, 1.0])
_FINE = 160  # smaller pictures are drawn at twice their size and averaged
_PEAK = 0.97


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StageTake:
    """A clip that is drawn but not rendered."""

    seed: int
    split: Split
    duration_s: float
    actors: tuple[Actor, ...]
    """Everything that sounds: one, now and then two."""
    scene: Scene
    aspect: float
    """Width over height that was drawn for it: 16:9, 9:16 or square. Any other may be rendered as well."""
    film: Film = PLAIN
    """How it is filmed."""

    @property
    def actor(self) -> Actor:
        """The first source."""
        return self.actors[0]

    @property
    def hits(self) -> Hits:
        """The events of every source, in order of time."""
        if len(self.actors) == 1:
            return self.actors[0].hits
        parts = [actor.hits for actor in self.actors]
        order = np.argsort(np.concatenate([part.times for part in parts]), kind="stable")
        return Hits(
            np.concatenate([part.times for part in parts])[order],
            np.concatenate([part.strengths for part in parts])[order],
            np.concatenate([part.durations for part in parts])[order],
        )

    def frames(
        self,
        times_s: Sequence[float] | NDArray[np.float64],
        *,
        size: tuple[int, int],
        aspect: float | None = None,
        windows: NDArray[np.float64] | None = None,
    ) -> NDArray[np.uint8]:
        """Pictures at the given instants, or what a moving crop window shows of them.

        A window is drawn at its own scale straight into ``size``: the same picture, up to anti-aliasing, as
        cropping a larger rendering and resizing it.

        Args:
            times_s: Seconds from the clip's start.
            size: Height and width in pixels.
            aspect: Width over height of the whole frame, squashed into ``size`` if it differs; that of
                ``size`` if None.
            windows: ``(T, 4)`` or ``(4,)``, ``(x0, y0, x1, y1)`` as fractions of the frame; the whole frame
                if None.

        Returns:
            ``(T, H, W, 3)`` RGB.

        Raises:
            ValueError: If windows have another shape, or are empty.
        """
        times = np.asarray(times_s, dtype=np.float64)
        shown = _check_windows(windows, len(times))
        factor = 2 if max(size) <= _FINE else 1
        raster = (size[0] * factor, size[1] * factor)
        composition = self._compose(size[1] / size[0] if aspect is None else aspect)
        frames = np.empty((len(times), *size, 3), dtype=np.uint8)
        if len(times):
            framing = self._framing(times, composition).through(shown)
            world = World(self.scene, composition, raster, framing)
            for frame, time_s, view in zip(frames, times.tolist(), framing, strict=True):
                image = self._paint(world, composition, time_s, view)
                frame[...] = (
                    image if factor == 1 else cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
                )
        return frames

    def boxes(
        self, times_s: Sequence[float] | NDArray[np.float64], *, size: tuple[int, int], source: int = 0
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Boxes ``(T, 4)`` of a source's target and contact at the given instants, as fractions of the frame.

        Only the ratio of ``size`` matters.
        """
        composition = self._compose(size[1] / size[0])
        actor, times = self.actors[source], np.asarray(times_s, dtype=np.float64)
        framing = self._framing(times, composition)
        target, contact = [], []
        for time_s in times.tolist():
            projection = self._projection(source, composition, time_s)
            target.append(_box_in_frame(projection, actor.target_box(time_s), composition))
            contact.append(_box_in_frame(projection, actor.contact_box(time_s), composition))
        return framing.boxes(np.array(target).reshape(-1, 4), composition.frame), framing.boxes(
            np.array(contact).reshape(-1, 4), composition.frame
        )

    def sources(
        self, times_s: Sequence[float] | NDArray[np.float64], *, size: tuple[int, int]
    ) -> tuple[StageSource, ...]:
        """Everything that sounds, with its boxes at the given instants."""
        boxes = [self.boxes(times_s, size=size, source=source) for source in range(len(self.actors))]
        return tuple(
            StageSource(kind=actor.kind, family=actor.family, target_boxes=target, contact_boxes=contact)
            for actor, (target, contact) in zip(self.actors, boxes, strict=True)
        )

    def events(self, *, size: tuple[int, int]) -> tuple[StageEvent, ...]:
        """Every event, in order of time, and whether a frame of ``size`` shows its contact."""
        events = []
        for source, actor in enumerate(self.actors):
            hits = actor.hits
            seen = visible_share(self.boxes(hits.times, size=size, source=source)[1]) > 0
            for index, time_s in enumerate(hits.times.tolist()):
                events.append(
                    StageEvent(
                        time_s=time_s,
                        kind=actor.kind,
                        strength=float(hits.strengths[index]),
                        is_onset_like=actor.is_onset_like,
                        source=source,
                        is_visible=bool(seen[index]),
                        duration_s=float(hits.durations[index]),
                    )
                )
        return tuple(sorted(events, key=lambda event: event.time_s))

    def waveform(self, sample_rate: int) -> NDArray[np.float32]:
        """Sound ``(N,)`` in [-1, 1], as long as the clip.

        It is a whole number of 16-bit steps, so that it is the same on every machine and exactly 0 where
        nothing sounds.
        """
        count = round(self.duration_s * sample_rate)
        total = np.zeros(count)
        for source, (actor, place) in enumerate(zip(self.actors, self.scene.placements, strict=True)):
            dry = self._dry(source, actor, count, sample_rate)
            total += place.level * place_in_room(
                dry,
                rng=make_generator(self.seed, self.split, f"room/{source}"),
                reverb_s=self.scene.reverb_s,
                wet=place.wet,
                sample_rate=sample_rate,
            )
        peak = float(np.abs(total).max(initial=0.0))
        scaled = total * (_PEAK / peak) if peak > _PEAK else total
        return (np.rint(scaled * 32768) / 32768).astype(np.float32)

    def _dry(self, source: int, actor: Actor, count: int, sample_rate: int) -> NDArray[np.float64]:
        dry = np.zeros(count)
        hits = actor.hits
        for index, time_s in enumerate(hits.times.tolist()):
            hit = Hit(index, float(hits.strengths[index]), float(hits.durations[index]))
            rng = make_generator(self.seed, self.split, f"sound/{source}/{index}")
            event = actor.sound(hit, rng, sample_rate)
            start = round(time_s * sample_rate)
            end = min(count, start + len(event))
            dry[start:end] += event[: end - start]
        return dry

    def _compose(self, aspect: float) -> Composition:
        return self.scene.compose(aspect, tuple(actor.target for actor in self.actors))

    def _sway(self, time_s: float) -> NDArray[np.float64]:
        """How far the picture is moved by drift and quakes, in short sides."""
        quake = max(actor.shake(time_s) for actor in self.actors)
        along = time_s / self.duration_s - 0.5
        x, y = self.scene.drift
        jolt = quake * np.array([math.sin(61.0 * time_s), math.cos(53.0 * time_s)])
        return np.array([x * along, y * along]) + jolt

    def _framing(self, times_s: NDArray[np.float64], composition: Composition) -> Framing:
        """What the camera shows: it follows the place where the first source makes its sound."""
        projection = self._projection(0, composition, None)
        boxes = [
            _box_in_frame(projection, box, composition) for box in (self.actor.contact, self.actor.target)
        ]
        (x, y), (width, height) = (boxes[0][:2] + boxes[0][2:]) / 2, boxes[1][2:] - boxes[1][:2]
        return self.film.camera.framing(
            times_s, frame=composition.frame, subject=(float(x), float(y)), extent=(width, height)
        )

    def _projection(self, source: int, composition: Composition, time_s: float | None) -> Projection:
        """Maps the actor's coordinates to short sides from the corner of the scene's frame.

        Without drift and quakes if ``time_s`` is None.
        """
        shot = composition.shots[source]
        mirror = -1 if self.scene.placements[source].is_mirrored else 1
        origin = np.array(composition.origins[source])
        origin = origin if time_s is None else origin + self._sway(time_s)
        return Projection(np.diag([shot * mirror, shot]), origin)

    def _paint(self, world: World, composition: Composition, time_s: float, view: View) -> NDArray[np.uint8]:
        sway = self._sway(time_s)
        flash = max(actor.flash(time_s) for actor in self.actors)
        lens = world.lens(view)
        image = world.picture(view, sway)
        if flash > 0.01:
            image = np.asarray(cv2.convertScaleAbs(image, alpha=1 + 0.8 * flash, beta=40 * flash), np.uint8)
        red, green, blue = (f * (1 + 0.4 * flash) for f in self.scene.light)
        light, tilt = (red, green, blue), self.scene.tilt
        middle = np.array([composition.frame[0] / 2 + view.slide, composition.horizon])
        backdrop = lens.over(np.eye(2), middle + sway)
        far = Canvas(image, backdrop, light=light, tilt=tilt)
        for distractor in self.scene.distractors:
            distractor.paint(far, time_s)
        order = sorted(range(len(self.actors)), key=lambda source: composition.shots[source])
        cameras = [self._projection(source, composition, time_s) for source in order]
        cameras = [lens.over(camera.linear, camera.offset) for camera in cameras]
        for source, camera in zip(order, cameras, strict=True):
            self.actors[source].paint_ground(Canvas(image, camera, light=light, tilt=tilt), time_s)
        slant, length, darkness = self.scene.shadow
        overlay = image.copy()
        for source, camera in zip(order, cameras, strict=True):
            cast = camera.over(
                np.array([[1.0, 0.0], [-slant, length]]), np.array([slant * FLOOR, FLOOR * (1 - length)])
            )
            self.actors[source].paint(Canvas(overlay, cast, tilt=tilt, tint=(14, 14, 20)), time_s)
        image = np.asarray(cv2.addWeighted(overlay, darkness, image, 1 - darkness, 0), np.uint8)
        for source, camera in zip(order, cameras, strict=True):
            self.actors[source].paint(Canvas(image, camera, light=light, tilt=tilt), time_s)
        return image


def _box_in_frame(projection: Projection, box: Box, composition: Composition) -> NDArray[np.float64]:
    """A box of an actor as fractions of the scene's frame."""
    corners = projection.to_pixels([(box[0], box[1]), (box[2], box[3])]) / np.array(composition.frame)
    return np.concatenate([corners.min(axis=0), corners.max(axis=0)])


def _check_windows(windows: NDArray[np.float64] | None, count: int) -> NDArray[np.float64]:
    shown = _WHOLE if windows is None else np.asarray(windows, dtype=np.float64)
    if shown.shape not in {(4,), (count, 4)}:
        raise ValueError(f"windows must be ({count}, 4) or (4,), got {shown.shape}")
    shown = np.broadcast_to(shown, (count, 4))
    if not (shown[:, 2:] - shown[:, :2] > 1e-3).all():
        raise ValueError("windows must be (x0, y0, x1, y1) with x0 < x1 and y0 < y1")
    return shown
