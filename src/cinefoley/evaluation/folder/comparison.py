"""Compare a folder of generated sounds with a folder of real ones: usable pairs and distribution metrics."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from cinefoley import __version__
from cinefoley.errors import CinefoleyError
from cinefoley.evaluation.folder.distribution_metrics import Side, score_sides
from cinefoley.evaluation.folder.features import FileFeatures
from cinefoley.evaluation.folder.pairing import Pairs
from cinefoley.evaluation.folder.protocols import EvaluationSettings
from cinefoley.evaluation.folder.sounds import Sounds
from cinefoley.evaluation.scores import Draws, Score, bootstrap_draws
from cinefoley.metrics.backbones.protocol import Backbone
from cinefoley.metrics.backbones.resampling import RESAMPLER

__all__ = ["FEWEST_CLIPS", "FolderComparison", "SkippedFile"]

FEWEST_CLIPS = 2
"""Fewest clips that a distance is computed from."""
_WITH_ITS_PARTNER = "its partner was skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedFile:
    """A file that is used in no metric."""

    path: Path
    """The file."""
    side: str
    """``"generated"``, ``"real"`` or ``"against"``."""
    reason: str
    """Why."""


class FolderComparison:
    """Usable generated and real sounds of two folders, and their distribution metrics.

    Args:
        pairs: Generated files beside the real ones.
        features: Of every file.
        backbones: Names of the networks.
        settings: How folders are compared.
        clips: Clips to compare; None compares all.
    """

    def __init__(
        self,
        pairs: Pairs,
        features: Mapping[Path, FileFeatures],
        backbones: Sequence[str],
        settings: EvaluationSettings,
        *,
        clips: Set[str] | None = None,
    ) -> None:
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
            generated = {sample.clip for sample in self.samples}
            self._real = {clip: path for clip, path in self._real.items() if clip in generated}

    def restricted(self, clips: Set[str]) -> "FolderComparison":
        """The comparison of some of its clips."""
        chosen = clips if self._clips is None else clips & self._clips
        return FolderComparison(self._pairs, self._features, self._backbones, self._settings, clips=chosen)

    @property
    def num_clips(self) -> int:
        """Clips with a usable generated sound."""
        return len({sample.clip for sample in self.samples})

    def check_enough(self, generated: Path | Sounds, real: Path | Sounds) -> None:
        """Check that both folders have enough usable clips.

        Raises:
            CinefoleyError: If one has not; names the folder and the first skipped file.
        """
        for folder, count in ((generated, self.num_clips), (real, len(self._real))):
            if count < FEWEST_CLIPS:
                raise CinefoleyError(
                    f"{folder}: every metric needs at least {FEWEST_CLIPS} clips, got {count} usable. "
                    f"{self._summary()}"
                )

    def scores(self, *, with_intervals: bool) -> dict[str, Score]:
        """Every distribution metric by name; with 95 % intervals over clips if asked for."""
        real_clips = sorted(self._real)
        clips = real_clips if self._settings.is_paired else sorted({sample.clip for sample in self.samples})
        numbers = {clip: number for number, clip in enumerate(clips)}
        draws: list[Draws | None] = [None, None]
        if with_intervals:  # paired clips are drawn together
            seeds = (self._settings.seed, self._settings.seed + (not self._settings.is_paired))
            draws = [
                bootstrap_draws(count, replicas=self._settings.replicas, seed=seed)
                for count, seed in zip((len(real_clips), len(clips)), seeds, strict=True)
            ]
        real, generated = {}, {}
        for name in self._backbones:
            real[name] = Side(
                clips=range(len(real_clips)),
                embeddings=[self._features[self._real[clip]].embeddings[name] for clip in real_clips],
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
            real_draws=draws[0],
            generated_draws=draws[1],
        )

    def left_out(self, side: str) -> list[SkippedFile]:
        """Files that are used in no metric, and why; those of the real folder on the side ``"generated"``."""
        sides = [(sample.path, side) for sample in self._pairs.samples]
        if side == "generated":
            sides += [(path, "real") for path in self._pairs.real.values()]
        used = {sample.path for sample in self.samples} | set(self._real.values())
        found = [
            SkippedFile(path=path, side=where, reason=self._reason(path) or _WITH_ITS_PARTNER)
            for path, where in sides
            if path not in used
        ]
        found += [
            SkippedFile(path=Path(clip), side=side, reason="no partner") for clip in self._pairs.left_out
        ]
        return sorted(found, key=lambda entry: entry.reason == _WITH_ITS_PARTNER)

    def protocol(self, backbones: Sequence[Backbone]) -> dict[str, object]:
        """Fields of the protocol line: all that the numbers depend on."""
        settings, protocol = self._settings, self._settings.protocol
        lengths = sorted(self._features[path].duration_s for path in self._real.values())
        shortest, longest = f"{lengths[0]:.3g}", f"{lengths[-1]:.3g}"
        return {
            "protocol": protocol.name,
            "backbones": {backbone.name: f"sha256:{backbone.digest}" for backbone in backbones},
            "clips": self.num_clips,
            "real_clips": len(self._real),
            "samples": len(self.samples),
            "samples_per_clip": Pairs(samples=self.samples, real=self._real).samples_per_clip,
            "pairing": "by name" if settings.is_paired else "none",
            "reference": "once per sample"
            if protocol.repeats_real and settings.is_paired
            else "once per clip",
            "reference_length_s": shortest if shortest == longest else f"{shortest} to {longest}",
            "reading": protocol.reading.describe(),
            "resampler": RESAMPLER,
            "kl_epsilon": protocol.kl_epsilon,
            "odd_clips": "skipped" if protocol.skips_odd else "used",
            "subset_seed": 2020,
            "bootstrap": f"{settings.replicas} resamplings of clips, seed {settings.seed}",
            "version": f"cinefoley {__version__}",
        }

    def _counts(self, clip: str) -> bool:
        return self._clips is None or clip in self._clips

    def _reason(self, path: Path) -> str | None:
        known = self._features[path]
        return known.problem or (known.oddity if self._settings.protocol.skips_odd else None)

    def _summary(self) -> str:
        left = [entry for entry in self.left_out("generated") if entry.reason != _WITH_ITS_PARTNER]
        if not left:
            return "No file was skipped."
        return f"{len(left)} files were skipped, the first is {left[0].path.name}: {left[0].reason}."
