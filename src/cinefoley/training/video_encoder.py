"""Warm start of the video encoder: hear a frame before contrasting clips.

CAVP starts from towers trained on Kinetics and AudioSet. A model trained from nothing has neither; contrast
alone then finds what sounds but not when. So the encoder first learns to predict, from each frame's
normalised
feature, what that frame's share of the sound is: its coarse mel, the events in it, and the kind of action.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cinefoley.data.stage_clips import KIND_NAMES, StageClips
from cinefoley.models.video_encoder import VideoEncoder

__all__ = ["VideoEncoderTask"]

_SLOTS = 8
"""Parts into which a frame's quarter second is divided for the targets: 31 ms each."""
_BANDS = 16


class VideoEncoderTask:
    """Per-frame targets from the sound of the same clip.

    Args:
        encoder: The network to train.
        clips: Training clips.
    """

    def __init__(self, encoder: VideoEncoder, clips: StageClips) -> None:
        feature_dim = encoder.config.feature_dim
        self.clips = clips
        self.encoder = encoder
        self.mel_head = nn.Sequential(nn.Linear(feature_dim, 256), nn.ReLU(), nn.Linear(256, _BANDS * _SLOTS))
        self.event_head = nn.Sequential(nn.Linear(feature_dim, 256), nn.ReLU(), nn.Linear(256, _SLOTS))
        self.kind_head = nn.Linear(feature_dim, len(KIND_NAMES))
        self.module: nn.Module = nn.ModuleList([encoder, self.mel_head, self.event_head, self.kind_head])

    def loss(self, step: int, generator: torch.Generator, batch_size: int) -> dict[str, Tensor]:
        """Squared error of the coarse mel, cross-entropy of events and kind."""
        index = torch.randint(len(self.clips), (batch_size,), generator=generator)
        video = augment(self.clips.frames[index], generator)
        # heads see features of norm sqrt(D): unit norm would start them with vanishing inputs
        features = self.encoder(video).float() * self.encoder.config.feature_dim**0.5
        with torch.autocast("cpu", enabled=False):
            mel = F.mse_loss(self.mel_head(features), coarse_mel(self.clips.mels[index].float()))
            logits = self.event_head(features)
            target = event_slots(self.clips.events_s[index], frames=features.shape[1], fps=4.0)
            events = F.binary_cross_entropy_with_logits(logits, target, pos_weight=torch.tensor(4.0))
            kind_target = self.clips.kinds[index, None].expand(-1, features.shape[1])
            kind = F.cross_entropy(self.kind_head(features).flatten(0, 1), kind_target.flatten())
        return {"loss": 10 * mel + 2 * events + 0.2 * kind, "mel": mel, "events": events, "kind": kind}


def coarse_mel(mels: Tensor) -> Tensor:
    """Mel of each frame's quarter second, 16 bands by 8 slots, ``(B, T, 128)``, roughly unit variance."""
    batch, bands, frames = mels.shape
    per_frame = frames // 32
    pooled = F.avg_pool2d(mels[:, None], (bands // _BANDS, per_frame // _SLOTS))[:, 0]
    return pooled.unflatten(2, (32, _SLOTS)).permute(0, 2, 1, 3).reshape(batch, 32, -1) * 4 - 1


def event_slots(events_s: Tensor, *, frames: int, fps: float) -> Tensor:
    """1 in the slot of each event and 0.4 beside it, ``(B, T, 8)``."""
    slot = (events_s * fps * _SLOTS).floor()
    grid = torch.arange(frames * _SLOTS)
    distance = (grid[None, None] - slot[..., None]).abs().nan_to_num(1e6)
    nearness = torch.where(distance == 0, 1.0, torch.where(distance == 1, 0.4, 0.0))
    return nearness.amax(dim=1).unflatten(1, (frames, _SLOTS))


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
