"""Warm start of CAVP's towers: hear a frame before contrasting clips.

CAVP starts from towers trained on Kinetics and AudioSet. A model trained from nothing has neither; contrast
alone then finds what sounds but not when. So both towers first learn to give features off which each frame's
share of the sound can be read: its coarse mel, the events in it, and the kind of action.
"""

import copy
from typing import Self

import torch
from torch import Tensor, nn

from cinefoley.data.cache.stage_cache import KIND_NAMES, StageClips
from cinefoley.models.audio_encoder import AudioEncoder
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.training.engine.task import Batch, Task
from cinefoley.training.tasks.frame_targets import FrameTargetHeads

__all__ = ["WarmStartTask", "augment", "sharp_events", "whole_frames"]

_FPS = 4.0
_MEL_PER_FRAME = 16  # hop 250 at 16 kHz
_LATER_KIND_WEIGHT = 0.8  # beside the 0.2 of the heads


class WarmStartTask(Task):
    """Per-frame targets from the sound of the same clip, for the video tower and, beside it, the audio tower.

    Args:
        encoder: The video tower.
        clips: Training clips.
        audio_encoder: The audio tower, or None to train the video tower alone.
        kinds_from: Step from which the video tower's kind weighs five times as much. First when, then what:
            the time of an event is the harder thing to find.
    """

    name = "video_encoder"

    def __init__(
        self,
        encoder: VideoEncoder,
        clips: StageClips,
        *,
        audio_encoder: AudioEncoder | None = None,
        kinds_from: int = 0,
    ) -> None:
        self.clips = clips
        self.kinds_from = kinds_from
        self.encoder, self.audio_encoder = encoder, audio_encoder
        self.heads = FrameTargetHeads(encoder.config.feature_dim, len(KIND_NAMES))
        parts: dict[str, nn.Module] = {"video_encoder": encoder, "heads": self.heads}
        self.module = nn.ModuleDict(
            parts if audio_encoder is None else parts | {"audio_encoder": audio_encoder}
        )

    @property
    def settings(self) -> dict[str, object]:
        """When the kind begins to weigh more."""
        return {"kinds_from": self.kinds_from}

    def on(self, clips: StageClips) -> Self:
        """The same on other clips."""
        other = copy.copy(self)
        other.clips = clips
        return other

    def draw(self, step: int, generator: torch.Generator, batch_size: int) -> Batch:
        """Choose clips, and a seed for how each is augmented."""
        return {
            "index": self.choose(step, generator, batch_size, count=len(self.clips)),
            "seed": torch.randint(2**62, (batch_size,), generator=generator),
        }

    def load(self, rows: Batch) -> Batch:
        """Augment the clips and read their targets."""
        index = rows["index"]
        frames = whole_frames(self.clips, _MEL_PER_FRAME)
        return {
            "video": augment(self.clips.frames[index], rows["seed"])[:, :frames],
            "mels": self.clips.mels[index].float()[..., : frames * _MEL_PER_FRAME],
            "kinds": self.clips.kinds[index],
            "events_s": sharp_events(self.clips, index),
        }

    def losses(self, batch: Batch, *, step: int) -> dict[str, Tensor]:
        """Sum of both towers' targets; the parts are the video tower's."""
        targets = {name: batch[name] for name in ("mels", "kinds", "events_s")}
        losses = self.heads(self.encoder(batch["video"]), **targets, fps=_FPS)
        total = losses.pop("targets")
        if step >= self.kinds_from:
            total = total + _LATER_KIND_WEIGHT * losses["kind"]
        if self.audio_encoder is not None:
            audio = self.audio_encoder(batch["mels"], normalize=True)
            heard = self.heads(audio, **targets, fps=_FPS)["targets"]
            losses["audio"] = heard
            # the scale waits for contrast, but ranks wait for a gradient of every parameter
            total = total + heard + 0 * self.audio_encoder.logit_scale
        return {"loss": total} | losses


def sharp_events(clips: StageClips, index: Tensor) -> Tensor:
    """Seconds ``(B, M)`` of the events that start sharply; NaN elsewhere."""
    return torch.where(clips.is_onset_like[index], clips.events_s[index], torch.nan)


def whole_frames(clips: StageClips, mel_per_frame: int) -> int:
    """Frames of a clip beside which all of their mel is there: the last may begin before the sound ends."""
    return min(clips.frames.shape[1], clips.mels.shape[2] // mel_per_frame)


def augment(frames: Tensor, seeds: Tensor) -> Tensor:
    """Mirror half the clips, vary contrast, brightness and colour per clip, add grain: uint8 to [0, 1].

    Args:
        frames: ``(B, T, 3, H, W)`` uint8.
        seeds: ``(B,)``; a clip's look depends on its own seed alone.
    """
    clips = [_augment_clip(clip, seed) for clip, seed in zip(frames, seeds.tolist(), strict=True)]
    return torch.stack(clips)


def _augment_clip(clip: Tensor, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mirrored, offset, grain = torch.rand(3, generator=generator).tolist()
    gain = 1 + 0.25 * (torch.rand(3, 1, 1, generator=generator) - 0.5)
    video = (clip.flip(-1) if mirrored < 0.5 else clip).float() / 255
    noise = torch.randn(video.shape, generator=generator)
    return (video * gain + 0.15 * (offset - 0.5) + 0.02 * grain * noise).clamp(0, 1)
