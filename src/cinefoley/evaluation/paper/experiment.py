"""What a video encoder makes of a set of clips, seen whole or through windows: takes, judged one by one."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from cinefoley.data.cache.tensor_files import Chunk, claimed_cache, read_chunk, write_chunk
from cinefoley.data.events.clip_events import ClipEvents
from cinefoley.data.json_lines import Record
from cinefoley.data.sources.clip_reader import fault_from, find_mute
from cinefoley.data.sources.clip_source import Clip, ClipFault, ClipSource
from cinefoley.data.sources.file_digests import FileDigests
from cinefoley.data.sources.stage import StageClip
from cinefoley.data.test_sets.builder import clip_seed
from cinefoley.errors import AudioError, DataError
from cinefoley.evaluation.stage.take_metrics import View
from cinefoley.metrics.alignment import AlignmentJudge
from cinefoley.metrics.backbones.protocol import Backbone, Embedding
from cinefoley.metrics.events import match_visible_onsets, off_screen_energy
from cinefoley.metrics.onsets import detect_onsets, match_onsets
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.pipelines.sampling import draw_noise
from cinefoley.variations import CameraMovement, CloseUp
from cinefoley.variations.window import Window

__all__ = [
    "Experiment",
    "ExperimentSettings",
    "KnownEvents",
    "RealClips",
    "ViewTakes",
    "digest_of_part",
    "name_of_part",
    "window_of",
]

_FORMAT = 1  # raise when the same settings would give other numbers
_TOLERANCE_S = 0.1
_MUTE_DB = -60.0  # peak re full scale, as for clips to train on


class _TooShortError(DataError):
    """A clip ends before the model's window does."""


class KnownEvents(Protocol):
    """Tells what happens in a clip, and what of it a window shows; None where nobody knows."""

    def __call__(self, clip: Clip, window: Window | None) -> ClipEvents | None:
        """Events of one clip, seen through a window or whole."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentSettings:
    """How takes are made."""

    num_takes: int = 1
    """Takes of every clip."""
    num_inference_steps: int = 25
    """Denoiser calls."""
    guidance_scale: float = 4.5
    """Strength of the film's influence."""
    noise_seed: int = 0
    """Take ``k`` of a clip starts from the same noise whatever the encoder and the view."""
    window_seed: int = 0
    """Of the windows: those of a test set that ``cinefoley vary`` builds with this seed."""
    batch_size: int = 16
    """Takes made at once."""
    clips_per_file: int = 20
    """What a kill loses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RealClips:
    """The clips of an experiment, as the judges know them."""

    rows: tuple[int, ...]
    """Number in the source of each clip that can be used."""
    ids: tuple[str, ...]
    """Their names."""
    labels: tuple[tuple[str, ...], ...]
    """What is heard in each."""
    teacher_features: Tensor
    """``(N, T, D)`` of the whole clip: what alignment is judged by, whatever the generator was shown."""
    embeddings: Mapping[str, tuple[Embedding, ...]]
    """By backbone, one per clip."""
    ledger: tuple[Record, ...]
    """Clips that are left out: ``id``, ``reason``, ``message``."""

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewTakes:
    """Every take of every clip, judged; ``N`` clips, ``K`` takes."""

    probability: Tensor
    """``(N, K)``, the judge's, that this sound belongs to the whole film; posterior's mean."""
    onsets: Tensor
    """``(N, K, 3)`` int64: hits, extra and missed onsets within ±100 ms; -1 where they are not judged."""
    visible_onsets: Tensor
    """The same over what is in the frame."""
    off_screen: Tensor
    """``(N, K)`` share of energy where nothing sounds while the target is out of frame; NaN if undefined."""
    embeddings: Mapping[str, tuple[Embedding, ...]]
    """By backbone, ``N * K`` of them, a clip's takes side by side."""
    seconds: float = 0.0
    """Time that making and judging them took, over all starts."""


@dataclass(kw_only=True)
class Experiment:
    """Clips, judges and a cache; encoders are measured on it one by one, each clip once.

    Everything is kept in files of a few clips, named by all that decides them, so that a killed run goes on
    where it was and nothing stale is met.
    """

    source: ClipSource
    """The clips."""
    model: str | Path
    """The model whose generator is used, and whose teacher shows the judge the whole film."""
    model_folder: Path
    """Where it lies."""
    judge: AlignmentJudge
    """Says whether a sound belongs to a film."""
    backbones: Sequence[Backbone]
    """Hear the sounds."""
    cache_dir: Path
    """Where finished work is kept."""
    settings: ExperimentSettings = field(default_factory=ExperimentSettings)
    """How takes are made."""
    dtype: torch.dtype = torch.float32
    """Arithmetic of the generator."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """Where takes are made; judge and backbones are where they were put."""
    events: KnownEvents | None = None
    """What happens in the clips, where it is known."""
    events_digest: str | None = None
    """Of the file that tells it. None if the clips themselves do, as those of the stage."""

    def hear_real(
        self, teacher: VideoEncoder, *, on_clip: Callable[[int, int], None] | None = None
    ) -> RealClips:
        """Read every clip whole: its sound, and what the teacher sees.

        Args:
            teacher: In float32, on any device; not prepacked.
            on_clip: Called with finished and all clips.

        Raises:
            DataError: If fewer than two clips can be used.
            OutputError: If the cache cannot be written.
        """

        def make(places: range) -> Chunk:
            return self._hear(places, teacher)

        chunks = self._chunks("real", [], make, range(len(self.source)), on_clip)
        notes = [note for _, several in chunks for note in several["clips"]]
        ledger = tuple(record for _, several in chunks for record in several["ledger"])
        if len(notes) < 2:
            why = f" {ledger[0]['id']}: {ledger[0]['reason']} ({ledger[0]['message']})." if ledger else ""
            raise DataError(
                f"{self.source.name}: an experiment needs two clips at least, {len(notes)} can be used.{why}"
            )
        usable = [tensors for tensors, several in chunks if several["clips"]]
        return RealClips(
            rows=tuple(note["row"] for note in notes),
            ids=tuple(note["id"] for note in notes),
            labels=tuple(tuple(note["labels"]) for note in notes),
            teacher_features=torch.cat([tensors["teacher_features"] for tensors in usable]),
            embeddings=self._embeddings(usable),
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
        """Make takes of every clip as one encoder sees it, and judge them.

        Args:
            real: What :meth:`hear_real` returned.
            view: Whole clips, or the windows of the paper's test sets.
            video_encoder: ``"teacher"``, ``"student"`` or a folder.
            on_clip: Called with finished and all clips.

        Raises:
            OutputError: If the cache cannot be written. What is finished is kept.
        """
        folder = {"teacher": self.model_folder / "video_encoder"}.get(str(video_encoder))
        folder = folder or (
            self.model_folder / "video_encoder_student" if video_encoder == "student" else Path(video_encoder)
        )
        decided = [*self._decided(view), digest_of_part(folder)]
        pipeline: FoleyPipeline | None = None

        def make(places: range) -> Chunk:
            nonlocal pipeline
            if pipeline is None:  # only where something is left to do
                pipeline = FoleyPipeline.from_pretrained(
                    self.model, torch_dtype=self.dtype, video_encoder=video_encoder
                ).to(self.device)
                pipeline.prepack()
            began = time.monotonic()
            tensors, notes = self._make_takes(places, real, view, pipeline)
            return tensors, notes | {"seconds": time.monotonic() - began}

        # a folder of its own: two processes may measure two encoders at once
        apart = hashlib.sha256(json.dumps(decided, sort_keys=True).encode()).hexdigest()[:16]
        chunks = self._chunks(f"takes/{apart}", decided, make, real.rows, on_clip)
        tensors = [tensors for tensors, _ in chunks]
        columns = ("probability", "onsets", "visible_onsets", "off_screen")
        joined = {name: torch.cat([chunk[name] for chunk in tensors]) for name in columns}
        seconds = sum(notes["seconds"] for _, notes in chunks)
        return ViewTakes(**joined, embeddings=self._embeddings(tensors), seconds=seconds)

    def describe(self, view: View) -> dict[str, Any]:
        """All that decides what is measured in a view, but for the encoder; ready for JSON."""
        prints = self._prints()
        clips = hashlib.sha256(json.dumps([list(self.source.ids), prints]).encode()).hexdigest()
        return {"format": _FORMAT, "clips": clips, "judges": self._judges(), "takes": self._decided(view)}

    def _hear(self, rows: range, teacher: VideoEncoder) -> Chunk:
        config = self.judge.config
        kept: list[Record] = []
        ledger: list[Record] = []
        features: list[Tensor] = []
        sounds: dict[str, list[Embedding]] = {backbone.name: [] for backbone in self.backbones}
        for row in rows:
            clip = self.source[row]
            found = self._read_real(clip)
            if isinstance(found, ClipFault):
                ledger.append({"id": clip.id, "reason": found.reason, "message": found.message})
                continue
            frames, waveform = found
            # what fails from here on fails because of a judge, and is no fault of the clip
            with torch.no_grad():
                features.append(teacher(frames[None].to(_device(teacher)).float() / 255)[0].float().cpu())
            for backbone in self.backbones:
                sounds[backbone.name].append(backbone.embed(waveform, config.mel.sample_rate))
            kept.append({"row": row, "id": clip.id, "labels": list(clip.labels)})
        tensors = _stack_embeddings(sounds) if kept else {}
        if kept:
            tensors["teacher_features"] = torch.stack(features)
        return tensors, {"clips": kept, "ledger": ledger}

    def _read_real(self, clip: Clip) -> tuple[Tensor, Tensor] | ClipFault:
        """Frames and sound of the model's window, or what is wrong with the clip."""
        fault = clip.find_fault()
        if fault is not None:
            return fault
        try:
            frames, waveform = self._watch(clip, None), self._listen(clip)
        except _TooShortError as exc:
            return ClipFault(reason="too short", message=str(exc))
        except Exception as exc:
            return fault_from(exc, clip.id)
        fault = find_mute(clip.id, waveform, _MUTE_DB) if clip.events is None else None
        return fault or (frames, waveform)

    def _make_takes(self, places: range, real: RealClips, view: View, pipeline: FoleyPipeline) -> Chunk:
        settings, takes = self.settings, self.settings.num_takes
        clips = [self.source[real.rows[place]] for place in places]
        windows = [window_of(clip, view, seed=settings.window_seed) for clip in clips]
        frames = torch.stack([self._watch(clip, window) for clip, window in zip(clips, windows, strict=True)])
        features = pipeline.encode_video(frames.float() / 255).repeat_interleave(takes, dim=0)
        whole = real.teacher_features[places.start : places.stop].repeat_interleave(takes, dim=0)
        noise = torch.cat(
            [
                draw_noise(
                    (1, *pipeline.latent_shape),
                    seed=clip_seed(settings.noise_seed, clip.id),
                    take=k,
                    window=0,
                )
                for clip in clips
                for k in range(takes)
            ]
        )
        judged: list[dict[str, Tensor]] = []
        sounds: dict[str, list[Embedding]] = {backbone.name: [] for backbone in self.backbones}
        for part in torch.arange(len(noise)).split(settings.batch_size):
            latents = pipeline.sample(
                features[part],
                latents=noise[part],
                num_inference_steps=settings.num_inference_steps,
                guidance_scale=settings.guidance_scale,
            )
            mels = pipeline.decode(latents)
            probability = self.judge.probability(mels, whole[part], posterior="mean").cpu()
            waveforms = pipeline.vocode(mels).cpu()
            for place, waveform in zip(part.tolist(), waveforms, strict=True):
                clip, window = clips[place // takes], windows[place // takes]
                judged.append(self._judge_events(waveform, clip, window))
                for backbone in self.backbones:
                    sounds[backbone.name].append(backbone.embed(waveform, self.judge.config.mel.sample_rate))
            for row, value in zip(judged[-len(part) :], probability, strict=True):
                row["probability"] = value
        tensors = {
            name: torch.stack([row[name] for row in judged]).unflatten(0, (-1, takes)) for name in judged[0]
        }
        return tensors | _stack_embeddings(sounds), {}

    def _judge_events(self, waveform: Tensor, clip: Clip, window: Window | None) -> dict[str, Tensor]:
        known = None if self.events is None else self.events(clip, window)
        found = {
            "onsets": torch.full((3,), -1),
            "visible_onsets": torch.full((3,), -1),
            "off_screen": torch.tensor(torch.nan),
        }
        if known is None:
            return found
        rate = self.judge.config.mel.sample_rate
        if known.is_onset_like:
            onsets = detect_onsets(waveform, sample_rate=rate)
            own = match_onsets(onsets, known.times, tolerance_s=_TOLERANCE_S)
            seen = match_visible_onsets(onsets, known.times, known.is_visible, tolerance_s=_TOLERANCE_S)
            for name, counts in (("onsets", own), ("visible_onsets", seen)):
                found[name] = torch.tensor([counts.hits, counts.extra, counts.missed])
        if known.off_screen is not None:
            share = off_screen_energy(
                waveform, sample_rate=rate, off_screen=known.off_screen, sounding=known.sounding
            )
            if share is not None:
                found["off_screen"] = torch.tensor(share)
        return found

    def _watch(self, clip: Clip, window: Window | None) -> Tensor:
        """Frames ``(T, 3, H, W)`` uint8 of the model's window, from the clip's start."""
        config = self.judge.config
        video = clip.video(
            fps=config.video_fps, size=config.frame_size, duration=config.window_s, window=window
        )
        frames = video.frames[: config.video_frames]
        missing = config.video_frames - len(frames)
        if missing > 1:  # the last frame is sampled half a frame before the end, and may be lost
            raise _TooShortError(
                f"{clip.id}: lasts {video.duration:.2f} s, a window needs {config.window_s:.2f} s"
            )
        return torch.cat([frames, frames[-1:].expand(missing, -1, -1, -1)]) if missing else frames

    def _listen(self, clip: Clip) -> Tensor:
        """The real sound ``(N,)`` of the model's window, as long as every take; silent after its end."""
        config = self.judge.config
        sound = clip.waveform(config.mel.sample_rate, duration=config.window_s)
        if not len(sound):
            raise AudioError(f"{clip.id}: its sound holds no sample")
        return F.pad(sound, (0, max(0, round(config.window_s * config.mel.sample_rate) - len(sound))))

    def _chunks(
        self,
        what: str,
        decided: Sequence[Any],
        make: Callable[[range], Chunk],
        rows: Sequence[int],
        on_clip: Callable[[int, int], None] | None,
    ) -> list[Chunk]:
        """Map the files of all clips, after those that are missing were made.

        A file's name says which clips it holds and by what they are judged, and nothing of other clips: more
        clips, or fewer, find what there is.
        """
        prints, judges = self._prints(), self._judges()
        folder, chunks = self.cache_dir / what, []
        with claimed_cache(folder):
            for places in _split(len(rows), self.settings.clips_per_file):
                clips = [[self.source.ids[rows[place]], prints[rows[place]]] for place in places]
                key = json.dumps([_FORMAT, judges, decided, clips], sort_keys=True)
                path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.safetensors"
                chunk = read_chunk(path)
                if chunk is None:
                    write_chunk(path, *make(places))
                    chunk = read_chunk(path)
                if chunk is None:
                    raise DataError(f"{path}: cannot be read again. Was the cache cleared? Run again.")
                chunks.append(chunk)
                if on_clip is not None:
                    on_clip(places.stop, len(rows))
        return chunks

    def _prints(self) -> list[str]:
        with claimed_cache(self.cache_dir), FileDigests(self.cache_dir / "digests.jsonl") as digests:
            return self.source.fingerprints(digests.sha256)

    def _judges(self) -> list[Any]:
        heard = [f"{backbone.name} {backbone.digest}" for backbone in self.backbones]
        return [self._part("video_encoder"), *heard, asdict(self.judge.config)]

    def _decided(self, view: View) -> list[Any]:
        names = ["conditioner", "unet", "vae", "scheduler", "alignment"]
        if (self.model_folder / "alignment_vae").is_dir():
            names.append("alignment_vae")  # the judge's own, where it has one
        # how much is done at once decides no number, so it is no part of the name
        settings = asdict(self.settings) | {"clips_per_file": 0, "batch_size": 16}
        told = [] if self.events_digest is None else [f"events {self.events_digest}"]
        return [view, settings, str(self.dtype), [self._part(name) for name in names], *told]

    def _part(self, name: str) -> str:
        return digest_of_part(self.model_folder / name)

    def _embeddings(self, chunks: Sequence[Mapping[str, Tensor]]) -> dict[str, tuple[Embedding, ...]]:
        found = {}
        for backbone in self.backbones:
            features = torch.cat([chunk[f"{backbone.name}.features"] for chunk in chunks])
            name = f"{backbone.name}.logits"
            logits = torch.cat([chunk[name] for chunk in chunks]) if name in chunks[0] else None
            found[backbone.name] = tuple(
                Embedding(row, None if logits is None else logits[number])
                for number, row in enumerate(features)
            )
        return found


def window_of(clip: Clip, view: View, *, seed: int = 0) -> Window | None:
    """The window that shows a clip in a view; None for the whole of it.

    That of a film is the one that ``cinefoley vary --seed SEED`` gives it in a test set, on even pixels.
    """
    if view == "full":
        return None
    generator = torch.Generator().manual_seed(clip_seed(seed, clip.id))
    variation = CloseUp() if view == "close_up" else CameraMovement()
    window = variation.draw(clip.frame_size(), generator=generator)
    return window if isinstance(clip, StageClip) else window.on(window.size, multiple=2)


def _split(count: int, size: int) -> Iterator[range]:
    for start in range(0, count, size):
        yield range(start, min(start + size, count))


def _stack_embeddings(sounds: Mapping[str, Sequence[Embedding]]) -> dict[str, Tensor]:
    tensors = {}
    for name, embeddings in sounds.items():
        tensors[f"{name}.features"] = torch.stack([embedding.features for embedding in embeddings])
        logits = [embedding.logits for embedding in embeddings if embedding.logits is not None]
        if logits:
            tensors[f"{name}.logits"] = torch.stack(logits)
    return tensors


def _device(module: torch.nn.Module) -> torch.device:
    return next(module.parameters()).device


def name_of_part(folder: Path) -> str:
    """What a protocol calls a part: the end of its path and its digest, without a place on this machine."""
    return f"{folder.parent.name}/{folder.name} (sha256:{digest_of_part(folder)[:12]})"


def digest_of_part(folder: Path) -> str:
    """SHA-256 over a part's files."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.json"), *folder.glob("*.safetensors")]):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
