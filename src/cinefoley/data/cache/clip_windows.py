"""Decoded clips as tensor rows, and windows cut out of them for training."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cinefoley.config.foley import FoleyConfig
from cinefoley.data.cache.tensor_rows import TensorRows, WindowedRows
from cinefoley.data.json_lines import Record
from cinefoley.data.sources.clip_reader import ClipSettings

__all__ = ["ClipWindows", "DecodedClips"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DecodedClips:
    """Decoded clips as tensor rows, mapped from the cache or decoded from shards on demand."""

    ids: tuple[str, ...]
    """As in their source."""
    frames: TensorRows
    """``(N, T, 3, H, W)`` uint8, squashed to the model's frame size."""
    mels: TensorRows
    """``(N, n_mels, frames)`` float16 in [0, 1]."""
    kinds: Tensor
    """``(N, 2)`` int64, indices into :attr:`label_names`: the first source's, and the second's or again the
    first's; -1 if not known."""
    events_s: Tensor
    """``(N, E)`` float32, seconds of the known events, padded with NaN."""
    is_onset_like: Tensor
    """``(N, E)`` bool, whether each event starts sharply."""
    has_events: Tensor
    """``(N,)`` bool, whether the events are known; if not, the row of NaN does not mean silence."""
    lengths_s: Tensor
    """``(N,)`` float32, seconds of video; later frames repeat the last one."""
    label_names: tuple[str, ...]
    """Labels in the order of their numbers."""
    ledger: tuple[Record, ...]
    """Clips that are skipped: ``id``, ``reason``, ``message``."""
    settings: ClipSettings
    """How they were decoded."""
    chunks: tuple[tuple[str, int], ...]
    """Name and number of clips of each file of the cache, in order; for shards, of each 32 clips."""
    is_streamed: bool = False
    """Whether rows are decoded on demand, so that prefetching saves time."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def digest(self) -> str:
        """SHA-256 over content and settings of all clips."""
        return hashlib.sha256("\n".join(name for name, _ in self.chunks).encode()).hexdigest()

    def windows(
        self, config: FoleyConfig, per_clip: int = 1, *, num_frames: int | None = None
    ) -> "ClipWindows":
        """Cut windows out of every clip, evenly spaced from its start to its last window.

        Windows begin on the grid of the frames, so frame n of a window is the one that sampling from the
        window's own start gives. Their mel begins at the nearest mel frame, at most half a hop
        off, for every window.

        Args:
            config: The model's window; mel, rate and frame size must be those of the clips.
            per_clip: Windows of each clip.
            num_frames: Frames of a window, if not the model's own; the mel has the same length.

        Raises:
            ValueError: If the clips were decoded with other settings, or are shorter than a window.
        """
        settings = self.settings
        if (config.mel, config.frame_rate, config.frame_size) != (
            settings.mel,
            settings.frame_rate,
            settings.frame_size,
        ):
            raise ValueError("the clips were decoded with another mel, rate or frame size than the model's")
        frames = num_frames or config.video_frames
        columns = config.mel_frames
        if num_frames is not None:
            columns = round(num_frames / settings.fps * settings.mel.sample_rate / settings.mel.hop_length)
        starts = self._starts(per_clip, frames, columns)
        return ClipWindows(clips=self, starts=starts, num_frames=frames, num_mel_frames=columns)

    def _starts(self, per_clip: int, frames: int, columns: int) -> Tensor:
        """Frame numbers ``(N, per_clip)`` at which windows begin."""
        settings = self.settings
        per_second = settings.mel.sample_rate / settings.mel.hop_length
        # frames and mel of a window must lie inside the cached clip
        room = min(
            self.frames.shape[1] - frames, int((self.mels.shape[2] - columns) / per_second * settings.fps)
        )
        if per_clip < 1 or room < 0:
            raise ValueError(f"need windows of {frames} frames inside clips of {self.frames.shape[1]}")
        window_s = max(frames / settings.fps, columns / per_second)
        last = ((self.lengths_s.double() - window_s) * settings.fps + 1e-3).floor().clamp(0, room)
        steps = (
            torch.linspace(0, 1, per_clip, dtype=torch.float64) if per_clip > 1 else torch.zeros(1).double()
        )
        return (last[:, None] * steps).round().long()


class ClipWindows:
    """Windows of clips, row by row, as training tasks read them.

    Row ``r`` is window ``r % k`` of clip ``r // k``, with k windows of each clip.

    Args:
        clips: The clips.
        starts: ``(N, k)``, frame numbers at which the windows begin.
        num_frames: Frames of a window.
        num_mel_frames: Mel frames of a window.
    """

    def __init__(self, *, clips: DecodedClips, starts: Tensor, num_frames: int, num_mel_frames: int) -> None:
        settings = clips.settings
        self.clips = clips
        self.starts = starts
        """``(N, k)`` int64, frame numbers."""
        self.label_names: Sequence[str] = clips.label_names
        owners = torch.arange(len(clips)).repeat_interleave(starts.shape[1])
        begins = starts.flatten()
        begins_s = begins.double() / settings.fps
        mel_begins = (begins_s * settings.mel.sample_rate / settings.mel.hop_length).round().long()
        mel_begins = mel_begins.clamp(max=clips.mels.shape[2] - num_mel_frames)
        self.frames: TensorRows = WindowedRows(clips.frames, owners, begins, length=num_frames, dim=1)
        """``(R, T, 3, H, W)`` uint8."""
        self.mels: TensorRows = WindowedRows(clips.mels, owners, mel_begins, length=num_mel_frames, dim=2)
        """``(R, n_mels, frames)`` float16."""
        self.kinds = clips.kinds[owners]
        """``(R, 2)``, as in the clips."""
        window_s = num_mel_frames * settings.mel.hop_length / settings.mel.sample_rate
        shifted = clips.events_s[owners].double() - begins_s[:, None]
        is_inside = (shifted >= 0) & (shifted < window_s)
        self.events_s = torch.where(is_inside, shifted, torch.nan).float()
        """``(R, E)``, seconds from the window's start; NaN without an event, or if it lies outside."""
        self.is_onset_like = clips.is_onset_like[owners] & is_inside
        """``(R, E)``, as in the clips."""

    def __len__(self) -> int:
        return self.starts.numel()

    @property
    def per_clip(self) -> int:
        """Windows of each clip."""
        return self.starts.shape[1]
