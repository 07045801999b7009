"""A user's studio session: a video, its takes, the take accepted for each shot, and the export."""

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
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Self

from cinefoley.config.foley import Quality
from cinefoley.delivery.assembly import CROSS_FADE_S, Piece, assemble
from cinefoley.delivery.package import deliver
from cinefoley.delivery.settings import DeliverySettings
from cinefoley.delivery.stems import Stem
from cinefoley.delivery.timecode import TimecodeClock, clock_of
from cinefoley.errors import CinefoleyError, OutputError, RunInterrupted, VideoError
from cinefoley.media.audio.fitted_writer import Fitting, fitted_audio
from cinefoley.media.audio.writer import Subtype
from cinefoley.media.muxing.replace_audio import replace_audio, video_suffix
from cinefoley.media.shots import Shot, find_shots
from cinefoley.media.timing import video_duration
from cinefoley.pipelines.takes.generate import generate_files
from cinefoley.pipelines.takes.settings import generation_settings
from cinefoley.studio.example_video import write_example_video
from cinefoley.studio.model_store import Encoder, ModelStore
from cinefoley.studio.shot_settings import ShotSettings

__all__ = ["STOPPED", "Export", "Progress", "StudioSession", "StudioTake"]

STOPPED = "Stopped. The takes of this run were discarded."
"""Message after a run was stopped."""

_EDGE_S = 0.05
_HANDLE_S = 5.0  # of exported stems, as far as the video reaches
_DELIVERY_PACKAGES = ("timecode", "opentimelineio", "otio_aaf_adapter", "rpp")

Progress = Callable[[int, int, float | None], None]
"""Called with finished steps, all steps, and the remaining seconds, or None where they are unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudioTake:
    """One take of a session."""

    number: int
    """Counted from 1, over all runs."""
    run: int
    """Number of the run that generated it, from 1."""
    model: str
    """Name of the model."""
    encoder: Encoder
    """Video encoder that was chosen."""
    seed: int
    """Random seed of the run."""
    start_s: float
    """Start of its sound, in seconds from the start of the video."""
    end_s: float
    """End of its sound."""
    wav: Path
    """Sound."""
    video: Path
    """Whole video with the sound."""
    remark: str | None = None
    """Note on its level, if there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """Exported files."""

    wav: Path
    """The assembled sound, as long as the video."""
    video: Path
    """The video with the sound; its video stream is copied unchanged."""
    archive: Path
    """ZIP archive of both, every take, and the JSON records of their settings."""


class StudioSession:
    """A video and its takes, in a folder that :meth:`close` deletes.

    Args:
        parent: Folder to create the session's folder in.
        longest_s: Longest video to accept, in seconds.
    """

    def __init__(self, parent: Path, *, longest_s: float = 600.0) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="session-", dir=parent))
        self._longest_s = longest_s
        self._stop = threading.Event()
        self._changing = threading.RLock()
        self._runs = 0
        self._upload: _Upload | None = None
        self.video: Path | None = None
        self.duration_s = 0.0
        self.shots: list[Shot] = []
        self.takes: list[StudioTake] = []
        self.accepted: dict[int, int] = {}
        self.shot_settings: dict[int, ShotSettings] = {}
        self.clock: TimecodeClock | None = None
        self._decided: set[int] = set()  # shots whose take, or silence, was chosen by hand
        self.used_at = time.monotonic()

    def open_video(self, upload: Path) -> None:
        """Open a copy of a video; the previous one and its takes are deleted.

        Args:
            upload: The file; it is deleted when the session is cleared or opens another video.

        Raises:
            MediaError: If the file is not a usable video.
            VideoError: If the video is too long.
            OutputError: If it cannot be copied.
        """
        self.clear(keeps=upload)  # it may be the same video again
        folder = self._folder / "video"
        folder.mkdir(exist_ok=True)
        video = folder / _harmless_name(upload.name)
        try:
            self._upload = _Upload.of(upload)
            shutil.copyfile(upload, video)
        except OSError as exc:
            raise OutputError(f"{upload.name}: cannot be stored ({exc.strerror}). Upload it again.") from exc
        try:
            duration_s = video_duration(video)
            if duration_s > self._longest_s:
                raise VideoError(
                    f"{video.name}: lasts {duration_s:.0f} s; this studio accepts videos of at most "
                    f"{self._longest_s:.0f} s. Cut it, or start the studio with a larger --max-duration."
                )
            shots = find_shots(video)
        except CinefoleyError as exc:
            video.unlink(missing_ok=True)
            raise type(exc)(str(exc).replace(f"{folder}/", "")) from exc
        self.video, self.duration_s, self.shots = video, duration_s, shots
        with contextlib.suppress(CinefoleyError):  # no rate that has timecode, or the package is missing
            self.clock = clock_of(video)

    def open_example(self) -> None:
        """Open a clip of the Foley stage, for who has no video at hand.

        Raises:
            OutputError: If it cannot be written.
        """
        path = self._folder / "example.mp4"
        write_example_video(path)
        self.open_video(path)

    def generate(
        self,
        models: ModelStore,
        *,
        model: str,
        encoder: Encoder,
        num_takes: int,
        seed: int,
        start_s: float,
        end_s: float,
        on_progress: Progress,
        quality: Quality | None = None,
        like: Path | None = None,
        kind: str | None = None,
        unlike: Path | None = None,
    ) -> list[StudioTake]:
        """Generate takes for a region; ``quality`` defaults to the model's.

        ``like``, ``kind`` and ``unlike`` say what they should sound like. The first take is accepted for
        every shot that it covers and nothing was chosen for.

        Raises:
            RunInterrupted: If :meth:`stop` was called; the takes of this run are discarded.
            CinefoleyError: If there is no video, the region is empty, or the model cannot be used.
        """
        video = self._need_video()
        start_s, end_s = max(0.0, start_s), min(end_s, self.duration_s)
        if end_s - start_s < _EDGE_S:
            raise CinefoleyError(
                f"The region from {start_s:.2f} to {end_s:.2f} s is empty. Choose a longer one."
            )
        stop = self._stop = threading.Event()  # a new one: an earlier run that was stopped stays stopped
        self._runs += 1
        run, folder = self._runs, self._folder / f"run{self._runs}"
        with models.use(model, encoder) as (pipeline, record):
            try:
                settings = generation_settings(
                    pipeline.foley_config.quality,
                    quality=quality,
                    num_takes=num_takes,
                    seed=seed,
                    start=start_s,
                    shots="off",  # a shot is a section of its own here
                    duration=None if end_s >= self.duration_s else end_s - start_s,
                    like=None if like is None else str(like),
                    kind=kind,
                    unlike=None if unlike is None else str(unlike),
                )
            except ValueError as exc:
                raise CinefoleyError(f"These settings cannot be used: {exc}.") from exc
            clock = _Clock(on_progress, stop)
            clock.check()  # another session may have used the model for a long time
            report = generate_files(pipeline, video, folder, settings, clock, model=record)
        with self._changing:
            if stop.is_set():  # after the last step; the video may have changed
                shutil.rmtree(folder, ignore_errors=True)
            clock.check()
            made = [
                StudioTake(
                    number=len(self.takes) + place,
                    run=run,
                    model=model,
                    encoder=encoder,
                    seed=seed,
                    start_s=start_s,
                    end_s=end_s,
                    wav=take.wav,
                    video=take.video or take.wav,  # takes of the studio have videos
                    remark=take.level.remark() if take.level is not None else None,
                )
                for place, take in enumerate(report.takes, start=1)
            ]
            self.takes += made
            for shot in range(len(self.shots)):
                is_open = shot not in self._decided and shot not in self.accepted
                if made and is_open and made[0] in self.takes_for(shot):
                    self.accepted[shot] = made[0].number
        return made

    def redo(
        self, models: ModelStore, take: int, start_s: float, end_s: float, *, seed: int, on_progress: Progress
    ) -> StudioTake:
        """Generate a stretch of a take anew; see :func:`cinefoley.pipelines.takes.redo.redo_take`.

        Raises:
            RunInterrupted: If :meth:`stop` was called; the take stays as it was.
            CinefoleyError: If there is no such take, or the stretch is empty, outside it or too long.
        """
        from cinefoley.pipelines.inpainting import Stretch  # loads diffusers, which a page can do without
        from cinefoley.pipelines.takes.redo import redo_take

        video = self._need_video()
        found = next((each for each in self.takes if each.number == take), None)
        if found is None:
            raise CinefoleyError(f"There is no take {take}.")
        stop = self._stop = threading.Event()
        numbers = [each.number for each in self.takes if each.run == found.run]
        with models.use(found.model, found.encoder) as (pipeline, _):
            settings = generation_settings(pipeline.foley_config.quality, seed=seed)
            clock = _Clock(on_progress, stop)
            clock.check()
            stretch = Stretch(start_s, end_s)
            place = numbers.index(take) + 1
            redo_take(pipeline, video, found.wav.parent, place, stretch, settings, clock)
        found.wav.with_suffix(".png").unlink(missing_ok=True)  # its image is drawn anew
        return found

    def set_shot(self, shot: int, settings: ShotSettings) -> None:
        """Set gain and nudge of a shot.

        Raises:
            CinefoleyError: If there is no such shot.
        """
        self._check_shot(shot)
        self.shot_settings[shot] = settings

    def stop(self) -> None:
        """Stop the current run at its next step."""
        self._stop.set()

    def takes_for(self, shot: int) -> list[StudioTake]:
        """Takes that cover a whole shot (numbered from 0)."""
        wanted = self.shots[shot]
        return [
            take
            for take in self.takes
            if take.start_s <= wanted.start_s + _EDGE_S and wanted.end_s - _EDGE_S <= take.end_s
        ]

    def accept(self, shot: int, take: int | None) -> None:
        """Accept a take for a shot; None for silence.

        Raises:
            CinefoleyError: If there is no such shot, or the take does not cover it.
        """
        self._check_shot(shot)
        self._decided.add(shot)
        if take is None:
            self.accepted.pop(shot, None)
            return
        if take not in {each.number for each in self.takes_for(shot)}:
            raise CinefoleyError(f"Take {take} does not cover shot {shot + 1}.")
        self.accepted[shot] = take

    def export(
        self,
        *,
        subtype: Subtype = "PCM_24",
        sample_rate: Literal[16000, 48000] = 48000,
    ) -> Export:
        """Assemble the accepted takes, and write the sound, the video with it, and an archive.

        Peaks beyond full scale are limited, as by ``cinefoley generate``.

        Raises:
            CinefoleyError: If no take is accepted, or a file cannot be written.
        """
        video = self._need_video()
        if not self.accepted:
            raise CinefoleyError("No take is accepted for any shot. Accept a take before you export.")
        folder = self._folder / "export"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        wav = folder / f"{video.stem}.foley.wav"
        with fitted_audio(wav, sample_rate, subtype=subtype) as sound:  # resampling can overshoot full scale
            for block in assemble(self._pieces(), self.duration_s, sample_rate):
                sound.write(block)
        out = folder / f"{video.stem}.foley{video_suffix(video)}"
        replace_audio(video, wav, out)
        record = folder / f"{video.stem}.foley.json"
        record.write_text(json.dumps(self._describe(subtype, sample_rate, sound.fitting), indent=2) + "\n")
        archive = folder / f"{video.stem}.foley.zip"
        with zipfile.ZipFile(archive, "w") as writer:  # uncompressed: video does not get smaller
            for path in (wav, out, record):
                writer.write(path, path.name)
            for path in self._write_delivery(folder, subtype, sample_rate):
                writer.write(path, f"{path.parent.name}/{path.name}")
            for path in self._files_of_takes():  # not of runs that are in progress or failed
                writer.write(path, f"{path.parent.name}/{path.name}")
        return Export(wav=wav, video=out, archive=archive)

    def _write_delivery(self, folder: Path, subtype: Subtype, sample_rate: int) -> list[Path]:
        """Stems, timelines and cue sheet; nothing where the extra is missing or there is no timecode."""
        if self.clock is None or not all(map(find_spec, _DELIVERY_PACKAGES)):
            return []
        takes = {take.number: take for take in self.takes}
        stems = [self._stem(shot, takes[number]) for shot, number in sorted(self.accepted.items())]
        wanted = DeliverySettings(sample_rate=sample_rate, subtype=subtype, handle_s=_HANDLE_S)
        done = deliver(self._need_video(), stems, folder / "delivery", self.clock, wanted)
        return [done.folder / name for name in done.files]

    def _stem(self, shot: int, take: StudioTake) -> Stem:
        settings = self.shot_settings.get(shot, ShotSettings())
        return Stem(
            shot=shot + 1,
            take=take.number,
            start_s=self.shots[shot].start_s,
            end_s=self.shots[shot].end_s,
            wav=take.wav,
            wav_start_s=take.start_s,
            model=take.model,
            seed=take.seed,
            offset_s=self._nudge_s(settings),
            gain_db=settings.gain_db,
        )

    def _nudge_s(self, settings: ShotSettings) -> float:
        return settings.nudge_frames / float(self.clock.rate) if self.clock else 0.0

    def _check_shot(self, shot: int) -> None:
        if not 0 <= shot < len(self.shots):
            raise CinefoleyError(f"There is no shot {shot + 1}, only {len(self.shots)}.")

    def _files_of_takes(self) -> list[Path]:
        """Audio and video files of the takes, and the JSON records of their settings."""
        takes = list(self.takes)
        records = {take.wav.with_name(f"{self._need_video().stem}.json") for take in takes}
        return sorted({*records, *(path for take in takes for path in (take.wav, take.video))})

    def clear(self, *, keeps: Path | None = None) -> None:
        """Discard the video and its takes, and delete the upload, unless it is ``keeps``."""
        with self._changing:
            self.stop()
            self._remove_upload(keeps)
            for path in self._folder.iterdir():
                shutil.rmtree(path, ignore_errors=True)
            self.video, self.duration_s, self.shots, self.takes, self.accepted = None, 0.0, [], [], {}
            self.shot_settings, self.clock, self._decided = {}, None, set()

    def close(self) -> None:
        """Stop, and delete the session's files."""
        self.stop()
        self._remove_upload()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _remove_upload(self, keeps: Path | None = None) -> None:
        upload, self._upload = self._upload, None
        if upload is not None and upload.path != keeps:
            upload.remove()

    def _need_video(self) -> Path:
        if self.video is None:
            raise CinefoleyError("There is no video yet. Upload one first.")
        return self.video

    def _pieces(self) -> list[Piece]:
        by_number = {take.number: take for take in self.takes}
        pieces = []
        for number, shot in enumerate(self.shots):
            take = by_number.get(self.accepted.get(number, 0))
            settings = self.shot_settings.get(number, ShotSettings())
            pieces.append(
                Piece(
                    start_s=shot.start_s,
                    end_s=shot.end_s,
                    wav=take.wav if take else None,
                    wav_start_s=take.start_s + self._nudge_s(settings) if take else 0.0,
                    gain=settings.factor,
                )
            )
        return pieces

    def _describe(self, subtype: str, sample_rate: int, fitting: Fitting) -> dict[str, object]:
        """Accepted takes and settings; each run's own JSON has the settings that generate its takes again."""
        takes = {take.number: take for take in self.takes}
        return {
            "kind": "cinefoley studio",
            "film": self._need_video().name,
            "duration_s": self.duration_s,
            "subtype": subtype,
            "sample_rate": sample_rate,
            "cross_fade_s": CROSS_FADE_S,
            "gain": fitting.gain,
            "limited_db": fitting.limited_db,
            "shots": [
                asdict(shot)
                | {
                    "take": self.accepted.get(number),
                    "wav": f"run{takes[self.accepted[number]].run}/{takes[self.accepted[number]].wav.name}"
                    if number in self.accepted
                    else None,
                }
                | asdict(self.shot_settings.get(number, ShotSettings()))
                for number, shot in enumerate(self.shots)
            ],
            "runs": {
                f"run{take.run}": {
                    "model": take.model,
                    "video_encoder": take.encoder,
                    "seed": take.seed,
                    "start_s": take.start_s,
                    "end_s": take.end_s,
                    "record": f"run{take.run}/{self._need_video().stem}.json",
                }
                for take in self.takes
            },
        }


@dataclass(frozen=True, slots=True)
class _Upload:
    """An uploaded file. The same video, uploaded again, is another file with the same path."""

    path: Path
    inode: int
    changed_ns: int

    @classmethod
    def of(cls, path: Path) -> Self:
        state = path.stat()
        return cls(path, state.st_ino, state.st_mtime_ns)

    def remove(self) -> None:
        """Delete it, but not a later upload with the same path."""
        with contextlib.suppress(OSError):
            if self == self.of(self.path):
                self.path.unlink()


class _Clock:
    """Reports the remaining time of a run, and stops it on request."""

    def __init__(self, on_progress: Progress, stop: threading.Event) -> None:
        self._on_progress = on_progress
        self._stop = stop
        self._began: float | None = None

    def check(self) -> None:
        if self._stop.is_set():
            raise RunInterrupted(STOPPED)

    def __call__(self, done: int, total: int) -> None:
        self.check()
        now = time.monotonic()
        if self._began is None:  # the first step includes loading and encoding
            self._began = now
            self._on_progress(done, total, None)
            return
        self._on_progress(done, total, (now - self._began) / (done - 1) * (total - done))


def _harmless_name(name: str) -> str:
    """A safe file name of letters, digits, dots and dashes, of limited length."""
    stem, suffix = Path(name).stem, Path(name).suffix
    return (re.sub(r"[^\w-]+", "_", stem)[:80].strip("_") or "video") + re.sub(r"[^\w.]", "", suffix)[:8]
