"""CAVP task: contrastive losses between videos and sounds, between clips and inside each clip."""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cinefoley.data.cache.stage_cache import StageClips
from cinefoley.models.audio_encoder import AudioEncoder
from cinefoley.models.clip_pooling import pool_clip
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.training.engine.ranks import gather_rows
from cinefoley.training.engine.task import Batch, Task
from cinefoley.training.tasks.cavp_warm_start import augment, sharp_events, whole_features
from cinefoley.training.tasks.frame_targets import FrameTargetHeads

__all__ = ["CavpTask", "FrameSampler", "Pooling", "contrastive_losses", "draw_starts", "embed_clips"]

Pooling = Literal["max", "frames"]
"""How a clip's features become one vector: ``"max"`` over time, then unit norm, as CAVP does; ``"frames"``
keeps the features of every frame, so that a similarity is the mean over frames of the features' cosines."""

FrameSampler = Callable[[Tensor, Tensor], Tensor]
"""From numbers of clips ``(B,)`` and a seed for each to varied frames of them, ``(B, T, 3, H, W)`` uint8."""

_MAX_LOGIT_SCALE = math.log(100)
_FEATURE_FPS = 4.0


class CavpTask(Task):
    """Semantic and temporal contrast over windows of clips, each encoded on its own.

    Source: Diff-Foley (Luo et al., NeurIPS 2023), first stage: symmetric InfoNCE over all windows of the
    batch, gathered from all ranks, plus the same inside each clip's block of windows, with one learned scale.
    Reading: a small model trained from nothing keeps the per-frame targets of its warm start beside the
    contrast, and compares clips frame by frame: a maximum over time loses the timing.

    Args:
        video_encoder: The video encoder.
        audio_encoder: The audio encoder; has the learned scale.
        clips: Training clips.
        windows: Windows per clip.
        window_frames: Video features of a window.
        gap_frames: Smallest distance between the starts of two windows, in features.
        pooling: How a window's features become one vector.
        temporal_weight: Weight of the contrast inside a clip.
        heads: Per-frame targets beside the contrast, or None for contrast alone.
        sampler: Draws the frames that the video encoder sees, such as crops. None shows the clips' frames,
            augmented in brightness, colour and grain.
        sampler_name: Everything that decides the sampler's frames, for the checkpoint.
        trains_audio: Whether the audio encoder is trained too. If a generator was trained on the features of
            both, it must stay fixed; it is then in evaluation mode.
    """

    name = "cavp"
    compares_rows = True

    def __init__(
        self,
        video_encoder: VideoEncoder,
        audio_encoder: AudioEncoder,
        clips: StageClips,
        *,
        windows: int = 3,
        window_frames: int = 16,
        gap_frames: int = 8,
        pooling: Pooling = "max",
        temporal_weight: float = 1.0,
        heads: FrameTargetHeads | None = None,
        sampler: FrameSampler | None = None,
        sampler_name: str | None = None,
        trains_audio: bool = True,
    ) -> None:
        self.video_encoder, self.audio_encoder, self.heads = video_encoder, audio_encoder, heads
        self.clips = clips
        self.windows, self.window_frames, self.gap_frames = windows, window_frames, gap_frames
        self.pooling: Pooling = pooling
        self.temporal_weight = temporal_weight
        self.sampler, self.sampler_name, self.trains_audio = sampler, sampler_name, trains_audio
        parts: dict[str, nn.Module] = {"video_encoder": video_encoder}
        if trains_audio:
            parts["audio_encoder"] = audio_encoder
        self.module = nn.ModuleDict(parts if heads is None else parts | {"heads": heads})
        audio_encoder.requires_grad_(trains_audio)
        if not trains_audio:  # no dropout, and fixed batch statistics
            audio_encoder.eval()
        self._reduction = audio_encoder.time_reduction
        self._group = int(video_encoder.config["frames_per_feature"])

    @property
    def settings(self) -> dict[str, object]:
        """How windows are drawn and compared."""
        return {
            "windows": self.windows,
            "window_frames": self.window_frames,
            "gap_frames": self.gap_frames,
            "pooling": self.pooling,
            "temporal_weight": self.temporal_weight,
            "trains_audio": self.trains_audio,
            "look": self.sampler_name,
        }

    def draw(self, step: int, generator: torch.Generator, batch_size: int) -> Batch:
        """Choose clips, starts of their windows, and a seed for the augmentation of each clip."""
        return {
            "index": self.choose(step, generator, batch_size, count=len(self.clips)),
            "starts": draw_starts(
                generator,
                batch_size,
                frames=whole_features(self.clips, self._reduction, frames_per_feature=self._group),
                windows=self.windows,
                window_frames=self.window_frames,
                gap_frames=self.gap_frames,
            ),
            "seed": torch.randint(2**62, (batch_size,), generator=generator),
        }

    def load(self, rows: Batch) -> Batch:
        """Cut the windows out of frames, mels and events, ``(B, windows, ...)``."""
        index, starts = rows["index"], rows["starts"]
        clip = torch.arange(len(index))[:, None, None]
        grid = (starts * self._group)[:, :, None] + torch.arange(self.window_frames * self._group)
        if self.sampler is None:
            whole = augment(self.clips.frames[index], rows["seed"])
        else:
            whole = self.sampler(index, rows["seed"]).float() / 255
        steps = (starts * self._reduction)[:, :, None] + torch.arange(self.window_frames * self._reduction)
        return {
            "video": whole[clip, grid],
            "mels": self.clips.mels[index].float()[clip, :, steps].transpose(2, 3),
            "events_s": sharp_events(self.clips, index)[:, None] - starts[..., None] / _FEATURE_FPS,
            "kinds": self.clips.kinds[index, None].expand(-1, self.windows, -1),
        }

    def losses(self, batch: Batch, *, step: int) -> dict[str, Tensor]:
        """Both contrastive losses, and the per-frame targets if there are heads."""
        flat = {name: rows.flatten(0, 1) for name, rows in batch.items()}
        video = self.video_encoder(flat.pop("video"), normalize=False).float()
        audio = self.audio_encoder(flat["mels"], normalize=False).float()
        losses = contrastive_losses(
            gather_rows(embed_clips(video, pooling=self.pooling)),
            gather_rows(embed_clips(audio, pooling=self.pooling)),
            self.audio_encoder.logit_scale,
            windows=self.windows,
        )
        total = losses["semantic"] + self.temporal_weight * losses["temporal"]
        if self.heads is not None:
            for features in (video, audio):
                targets = self.heads(F.normalize(features, dim=-1), **flat, fps=_FEATURE_FPS)["targets"]
                total = total + 0.5 * targets
        return {"loss": total} | losses


def draw_starts(
    generator: torch.Generator,
    count: int,
    *,
    frames: int,
    windows: int,
    window_frames: int,
    gap_frames: int,
) -> Tensor:
    """Draw the first frames ``(count, windows)`` of windows, ascending and at least ``gap_frames`` apart.

    Each is drawn uniformly from the places that leave room for the later ones, as Diff-Foley's loader does:
    of 40 frames, ``U{0..8}``, then ``U{s+8..16}``, then ``U{s+8..24}``.

    Raises:
        ValueError: If the windows do not fit.
    """
    room = frames - window_frames - (windows - 1) * gap_frames
    if room < 0:
        raise ValueError(
            f"{windows} windows of {window_frames} frames, {gap_frames} apart, do not fit into {frames}"
        )
    lots = torch.rand(count, windows, generator=generator, dtype=torch.float64)
    starts: list[Tensor] = []
    least = torch.zeros(count, dtype=torch.long)
    for index in range(windows):
        choices = room + index * gap_frames - least + 1
        starts.append(least + (lots[:, index] * choices).long())
        least = starts[-1] + gap_frames
    return torch.stack(starts, dim=1)


def embed_clips(features: Tensor, *, pooling: Pooling) -> Tensor:
    """Pool the features of each clip into one vector of unit norm.

    Args:
        features: ``(B, T, D)``, raw.
        pooling: ``"max"`` gives ``(B, D)``, ``"frames"`` ``(B, T * D)``.
    """
    if pooling == "max":
        return pool_clip(features, clip_frames=features.shape[1])
    return F.normalize(features, dim=-1).flatten(1) / features.shape[1] ** 0.5


def contrastive_losses(
    video: Tensor, audio: Tensor, logit_scale: Tensor, *, windows: int
) -> dict[str, Tensor]:
    """Symmetric InfoNCE over the batch and inside each clip's windows.

    Args:
        video: ``(N, D)``, unit norm; N is a multiple of ``windows``, with the windows of a clip side by side.
        audio: Same shape and order.
        logit_scale: Logarithm of the inverse temperature; clamped to [0, ln 100].
        windows: Windows per clip.

    Returns:
        ``"semantic"`` and ``"temporal"``, scalars.
    """
    with torch.autocast(video.device.type, enabled=False):
        logits = logit_scale.float().clamp(0, _MAX_LOGIT_SCALE).exp() * video.float() @ audio.float().T
        blocks = logits.unflatten(0, (-1, windows)).unflatten(2, (-1, windows))
        inside = torch.diagonal(blocks, dim1=0, dim2=2).permute(2, 0, 1)
        return {"semantic": _symmetric(logits[None]), "temporal": _symmetric(inside)}


def _symmetric(logits: Tensor) -> Tensor:
    """Mean cross-entropy of the diagonals of ``(B, N, N)``, over rows and over columns."""
    target = torch.arange(logits.shape[-1], device=logits.device).expand(logits.shape[:2]).flatten()
    rows = F.cross_entropy(logits.flatten(0, 1), target)
    columns = F.cross_entropy(logits.transpose(1, 2).flatten(0, 1), target)
    return (rows + columns) / 2
