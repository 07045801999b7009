"""Per-frame targets of the sound: coarse mel, events and kind of action, predicted from features."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["FrameTargetHeads", "coarse_mel", "event_slots"]

_SLOTS = 8
"""Parts of a frame's quarter second in the targets: 31 ms each."""
_BANDS = 16
_WEIGHTS = {"mel": 10.0, "events": 2.0, "kind": 0.2}


class FrameTargetHeads(nn.Module):
    """Predict a frame's coarse mel, its events and the kind of action from its normalised feature.

    The same heads are used for video and audio features, which aligns the two spaces before the contrast.

    Args:
        feature_dim: Width D of the features.
        kinds: Number of kinds.
    """

    def __init__(self, feature_dim: int, kinds: int) -> None:
        super().__init__()
        self.mel = nn.Sequential(nn.Linear(feature_dim, 256), nn.ReLU(), nn.Linear(256, _BANDS * _SLOTS))
        self.events = nn.Sequential(nn.Linear(feature_dim, 256), nn.ReLU(), nn.Linear(256, _SLOTS))
        self.kind = nn.Linear(feature_dim, kinds)
        self._scale = feature_dim**0.5

    def forward(
        self, features: Tensor, *, mels: Tensor, events_s: Tensor, kinds: Tensor, fps: float
    ) -> dict[str, Tensor]:
        """Squared error of the coarse mel, cross-entropy of events and kind, and their weighted sum.

        Args:
            features: ``(B, T, D)``, unit norm per frame.
            mels: ``(B, n_mels, frames)`` in [0, 1]; frames a multiple of 8 T.
            events_s: ``(B, M)``, seconds of the sharp onsets from the first frame's start; others are NaN.
            kinds: ``(B, 2)``, the kinds of both sources, twice the same if there is one.
            fps: Frames per second.

        Returns:
            ``"targets"``, the sum, and its parts ``"mel"``, ``"events"``, ``"kind"``.
        """
        with torch.autocast(features.device.type, enabled=False):
            # features are scaled to norm sqrt(D), because inputs of unit norm would be too small
            scaled = features.float() * self._scale
            frames = features.shape[1]
            logits = self.events(scaled)
            slots = event_slots(events_s, frames=frames, fps=fps)
            kind_logits = self.kind(scaled).log_softmax(dim=-1)
            picked = kind_logits.gather(2, kinds[:, None].expand(-1, frames, -1))
            weight = torch.tensor(4.0, device=logits.device)
            losses = {
                "mel": F.mse_loss(self.mel(scaled), coarse_mel(mels.float(), frames=frames)),
                "events": F.binary_cross_entropy_with_logits(logits, slots, pos_weight=weight),
                "kind": -picked.mean(),
            }
            total = sum((_WEIGHTS[name] * value for name, value in losses.items()), torch.zeros_like(weight))
        return {"targets": total} | losses


def coarse_mel(mels: Tensor, *, frames: int = 32) -> Tensor:
    """Mel of each frame's quarter second, 16 bands by 8 slots, ``(B, T, 128)``, roughly unit variance."""
    bands, steps = mels.shape[1:]
    pooled = F.avg_pool2d(mels[:, None], (bands // _BANDS, steps // frames // _SLOTS))[:, 0]
    return pooled.unflatten(2, (frames, _SLOTS)).permute(0, 2, 1, 3).flatten(2) * 4 - 1


def event_slots(events_s: Tensor, *, frames: int, fps: float, slots: int = _SLOTS) -> Tensor:
    """1 in the slot of each event and 0.4 beside it, ``(B, T, slots)``."""
    slot = (events_s * fps * slots).floor()
    grid = torch.arange(frames * slots, device=slot.device)
    distance = (grid[None, None] - slot[..., None]).abs().nan_to_num(1e6)
    nearness = torch.where(distance == 0, 1.0, torch.where(distance == 1, 0.4, 0.0))
    return nearness.amax(dim=1).unflatten(1, (frames, slots))
