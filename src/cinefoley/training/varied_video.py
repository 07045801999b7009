"""What CAVP's video tower sees of clips through windows."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from cinefoley.config.variations import VariationConfig
from cinefoley.data.cache.clip_frames import FrameSettings
from cinefoley.data.cache.clip_windows import DecodedClips
from cinefoley.data.cache.frame_cache import prepare_frames
from cinefoley.data.sources.clip_source import ClipSource
from cinefoley.training.tasks.cavp import Look
from cinefoley.variations.mixture import Mixture

__all__ = ["varied_look"]


def varied_look(
    source: ClipSource,
    clips: DecodedClips,
    variation: VariationConfig,
    *,
    cache_dir: Path,
    workers: int = 1,
    on_clip: Callable[[int, int], None] | None = None,
) -> Look:
    """Prepare larger pictures of clips, and give what cuts windows out of them.

    Args:
        source: Where the clips are.
        clips: Those of them that can be used, as they are prepared; a clip whose larger pictures are damaged
            is seen whole.
        variation: What is shown.
        cache_dir: Where pictures are kept.
        workers: Processes that decode.
        on_clip: Called with finished and all clips.

    Raises:
        OutputError: If the cache cannot be written.
    """
    read = clips.settings
    reading = FrameSettings.of(
        read.frame_size,
        read.fps,
        duration_s=read.duration_s,
        least_s=read.least_s,
        scale=variation.scale_range[0],
    )
    pictures = prepare_frames(source, reading, cache_dir, workers=workers, on_clip=on_clip)
    rows = {name: row for row, name in enumerate(pictures.ids)}
    mixture = Mixture.from_config(variation)

    def look(index: Tensor, seeds: Tensor) -> Tensor:
        seen = []
        for number, seed in zip(index.tolist(), seeds.tolist(), strict=True):
            row = rows.get(clips.ids[number])
            if row is None:
                seen.append(clips.frames[number])
                continue
            window = mixture.draw(pictures.sizes[row], generator=torch.Generator().manual_seed(seed))
            seen.append(pictures.video(row, size=read.frame_size, window=window))
        return torch.stack(seen)

    return look
