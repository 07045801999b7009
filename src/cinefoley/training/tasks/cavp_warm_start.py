"""Warm start of CAVP: train both encoders on per-frame targets of the sound before the contrast.

CAVP starts from encoders pretrained on Kinetics and AudioSet. A model trained from nothing has neither, and
contrast alone then learns what sounds but not when. So both encoders are first trained to give features from
which the sound of each frame can be predicted: its coarse mel, its events, and the kind of action.
"""

import torch
from torch import Tensor, nn

from cinefoley.data.cache.stage_cache import KIND_NAMES, StageClips
from cinefoley.models.audio_encoder import AudioEncoder
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.training.engine.task import Batch, Task
from cinefoley.training.tasks.frame_targets import FrameTargetHeads

__all__ = ["WarmStartTask", "augment", "sharp_events", "whole_features"]

_FEATURE_FPS = 4.0
_MEL_PER_FEATURE = 16  # hop 250 at 16 kHz
_LATER_KIND_WEIGHT = 0.8  # beside the 0.2 of the heads


class WarmStartTask(Task):
    """Per-frame targets from the sound of the same clip, for the video and, if given, the audio encoder.

    Args:
        encoder: The video encoder.
        clips: Training clips.
        audio_encoder: The audio encoder; None trains the video encoder only.
        kinds_from: Step from which the kind that the video encoder predicts weighs five times as much. The
            time of an event is harder to learn, so it is learned first.
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
        """Step from which the kind weighs more."""
        return {"kinds_from": self.kinds_from}

    def draw(self, step: int, generator: torch.Generator, batch_size: int) -> Batch:
        """Choose clips, and a seed for the augmentation of each."""
        return {
            "index": self.choose(step, generator, batch_size, count=len(self.clips)),
            "seed": torch.randint(2**62, (batch_size,), generator=generator),
        }

    def load(self, rows: Batch) -> Batch:
        """Augment the clips and read their targets."""
        index = rows["index"]
        length = self.encoder.config.frames_per_feature
        features = whole_features(self.clips, _MEL_PER_FEATURE, frames_per_feature=length)
        return {
            "video": augment(self.clips.frames[index, : features * length], rows["seed"]),
            "mels": self.clips.mels[index].float()[..., : features * _MEL_PER_FEATURE],
            "kinds": self.clips.kinds[index],
            "events_s": sharp_events(self.clips, index),
        }

    def losses(self, batch: Batch, *, step: int) -> dict[str, Tensor]:
        """Sum of the targets of both encoders; the parts are those of the video encoder."""
        targets = {name: batch[name] for name in ("mels", "kinds", "events_s")}
        losses = self.heads(self.encoder(batch["video"]), **targets, fps=_FEATURE_FPS)
        total = losses.pop("targets")
        if step >= self.kinds_from:
            total = total + _LATER_KIND_WEIGHT * losses["kind"]
        if self.audio_encoder is not None:
            audio = self.audio_encoder(batch["mels"], normalize=True)
            losses["audio"] = self.heads(audio, **targets, fps=_FEATURE_FPS)["targets"]
            # the scale is trained by contrast only, but ranks need a gradient of every parameter
            total = total + losses["audio"] + 0 * self.audio_encoder.logit_scale
        return {"loss": total} | losses


def sharp_events(clips: StageClips, index: Tensor) -> Tensor:
    """Times ``(B, M)`` in seconds of the events with a sharp onset; NaN elsewhere."""
    return torch.where(clips.is_onset_like[index], clips.events_s[index], torch.nan)


def whole_features(clips: StageClips, mel_per_feature: int, *, frames_per_feature: int = 1) -> int:
    """Features of a clip that have all of their mel; the last one may start before the sound ends."""
    return min(clips.frames.shape[1] // frames_per_feature, clips.mels.shape[2] // mel_per_feature)


def augment(frames: Tensor, seeds: Tensor) -> Tensor:
    """Augment clips: mirror half of them, vary contrast, brightness and colour, add grain; uint8 to [0, 1].

    Args:
        frames: ``(B, T, 3, H, W)`` uint8.
        seeds: ``(B,)``; a clip's augmentation depends on its own seed only.
    """
    clips = [_augment_clip(clip, seed) for clip, seed in zip(frames, seeds.tolist(), strict=True)]
    return torch.stack(clips)


def _augment_clip(clip: Tensor, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mirrored, offset, grain = torch.rand(3, generator=generator).tolist()
    gain = 1 + 0.25 * (torch.rand(3, 1, 1, generator=generator) - 0.5)
    video = (clip.flip(-1) if mirrored < 0.5 else clip).float() / 255
    # every frame takes another stretch of one noise, which costs a fraction of noise of its own
    noise = torch.randn(2 * video[0].numel(), generator=generator)
    begins = torch.randint(video[0].numel(), (len(video),), generator=generator)
    grains = torch.stack([noise[begin : begin + video[0].numel()] for begin in begins.tolist()])
    return (video * gain + 0.15 * (offset - 0.5) + 0.02 * grain * grains.view_as(video)).clamp(0, 1)
