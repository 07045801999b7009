"""Experiment: generate takes of a set of clips with one video encoder, and measure each take; resumable."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from cinefoley.config.foley import Quality
from cinefoley.data.cache.tensor_files import Chunk, claimed_cache
from cinefoley.data.events.clip_events import ClipEvents
from cinefoley.data.json_lines import Record
from cinefoley.data.sources.clip_source import Clip, ClipFault, ClipSource
from cinefoley.data.sources.file_digests import FileDigests
from cinefoley.data.test_sets.builder import clip_seed
from cinefoley.errors import DataError
from cinefoley.evaluation.folder.envelope import paired_envelope_distance
from cinefoley.evaluation.paper.chunk_cache import cached_chunks, join_embeddings, stack_embeddings
from cinefoley.evaluation.paper.clip_windows import read_frames, read_real, read_sound
from cinefoley.evaluation.paper.event_counts import count_events
from cinefoley.evaluation.paper.model_parts import part_digest
from cinefoley.evaluation.views import View, window_of
from cinefoley.metrics.alignment import AlignmentScorer
from cinefoley.metrics.backbones.protocol import Backbone, Embedding
from cinefoley.metrics.backbones.resampling import resample
from cinefoley.metrics.functional.envelope import ENVELOPE_RATE
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.pipelines.sampling import draw_noise
from cinefoley.variations.window import Window

__all__ = ["Experiment", "ExperimentSettings", "KnownEvents", "RealClips", "ViewTakes"]

_FORMAT = 1  # raise when the same settings would give other numbers
_TAKE_COLUMNS = ("probability", "onsets", "visible_onsets", "off_screen")


class KnownEvents(Protocol):
    """Finds the events of a clip as a window shows them; None where they are not known."""

    def __call__(self, clip: Clip, window: Window | None) -> ClipEvents | None:
        """Events of one clip, seen through a window or whole."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentSettings:
    """How takes are generated."""

    num_takes: int = 1
    """Takes per clip."""
    num_inference_steps: int = 25
    """Denoiser calls per take."""
    guidance_scale: float = 4.5
    """Strength of the video's influence."""
    quality: Quality = "paper"
    """Sampling preset, for all but steps and guidance."""
    noise_seed: int = 0
    """Seed of the noise: take ``k`` of a clip starts from the same noise with any encoder and view."""
    window_seed: int = 0
    """Seed of the windows: those of a test set that ``cinefoley vary`` builds with it."""
    batch_size: int = 16
    """Takes generated at once."""
    clips_per_file: int = 20
    """Clips per cache file: what a killed run loses at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RealClips:
    """The usable clips of an experiment, with the features that takes are compared with."""

    rows: tuple[int, ...]
    """Number of each clip in the source."""
    ids: tuple[str, ...]
    """Their names."""
    labels: tuple[tuple[str, ...], ...]
    """Categories of each clip's sound."""
    teacher_features: Tensor
    """``(N, T, D)`` of the whole clips: input of the alignment classifier in every view."""
    embeddings: Mapping[str, tuple[Embedding, ...]]
    """Features of the real sound by backbone, one per clip."""
    ledger: tuple[Record, ...]
    """Skipped clips: ``id``, ``reason``, ``message``."""

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewTakes:
    """Measurements of every take of every clip in one view; ``N`` clips, ``K`` takes."""

    probability: Tensor
    """``(N, K)``, the alignment classifier's, that the sound belongs to the whole clip; posterior mean."""
    onsets: Tensor
    """``(N, K, 3)`` int64: hits, extra and missed onsets within ±100 ms; -1 where they are not measured."""
    visible_onsets: Tensor
    """The same for events in the frame."""
    off_screen: Tensor
    """``(N, K)`` share of energy where nothing sounds while the target is off-screen; NaN if undefined."""
    embeddings: Mapping[str, tuple[Embedding, ...]]
    """Features by backbone, ``N * K`` of them, a clip's takes side by side."""
    envelope: Tensor | None = None
    """``(N, K)`` E-L1 with the real sound; None if the experiment does not measure it."""
    seconds: float = 0.0
    """Time that generating and measuring took, over all runs."""


@dataclass(kw_only=True)
class Experiment:
    """Clips, metrics and a cache; encoders are measured on it one by one.

    Results are cached in files of a few clips. A file's name is the digest of all that decides its content,
    so a killed run resumes and changed settings never read old results.
    """

    source: ClipSource
    """The clips."""
    model: str | Path
    """Model whose generator makes the takes."""
    model_folder: Path
    """Its folder."""
    alignment: AlignmentScorer
    """Alignment classifier."""
    backbones: Sequence[Backbone]
    """Networks whose features the distances are computed from."""
    cache_dir: Path
    """Folder of the cache."""
    settings: ExperimentSettings = field(default_factory=ExperimentSettings)
    """How takes are generated."""
    dtype: torch.dtype = torch.float32
    """Number format of the generator."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """Where takes are generated; classifier and backbones run on their own devices."""
    events: KnownEvents | None = None
    """Known events of the clips."""
    has_envelope: bool = False
    """Whether E-L1 is measured."""
    events_digest: str | None = None
    """Digest of the events file. None if events come with the clips, as on the stage."""

    def read_real(
        self, teacher: VideoEncoder, *, on_clip: Callable[[int, int], None] | None = None
    ) -> RealClips:
        """Read every clip whole and compute the features of its sound and, by the teacher, of its frames.

        Args:
            teacher: In float32, on any device; not prepacked.
            on_clip: Called with finished and all clips.

        Raises:
            DataError: If fewer than two clips can be used.
            OutputError: If the cache cannot be written.
        """

        def make(places: range) -> Chunk:
            return self._embed_real(places, teacher)

        chunks = self._chunks("real", [], range(len(self.source)), make, on_clip)
        notes = [note for _, several in chunks for note in several["clips"]]
        ledger = tuple(record for _, several in chunks for record in several["ledger"])
        if len(notes) < 2:
            why = f" {ledger[0]['id']}: {ledger[0]['reason']} ({ledger[0]['message']})." if ledger else ""
            raise DataError(
                f"{self.source.name}: an experiment needs at least two clips, {len(notes)} can be used.{why}"
            )
        usable = [tensors for tensors, several in chunks if several["clips"]]
        return RealClips(
            rows=tuple(note["row"] for note in notes),
            ids=tuple(note["id"] for note in notes),
            labels=tuple(tuple(note["labels"]) for note in notes),
            teacher_features=torch.cat([tensors["teacher_features"] for tensors in usable]),
            embeddings=join_embeddings(usable, self.backbones),
            ledger=ledger,
        )

    def measure(
        self,
        real: RealClips,
        view: View,
        video_encoder: str | Path = "teacher",
        *,
        on_clip: Callable[[int, int], None] | None = None,
    ) -> ViewTakes:
        """Generate takes of every clip from one encoder's features in one view, and measure them.

        Args:
            real: What :meth:`read_real` returned.
            view: Whole clips, or the windows of the paper's test sets.
            video_encoder: ``"teacher"``, ``"student"`` or a folder.
            on_clip: Called with finished and all clips.

        Raises:
            OutputError: If the cache cannot be written. Finished files stay.
        """
        names = {"teacher": "video_encoder", "student": "video_encoder_student"}
        own = names.get(str(video_encoder))
        folder = Path(video_encoder) if own is None else self.model_folder / own
        key = [*self._take_key(view), part_digest(folder)]
        pipeline: FoleyPipeline | None = None

        def make(places: range) -> Chunk:
            nonlocal pipeline
            if pipeline is None:  # only if a file is missing
                pipeline = FoleyPipeline.from_pretrained(
                    self.model, torch_dtype=self.dtype, video_encoder=video_encoder
                ).to(self.device)
                pipeline.prepack()
            began = time.monotonic()
            tensors, notes = self._make_takes(places, real, view, pipeline)
            return tensors, notes | {"seconds": time.monotonic() - began}

        # a folder of its own: two processes may measure two encoders at once
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
        chunks = self._chunks(f"takes/{digest}", key, real.rows, make, on_clip)
        tensors = [tensors for tensors, _ in chunks]
        return ViewTakes(
            **{name: torch.cat([chunk[name] for chunk in tensors]) for name in self._columns},
            embeddings=join_embeddings(tensors, self.backbones),
            seconds=sum(notes["seconds"] for _, notes in chunks),
        )

    def describe(self, view: View) -> dict[str, Any]:
        """All that decides what is measured in a view, but for the encoder; ready for JSON."""
        clips = hashlib.sha256(json.dumps([list(self.source.ids), self._fingerprints()]).encode()).hexdigest()
        return {
            "format": _FORMAT,
            "clips": clips,
            "judges": self._metrics_key(),
            "takes": self._take_key(view),
        }

    def _embed_real(self, rows: range, teacher: VideoEncoder) -> Chunk:
        config = self.alignment.config
        usable: list[Record] = []
        ledger: list[Record] = []
        features: list[Tensor] = []
        sounds: dict[str, list[Embedding]] = {backbone.name: [] for backbone in self.backbones}
        device = next(teacher.parameters()).device
        for row in rows:
            clip = self.source[row]
            found = read_real(clip, config)
            if isinstance(found, ClipFault):
                ledger.append({"id": clip.id, "reason": found.reason, "message": found.message})
                continue
            frames, waveform = found
            # an error from here on is a network's, and no reason to skip the clip
            with torch.no_grad():
                features.append(teacher(frames[None].to(device).float() / 255)[0].float().cpu())
            for backbone in self.backbones:
                sounds[backbone.name].append(backbone.embed(waveform, config.mel.sample_rate))
            usable.append({"row": row, "id": clip.id, "labels": list(clip.labels)})
        tensors = stack_embeddings(sounds) if usable else {}
        if usable:
            tensors["teacher_features"] = torch.stack(features)
        return tensors, {"clips": usable, "ledger": ledger}

    def _make_takes(self, places: range, real: RealClips, view: View, pipeline: FoleyPipeline) -> Chunk:
        settings, takes = self.settings, self.settings.num_takes
        rate = self.alignment.config.mel.sample_rate
        clips = [self.source[real.rows[place]] for place in places]
        windows = [window_of(clip, view, seed=settings.window_seed) for clip in clips]
        events: list[ClipEvents | None] = [None] * len(clips)
        if self.events is not None:
            events = [self.events(clip, window) for clip, window in zip(clips, windows, strict=True)]
        frames = torch.stack(
            [
                read_frames(clip, self.alignment.config, window)
                for clip, window in zip(clips, windows, strict=True)
            ]
        )
        features = pipeline.encode_video(frames.float() / 255).repeat_interleave(takes, dim=0)
        whole = real.teacher_features[places.start : places.stop].repeat_interleave(takes, dim=0)
        noise = torch.cat([self._noise(clip, take, pipeline) for clip in clips for take in range(takes)])
        rows: list[dict[str, Tensor]] = []
        sounds: dict[str, list[Embedding]] = {backbone.name: [] for backbone in self.backbones}
        for part in torch.arange(len(noise)).split(settings.batch_size):
            latents = pipeline.sample(
                features[part],
                latents=noise[part],
                quality=settings.quality,
                num_inference_steps=settings.num_inference_steps,
                guidance_scale=settings.guidance_scale,
            )
            mels = pipeline.decode(latents)
            probabilities = self.alignment.probability(mels, whole[part], posterior="mean").cpu()
            waveforms = pipeline.vocode(mels).cpu()
            for place, waveform, probability in zip(part.tolist(), waveforms, probabilities, strict=True):
                counts = count_events(waveform, events[place // takes], sample_rate=rate)
                if self.has_envelope:
                    counts["envelope"] = torch.tensor(self.envelope_distance(clips[place // takes], waveform))
                rows.append(counts | {"probability": probability})
                for backbone in self.backbones:
                    sounds[backbone.name].append(backbone.embed(waveform, rate))
        tensors = {
            name: torch.stack([row[name] for row in rows]).unflatten(0, (-1, takes)) for name in self._columns
        }
        return tensors | stack_embeddings(sounds), {}

    @property
    def _columns(self) -> tuple[str, ...]:
        return (*_TAKE_COLUMNS, *(["envelope"] if self.has_envelope else []))

    def envelope_distance(self, clip: Clip, waveform: Tensor) -> float:
        """E-L1 of a take ``(N,)`` and the real sound of its clip."""
        config, rate = self.alignment.config, self.alignment.config.mel.sample_rate
        pair = [read_sound(clip, config), waveform]
        if rate != ENVELOPE_RATE:
            pair = [resample(each, rate, ENVELOPE_RATE) for each in pair]
        return paired_envelope_distance(*pair)

    def _noise(self, clip: Clip, take: int, pipeline: FoleyPipeline) -> Tensor:
        seed = clip_seed(self.settings.noise_seed, clip.id)
        return draw_noise((1, *pipeline.latent_shape), seed=seed, take=take, window=0)

    def _chunks(
        self,
        folder: str,
        key: Sequence[Any],
        rows: Sequence[int],
        make: Callable[[range], Chunk],
        on_clip: Callable[[int, int], None] | None,
    ) -> list[Chunk]:
        fingerprints = self._fingerprints()
        clips = [[self.source.ids[row], fingerprints[row]] for row in rows]
        return cached_chunks(
            self.cache_dir / folder,
            clips,
            make,
            key=[_FORMAT, self._metrics_key(), key],
            clips_per_file=self.settings.clips_per_file,
            on_clip=on_clip,
        )

    def _fingerprints(self) -> list[str]:
        with claimed_cache(self.cache_dir), FileDigests(self.cache_dir / "digests.jsonl") as digests:
            return self.source.fingerprints(digests.sha256)

    def _metrics_key(self) -> list[Any]:
        backbones = [f"{backbone.name} {backbone.digest}" for backbone in self.backbones]
        return [self._part("video_encoder"), *backbones, self.alignment.config.describe_window()]

    def _take_key(self, view: View) -> list[Any]:
        names = ["conditioner", "unet", "vae", "scheduler", "alignment"]
        if (self.model_folder / "alignment_vae").is_dir():
            names.append("alignment_vae")  # the alignment classifier's own
        # batch and file sizes change no number, so they are fixed in the key
        settings = asdict(self.settings) | {"clips_per_file": 0, "batch_size": 16}
        if self.settings.quality == "paper":  # the keys of scores from before there was a choice
            del settings["quality"]
        events = [] if self.events_digest is None else [f"events {self.events_digest}"]
        events += ["E-L1"] if self.has_envelope else []
        return [view, settings, str(self.dtype), [self._part(name) for name in names], *events]

    def _part(self, name: str) -> str:
        return part_digest(self.model_folder / name)
