"""File names of takes: which files a take has, which exist already, and how loud the take was."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from math import log10
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cinefoley.errors import OutputError
from cinefoley.media.audio.fitted_writer import FittedAudio
from cinefoley.media.audio.loudness import measure_file_loudness
from cinefoley.pipelines.takes.settings import GenerationSettings
from cinefoley.pipelines.takes.video_source import VideoSource

if TYPE_CHECKING:
    from cinefoley.delivery.moving import Move

__all__ = [
    "OTHER_SUFFIXES",
    "TakeFiles",
    "TakeLevel",
    "check_names_free",
    "existing_take",
    "mel_path",
    "plan_takes",
]

OTHER_SUFFIXES = (".mkv", ".mov")
"""Containers to try where the video's own does not accept its video stream."""

_AUDIBLE_DB = -50.0  # a lower peak is silence beside any other sound of a video


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeLevel:
    """Level of a take as it was generated, and the gain that was applied."""

    peak_db: float
    """Largest sample before any gain, in dB of full scale."""
    gain_db: float
    """Gain of the written files: 0, or negative where the take went far beyond full scale."""
    limited_db: float = 0.0
    """What the limiter took from the highest peak after that gain, 0 or negative."""
    integrated_lufs: float | None = None
    """Integrated loudness of the written files, ITU-R BS.1770; None for silence and for less than 0.4 s."""
    true_peak_db: float | None = None
    """True peak of the written files, in dB of full scale."""

    @classmethod
    def of(cls, sound: FittedAudio, wav: Path) -> "TakeLevel":
        """Level of a sound that has been written to a file."""
        peak_db = 20 * log10(max(sound.peak, 1e-9))
        loudness = measure_file_loudness(wav)
        return cls(
            peak_db=round(peak_db, 2),
            gain_db=round(20 * log10(sound.fitting.gain), 2),
            limited_db=round(sound.fitting.limited_db, 2),
            integrated_lufs=loudness.integrated_lufs,
            true_peak_db=loudness.true_peak_db,
        )

    def remark(self) -> str | None:
        """Note on the level for the user: almost silent, limited or lowered; None if none."""
        if self.peak_db < _AUDIBLE_DB:
            return f"almost silent (peak {self.peak_db:.0f} dB)"
        if self.gain_db < 0:
            return f"lowered by {-self.gain_db:.1f} dB and limited to stay within full scale"
        return f"peaks limited by {-self.limited_db:.1f} dB" if self.limited_db < 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeFiles:
    """Files of one take."""

    take: int
    """Number of the take, from 1."""
    wav: Path
    """The sound."""
    video: Path | None
    """The input's video stream with that sound; None if not requested."""
    mel: Path | None = None
    """Mels of the windows, ``(windows, n_mels, frames)`` float32; None if not requested."""
    level: TakeLevel | None = field(default=None, compare=False)
    """Level of the generated sound; None for a take of an earlier run."""
    moves: "tuple[Move, ...] | None" = field(default=None, compare=False)
    """What became of each cue; None without cues."""

    def moved_to(self, folder: Path) -> "TakeFiles":
        """The same file names in another folder."""
        mel, video = (path and folder / path.name for path in (self.mel, self.video))
        return replace(self, wav=folder / self.wav.name, video=video, mel=mel)

    def describe(self) -> dict[str, Any]:
        """Number, file names without folders, and level, for JSON."""
        paths = {"wav": self.wav, "film": self.video, "mel": self.mel}
        names = {key: path.name for key, path in paths.items() if path is not None}
        moves = {} if self.moves is None else {"cues": [asdict(move) for move in self.moves]}
        return {"take": self.take} | names | (asdict(self.level) if self.level else {}) | moves


def plan_takes(source: VideoSource, out_dir: Path, settings: GenerationSettings) -> list[TakeFiles]:
    """File names of the takes of a video in ``out_dir``."""
    wavs = [out_dir / f"{source.path.stem}.take{take}.wav" for take in range(1, settings.num_takes + 1)]
    return [
        TakeFiles(
            take=take,
            wav=wav,
            video=wav.with_suffix(source.suffix) if settings.writes_video else None,
            mel=mel_path(wav) if settings.saves_mel else None,
        )
        for take, wav in enumerate(wavs, start=1)
    ]


def mel_path(wav: Path) -> Path:
    """File name of the mel that belongs to a take's WAV."""
    return wav.with_suffix(".mel.npy")


def existing_take(take: TakeFiles) -> TakeFiles | None:
    """The existing files of a take; None unless its WAV exists, and its video if one is requested."""
    videos = [video for video in _possible_videos(take) if video.exists()]
    if not take.wav.exists() or (take.video is not None and not videos):
        return None
    mel = take.mel if take.mel and take.mel.exists() else None
    return replace(take, video=None if take.video is None else videos[0], mel=mel)


def check_names_free(takes: Iterable[TakeFiles]) -> None:
    """Refuse file names that are taken by files without a record: they may be the user's own.

    Raises:
        OutputError: If a file exists.
    """
    for take in takes:
        for path in (take.wav, *_possible_videos(take)):
            if path.exists():
                raise OutputError(
                    f"{path}: exists, but no record names it as a take, so it was not replaced. Choose "
                    "another folder with -o, or pass --force to replace it."
                )


def _possible_videos(take: TakeFiles) -> list[Path]:
    if take.video is None:
        return []
    return [take.video, *(take.video.with_suffix(suffix) for suffix in OTHER_SUFFIXES)]
