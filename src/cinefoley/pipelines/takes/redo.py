"""Redo a stretch of a take on disk: the sound, the video with it, and the record."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from cinefoley.errors import CinefoleyError, OutputError
from cinefoley.media.audio.files import read_audio
from cinefoley.media.audio.limiter import limit_peaks
from cinefoley.media.shots import Shot
from cinefoley.pipelines.inpainting import FADE_S, Stretch, redo_stretch
from cinefoley.pipelines.sampling import draw_noise
from cinefoley.pipelines.takes.files import TakeFiles, existing_take, plan_takes
from cinefoley.pipelines.takes.new_sound import replace_sound
from cinefoley.pipelines.takes.settings import GenerationSettings
from cinefoley.pipelines.takes.sidecar import check_same_video, find_take
from cinefoley.pipelines.takes.video_source import VideoSource, as_video_source

if TYPE_CHECKING:
    from cinefoley.pipelines.foley import FoleyPipeline

__all__ = ["find_written", "redo_take"]

_FIRST_WINDOW = 1 << 20  # of the noise: no video has as many windows
_PARTS_APART = 1 << 12


def redo_take(
    pipeline: "FoleyPipeline",
    video: str | os.PathLike[str] | VideoSource,
    out_dir: str | os.PathLike[str],
    take: int,
    stretch: Stretch,
    settings: GenerationSettings,
    on_step: Callable[[int, int], None] | None = None,
) -> TakeFiles:
    """Generate a stretch of an existing take anew, as :func:`~cinefoley.pipelines.inpainting.redo_stretch`.

    The same call again gives another sound; the record counts. The mel of the take, if there is one, is
    deleted, because it no longer fits.

    Args:
        pipeline: The model, on its device.
        video: The video.
        out_dir: Where its takes are.
        take: Number of the take.
        stretch: What to generate anew, in seconds from the video's first frame.
        settings: Seed and sampling.
        on_step: Called with finished and total denoiser calls.

    Returns:
        The files of the take.

    Raises:
        OutputError: If there is no such take, no record of it, or the record is of another video; or if a
            file cannot be written.
        CinefoleyError: If the stretch is empty, outside the take or too long, or the model has another rate.
        MediaError: If the video or the take cannot be read.
    """
    source, out_dir = as_video_source(video), Path(out_dir)
    there, record, sidecar = find_written(source, out_dir, take)
    run, entry = record
    rate = pipeline.foley_config.mel.sample_rate
    waveform, own_rate = read_audio(there.wav, mono=True)
    if own_rate != rate:
        raise CinefoleyError(
            f"{there.wav.name}: has {own_rate} Hz, but the model {rate} Hz. Use the model that generated it."
        )
    start = float(run.get("settings", {}).get("start", 0.0))
    done = list(entry.get("redone", []))
    gain = 10 ** (float(entry.get("gain_db", 0.0)) / 20)
    section = {"start": start, "duration": run.get("settings", {}).get("duration")}
    model_input = source.model_input(pipeline.foley_config)
    shots = [Shot(**shot) for shot in run.get("shots") or ()]
    try:
        parts = _parts(
            Stretch(stretch.start_s - start, stretch.end_s - start),
            [
                Stretch(begin / rate, end / rate)
                for begin, end in pipeline.plan(model_input, shots=shots, **section).shots()
            ],
        )
        sound = waveform[0]
        for number, (part, shot) in enumerate(parts):
            sound = redo_stretch(
                pipeline,
                model_input,
                sound,
                part,
                noise=draw_noise(
                    (1, *pipeline.latent_shape),
                    seed=settings.seed,
                    take=take - 1,
                    window=_FIRST_WINDOW + len(done) + number * _PARTS_APART,
                ),
                gain=gain,
                shot=shot if len(shots) > 1 else None,
                on_step=None if on_step is None else _whole_progress(on_step, number, len(parts)),
                **section,
                **settings.options(),
            )
    except ValueError as exc:
        raise CinefoleyError(f"{there.wav.name}: {exc}.") from exc
    piece = slice(round((stretch.start_s - start) * rate), round((stretch.end_s - start) * rate))
    if sound[piece].abs().max() > 1:  # a cross-fade of two loud sounds; nothing else can
        sound = torch.from_numpy(limit_peaks(sound[None].numpy(), rate, ceiling=1.0))[0]
    mark = {"start_s": stretch.start_s, "end_s": stretch.end_s, "seed": settings.seed, "cross_fade_s": FADE_S}
    return replace_sound(source, there, sidecar, sound, rate, start=start, changes={"redone": [*done, mark]})


def _parts(stretch: Stretch, shots: list[Stretch]) -> list[tuple[Stretch, Stretch]]:
    """The part of a stretch in each shot, and the shot; the stretch as it is if it lies in none."""
    cut = [
        (Stretch(max(stretch.start_s, shot.start_s), min(stretch.end_s, shot.end_s)), shot) for shot in shots
    ]
    return [(part, shot) for part, shot in cut if part.start_s < part.end_s] or [(stretch, shots[0])]


def _whole_progress(
    on_step: Callable[[int, int], None], number: int, parts: int
) -> Callable[[int, int], None]:
    """Progress of one of several parts as progress of all."""
    return lambda done, total: on_step(number * total + done, parts * total)


def find_written(
    source: VideoSource, out_dir: Path, take: int
) -> tuple[TakeFiles, tuple[dict[str, Any], dict[str, Any]], Path]:
    """Files of a take, the records of its run and of the take, and the sidecar.

    Raises:
        OutputError: If there is no such take, no record of it, or the record is of another video.
    """
    planned = plan_takes(source, out_dir, GenerationSettings(num_takes=take, saves_mel=True))[take - 1]
    sound_only = replace(planned, video=None)
    there = existing_take(planned) or existing_take(sound_only)
    sidecar = out_dir / f"{source.path.stem}.json"
    record = find_take(sidecar, take)
    if there is None or record is None:
        raise OutputError(
            f"{planned.wav}: there is no such take with a record of its settings. Generate it first, or name "
            "its folder with -o."
        )
    check_same_video(sidecar, source.describe())
    return there, record, sidecar
