"""A delivery: stems, track, timelines, cue sheet and mix of a video in one folder, written as a whole."""

import json
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from cinefoley.delivery.assembly import Piece, assemble
from cinefoley.delivery.conform import Conform, write_timelines
from cinefoley.delivery.cue_sheets import cue_sheet_path, write_cues
from cinefoley.delivery.cues import find_file_cues
from cinefoley.delivery.kinds import KindNamer
from cinefoley.delivery.leader import make_two_pop, pop_frames
from cinefoley.delivery.levels import SharedGain, shared_gain
from cinefoley.delivery.mixing import Ducker, mix_blocks
from cinefoley.delivery.settings import DeliverySettings
from cinefoley.delivery.stems import Stem, name_stems, read_stem, stem_range, write_stem
from cinefoley.delivery.timecode import TimecodeClock
from cinefoley.errors import AudioError, MediaError, OutputError
from cinefoley.media.audio.broadcast_wav import BroadcastInfo, write_broadcast_wav
from cinefoley.media.audio.loudness import Loudness, measure_file_loudness, measure_loudness
from cinefoley.media.audio.reader import AudioReader, Samples, resample_blocks, slice_blocks
from cinefoley.media.files.atomic_write import atomic_write
from cinefoley.media.muxing.replace_audio import replace_audio, video_suffix
from cinefoley.media.sections import Section
from cinefoley.media.timing import video_duration

__all__ = ["Delivery", "deliver"]

_MOST_MIX_CHANNELS = 2
_KIND = "cinefoley delivery"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What :func:`deliver` wrote."""

    folder: Path
    """The folder."""
    files: tuple[str, ...]
    """Names of its files, in alphabetical order."""
    gain: SharedGain
    """The gain that all takes share."""
    loudness: Loudness
    """Loudness of the track as written."""


def deliver(
    video: Path,
    stems: Sequence[Stem],
    folder: Path,
    clock: TimecodeClock,
    settings: DeliverySettings | None = None,
    *,
    kinds: Collection[str] = (),
    overwrites: bool = False,
) -> Delivery:
    """Write a delivery.

    For ``rain.mp4``: a Broadcast WAV per shot and take; ``rain_FOLEY.wav``, the used takes as one track as
    long as the video, and ``rain_FOLEY.mp4`` with it; ``rain.otio``, ``.edl``, ``.aaf`` and ``.rpp``;
    ``rain.cues.csv``; with a mix ``rain_MIX.wav`` and ``rain_MIX.mp4``, with a 2-pop ``rain_2POP.wav``; and
    ``rain.delivery.json``, which lists it all. The folder appears when all of it is written.

    Args:
        video: The video.
        stems: Takes by shot; one per shot is used.
        folder: The folder to write.
        clock: The video's timecode.
        settings: What to write; the defaults if None.
        kinds: Kinds that the models of the takes name: what the cue sheet may call an event.
        overwrites: Whether to replace an earlier delivery in the folder.

    Raises:
        MediaError: If the video or a take cannot be read.
        AudioError: If a mix is asked for and the video has no sound.
        DataError: If names collide, or a 2-pop would be before midnight.
        OutputError: If the folder holds anything but a delivery to replace, or cannot be written.
        DependencyError: If a package of the extra ``delivery`` is missing.
    """
    settings = settings or DeliverySettings()
    if not stems:
        raise MediaError(f"{video.name}: there is no take to deliver.")
    duration_s = video_duration(video)
    own = [f"{video.stem}_{name}" for name in ("FOLEY", "MIX", "2POP")]
    names = name_stems(stems, settings.name_pattern, video=video.stem, clock=clock, reserved=own)
    lead_frames = pop_frames(clock) if settings.has_two_pop else 0
    _check_folder(folder, overwrites=overwrites)
    with _staged(folder) as staging:
        work = _Work(video, stems, staging, clock, settings, duration_s)
        gain = work.choose_gain()
        for stem, name in zip(stems, names, strict=True):
            frames = stem_range(stem, clock, num_frames=work.num_frames, handle_s=settings.handle_s)
            write_stem(
                staging / f"{name}.wav",
                stem,
                frames,
                clock,
                video=video.stem,
                sample_rate=settings.sample_rate,
                subtype=settings.subtype,
                gain=gain.factor,
            )
        work.write_track(gain.factor)
        if settings.mix_gain_db is not None:
            work.write_mix(gain.factor, settings.mix_gain_db)
        if settings.has_two_pop:
            work.write_two_pop(lead_frames)
        cues = find_file_cues(work.track, namer=KindNamer(kinds))
        sheet = cue_sheet_path(staging, video.stem, "csv")
        write_cues(sheet, cues, clock, video=video, duration_s=duration_s, form="csv")
        conform = Conform(
            video=video.stem,
            picture=work.picture.name,
            stems=tuple(zip(stems, names, strict=True)),
            clock=clock,
            num_frames=work.num_frames,
            handle_s=settings.handle_s,
            sample_rate=settings.sample_rate,
            lead_frames=lead_frames,
            two_pop=work.pop.name if settings.has_two_pop else None,
        )
        write_timelines(conform, cues, staging, folder)
        loudness = measure_file_loudness(work.track)
        _write_manifest(staging, video, stems, names, clock, settings, gain, loudness)
        files = tuple(sorted(path.name for path in staging.iterdir()))
    return Delivery(folder=folder, files=files, gain=gain, loudness=loudness)


class _Work:
    """Writes the files of a delivery into a staging folder."""

    def __init__(
        self,
        video: Path,
        stems: Sequence[Stem],
        staging: Path,
        clock: TimecodeClock,
        settings: DeliverySettings,
        duration_s: float,
    ) -> None:
        self._video = video
        self._stems = stems
        self._clock = clock
        self._settings = settings
        self._duration_s = duration_s
        self.num_frames = max(1, round(Fraction(duration_s) * clock.rate))
        self.track = staging / f"{video.stem}_FOLEY.wav"
        self.picture = staging / f"{video.stem}_FOLEY{video_suffix(video)}"
        self.pop = staging / f"{video.stem}_2POP.wav"
        self._mix = staging / f"{video.stem}_MIX.wav"

    def choose_gain(self) -> SharedGain:
        """Measure the track and every take, and choose the gain that all share."""
        settings = self._settings
        rate = settings.sample_rate
        whole = measure_loudness(self._track(1.0), rate)
        takes = []
        for stem in self._stems:
            frames = stem_range(stem, self._clock, num_frames=self.num_frames, handle_s=settings.handle_s)
            start, end = (round(frame / self._clock.rate * rate) for frame in (frames.start, frames.end))
            factor = np.float32(10 ** (stem.gain_db / 20))
            blocks = (factor * block for block in read_stem(stem, start, end - start, rate))
            takes.append(measure_loudness(blocks, rate))
        return shared_gain(whole, takes, target_lufs=settings.loudness_lufs, ceiling_db=settings.ceiling_db)

    def write_track(self, gain: float) -> None:
        """Write the used takes as one track, and the video with it."""
        settings = self._settings
        info = self._info("Foley track", 0, ("Foley",))
        write_broadcast_wav(
            self.track, self._track(gain), settings.sample_rate, info, subtype=settings.subtype
        )
        replace_audio(self._video, self.track, self.picture)

    def write_mix(self, gain: float, own_gain_db: float) -> None:
        """Write the track over the video's own sound, and the video with it."""
        rate = self._settings.sample_rate
        try:
            peak = max(np.abs(block).max(initial=0.0) for block in self._mixed(gain, own_gain_db))
            channels = self._own_channels()
        except AudioError as exc:
            raise AudioError(
                f"{self._video.name}: has no sound to mix with. Leave out --mix. ({exc})"
            ) from exc
        ceiling = 10 ** (self._settings.ceiling_db / 20)
        fit = np.float32(1.0 if peak <= ceiling else ceiling / peak)
        blocks = (fit * block for block in self._mixed(gain, own_gain_db))
        info = self._info("mix", 0, ("Mix",) if channels == 1 else ("Mix L", "Mix R"))
        subtype = self._settings.subtype
        write_broadcast_wav(self._mix, blocks, rate, info, channels=channels, subtype=subtype)
        replace_audio(self._video, self._mix, self._mix.with_suffix(self.picture.suffix))

    def write_two_pop(self, lead_frames: int) -> None:
        """Write the 2-pop."""
        rate = self._settings.sample_rate
        info = self._info("2-pop", -lead_frames, ("2-pop",))
        blocks = slice_blocks(make_two_pop(self._clock, rate))
        write_broadcast_wav(self.pop, blocks, rate, info, subtype=self._settings.subtype)

    def _own_channels(self) -> int:
        with AudioReader(self._video, Section(Fraction(0), None)) as reader:
            return min(reader.channels, _MOST_MIX_CHANNELS)

    def _track(self, gain: float) -> Iterator[Samples]:
        return assemble(self._pieces(gain), self._duration_s, self._settings.sample_rate)

    def _mixed(self, gain: float, own_gain_db: float) -> Iterator[Samples]:
        rate = self._settings.sample_rate
        with AudioReader(self._video, Section(Fraction(0), None)) as reader:
            channels = min(reader.channels, _MOST_MIX_CHANNELS)
            own = resample_blocks(map(_downmix, reader), reader.sample_rate, rate)
            ducker = Ducker(self._settings.duck_db, rate)
            yield from mix_blocks(self._track(gain), own, channels, gain_db=own_gain_db, ducker=ducker)

    def _pieces(self, gain: float) -> list[Piece]:
        used = sorted((stem for stem in self._stems if stem.is_used), key=lambda stem: stem.start_s)
        return [
            Piece(
                start_s=stem.start_s,
                end_s=stem.end_s,
                wav=stem.wav,
                wav_start_s=stem.wav_start_s + stem.offset_s,
                gain=gain * 10 ** (stem.gain_db / 20),
            )
            for stem in used
        ]

    def _info(self, what: str, frame: int, names: tuple[str, ...]) -> BroadcastInfo:
        clock = self._clock
        return BroadcastInfo(
            time_reference=clock.samples(Fraction(frame) / clock.rate, self._settings.sample_rate),
            timecode_rate=clock.rate,
            is_drop_frame=clock.is_drop_frame,
            description=f"{self._video.stem}, {what}",
            project=self._video.stem,
            track_names=names,
        )


def _downmix(block: Samples) -> Samples:
    """At most two channels: more are averaged into both."""
    if block.shape[0] <= _MOST_MIX_CHANNELS:
        return block
    mono = block.mean(axis=0, keepdims=True, dtype=np.float32)
    return np.repeat(mono, _MOST_MIX_CHANNELS, axis=0)


def _write_manifest(
    staging: Path,
    video: Path,
    stems: Sequence[Stem],
    names: Sequence[str],
    clock: TimecodeClock,
    settings: DeliverySettings,
    gain: SharedGain,
    loudness: Loudness,
) -> None:
    about = {
        "kind": _KIND,
        "video": video.name,
        "timecode": {
            "start": clock.start,
            "rate": str(clock.rate),
            "is_drop_frame": clock.is_drop_frame,
        },
        "settings": asdict(settings),
        "gain": asdict(gain),
        "track": asdict(loudness),
        "stems": [
            asdict(stem) | {"wav": f"{name}.wav", "source": stem.wav.name}
            for stem, name in zip(stems, names, strict=True)
        ],
        "files": sorted(path.name for path in staging.iterdir()),
    }
    with atomic_write(staging / f"{video.stem}.delivery.json") as temporary:
        temporary.write_text(json.dumps(about, indent=2) + "\n")


def _check_folder(folder: Path, *, overwrites: bool) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise OutputError(f"{folder}: is a file; a delivery is a folder. Choose another with -o.")
    contents = list(folder.iterdir())
    if not contents:
        return
    if not any(path.name.endswith(".delivery.json") for path in contents):
        raise OutputError(
            f"{folder}: holds other files, so nothing was written. Choose another folder with -o."
        )
    if not overwrites:
        raise OutputError(
            f"{folder}: holds a delivery. Choose another folder with -o, or pass --force to replace it."
        )


@contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    """A folder beside the target that takes its place when the block succeeds."""
    mark = secrets.token_hex(8)
    staging, older = (folder.parent / f".cinefoley-{mark}.{end}" for end in ("part", "older"))

    def attempt(action: Callable[[], Any]) -> None:
        try:
            action()
        except OSError as exc:
            raise OutputError(
                f"{folder}: cannot be written ({exc.strerror}). Choose another with -o."
            ) from exc

    attempt(lambda: staging.mkdir(parents=True))
    try:
        try:
            yield staging
        except OutputError as exc:
            raise OutputError(str(exc).replace(str(staging), str(folder))) from exc
        if folder.exists():
            attempt(lambda: folder.replace(older))
        attempt(lambda: staging.replace(folder))
    except BaseException:
        if older.exists() and not folder.exists():
            older.replace(folder)
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        shutil.rmtree(older, ignore_errors=True)
