"""Embed job: all numbers of each sound, computed into the cache by ranks or the workers of a cluster."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

from cinefoley.data.parallel import Engine, run_tasks
from cinefoley.errors import MediaError
from cinefoley.evaluation.folder.alignment import AlignmentMetric
from cinefoley.evaluation.folder.envelope import EnvelopeMetric
from cinefoley.evaluation.folder.feature_cache import FeatureCache
from cinefoley.evaluation.folder.features import embed_files
from cinefoley.evaluation.folder.loudness import LoudnessMetric
from cinefoley.evaluation.folder.pairing import Pairs, Sample
from cinefoley.evaluation.folder.per_clip_metrics import PerClipMetric
from cinefoley.evaluation.folder.reference_onsets import ReferenceOnsetMetric
from cinefoley.metrics.backbones.loading import load_backbone
from cinefoley.metrics.backbones.protocol import Backbone
from cinefoley.metrics.backbones.reading import Reading
from cinefoley.pipelines.devices import choose_own_device
from cinefoley.pipelines.ranks import share_among_ranks

__all__ = [
    "AlignmentChoice",
    "EmbedJob",
    "embed_shared",
    "load_alignment",
    "load_backbones",
    "reference_metrics",
]

_CLIPS_PER_TASK = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentChoice:
    """The alignment classifier of a model, and the video encoder whose features it gets."""

    folder: Path
    """The model's folder."""
    video_encoder: str
    """``teacher``, ``student`` or a folder."""
    seed: int
    """Of the posterior's noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedJob:
    """What every worker needs to know. Small and hashable, so that it can be sent with every task."""

    weights: tuple[tuple[Literal["panns", "vggish", "lite"], Path | None], ...]
    """The backbones, and files of their weights; None means the default."""
    reading: Reading
    """How files become waveforms."""
    cache: Path
    """Cache folder, which all workers share."""
    device: str
    """Device to run on; with several GPUs, every rank gets its own."""
    alignment: AlignmentChoice | None = None
    """To measure alignment as well."""
    is_paired: bool = False
    """Whether sounds are compared with the reference of their clip as well: loudness and its envelope."""
    has_onsets: bool = False
    """Whether onsets are compared, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chunk:
    """Some clips with all of their sounds, which share a video."""

    real: Mapping[str, Path]
    samples: tuple[Sample, ...]
    videos: Mapping[str, Path]


def load_backbones(job: EmbedJob) -> list[Backbone]:
    """The backbones of a job, on this process's device."""
    device = choose_own_device(job.device)
    return [load_backbone(name, path, device=device) for name, path in job.weights]


def load_alignment(job: EmbedJob, videos: Mapping[str, Path]) -> AlignmentMetric | None:
    """The alignment metric of a job, on this process's device; None if there is none."""
    if job.alignment is None:
        return None
    return AlignmentMetric(
        job.alignment.folder,
        videos,
        video_encoder=job.alignment.video_encoder,
        seed=job.alignment.seed,
        cache=FeatureCache(job.cache),
        device=choose_own_device(job.device),
    )


def reference_metrics(job: EmbedJob, real: Mapping[str, Path]) -> list[PerClipMetric]:
    """Metrics of a job that compare a sound with its clip's real one.

    Args:
        job: The job.
        real: Real sound of each clip.
    """
    if not job.is_paired:
        return []
    cache = FeatureCache(job.cache)
    metrics: list[PerClipMetric] = [LoudnessMetric(real, cache), EnvelopeMetric(real, cache)]
    return [*metrics, ReferenceOnsetMetric(real, cache)] if job.has_onsets else metrics


def embed_shared(
    job: EmbedJob,
    pairs: Sequence[Pairs],
    videos: Mapping[str, Path],
    engine: Engine | None = None,
    *,
    on_clip: Callable[[int, int], None] | None = None,
) -> None:
    """Compute the cached features and metrics of all sounds, and wait until all are computed.

    Every sound is embedded and measured alone, and the numbers are computed from the cache, in the order of
    names, so they do not depend on who computed what.

    Args:
        job: What is computed.
        pairs: The sounds of each method.
        videos: Video of each clip, for alignment.
        engine: A Dask cluster; otherwise the ranks that torchrun started share the clips.
        on_clip: Called with finished and all clips, those of other ranks not included.

    Raises:
        CinefoleyError: If a network cannot be loaded, or workers keep dying. Finished features stay.
    """
    chunks = _chunks(pairs, videos)
    total, done = sum(len(chunk.real) for chunk in chunks), 0
    embed = partial(_embed_chunk, job)
    if engine is not None and engine.name == "dask":
        finished = run_tasks(embed, chunks, engine)
    else:
        finished = (embed(chunk) for chunk in share_among_ranks(chunks, job.cache))
    for count in finished:
        done += count
        if on_clip is not None:
            on_clip(done, total)


def _chunks(pairs: Sequence[Pairs], videos: Mapping[str, Path]) -> list[_Chunk]:
    samples: dict[str, list[Sample]] = {}
    real: dict[str, Path] = {}
    for found in pairs:
        real |= found.real
        for sample in found.samples:
            samples.setdefault(sample.clip, []).append(sample)
    names = sorted({*samples, *real})
    parts = [names[start : start + _CLIPS_PER_TASK] for start in range(0, len(names), _CLIPS_PER_TASK)]
    return [
        _Chunk(
            real={name: real[name] for name in part if name in real},
            samples=tuple(sample for name in part for sample in samples.get(name, [])),
            videos={name: videos[name] for name in part if name in videos},
        )
        for part in parts
    ]


def _embed_chunk(job: EmbedJob, chunk: _Chunk) -> int:
    backbones, alignment = _loaded_in_worker(job)
    paths = sorted({*chunk.real.values(), *(sample.path for sample in chunk.samples)})
    found = embed_files(paths, backbones, reading=job.reading, cache=FeatureCache(job.cache))
    usable = {path for path, features in found.items() if features.problem is None}
    real = {name: path for name, path in chunk.real.items() if path in usable}
    for metric in reference_metrics(job, real):
        metric.measure([sample for sample in chunk.samples if sample.path in usable])
    if alignment is not None:
        alignment.videos = chunk.videos
        for sample in chunk.samples:
            with suppress(MediaError, ValueError):  # an unusable sound, which is reported with the numbers
                alignment.measure([sample])
    return len(chunk.real)


@lru_cache(maxsize=1)
def _loaded_in_worker(job: EmbedJob) -> tuple[list[Backbone], AlignmentMetric | None]:
    return load_backbones(job), load_alignment(job, {})
