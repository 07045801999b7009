"""Give an existing take another sound: the WAV, the video with it, and the record."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from cinefoley.media.audio.files import write_audio
from cinefoley.media.audio.loudness import measure_file_loudness
from cinefoley.media.audio.writer import Subtype
from cinefoley.media.files.staging import staging_folder
from cinefoley.media.probe import probe
from cinefoley.pipelines.takes.files import TakeFiles
from cinefoley.pipelines.takes.sidecar import update_take
from cinefoley.pipelines.takes.staging import publish_take
from cinefoley.pipelines.takes.video_source import VideoSource

__all__ = ["replace_sound"]

_SUBTYPES: dict[str, Subtype] = {"pcm_s16le": "PCM_16", "pcm_s24le": "PCM_24", "pcm_f32le": "FLOAT"}


def replace_sound(
    source: VideoSource,
    there: TakeFiles,
    sidecar: Path,
    sound: Tensor,
    sample_rate: int,
    *,
    start: float,
    changes: Mapping[str, Any],
) -> TakeFiles:
    """Replace the sound of a take in all of its files, or in none.

    Args:
        source: The video.
        there: The take's files; its mel, if there is one, is deleted, because it no longer fits.
        sidecar: The record.
        sound: ``(N,)``, full scale at 1; stored as the sound before.
        sample_rate: Samples per second.
        start: Where in the video the take begins, in seconds.
        changes: What the record says of the take from now on, beside its loudness.

    Returns:
        The files of the take.

    Raises:
        OutputError: If a file cannot be written.
        MediaError: If the video or the take cannot be read.
    """
    audio = probe(there.wav).audio
    subtype = _SUBTYPES.get(audio.codec if audio else "", "PCM_24")
    out_dir = there.wav.parent
    with staging_folder(out_dir) as staging:
        staged = replace(there.moved_to(staging), mel=None)
        write_audio(staged.wav, sound, sample_rate, subtype=subtype)
        loudness = measure_file_loudness(staged.wav)
        if staged.video is not None:
            source.write_take(staged.wav, staged.video, start=start)
        publish_take(staged, out_dir, [])
        levels = {"integrated_lufs": loudness.integrated_lufs, "true_peak_db": loudness.true_peak_db}
        update_take(sidecar, there.take, {**changes, **levels}, staging=staging)
    return replace(there, mel=None)
