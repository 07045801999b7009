"""Two folders in, a table of numbers out, with the protocol that made them."""

import logging
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

from cinefoley import __version__
from cinefoley.errors import CinefoleyError
from cinefoley.evaluation.folder.feature_cache import FeatureCache
from cinefoley.evaluation.folder.features import FileFeatures, embed_files
from cinefoley.evaluation.folder.pairing import Pairs, Sample, find_sounds, group_samples, pair_by_name
from cinefoley.evaluation.folder.per_clip_metrics import Judgement, SampleJudge, ratio_scores
from cinefoley.evaluation.folder.protocols import PROTOCOLS, Protocol
from cinefoley.evaluation.folder.scores import Draws, Score, Side, bootstrap_draws, interval, score_sides
from cinefoley.metrics.backbones.protocol import Backbone
from cinefoley.metrics.backbones.resampling import RESAMPLER

__all__ = ["Evaluation", "EvaluationSettings", "LeftOut", "evaluate_folders", "pair_folders"]

_log = logging.getLogger(__name__)
_FEWEST = 2
_WITH_ITS_PARTNER = "its partner is left out"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSettings:
    """How two folders are compared."""

    protocol: Protocol = PROTOCOLS["cinefoley"]
    """Reading, epsilon and pairing."""
    is_paired: bool = True
    """Whether generated and real files belong together by name."""
    replicas: int = 100
    """Resamplings of the clips for the 95 % intervals; 0 computes none."""
    seed: int = 0
    """Of the resamplings. Subsets of KID and splits of IS have their published seed, 2020."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A file that is in no number."""

    path: Path
    """The file."""
    side: str
    """``"generated"``, ``"real"`` or ``"against"``."""
    reason: str
    """Why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Numbers, and all that they depend on."""

    scores: Mapping[str, Score]
    """By metric."""
    protocol: Mapping[str, object]
    """The protocol line's fields."""
    left_out: Sequence[LeftOut] = ()
    """Every file that is in no number, and why."""
    against: Mapping[str, Score] = field(default_factory=dict)
    """The other method's numbers."""
    differences: Mapping[str, Score] = field(default_factory=dict)
    """This method's less the other's, with intervals over the same resampled clips."""
    categories: Mapping[str, Mapping[str, Score]] = field(default_factory=dict)
    """Numbers by category, without intervals; ``clips`` counts."""


def pair_folders(generated: Path, real: Path, settings: EvaluationSettings) -> Pairs:
    """Find the sounds of both folders and match them.

    Raises:
        MediaError: If a folder holds none.
        CinefoleyError: If they do not match.
    """
    found, reference = find_sounds(generated), find_sounds(real)
    if settings.is_paired:
        return pair_by_name(found, reference, least_share=settings.protocol.least_share)
    samples = [
        Sample(clip, number, path)
        for clip, paths in sorted(group_samples(found).items())
        for number, path in enumerate(paths)
    ]
    return Pairs(samples=samples, real=dict(sorted(reference.items())))


def evaluate_folders(
    generated: Path,
    real: Path,
    backbones: Sequence[Backbone],
    *,
    settings: EvaluationSettings,
    cache: FeatureCache,
    against: Path | None = None,
    labels: Mapping[str, str] | None = None,
    judges: Sequence[SampleJudge] = (),
    on_file: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Judge a folder of generated sounds by a folder of real ones.

    Args:
        generated: One or several samples per clip, of any rates, lengths and channels; films give their
            sound.
        real: One file per clip.
        backbones: The networks that judge.
        settings: How.
        cache: Features that are there already.
        against: Another method's sounds, for the same clips.
        labels: Category of each clip, for a table by category.
        judges: What judges sounds one by one. They hear every sound that can be read, silent ones too, since
            silence may be right; with ``against``, of the clips that both methods have.
        on_file: Called with finished and all files.

    Raises:
        MediaError: If a folder holds no sound.
        CinefoleyError: If names do not match, or fewer than 2 usable clips are left on a side.
        ValueError: If clips are to be judged that are not paired by name.
    """
    if judges and not settings.is_paired:
        raise ValueError("judges need clips that are paired by name")
    folders = {"generated": generated} | ({} if against is None else {"against": against})
    pairs = {name: pair_folders(folder, real, settings) for name, folder in folders.items()}
    files = {
        path for found in pairs.values() for path in (*(s.path for s in found.samples), *found.real.values())
    }
    features = embed_files(
        sorted(files), backbones, reading=settings.protocol.reading, cache=cache, on_file=on_file
    )
    names = [backbone.name for backbone in backbones]
    jobs = {name: _Comparison(found, features, names, settings) for name, found in pairs.items()}
    usable = {sample.clip for sample in jobs["generated"].samples}
    if against is not None and settings.is_paired:
        usable &= {sample.clip for sample in jobs["against"].samples}
        jobs = {name: job.restricted(usable) for name, job in jobs.items()}
    for name, job in jobs.items():
        job.check_enough(folders[name], real)
    judged = _Judged(judges, pairs, features, settings)
    scores = {name: job.scores(with_intervals=True) | judged.scores(name) for name, job in jobs.items()}
    first = jobs["generated"]
    return Evaluation(
        scores=scores["generated"],
        protocol=_protocol_fields(settings, backbones, first, features) | judged.protocol(),
        left_out=[
            entry for name, job in jobs.items() for entry in (*job.left_out(name), *judged.left_out(name))
        ],
        against=scores.get("against", {}),
        differences=_differences(scores["generated"], scores.get("against", {})),
        categories=_by_category(first, judged, labels or {}),
    )


class _Comparison:
    """One folder of generated sounds beside the real ones, without what is unusable."""

    def __init__(
        self,
        pairs: Pairs,
        features: Mapping[Path, FileFeatures],
        backbones: Sequence[str],
        settings: EvaluationSettings,
        *,
        clips: Set[str] | None = None,
    ) -> None:
        """``clips``: those that count; None counts all."""
        self._pairs, self._features, self._backbones, self._settings = pairs, features, backbones, settings
        self._clips = clips
        self._real = {
            clip: path
            for clip, path in pairs.real.items()
            if self._counts(clip) and self._reason(path) is None
        }
        self.samples = [
            sample
            for sample in pairs.samples
            if self._counts(sample.clip)
            and self._reason(sample.path) is None
            and (sample.clip in self._real or not settings.is_paired)
        ]
        if settings.is_paired:
            heard = {sample.clip for sample in self.samples}
            self._real = {clip: path for clip, path in self._real.items() if clip in heard}

    def restricted(self, clips: Set[str]) -> "_Comparison":
        """The same for some of its clips; what is left out of it is left out of both."""
        kept = clips if self._clips is None else clips & self._clips
        return _Comparison(self._pairs, self._features, self._backbones, self._settings, clips=kept)

    @property
    def num_clips(self) -> int:
        return len({sample.clip for sample in self.samples})

    @property
    def real_files(self) -> Sequence[Path]:
        return list(self._real.values())

    @property
    def samples_per_clip(self) -> str:
        return Pairs(samples=self.samples, real=self._real).samples_per_clip

    def check_enough(self, generated: Path, real: Path) -> None:
        for folder, count in ((generated, self.num_clips), (real, len(self._real))):
            if count < _FEWEST:
                raise CinefoleyError(
                    f"{folder}: every metric needs at least {_FEWEST} clips, got {count} usable. "
                    f"{self._summary()}"
                )

    def scores(self, *, with_intervals: bool) -> dict[str, Score]:
        if self._settings.is_paired:
            numbers = {clip: place for place, clip in enumerate(sorted(self._real))}
            draws = self._draws(len(numbers), self._settings.seed) if with_intervals else None
            real_draws, generated_draws = draws, draws
        else:
            real_numbers = {clip: place for place, clip in enumerate(sorted(self._real))}
            generated_clips = sorted({sample.clip for sample in self.samples})
            numbers = {clip: place for place, clip in enumerate(generated_clips)}
            real_draws = self._draws(len(real_numbers), self._settings.seed) if with_intervals else None
            generated_draws = self._draws(len(numbers), self._settings.seed + 1) if with_intervals else None
        real, generated = {}, {}
        for name in self._backbones:
            real[name] = Side(
                clips=list(range(len(self._real))),
                embeddings=[self._features[path].embeddings[name] for _, path in sorted(self._real.items())],
            )
            generated[name] = Side(
                clips=[numbers[sample.clip] for sample in self.samples],
                embeddings=[self._features[sample.path].embeddings[name] for sample in self.samples],
            )
        return score_sides(
            real,
            generated,
            protocol=self._settings.protocol,
            is_paired=self._settings.is_paired,
            real_draws=real_draws,
            generated_draws=generated_draws,
        )

    def left_out(self, side: str) -> list[LeftOut]:
        sides = [(sample.path, side) for sample in self._pairs.samples]
        if side == "generated":
            sides += [(path, "real") for path in self._pairs.real.values()]
        heard = {sample.path for sample in self.samples} | set(self._real.values())
        found = [
            LeftOut(path=path, side=where, reason=self._reason(path) or _WITH_ITS_PARTNER)
            for path, where in sides
            if path not in heard
        ]
        found += [LeftOut(path=Path(clip), side=side, reason="no partner") for clip in self._pairs.left_out]
        return sorted(found, key=lambda entry: entry.reason == _WITH_ITS_PARTNER)

    def _counts(self, clip: str) -> bool:
        return self._clips is None or clip in self._clips

    def _reason(self, path: Path) -> str | None:
        known = self._features[path]
        return known.problem or (known.oddity if self._settings.protocol.skips_odd else None)

    def _draws(self, count: int, seed: int) -> Draws | None:
        return bootstrap_draws(count, replicas=self._settings.replicas, seed=seed)

    def _summary(self) -> str:
        left = [entry for entry in self.left_out("generated") if entry.reason != _WITH_ITS_PARTNER]
        if not left:
            return "None was left out."
        return f"{len(left)} files were left out, first {left[0].path.name}: {left[0].reason}."


class _Judged:
    """What judges say about the sounds of one or two methods, on the clips that all methods have."""

    def __init__(
        self,
        judges: Sequence[SampleJudge],
        pairs: Mapping[str, Pairs],
        features: Mapping[Path, FileFeatures],
        settings: EvaluationSettings,
    ) -> None:
        self._settings = settings
        heard = {
            name: [sample for sample in found.samples if features[sample.path].problem is None]
            for name, found in pairs.items()
        }
        self.clips = set.intersection(*({sample.clip for sample in samples} for samples in heard.values()))
        self._judgements: dict[str, list[Judgement]] = {
            name: [judge.judge([s for s in samples if s.clip in self.clips]) for judge in judges]
            for name, samples in heard.items()
        }

    def scores(self, name: str, clips: set[str] | None = None) -> dict[str, Score]:
        """Of one method; of some clips, then without intervals."""
        replicas = self._settings.replicas if clips is None else 0
        chosen = self.clips if clips is None else self.clips & clips
        found: dict[str, Score] = {}
        for judgement in self._judgements[name]:
            found |= ratio_scores(judgement.ratios, chosen, replicas=replicas, seed=self._settings.seed)
        return found

    def left_out(self, name: str) -> list[LeftOut]:
        """Sounds of one method that are in the other numbers and could not be judged."""
        return [
            LeftOut(path=sample.path, side=name, reason=f"not judged: {problem}")
            for judgement in self._judgements[name]
            for sample, problem in judgement.problems.items()
        ]

    def protocol(self) -> dict[str, object]:
        """What the judges' numbers depend on; of the other method, what is not the same."""
        fields: dict[str, object] = {}
        for name, judgements in self._judgements.items():
            for field_name, value in (item for j in judgements for item in j.protocol.items()):
                if fields.get(field_name, value) == value:
                    fields[field_name] = value
                else:
                    fields[f"{field_name}_{name}"] = value
        return fields


def _protocol_fields(
    settings: EvaluationSettings,
    backbones: Sequence[Backbone],
    job: _Comparison,
    features: Mapping[Path, FileFeatures],
) -> dict[str, object]:
    lengths = sorted(features[path].duration_s for path in job.real_files)
    shortest, longest = f"{lengths[0]:.3g}", f"{lengths[-1]:.3g}"
    protocol = settings.protocol
    return {
        "protocol": protocol.name,
        "backbones": {backbone.name: f"sha256:{backbone.digest}" for backbone in backbones},
        "clips": job.num_clips,
        "real_clips": len(job.real_files),
        "samples": len(job.samples),
        "samples_per_clip": job.samples_per_clip,
        "pairing": "by name" if settings.is_paired else "none",
        "reference": "once per sample" if protocol.repeats_real and settings.is_paired else "once per clip",
        "reference_length_s": shortest if shortest == longest else f"{shortest} to {longest}",
        "reading": protocol.reading.describe(),
        "resampler": RESAMPLER,
        "kl_epsilon": protocol.kl_epsilon,
        "odd_clips": "left out" if protocol.skips_odd else "kept",
        "subset_seed": 2020,
        "bootstrap": f"{settings.replicas} resamplings of clips, seed {settings.seed}",
        "version": f"cinefoley {__version__}",
    }


def _differences(scores: Mapping[str, Score], others: Mapping[str, Score]) -> dict[str, Score]:
    differences = {}
    for metric, other in others.items():
        score = scores.get(metric, Score(skipped="not measured"))
        if score.value is None or other.value is None:
            differences[metric] = Score(skipped=score.skipped or other.skipped)
            continue
        value = score.value - other.value
        if len(score.replicas) != len(other.replicas) or not score.replicas:
            differences[metric] = Score(value=value)
            continue
        replicas = [mine - theirs for mine, theirs in zip(score.replicas, other.replicas, strict=True)]
        low, high = interval(metric, value, replicas)
        differences[metric] = Score(value=value, low=low, high=high)
    return differences


def _by_category(job: _Comparison, judged: _Judged, labels: Mapping[str, str]) -> dict[str, dict[str, Score]]:
    categories: dict[str, set[str]] = {}
    for clip in sorted({sample.clip for sample in job.samples} | judged.clips):
        if clip in labels:
            categories.setdefault(labels[clip], set()).add(clip)
    table = {}
    for name in sorted(categories):
        part = job.restricted(categories[name])
        scores = part.scores(with_intervals=False) if part.num_clips >= _FEWEST else {}
        count = Score(value=float(part.num_clips))
        table[name] = {"clips": count} | scores | judged.scores("generated", categories[name])
    return table
