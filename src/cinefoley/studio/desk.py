"""One user's desk: a film, takes of it, which of them is accepted for which shot, and files to take home."""

import contextlib
import json
import re
import shutil
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Self

from torch import Tensor

from cinefoley.errors import CinefoleyError, OutputError, RunInterrupted, VideoError
from cinefoley.media.audio.files import write_audio
from cinefoley.media.audio.fitted_writer import fitting_gain
from cinefoley.media.muxing.replace_audio import replace_audio, video_suffix
from cinefoley.media.timing import video_duration
from cinefoley.pipelines.takes.generate import generate_files
from cinefoley.pipelines.takes.settings import GenerationSettings
from cinefoley.studio.assembling import CROSS_FADE_S, Piece, assemble
from cinefoley.studio.shelf import Encoder, ModelShelf
from cinefoley.studio.shots import Shot, find_shots

__all__ = ["Delivery", "Desk", "DeskTake", "Progress"]

_EDGE_S = 0.05

Progress = Callable[[int, int, float | None], None]
"""Called with finished steps, all steps, and the seconds that are left where they are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskTake:
    """One take on the desk."""

    number: int
    """Counted from 1, over all runs."""
    run: int
    """Which press of the button made it, from 1."""
    model: str
    """Who made it."""
    encoder: Encoder
    """Who watched."""
    seed: int
    """Of the run."""
    start_s: float
    """Where in the film its sound begins."""
    end_s: float
    """Where it ends."""
    wav: Path
    """The sound."""
    film: Path
    """The whole film with it."""
    remark: str | None = None
    """What is to be known of its level, if anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What is taken home."""

    wav: Path
    """The assembled sound, as long as the film."""
    film: Path
    """The film with it, its picture untouched."""
    archive: Path
    """Both, every take, and the JSON that makes them again."""


class Desk:
    """A film and all that is made for it, in a folder that :meth:`close` removes.

    Args:
        parent: Where its folder is made.
        longest_s: Films that last longer are refused.
    """

    def __init__(self, parent: Path, *, longest_s: float = 600.0) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="desk-", dir=parent))
        self._longest_s = longest_s
        self._stop = threading.Event()
        self._changing = threading.RLock()
        self._runs = 0
        self._upload: _Upload | None = None
        self.film: Path | None = None
        self.duration_s = 0.0
        self.shots: list[Shot] = []
        self.takes: list[DeskTake] = []
        self.accepted: dict[int, int] = {}
        self.used_at = time.monotonic()

    def open_film(self, upload: Path) -> None:
        """Take a copy of a film onto the desk; what was there before is removed.

        Args:
            upload: The file; it is removed when the desk is cleared, or is given another film.

        Raises:
            MediaError: If it is no film that can be used.
            VideoError: If it lasts too long.
            OutputError: If it cannot be copied.
        """
        self.clear(keeps=upload)  # it may be the same film once more
        folder = self._folder / "film"
        folder.mkdir(exist_ok=True)
        film = folder / _harmless_name(upload.name)
        try:
            self._upload = _Upload.of(upload)
            shutil.copyfile(upload, film)
        except OSError as exc:
            raise OutputError(f"{upload.name}: cannot be kept ({exc.strerror}). Drop it again.") from exc
        try:
            duration_s = video_duration(film)
            if duration_s > self._longest_s:
                raise VideoError(
                    f"{film.name}: lasts {duration_s:.0f} s; this studio takes films of at most "
                    f"{self._longest_s:.0f} s. Cut it, or start the studio with a larger --longest."
                )
            shots = find_shots(film)
        except CinefoleyError as exc:
            film.unlink(missing_ok=True)
            raise type(exc)(str(exc).replace(f"{folder}/", "")) from exc
        self.film, self.duration_s, self.shots = film, duration_s, shots

    def make_takes(
        self,
        shelf: ModelShelf,
        *,
        model: str,
        encoder: Encoder,
        num_takes: int,
        seed: int,
        start_s: float,
        end_s: float,
        on_progress: Progress,
    ) -> list[DeskTake]:
        """Generate takes for a region.

        Raises:
            RunInterrupted: If :meth:`stop` was called meanwhile; no take of the run is kept.
            CinefoleyError: If there is no film, the region is empty, or the model cannot be used.
        """
        film = self._need_film()
        start_s, end_s = max(0.0, start_s), min(end_s, self.duration_s)
        if end_s - start_s < _EDGE_S:
            raise CinefoleyError(
                f"The region from {start_s:.2f} to {end_s:.2f} s is empty. Choose a longer one."
            )
        stop = self._stop = threading.Event()  # of this run: an earlier one that was stopped stays so
        self._runs += 1
        run, folder = self._runs, self._folder / f"run{self._runs}"
        try:
            settings = GenerationSettings(
                num_takes=num_takes,
                seed=seed,
                start=start_s,
                duration=None if end_s >= self.duration_s else end_s - start_s,
            )
        except ValueError as exc:
            raise CinefoleyError(f"Cannot generate so: {exc}.") from exc
        with shelf.borrow(model, encoder) as (pipeline, record):
            clock = _Clock(on_progress, stop)
            clock.check()  # others may have had the model for long
            report = generate_files(pipeline, film, folder, settings, clock, model=record)
        with self._changing:
            if stop.is_set():  # after the last step; perhaps the film is another by now
                shutil.rmtree(folder, ignore_errors=True)
            clock.check()
            made = [
                DeskTake(
                    number=len(self.takes) + place,
                    run=run,
                    model=model,
                    encoder=encoder,
                    seed=seed,
                    start_s=start_s,
                    end_s=end_s,
                    wav=take.wav,
                    film=take.video,
                    remark=take.level.remark() if take.level is not None else None,
                )
                for place, take in enumerate(report.takes, start=1)
            ]
            self.takes += made
        return made

    def stop(self) -> None:
        """End the run that is going on, at its next step."""
        self._stop.set()

    def takes_for(self, shot: int) -> list[DeskTake]:
        """Takes that sound during all of a shot (numbered from 0)."""
        wanted = self.shots[shot]
        return [
            take
            for take in self.takes
            if take.start_s <= wanted.start_s + _EDGE_S and wanted.end_s - _EDGE_S <= take.end_s
        ]

    def accept(self, shot: int, take: int | None) -> None:
        """Choose the take of a shot by its number; None for silence.

        Raises:
            CinefoleyError: If there is no such shot, or the take does not cover it.
        """
        if not 0 <= shot < len(self.shots):
            raise CinefoleyError(f"There is no shot {shot + 1}, only {len(self.shots)}.")
        if take is None:
            self.accepted.pop(shot, None)
            return
        if take not in {each.number for each in self.takes_for(shot)}:
            raise CinefoleyError(f"Take {take} does not cover shot {shot + 1}.")
        self.accepted[shot] = take

    def deliver(
        self,
        *,
        subtype: Literal["PCM_16", "PCM_24"] = "PCM_24",
        sample_rate: Literal[16000, 48000] = 48000,
    ) -> Delivery:
        """Write the accepted takes as one sound, beside the picture, and everything as an archive.

        Where the sound would go beyond full scale, all of it is lowered to fit.

        Raises:
            CinefoleyError: If nothing was accepted, or a file cannot be written.
        """
        film = self._need_film()
        if not self.accepted:
            raise CinefoleyError("No take is accepted for any shot yet. Accept one, then take it home.")
        folder = self._folder / "delivery"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        wav = folder / f"{film.stem}.foley.wav"
        track = self._assemble(sample_rate)
        gain = fitting_gain(float(track.abs().max()))  # conversion to another rate can overshoot full scale
        write_audio(wav, gain * track, sample_rate, subtype=subtype)
        out = folder / f"{film.stem}.foley{video_suffix(film)}"
        replace_audio(film, wav, out)
        record = folder / f"{film.stem}.foley.json"
        record.write_text(json.dumps(self._describe(subtype, sample_rate, gain), indent=2) + "\n")
        archive = folder / f"{film.stem}.foley.zip"
        with zipfile.ZipFile(archive, "w") as writer:  # films do not get smaller
            for path in (wav, out, record):
                writer.write(path, path.name)
            for path in self._files_of_takes():  # and of no run that is going on or has failed
                writer.write(path, f"{path.parent.name}/{path.name}")
        return Delivery(wav=wav, film=out, archive=archive)

    def _files_of_takes(self) -> list[Path]:
        """Sounds and films of the takes on the desk, and the records that make them again."""
        takes = list(self.takes)
        records = {take.wav.with_name(f"{self._need_film().stem}.json") for take in takes}
        return sorted({*records, *(path for take in takes for path in (take.wav, take.film))})

    def clear(self, *, keeps: Path | None = None) -> None:
        """Take everything off the desk, and remove its upload unless it is to be kept."""
        with self._changing:
            self.stop()
            self._remove_upload(keeps)
            for path in self._folder.iterdir():
                shutil.rmtree(path, ignore_errors=True)
            self.film, self.duration_s, self.shots, self.takes, self.accepted = None, 0.0, [], [], {}

    def close(self) -> None:
        """Stop, and remove the desk's files."""
        self.stop()
        self._remove_upload()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _remove_upload(self, keeps: Path | None = None) -> None:
        upload, self._upload = self._upload, None
        if upload is not None and upload.path != keeps:
            upload.remove()

    def _need_film(self) -> Path:
        if self.film is None:
            raise CinefoleyError("There is no film on the desk yet. Drop one first.")
        return self.film

    def _assemble(self, sample_rate: int) -> Tensor:
        by_number = {take.number: take for take in self.takes}
        pieces = []
        for number, shot in enumerate(self.shots):
            take = by_number.get(self.accepted.get(number, 0))
            pieces.append(
                Piece(
                    start_s=shot.start_s,
                    end_s=shot.end_s,
                    wav=take.wav if take else None,
                    wav_start_s=take.start_s if take else 0.0,
                )
            )
        return assemble(pieces, self.duration_s, sample_rate)

    def _describe(self, subtype: str, sample_rate: int, gain: float) -> dict[str, object]:
        """What was chosen; each run's own JSON holds what makes its takes again."""
        takes = {take.number: take for take in self.takes}
        return {
            "kind": "cinefoley studio",
            "film": self._need_film().name,
            "duration_s": self.duration_s,
            "subtype": subtype,
            "sample_rate": sample_rate,
            "cross_fade_s": CROSS_FADE_S,
            "gain": gain,
            "shots": [
                asdict(shot)
                | {
                    "take": self.accepted.get(number),
                    "wav": f"run{takes[self.accepted[number]].run}/{takes[self.accepted[number]].wav.name}"
                    if number in self.accepted
                    else None,
                }
                for number, shot in enumerate(self.shots)
            ],
            "runs": {
                f"run{take.run}": {
                    "model": take.model,
                    "video_encoder": take.encoder,
                    "seed": take.seed,
                    "start_s": take.start_s,
                    "end_s": take.end_s,
                    "record": f"run{take.run}/{self._need_film().stem}.json",
                }
                for take in self.takes
            },
        }


@dataclass(frozen=True, slots=True)
class _Upload:
    """A file that was uploaded: the same film, uploaded again, is another file under the same path."""

    path: Path
    inode: int
    changed_ns: int

    @classmethod
    def of(cls, path: Path) -> Self:
        state = path.stat()
        return cls(path, state.st_ino, state.st_mtime_ns)

    def remove(self) -> None:
        """Remove it, but no later upload of somebody else's."""
        with contextlib.suppress(OSError):
            if self == self.of(self.path):
                self.path.unlink()


class _Clock:
    """Tells how long a run still takes, and ends it when asked to."""

    def __init__(self, on_progress: Progress, stop: threading.Event) -> None:
        self._on_progress = on_progress
        self._stop = stop
        self._began: float | None = None

    def check(self) -> None:
        if self._stop.is_set():
            raise RunInterrupted("Stopped; nothing of this run was kept.")

    def __call__(self, done: int, total: int) -> None:
        self.check()
        now = time.monotonic()
        if self._began is None:  # the first step also loads and encodes, and says little about the others
            self._began = now
            self._on_progress(done, total, None)
            return
        self._on_progress(done, total, (now - self._began) / (done - 1) * (total - done))


def _harmless_name(name: str) -> str:
    """A name for our own folder: letters, digits, dots and dashes, of moderate length."""
    stem, suffix = Path(name).stem, Path(name).suffix
    return (re.sub(r"[^\w-]+", "_", stem)[:80].strip("_") or "film") + re.sub(r"[^\w.]", "", suffix)[:8]
