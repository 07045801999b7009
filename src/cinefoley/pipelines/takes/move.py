"""Move the events of a take on disk to cues: the sound, the video with it, and the record."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from cinefoley.delivery.moving import Move, move_to_cues
from cinefoley.media.audio.files import read_audio
from cinefoley.pipelines.takes.files import TakeFiles
from cinefoley.pipelines.takes.new_sound import replace_sound
from cinefoley.pipelines.takes.redo import find_written
from cinefoley.pipelines.takes.video_source import VideoSource, as_video_source

__all__ = ["move_take"]


def move_take(
    video: str | os.PathLike[str] | VideoSource,
    out_dir: str | os.PathLike[str],
    take: int,
    cues_s: Sequence[float],
    *,
    generated: Path,
) -> tuple[TakeFiles, list[Move]]:
    """Move the events of an existing take to cues, as :func:`~cinefoley.delivery.moving.move_to_cues`.

    Args:
        video: The video.
        out_dir: Where its takes are.
        take: Number of the take.
        cues_s: Times, ascending, in seconds from the video's first frame.
        generated: Copy of the take's sound from before any move, so that moves do not add up.

    Returns:
        The files of the take, and a record per cue.

    Raises:
        OutputError: If there is no such take, no record of it, or a file cannot be written.
        MediaError: If the video or a sound cannot be read.
    """
    source = as_video_source(video)
    there, (run, _), sidecar = find_written(source, Path(out_dir), take)
    start = float(run.get("settings", {}).get("start", 0.0))
    waveform, rate = read_audio(generated, mono=True)
    blocks, moves = move_to_cues(waveform[0].numpy(), rate, cues_s, start_s=start)
    sound = torch.from_numpy(np.concatenate(list(blocks), axis=1)[0])
    changes = {"cues": [asdict(move) for move in moves]}
    files = replace_sound(source, there, sidecar, sound, rate, start=start, changes=changes)
    return files, moves
