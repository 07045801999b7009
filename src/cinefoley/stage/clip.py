"""Stage clips: frames, waveform, events and boxes, and their description as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cinefoley.media.frames.video import Video

__all__ = [
    "StageClip",
    "StageEvent",
    "StageSource",
    "boxes_in_windows",
    "describe_clip",
    "describe_view",
    "off_screen_spans",
    "sound_ends",
    "visible_share",
]

_DIED_AWAY = 0.01  # of the largest amplitude since the event: -40 dB, one part in 10,000 of the energy


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEvent:
    """One sounding action."""

    time_s: float
    """When the sound starts, in seconds from the clip's start."""
    kind: str
    """The action, e.g. ``"drum"``."""
    strength: float
    """How hard it is struck, in (0, 1]; louder and brighter with strength."""
    is_onset_like: bool
    """Whether the sound starts sharply enough for its onset to be judged within ±100 ms."""
    source: int
    """Index into :attr:`StageClip.sources`."""
    is_visible: bool
    """Whether any of the contact's box lies inside the frame at ``time_s``."""
    duration_s: float = 0.0
    """How long the action goes on, in seconds; 0 for a stroke that rings by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSource:
    """One sound source, with its place in every frame.

    Boxes are ``(T, 4)`` float32, ``(x0, y0, x1, y1)`` as fractions of the frame's width and height; they may
    reach outside [0, 1] where the frame cuts them off.
    """

    kind: str
    """The action."""
    family: str
    """One of the stage's five families."""
    target_boxes: NDArray[np.float32]
    """The target: the thing that sounds."""
    contact_boxes: NDArray[np.float32]
    """The contact: where the sound is made."""

    @property
    def is_visible(self) -> NDArray[np.bool_]:
        """``(T,)``, whether any of the contact's box lies inside the frame."""
        return visible_share(self.contact_boxes) > 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StageClip:
    """One rendered clip."""

    frames: NDArray[np.uint8]
    """``(T, H, W, 3)`` RGB."""
    fps: float
    """Frames per second; frame ``n`` shows the instant ``n / fps``."""
    waveform: NDArray[np.float32]
    """Sound, ``(N,)`` in [-1, 1], a whole number of 16-bit steps; 0 or ambience where nothing sounds."""
    sample_rate: int
    """Samples per second of :attr:`waveform`."""
    events: tuple[StageEvent, ...]
    """Every event, in order of time."""
    sources: tuple[StageSource, ...]
    """Every sound source."""
    seed: int
    """The seed it was rendered from."""
    split: str
    """The split the seed belongs to."""
    event_waveform: NDArray[np.float32] | None = None
    """What the events alone contribute to :attr:`waveform`; None if that is all of it."""

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.waveform) / self.sample_rate

    def as_video(self) -> "Video":
        """The frames as the pipeline and :func:`cinefoley.save_video` take them; shares their memory."""
        import torch

        from cinefoley.media.frames.video import video_from_frames

        return video_from_frames(torch.from_numpy(self.frames).permute(0, 3, 1, 2), self.fps)

    def describe(self, *, has_boxes: bool = False) -> dict[str, Any]:
        """Everything but frames and samples, ready for JSON; with every frame's boxes if asked for."""
        return describe_clip(
            self.events,
            self.sources,
            seed=self.seed,
            split=self.split,
            duration_s=self.duration_s,
            fps=self.fps,
            waveform=self.waveform if self.event_waveform is None else self.event_waveform,
            sample_rate=self.sample_rate,
            has_boxes=has_boxes,
        )


def describe_clip(
    events: Sequence[StageEvent],
    sources: Sequence[StageSource],
    *,
    seed: int,
    split: str,
    duration_s: float,
    fps: float,
    waveform: NDArray[np.float32],
    sample_rate: int,
    has_boxes: bool = False,
) -> dict[str, Any]:
    """Description of a clip, ready for JSON; with every frame's boxes if asked for.

    Each event also has the time at which its sound has died away (``end_s``, :func:`sound_ends`) and whether
    any of its target is in the frame, not only the contact (``is_context_visible``). ``off_screen`` lists the
    spans in which no target is in the frame (:func:`off_screen_spans`).
    """
    ends = sound_ends(np.array([event.time_s for event in events]), waveform, sample_rate=sample_rate)
    targets = [source.target_boxes for source in sources]
    description: dict[str, Any] = {
        "seed": seed,
        "split": split,
        "duration_s": duration_s,
        "kinds": [source.kind for source in sources],
        "events": [
            asdict(event)
            | {
                "time_s": round(event.time_s, 6),
                "strength": round(event.strength, 4),
                "duration_s": round(event.duration_s, 6),
                "end_s": round(end, 6),
                "is_context_visible": _is_seen_at(event.time_s, targets[event.source], fps),
            }
            for event, end in zip(events, ends.tolist(), strict=True)
        ],
        "off_screen": off_screen_spans(targets, fps),
    }
    if has_boxes:
        description["sources"] = [
            {
                "kind": source.kind,
                "family": source.family,
                **_boxes_as_json(source.target_boxes, source.contact_boxes),
            }
            for source in sources
        ]
    return description


def describe_view(description: Mapping[str, Any], windows: NDArray[np.float64]) -> dict[str, Any]:
    """Description of a clip as windows show it: with their boxes and visibility.

    Times, kinds and strengths stay; ``is_visible``, ``is_context_visible``, ``off_screen`` and all boxes are
    those of the window. An event is visible if the frame on screen when it sounds shows it.

    Args:
        description: Of :func:`describe_clip` with boxes, and its ``fps``.
        windows: ``(T, 4)`` or ``(4,)``, ``(x0, y0, x1, y1)`` as fractions of the whole frame.

    Raises:
        ValueError: If the description has no boxes or no ``fps``, or not as many boxes as there are windows.
    """
    try:
        fps, sources, events = float(description["fps"]), description["sources"], description["events"]
        boxes = [
            tuple(
                boxes_in_windows(np.asarray(source[name], dtype=np.float32), windows)
                for name in ("target_boxes", "contact_boxes")
            )
            for source in sources
        ]
    except (KeyError, TypeError, IndexError) as exc:
        raise ValueError(
            f"no description of a clip with fps and boxes ({type(exc).__name__}: {exc})"
        ) from exc
    seen = [
        {
            **event,
            "is_visible": _is_seen_at(event["time_s"], boxes[event["source"]][1], fps),
            "is_context_visible": _is_seen_at(event["time_s"], boxes[event["source"]][0], fps),
        }
        for event in events
    ]
    return {
        **description,
        "events": seen,
        "off_screen": off_screen_spans([target for target, _ in boxes], fps),
        "sources": [{**source, **_boxes_as_json(*pair)} for source, pair in zip(sources, boxes, strict=True)],
    }


def off_screen_spans(target_boxes: Sequence[NDArray[np.float32]], fps: float) -> list[list[float]]:
    """Spans in which no target is in the frame.

    Args:
        target_boxes: ``(T, 4)`` for each source, fractions of the frame.
        fps: Frames per second; each frame counts until the next.

    Returns:
        ``[begin, end]`` in seconds, apart and ascending.
    """
    is_hidden = np.all([visible_share(boxes) <= 0 for boxes in target_boxes], axis=0)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_hidden.astype(int), [0]])))
    return np.round(edges.reshape(-1, 2) / fps, 6).tolist()


def sound_ends(
    times_s: NDArray[np.float64], waveform: NDArray[np.float32], *, sample_rate: int
) -> NDArray[np.float64]:
    """Time at which the sound of each event has died away, room included: 40 dB below its peak.

    What still rings when the next event begins is counted as that event's, so the spans from event to end,
    taken together, are where the clip sounds.

    Args:
        times_s: ``(E,)``, ascending.
        waveform: ``(N,)``, the sound of the events alone, exactly 0 where nothing sounds.
        sample_rate: Its samples per second.

    Returns:
        ``(E,)`` seconds, none before its event.
    """
    starts = np.minimum(np.round(times_s * sample_rate).astype(int), len(waveform))
    ends = []
    for start, following in pairwise([*starts.tolist(), len(waveform)]):
        level = np.abs(waveform[start:following])
        loud = np.flatnonzero(level > _DIED_AWAY * level.max(initial=0.0))
        ends.append(start + (int(loud[-1]) + 1 if len(loud) else 0))
    return np.maximum(np.asarray(ends, dtype=np.float64) / sample_rate, times_s)


def boxes_in_windows(boxes: NDArray[np.float32], windows: NDArray[np.float64]) -> NDArray[np.float32]:
    """Boxes as fractions of crop windows.

    Args:
        boxes: ``(T, 4)``, fractions of the frame.
        windows: ``(T, 4)`` or ``(4,)``, ``(x0, y0, x1, y1)`` as fractions of the frame.

    Returns:
        ``(T, 4)``; outside [0, 1] where the window does not show them.
    """
    corner, size = windows[..., :2], windows[..., 2:] - windows[..., :2]
    low, high = (boxes[:, :2] - corner) / size, (boxes[:, 2:] - corner) / size
    return np.concatenate([low, high], axis=1).astype(np.float32)


def visible_share(boxes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Share ``(T,)`` of every box's area that lies inside the frame ``[0, 1]²``."""
    inside = np.clip(boxes.astype(float), 0, 1)
    area = (inside[:, 2] - inside[:, 0]) * (inside[:, 3] - inside[:, 1])
    whole = (boxes[:, 2] - boxes[:, 0]).astype(float) * (boxes[:, 3] - boxes[:, 1])
    return np.asarray(area / np.maximum(whole, 1e-12))


def _is_seen_at(time_s: float, boxes: NDArray[np.float32], fps: float) -> bool:
    """Whether any of the box is inside the frame that is on screen at an instant."""
    frame = min(len(boxes) - 1, int(time_s * fps + 1e-6))
    return bool(visible_share(boxes[frame : frame + 1])[0] > 0)


def _boxes_as_json(target: NDArray[np.float32], contact: NDArray[np.float32]) -> dict[str, Any]:
    return {
        "target_boxes": np.round(target.astype(float), 4).tolist(),
        "contact_boxes": np.round(contact.astype(float), 4).tolist(),
        "is_visible": (visible_share(contact) > 0).tolist(),
    }
