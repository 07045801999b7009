"""Warm start of the video encoder: hear a frame before contrasting clips.

CAVP starts from towers trained on Kinetics and AudioSet. A model trained from nothing has neither; contrast
alone then finds what sounds but not when. So the encoder first learns to predict, from each frame's
normalised feature, what that frame's share of the sound is: its coarse mel, the events in it, and the kind of
action.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cinefoley.data.stage_clips import KIND_NAMES, StageClips
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.training.task import Batch, Task

__all__ = ["VideoEncoderTask"]

_SLOTS = 8
"""Parts into which a frame's quarter second is divided for the targets: 31 ms each."""
_BANDS = 16


class VideoEncoderTask(Task):
    """Per-frame targets from the sound of the same clip.

    Args:
        encoder: The network to train.
        clips: Training clips.
    """

    name = "video_encoder"

    def __init__(self, encoder: VideoEncoder, clips: StageClips) -> None:
        feature_dim = encoder.config.feature_dim
        self.clips = clips
        self.encoder = encoder
        self.mel_head = nn.Sequential(nn.Linear(feature_dim, 256), nn.ReLU(), nn.Linear(256, _BANDS * _SLOTS))
        self.event_head = nn.Sequential(nn.Linear(feature_dim, 256), nn.ReLU(), nn.Linear(256, _SLOTS))
        self.kind_head = nn.Linear(feature_dim, len(KIND_NAMES))
        self.module = nn.ModuleList([encoder, self.mel_head, self.event_head, self.kind_head])

    def draw(self, step: int, generator: torch.Generator, batch_size: int) -> Batch:
        """Choose clips, and how each is augmented."""
        return {
            "index": torch.randint(len(self.clips), (batch_size,), generator=generator),
            "seed": torch.randint(2**62, (batch_size,), generator=generator),
        }

    def load(self, rows: Batch) -> Batch:
        """Augment the clips and make their targets."""
        index = rows["index"]
        frames = self.clips.frames[index]
        targets = {
            "mel": coarse_mel(self.clips.mels[index].float()),
            "events": event_slots(self.clips.events_s[index], frames=frames.shape[1], fps=4.0),
            "kind": self.clips.kinds[index],
        }
        return {"video": augment(frames, rows["seed"])} | targets

    def losses(self, batch: Batch, *, step: int) -> dict[str, Tensor]:
        """Squared error of the coarse mel, cross-entropy of events and kind."""
        # heads see features of norm sqrt(D): unit norm would start them with vanishing inputs
        features = self.encoder(batch["video"]).float() * self.encoder.config.feature_dim**0.5
        with torch.autocast(features.device.type, enabled=False):
            mel = F.mse_loss(self.mel_head(features), batch["mel"])
            logits = self.event_head(features)
            weight = torch.tensor(4.0, device=logits.device)
            events = F.binary_cross_entropy_with_logits(logits, batch["events"], pos_weight=weight)
            kinds = batch["kind"][:, None].expand(-1, features.shape[1])
            kind = F.cross_entropy(self.kind_head(features).flatten(0, 1), kinds.flatten())
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


def augment(frames: Tensor, seeds: Tensor) -> Tensor:
    """Mirror half the clips, vary contrast, brightness and colour per clip, add grain: uint8 to [0, 1].

    Args:
        frames: ``(B, T, 3, H, W)`` uint8.
        seeds: ``(B,)``, so that a clip's grain does not depend on the others in its batch.
    """
    clips = [_augment_clip(clip, int(seed)) for clip, seed in zip(frames, seeds.tolist(), strict=True)]
    return torch.stack(clips)


def _augment_clip(clip: Tensor, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mirrored, offset, grain = torch.rand(3, generator=generator).tolist()
    gain = 1 + 0.25 * (torch.rand(3, 1, 1, generator=generator) - 0.5)
    video = (clip.flip(-1) if mirrored < 0.5 else clip).float() / 255
    noise = torch.randn(video.shape, generator=generator)
    return (video * gain + 0.15 * (offset - 0.5) + 0.02 * grain * noise).clamp(0, 1)
