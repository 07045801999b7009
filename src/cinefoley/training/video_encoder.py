"""Warm start of CAVP's towers: hear a frame before contrasting clips.

CAVP starts from towers trained on Kinetics and AudioSet. A model trained from nothing has neither; contrast
alone then finds what sounds but not when. So both towers first learn to give features off which each frame's
share of the sound can be read: its coarse mel, the events in it, and the kind of action.
"""

import torch
from torch import Tensor, nn

from cinefoley.data.stage_clips import KIND_NAMES, StageClips
from cinefoley.models.audio_encoder import AudioEncoder
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.training.hearing import HearingHeads

__all__ = ["VideoEncoderTask", "augment", "sharp_events"]

_FPS = 4.0
_LATER_KIND_WEIGHT = 0.8  # beside the 0.2 of the heads


class VideoEncoderTask:
    """Per-frame targets from the sound of the same clip, for the video tower and, beside it, the audio tower.

    Args:
        encoder: The video tower.
        clips: Training clips.
        audio_encoder: The audio tower, or None to train the video tower alone.
        kinds_from: Step from which the video tower's kind weighs five times as much. First when, then what:
            the time of an event is the harder thing to find.
    """

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
        self.heads = HearingHeads(encoder.config.feature_dim, len(KIND_NAMES))
        parts: dict[str, nn.Module] = {"video_encoder": encoder, "heads": self.heads}
        self.module: nn.Module = nn.ModuleDict(
            parts if audio_encoder is None else parts | {"audio_encoder": audio_encoder}
        )

    def loss(self, step: int, generator: torch.Generator, batch_size: int) -> dict[str, Tensor]:
        """Sum of both towers' targets; the parts are the video tower's."""
        index = torch.randint(len(self.clips), (batch_size,), generator=generator)
        mels = self.clips.mels[index].float()
        targets = {
            "mels": mels,
            "kinds": self.clips.kinds[index],
            "events_s": sharp_events(self.clips, index),
        }
        video = self.encoder(augment(self.clips.frames[index], generator))
        losses = self.heads(video, **targets, fps=_FPS)
        total = losses.pop("targets")
        if step >= self.kinds_from:
            total = total + _LATER_KIND_WEIGHT * losses["kind"]
        if self.audio_encoder is not None:
            audio = self.audio_encoder(mels, normalize=True)
            heard = self.heads(audio, **targets, fps=_FPS)["targets"]
            losses["audio"] = heard
            total = total + heard
        return {"loss": total} | losses


def sharp_events(clips: StageClips, index: Tensor) -> Tensor:
    """Seconds ``(B, M)`` of the events that start sharply; NaN elsewhere."""
    return torch.where(clips.is_onset_like[index], clips.events_s[index], torch.nan)


def augment(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror half the clips, vary contrast, brightness and colour per clip, add grain: uint8 to [0, 1]."""
    batch = len(frames)
    video = frames.float() / 255
    mirrored = torch.rand(batch, generator=generator) < 0.5
    video[mirrored] = video[mirrored].flip(-1)
    gain = 1 + 0.25 * (torch.rand(batch, 1, 3, 1, 1, generator=generator) - 0.5)
    offset = 0.15 * (torch.rand(batch, 1, 1, 1, 1, generator=generator) - 0.5)
    grain = (
        0.02
        * torch.rand(batch, 1, 1, 1, 1, generator=generator)
        * torch.randn(video.shape, generator=generator)
    )
    return (video * gain + offset + grain).clamp(0, 1)
