"""Stage takes: clips drawn from a seed, whose frames and sound are rendered on demand."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefoley.stage.actor import Actor, Hit
from cinefoley.stage.camera import Framing
from cinefoley.stage.clip import StageEvent, StageSource, visible_share
from cinefoley.stage.delivery import Finisher
from cinefoley.stage.film import PLAIN, Film
from cinefoley.stage.generator import Split, make_generator
from cinefoley.stage.microphone import ambience
from cinefoley.stage.painter import Painter
from cinefoley.stage.rhythm import Hits
from cinefoley.stage.scene import Scene
from cinefoley.stage.staging import Staging
from cinefoley.stage.synthesis import place_in_room

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
    """Every sound source: one, or two."""
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
        """Render frames at the given instants, whole or as a moving crop window shows them.

        A window is rendered at its own scale straight into ``size``: the same frame, up to anti-aliasing, as
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
        frames = np.empty((len(times), *size, 3), dtype=np.uint8)
        if not len(times):
            return frames
        film = self.film
        seen = film.delivery.uncover(shown)
        times = film.delivery.shown_times(times)
        staging = self._staging(size[1] / size[0] if aspect is None else aspect)
        framing = self._framing(times, staging)
        motion = self._motion(times, staging, framing) / (seen[:, 2:] - seen[:, :2])
        factor = 2 if max(size) <= _FINE else 1
        painter = Painter(
            staging,
            (size[0] * factor, size[1] * factor),
            framing.through(seen),
            optics=film.optics,
            exposure_s=film.exposure_s,
        )
        finisher = Finisher(film.delivery, film.optics.vignette, size)
        images = painter.paint(times, motion)
        for frame, image, time_s, window in zip(frames, images, times.tolist(), seen, strict=True):
            frame[...] = finisher.finish(image if factor == 1 else _halved(image), time_s, window)
        return frames

    def boxes(
        self, times_s: Sequence[float] | NDArray[np.float64], *, size: tuple[int, int], source: int = 0
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Boxes ``(T, 4)`` of a source's target and contact at the given instants, as fractions of the frame.

        Only the ratio of ``size`` matters.
        """
        times = self.film.delivery.shown_times(np.asarray(times_s, dtype=np.float64))
        staging = self._staging(size[1] / size[0])
        framing = self._framing(times, staging)
        target, contact = (
            self.film.delivery.cover(framing.boxes(boxes, staging.composition.frame))
            for boxes in staging.boxes(source, times)
        )
        return target, contact

    def sources(
        self, times_s: Sequence[float] | NDArray[np.float64], *, size: tuple[int, int]
    ) -> tuple[StageSource, ...]:
        """Every sound source, with its boxes at the given instants."""
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

        It is a whole number of 16-bit steps, so that it is the same on every machine. Where nothing sounds it
        is exactly 0, or the ambience of the place.
        """
        events = self._recorded(sample_rate)
        return _to_steps(events + self._ambience(len(events), sample_rate), events)

    def event_waveform(self, sample_rate: int) -> NDArray[np.float32]:
        """What the events alone contribute to :meth:`waveform`: exactly 0 where nothing sounds."""
        events = self._recorded(sample_rate)
        return _to_steps(events, events)

    def _recorded(self, sample_rate: int) -> NDArray[np.float64]:
        """Every source in its room, as the microphone has it."""
        count = round(self.duration_s * sample_rate)
        total = np.zeros(count)
        microphone = self.film.microphone
        for source, (actor, place) in enumerate(zip(self.actors, self.scene.placements, strict=True)):
            dry = self._dry(source, actor, count, sample_rate)
            room = make_generator(self.seed, self.split, f"room/{source}")
            reverb_s, wet, level = self.scene.reverb_s, place.wet, place.level
            if microphone is not None:
                reverb_s, wet = microphone.reverb_s, place.wet * microphone.distance
                level = place.level * microphone.level
            total += level * place_in_room(dry, rng=room, reverb_s=reverb_s, wet=wet, sample_rate=sample_rate)
        return total if microphone is None else microphone.colour(total, sample_rate=sample_rate)

    def _ambience(self, count: int, sample_rate: int) -> NDArray[np.float64]:
        if self.film.microphone is None:
            return np.zeros(count)
        return ambience(
            make_generator(self.seed, self.split, "ambience"),
            count,
            microphone=self.film.microphone,
            place=self.scene.backdrop.place,
            sample_rate=sample_rate,
        )

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

    def _staging(self, aspect: float) -> Staging:
        """The scene in a frame of this aspect, black bars taken off."""
        across, down = self.film.delivery.picture
        return Staging.compose(
            self.scene, self.actors, aspect=aspect * across / down, duration_s=self.duration_s
        )

    def _framing(self, times_s: NDArray[np.float64], staging: Staging) -> Framing:
        subject, extent = staging.subject()
        return self.film.camera.framing(
            times_s, frame=staging.composition.frame, subject=subject, extent=extent
        )

    def _motion(
        self, times_s: NDArray[np.float64], staging: Staging, framing: Framing
    ) -> NDArray[np.float64]:
        """How far the picture moves ``(T, 2)`` while the shutter is open, in its widths and heights."""
        exposure_s = self.film.exposure_s
        if exposure_s <= 0:
            return np.zeros((len(times_s), 2))
        earlier = self._framing(times_s - exposure_s, staging)
        moved = (earlier.pivots - framing.pivots) / (framing.windows[:, 2:] - framing.windows[:, :2])
        for cut_s in self.film.camera.cuts_s:
            moved[(times_s - exposure_s < cut_s) & (cut_s <= times_s)] = 0
        return moved


def _halved(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    return np.asarray(cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA), np.uint8)


def _to_steps(total: NDArray[np.float64], events: NDArray[np.float64]) -> NDArray[np.float32]:
    """Whole 16-bit steps, lowered as far as the events need it to keep below full scale."""
    peak = float(np.abs(events).max(initial=0.0))
    scaled = total * (_PEAK / peak) if peak > _PEAK else total
    return (np.clip(np.rint(scaled * 32768), -32768, 32767) / 32768).astype(np.float32)


def _check_windows(windows: NDArray[np.float64] | None, count: int) -> NDArray[np.float64]:
    shown = _WHOLE if windows is None else np.asarray(windows, dtype=np.float64)
    if shown.shape not in {(4,), (count, 4)}:
        raise ValueError(f"windows must be ({count}, 4) or (4,), got {shown.shape}")
    shown = np.broadcast_to(shown, (count, 4))
    if not (shown[:, 2:] - shown[:, :2] > 1e-3).all():
        raise ValueError("windows must be (x0, y0, x1, y1) with x0 < x1 and y0 < y1")
    return shown
