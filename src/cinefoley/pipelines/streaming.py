"""Window-by-window generation: frames to features to latents to mels to cross-faded sound."""

import operator
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from cinefoley.media.shots import Shot
from cinefoley.pipelines.control import Control
from cinefoley.pipelines.output import FoleyBlock
from cinefoley.pipelines.sampling import draw_noise
from cinefoley.pipelines.settings import SamplingSettings
from cinefoley.pipelines.video_input import VideoInput, window_frames
from cinefoley.pipelines.windows import CrossFader

if TYPE_CHECKING:
    from cinefoley.pipelines.foley import FoleyPipeline

__all__ = ["choose_seed", "stream_blocks"]

_MAX_BATCH = 16  # takes per denoiser call (twice that with guidance), which bounds memory


def choose_seed(seed: int | None, generator: torch.Generator | None) -> int:
    """Return the seed, or one drawn from the generator, or 0.

    Raises:
        ValueError: If both are given.
    """
    if seed is not None and generator is not None:
        raise ValueError("give seed or generator, not both")
    if generator is not None:
        return int(torch.randint(2**31, (1,), generator=generator))
    return seed or 0


def stream_blocks(
    pipeline: "FoleyPipeline",
    video: VideoInput,
    *,
    num_takes: int,
    seed: int,
    start: float,
    duration: float | None,
    on_step: Callable[[int, int], None] | None,
    timings_s: dict[str, float],
    settings: SamplingSettings,
    control: Control | None = None,
    shots: Sequence[Shot] | None = None,
) -> Iterator[FoleyBlock]:
    """Generate takes window by window; see :meth:`FoleyPipeline.stream`.

    Raises:
        ValueError: If ``num_takes`` or ``seed`` is out of range.
    """
    if num_takes < 1:
        raise ValueError(f"num_takes must be at least 1, got {num_takes}")
    if not 0 <= operator.index(seed) < 2**32:  # PyTorch's generator would map it to another seed
        raise ValueError(f"seed must be 0 to 2**32 - 1, got {seed}")
    control = control or Control()
    plan = pipeline.plan(video, start=start, duration=duration, shots=shots)
    fader = CrossFader(plan)
    frames_of_windows = window_frames(video, plan, pipeline.foley_config, start=start, duration=duration)
    count_step = _step_counter(on_step, len(plan) * settings.num_denoiser_calls * -(-num_takes // _MAX_BATCH))
    for window in range(len(plan)):
        with _timed(timings_s, "read"):
            frames = next(frames_of_windows)
        with _timed(timings_s, "encode"):
            features = control.apply(pipeline.encode_video(frames[None].float() / 255))
            negative = control.negative(features)
        audios, mels = [], []
        for takes in torch.arange(num_takes).split(_MAX_BATCH):
            shape = (1, *pipeline.latent_shape)
            with _timed(timings_s, "sample"):
                noise = [draw_noise(shape, seed=seed, take=take, window=window) for take in takes.tolist()]
                latents = pipeline.sample(
                    features.expand(len(takes), -1, -1),
                    latents=torch.cat(noise),
                    on_step=count_step,
                    negative_features=None if negative is None else negative.expand(len(takes), -1, -1),
                    **settings.options(),
                )
            with _timed(timings_s, "decode"):
                mels.append(pipeline.decode(latents).cpu())
            with _timed(timings_s, "vocode"):
                audios.append(pipeline.vocode(mels[-1], seed=seed, compat=settings.compat).cpu())
        yield FoleyBlock(
            audios=fader.add(window, torch.cat(audios)),
            mels=torch.cat(mels),
            video_features=features[0].cpu(),
            window=window,
            num_windows=len(plan),
        )


def _step_counter(on_step: Callable[[int, int], None] | None, total: int) -> Callable[[int], None]:
    done = 0

    def count_step(_: int) -> None:
        nonlocal done
        done += 1
        if on_step is not None:
            on_step(done, total)

    return count_step


@contextmanager
def _timed(totals: dict[str, float], name: str) -> Iterator[None]:
    """Add the seconds of a block to ``totals[name]``."""
    began = time.perf_counter()
    try:
        yield
    finally:
        totals[name] = totals.get(name, 0.0) + time.perf_counter() - began
