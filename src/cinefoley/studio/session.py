"""A user's studio session: a video, its takes, the take accepted for each shot, and the export."""

import contextlib
import json
import shutil
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cinefoley.config.foley import Quality
from cinefoley.delivery.assembly import CROSS_FADE_S, Piece, assemble
from cinefoley.delivery.cue_sheets import cue_sheet_path, write_cues
from cinefoley.delivery.cues import Cue
from cinefoley.delivery.package import deliver
from cinefoley.delivery.settings import DeliverySettings
from cinefoley.delivery.stems import Stem
from cinefoley.delivery.timecode import TimecodeClock, clock_of
from cinefoley.errors import CinefoleyError, OutputError, VideoError
from cinefoley.media.audio.fitted_writer import Fitting, fitted_audio
from cinefoley.media.audio.writer import Subtype
from cinefoley.media.muxing.replace_audio import replace_audio, video_suffix
from cinefoley.media.shots import Shot, find_shots
from cinefoley.media.timing import video_duration
from cinefoley.pipelines.takes.generate import generate_files
from cinefoley.pipelines.takes.settings import generation_settings
from cinefoley.studio.example_video import write_example_video
from cinefoley.studio.model_store import Encoder, ModelStore
from cinefoley.studio.run_clock import STOPPED, Progress, RunClock
from cinefoley.studio.shot_settings import ShotSettings, ShotSound
from cinefoley.studio.take_cues import TakeCues, check_times
from cinefoley.studio.upload import Upload, harmless_name

if TYPE_CHECKING:
    from cinefoley.pipelines.foley import FoleyPipeline
    from cinefoley.pipelines.takes.model_record import ModelRecord

__all__ = ["STOPPED", "Export", "Progress", "StudioSession", "StudioTake"]

_AS_SEEN = ShotSound()
_EDGE_S = 0.05
_HANDLE_S = 5.0  # of exported stems, as far as the video reaches
_DELIVERY_PACKAGES = ("timecode", "opentimelineio", "otio_aaf_adapter", "rpp")


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
    sound: ShotSound = _AS_SEEN
    """What it was to sound like."""
    kinds: tuple[str, ...] = ()
    """Kinds of sound that the model names."""
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
        self._uploads: set[Upload] = set()
        self.video: Path | None = None
        self.duration_s = 0.0
        self.shots: list[Shot] = []
        self.takes: list[StudioTake] = []
        self.accepted: dict[int, int] = {}
        self.shot_settings: dict[int, ShotSettings] = {}
        self.sounds: dict[int | None, ShotSound] = {}
        self.clock: TimecodeClock | None = None
        self._cues: dict[int, TakeCues] = {}
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
        video = folder / harmless_name(upload.name)
        try:
            self.adopt(upload)
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

    def adopt(self, upload: Path) -> None:
        """Delete an uploaded file when the session is cleared or closed.

        Raises:
            OSError: If there is no such file.
        """
        self._uploads.add(Upload.of(upload))

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
    ) -> list[StudioTake]:
        """Generate takes for a region; ``quality`` defaults to the model's.

        They sound as :meth:`set_sound` says. Where shots of the region differ in that, takes are generated
        for each stretch of shots that do not. The first take is accepted for every shot that it covers and
        nothing was chosen for.

        Raises:
            RunInterrupted: If :meth:`stop` was called; the takes of this run are discarded.
            CinefoleyError: If there is no video, the region is empty, or the model cannot be used.
        """
        self._need_video()
        start_s, end_s = max(0.0, start_s), min(end_s, self.duration_s)
        if end_s - start_s < _EDGE_S:
            raise CinefoleyError(
                f"The region from {start_s:.2f} to {end_s:.2f} s is empty. Choose a longer one."
            )
        stop = self._stop = threading.Event()  # a new one: an earlier run that was stopped stays stopped
        stretches = self._stretches(start_s, end_s)
        wanted = _Wanted(
            model=model,
            encoder=encoder,
            num_takes=num_takes,
            seed=seed,
            quality=quality,
            kinds=models.kinds(model),
        )
        folders: list[Path] = []
        with models.use(model, encoder) as (pipeline, record):
            clock = RunClock(on_progress, stop)
            clock.check()  # another session may have used the model for a long time
            made: list[StudioTake] = []
            try:
                for number, stretch in enumerate(stretches):
                    self._runs += 1
                    folders.append(self._folder / f"run{self._runs}")
                    step = clock.part(number, len(stretches))
                    made += self._generate(pipeline, record, stretch, wanted, folders[-1], step)
                with self._changing:
                    clock.check()  # after the last step; the video may have changed
                    return self._add(made)
            except BaseException:
                for folder in folders:
                    shutil.rmtree(folder, ignore_errors=True)
                raise

    def _generate(
        self,
        pipeline: "FoleyPipeline",
        record: "ModelRecord",
        stretch: "_Stretch",
        wanted: "_Wanted",
        folder: Path,
        step: Callable[[int, int], None],
    ) -> list[StudioTake]:
        """Takes of one stretch, numbered from 1."""
        sound, shots = stretch.sound, [(shot.start_s, shot.end_s) for shot in self.shots]
        try:
            settings = generation_settings(
                pipeline.foley_config.quality,
                quality=wanted.quality,
                num_takes=wanted.num_takes,
                seed=wanted.seed,
                start=stretch.start_s,
                shots=tuple(shots) if len(shots) > 1 else "off",
                duration=None if stretch.end_s >= self.duration_s else stretch.end_s - stretch.start_s,
                like=None if sound.like is None else str(sound.like),
                kind=sound.kind,
                unlike=None if sound.unlike is None else str(sound.unlike),
            )
        except ValueError as exc:
            raise CinefoleyError(f"These settings cannot be used: {exc}.") from exc
        report = generate_files(pipeline, self._need_video(), folder, settings, step, model=record)
        return [
            StudioTake(
                number=place,
                run=int(folder.name.removeprefix("run")),
                model=wanted.model,
                encoder=wanted.encoder,
                seed=wanted.seed,
                start_s=stretch.start_s,
                end_s=stretch.end_s,
                wav=take.wav,
                video=take.video or take.wav,  # takes of the studio have videos
                sound=sound,
                kinds=wanted.kinds,
                remark=take.level.remark() if take.level is not None else None,
            )
            for place, take in enumerate(report.takes, start=1)
        ]

    def _add(self, made: list[StudioTake]) -> list[StudioTake]:
        """Put new takes on the desk; the first that covers a shot is accepted if nothing was chosen."""
        made = [replace(take, number=len(self.takes) + place) for place, take in enumerate(made, start=1)]
        self.takes += made
        for shot in range(len(self.shots)):
            if shot not in self._decided and shot not in self.accepted:
                first = next((take for take in self.takes_for(shot) if take in made), None)
                if first is not None:
                    self.accepted[shot] = first.number
        return made

    def set_sound(self, shot: int | None, sound: ShotSound) -> None:
        """Say what a shot should sound like; None: all shots for which nothing else is said.

        Raises:
            CinefoleyError: If there is no such shot.
        """
        if shot is not None:
            self._check_shot(shot)
        if sound == (_AS_SEEN if shot is None else self.sounds.get(None, _AS_SEEN)):
            self.sounds.pop(shot, None)
        else:
            self.sounds[shot] = sound

    def _stretches(self, start_s: float, end_s: float) -> "list[_Stretch]":
        """Stretches of a region whose shots should sound alike."""
        stretches: list[_Stretch] = []
        whole = self.sounds.get(None, _AS_SEEN)
        for number, shot in enumerate(self.shots):
            begin, finish = max(start_s, shot.start_s), min(end_s, shot.end_s)
            if finish - begin < _EDGE_S:
                continue
            sound = self.sounds.get(number, whole)
            if stretches and stretches[-1].sound == sound:
                begin = stretches.pop().start_s
            stretches.append(_Stretch(begin, finish, sound))
        return stretches or [_Stretch(start_s, end_s, whole)]

    def cues(self, take: int) -> tuple[Cue, ...]:
        """The events of a take, in order of time, with kinds if the model names some.

        Raises:
            CinefoleyError: If there is no such take, or it cannot be read.
        """
        found = self._take(take)
        if take not in self._cues:
            self._cues[take] = TakeCues.of(found.wav, start_s=found.start_s, kinds=found.kinds)
        return self._cues[take].cues

    def move(self, take: int, times_s: Sequence[float]) -> tuple[float, ...]:
        """Move the events of a take to cues, as ``generate --cues`` does; always from the take as generated.

        Returns:
            Cues that no event was near enough to.

        Raises:
            CinefoleyError: If there is no such take, a time lies outside the video or cues cross.
        """
        from cinefoley.pipelines.takes.move import move_take

        check_times(times_s, self.duration_s)
        self.cues(take)
        found, sheet = self._take(take), self._cues[take]
        place = self._place(found)
        _, moves = move_take(self._need_video(), found.wav.parent, place, times_s, generated=sheet.generated)
        places_s = {move.from_s: move.to_s for move in moves if move.from_s is not None}
        self._cues[take] = sheet.moved({came: to for came, to in places_s.items() if to is not None})
        found.wav.with_suffix(".png").unlink(missing_ok=True)  # its image is drawn anew
        return tuple(move.cue_s for move in moves if move.to_s is None)

    def write_cue_sheet(self, take: int) -> Path:
        """Write the events of a take as CSV.

        Raises:
            CinefoleyError: If there is no such take, or the video has no frame rate that has timecode.
        """
        video, found, cues = self._need_video(), self._take(take), self.cues(take)
        if self.clock is None:
            raise CinefoleyError(f"{video.name}: states no frame rate that has timecode, so no cue sheet.")
        path = cue_sheet_path(found.wav.parent, f"{video.stem}.take{take}", "csv")
        write_cues(path, cues, self.clock, video=video, duration_s=self.duration_s, form="csv")
        return path

    def _take(self, take: int) -> StudioTake:
        found = next((each for each in self.takes if each.number == take), None)
        if found is None:
            raise CinefoleyError(f"There is no take {take}.")
        return found

    def _place(self, take: StudioTake) -> int:
        """Number of a take in its run."""
        return [each.number for each in self.takes if each.run == take.run].index(take.number) + 1

    def redo(
        self,
        models: ModelStore,
        take: int,
        start_s: float,
        end_s: float,
        *,
        seed: int,
        on_progress: Progress,
        quality: Quality | None = None,
    ) -> StudioTake:
        """Generate a stretch of a take anew; see :func:`cinefoley.pipelines.takes.redo.redo_take`.

        ``quality`` defaults to the model's.

        Raises:
            RunInterrupted: If :meth:`stop` was called; the take stays as it was.
            CinefoleyError: If there is no such take, or the stretch is empty, outside it or too long.
        """
        from cinefoley.pipelines.inpainting import Stretch  # loads diffusers, which a page can do without
        from cinefoley.pipelines.takes.redo import redo_take

        video = self._need_video()
        found = self._take(take)
        stop = self._stop = threading.Event()
        with models.use(found.model, found.encoder) as (pipeline, _):
            settings = generation_settings(pipeline.foley_config.quality, quality=quality, seed=seed)
            clock = RunClock(on_progress, stop)
            clock.check()
            stretch = Stretch(start_s, end_s)
            place = self._place(found)
            redo_take(pipeline, video, found.wav.parent, place, stretch, settings, clock)
        self._cues.pop(take, None)  # moves begin from this sound now
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
        kinds = {kind for number in self.accepted.values() for kind in takes[number].kinds}
        done = deliver(self._need_video(), stems, folder / "delivery", self.clock, wanted, kinds=kinds)
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
        """Discard the video and its takes, and delete all uploads but ``keeps``."""
        with self._changing:
            self.stop()
            self._remove_uploads(keeps)
            for path in self._folder.iterdir():
                shutil.rmtree(path, ignore_errors=True)
            self.video, self.duration_s, self.shots, self.takes, self.accepted = None, 0.0, [], [], {}
            self.shot_settings, self.clock, self._decided = {}, None, set()
            self.sounds, self._cues = {}, {}

    def close(self) -> None:
        """Stop, and delete the session's files."""
        self.stop()
        self._remove_uploads()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _remove_uploads(self, keeps: Path | None = None) -> None:
        uploads, self._uploads = self._uploads, set()
        for upload in uploads:
            if upload.path != keeps:
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
                    "sound": str(take.sound),
                    "record": f"run{take.run}/{self._need_video().stem}.json",
                }
                for take in self.takes
            },
        }


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Shots in a row that should sound alike."""

    start_s: float
    end_s: float
    sound: ShotSound


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What a run generates for each of its stretches."""

    model: str
    encoder: Encoder
    num_takes: int
    seed: int
    quality: Quality | None
    kinds: tuple[str, ...]
