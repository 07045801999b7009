"""Compare encoders on one clip in one view: frames, takes, and onset counts (Figure 4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from cinefoley.analysis.window_takes import WindowTakes, for_display, make_takes, read_window, real_sound
from cinefoley.data.events.clip_events import ClipEvents
from cinefoley.data.sources.clip_source import Clip
from cinefoley.evaluation.paper.experiment import KnownEvents
from cinefoley.evaluation.views import View, window_of
from cinefoley.metrics.events import match_visible_onsets
from cinefoley.metrics.onsets import OnsetCounts, detect_onsets
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.spectral.mel import mel_spectrogram
from cinefoley.variations.window import Window

__all__ = ["Comparison", "compare_encoders"]

_TOLERANCE_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(WindowTakes):
    """One view of a clip; its frames are those that the window shows."""

    view: View
    """Close-up, camera movement, or full view."""
    whole: Tensor
    """``(T, 3, H, W)`` uint8, the whole frames at the same times."""
    boxes: Tensor
    """``(T, 4)``, ``(x0, y0, x1, y1)`` of the window, as fractions of the whole frame."""
    events: ClipEvents | None
    """Known events; None if they are not known."""
    counts: Mapping[str, OnsetCounts]
    """By encoder, onsets of its take against the visible events, within ±100 ms; empty if events are not
    known, or begin too softly."""


@torch.no_grad()
def compare_encoders(
    clip: Clip,
    view: View,
    pipeline: FoleyPipeline,
    *,
    encoders: Mapping[str, str | Path],
    clip_s: float,
    events: KnownEvents | None = None,
    seed: int = 0,
    num_inference_steps: int = 25,
    guidance_scale: float = 4.5,
) -> Comparison:
    """Generate a take from every encoder's features of one clip in one view.

    Source: paper, Figure 4.

    Args:
        clip: The clip, of which the model's first window of time is used.
        view: Full view, or a window: the one of the test set of seed 0.
        pipeline: The generator, which is the same for all.
        encoders: Name to ``"teacher"``, ``"student"`` or a ``video_encoder/`` folder, in the order shown.
        clip_s: Length of the clip: a camera movement runs over all of it.
        events: Finds known events of a clip.
        seed: Of the noise, which is the same for all encoders.
        num_inference_steps: Denoiser calls.
        guidance_scale: Strength of the video's influence.

    Raises:
        MediaError: If the clip cannot be read or has no video stream.
        WeightsError: If an encoder cannot be loaded.
        ValueError: If ``clip_s`` is not positive.
    """
    if not clip_s > 0:
        raise ValueError(f"clip_s must be positive, got {clip_s}")
    config = pipeline.foley_config
    window = window_of(clip, view)
    frames, seen = read_window(clip, config, window=window)
    whole = frames if window is None else read_window(clip, config)[0]
    length = round(len(frames) / config.video_fps * config.mel.sample_rate)
    real = real_sound(clip, config.mel.sample_rate, start=0.0, length=length)
    sounds: dict[str, Tensor] = {} if real is None else {"real": real}
    for name, choice in encoders.items():
        pipeline.use_video_encoder(choice)
        takes = make_takes(
            pipeline,
            seen,
            num_takes=1,
            seed=seed,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
        )
        sounds[name] = takes[0, :length]
    known = None if events is None else events(clip, window)
    return Comparison(
        frames=for_display(frames),
        fps=float(config.video_fps),
        sounds=sounds,
        mels={name: mel_spectrogram(sound[None], config.mel)[0] for name, sound in sounds.items()},
        sample_rate=config.mel.sample_rate,
        view=view,
        whole=for_display(whole),
        boxes=_boxes(window, clip.frame_size(), len(frames), float(config.video_fps), clip_s),
        events=known,
        counts=_count({name: sounds[name] for name in encoders}, config.mel.sample_rate, known),
    )


def _boxes(window: Window | None, size: tuple[int, int], count: int, fps: float, clip_s: float) -> Tensor:
    """Box of the window in every frame, by the frame's time."""
    if window is None:
        return torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(count, 4)
    height, width = size
    sides = torch.tensor([width, height, width, height])
    fitted = window.on((height, width)).lasting(clip_s)
    moments = [min(1.0, (number + 0.5) / fps / clip_s) for number in range(count)]
    return torch.tensor([fitted.box_at(moment) for moment in moments]) / sides


def _count(
    sounds: Mapping[str, Tensor], sample_rate: int, events: ClipEvents | None
) -> dict[str, OnsetCounts]:
    if events is None or not events.is_onset_like or not len(events.times):
        return {}
    return {
        name: match_visible_onsets(
            detect_onsets(sound, sample_rate=sample_rate),
            events.times,
            events.is_visible,
            tolerance_s=_TOLERANCE_S,
        )
        for name, sound in sounds.items()
    }
