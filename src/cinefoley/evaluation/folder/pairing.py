"""Pair generated files with real ones by name."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cinefoley.errors import CinefoleyError, MediaError
from cinefoley.evaluation.folder.sounds import Sounds

__all__ = ["Pairs", "Sample", "find_sounds", "group_samples", "pair_by_name"]

_SOUND_SUFFIXES = (".wav", ".flac", ".aif", ".aiff", ".m4a", ".mp3", ".ogg", ".opus", ".aac", ".wma")
_VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".webm", ".m4v", ".avi", ".mpg", ".mpeg", ".ts", ".flv", ".wmv")
_ORDER = {suffix: rank for rank, suffix in enumerate((*_SOUND_SUFFIXES, *_VIDEO_SUFFIXES))}
_SAMPLE = re.compile(r"(?P<clip>.+?)[._-]+(?:take|sample)[._-]?(?P<number>\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, order=True)
class Sample:
    """One generated sound of a clip."""

    clip: str
    """The clip's name: the stem of its real file."""
    number: int
    """Which of the clip's samples, in the order of their names, from 0."""
    path: Path
    """The file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Generated sounds beside the real ones."""

    samples: Sequence[Sample]
    """In the order of clips, and of samples within a clip."""
    real: Mapping[str, Path]
    """The real file of every clip."""
    left_out: Sequence[str] = ()
    """Clips without a partner, if the protocol skips them."""

    @property
    def samples_per_clip(self) -> str:
        """``"1"``, ``"10"``, or ``"8 to 10"``."""
        counts = Counter(sample.clip for sample in self.samples).values()
        return str(min(counts)) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def find_sounds(folder: Path | Sounds, *, prefers_videos: bool = False) -> dict[str, Path]:
    """Audio and video files of a folder, by stem; of an audio and a video file of one name, the audio file.

    The suffix decides: a text file called ``.wav`` is found here, and is an error when it is read. Other
    files are ignored.

    Args:
        folder: Searched without its subfolders; or sounds that were found otherwise.
        prefers_videos: Find video files only.

    Raises:
        MediaError: If it is no folder, or holds no audio or video file, or two audio files of one name.
    """
    if isinstance(folder, Sounds):
        return dict(sorted(folder.files.items()))
    if not folder.is_dir():
        raise MediaError(f"{folder}: no such folder; expected one with audio or video files.")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        suffix = path.suffix.lower()
        if (
            suffix not in (_VIDEO_SUFFIXES if prefers_videos else _ORDER)
            or path.name.startswith(".")
            or path.is_dir()
        ):
            continue
        other = found.get(path.stem)
        if other is not None and {suffix, other.suffix.lower()} <= {*_SOUND_SUFFIXES}:
            raise MediaError(
                f"{folder}: {other.name} and {path.name} are two audio files of one name. Remove one of them."
            )
        if other is None or _ORDER[suffix] < _ORDER[other.suffix.lower()]:
            found[path.stem] = path
    if not found:
        raise MediaError(
            f"{folder}: no audio or video file in this folder (0 of {len(list(folder.iterdir()))} files). "
            f"Expected {', '.join(_SOUND_SUFFIXES[:2])}, ... or {', '.join(_VIDEO_SUFFIXES[:3])}, ..."
        )
    return found


def pair_by_name(
    generated: Mapping[str, Path], real: Mapping[str, Path], *, least_share: float = 1.0
) -> Pairs:
    """Match generated files with real ones: ``dog`` and ``dog.take1``, ``dog_sample_0``, ... with ``dog``.

    Args:
        generated: Files by stem; several may belong to one clip.
        real: Files by stem.
        least_share: How many clips must have a partner, as a share of either side; the rest is skipped.
            audioldm_eval asks for 0.99.

    Raises:
        CinefoleyError: If more have none; counts them and names the first.
    """
    by_clip = group_samples(generated, known=real.keys())
    common = by_clip.keys() & real.keys()
    lonely_generated, lonely_real = sorted(by_clip.keys() - common), sorted(real.keys() - common)
    share = len(common) / max(len(by_clip), len(real), 1)
    if (lonely_generated or lonely_real) and (share < least_share or not common):
        raise CinefoleyError(
            f"{len(common)} clips are on both sides; {_count(lonely_generated, 'generated')} without a real "
            f"one, {_count(lonely_real, 'real')} without a generated one. Give both the same names (samples "
            "of one clip: dog.take1.wav, dog.take2.wav), or pass --unpaired, which omits KL."
        )
    samples = [
        Sample(clip, number, path) for clip in sorted(common) for number, path in enumerate(by_clip[clip])
    ]
    left_out = [*lonely_generated, *lonely_real]
    return Pairs(samples=samples, real={clip: real[clip] for clip in sorted(common)}, left_out=left_out)


def group_samples(files: Mapping[str, Path], *, known: Collection[str] = ()) -> dict[str, list[Path]]:
    """The samples of each clip, in the order of their numbers: ``dog.take1`` and ``dog.take2`` of ``dog``.

    Args:
        files: By stem.
        known: Stems that are clips' own, whatever they look like.
    """
    by_clip: dict[str, list[tuple[int, Path]]] = defaultdict(list)
    for stem, path in files.items():
        match = None if stem in known else _SAMPLE.fullmatch(stem)
        clip, number = (match["clip"], int(match["number"])) if match else (stem, -1)
        by_clip[clip].append((number, path))
    return {
        clip: [path for _, path in sorted(samples, key=lambda item: (item[0], item[1].name))]
        for clip, samples in by_clip.items()
    }


def _count(names: Iterable[str], side: str) -> str:
    listed = list(names)
    shown = ", ".join(listed[:3]) + (", ..." if len(listed) > 3 else "")
    return f"{len(listed)} {side}" + (f" ({shown})" if listed else "")
