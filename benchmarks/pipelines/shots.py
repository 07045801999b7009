"""Onsets near cuts, with windows that span cuts and with windows inside shots.

    python benchmarks/pipelines/shots.py [--videos 8] [--model lite]

Videos are cut together from clips of the stage's valid split: each shot is a stretch of 1.5 to 6 s of
another clip whose sounds begin sharply, so every event is known. Takes are generated with cuts ignored, with
shots that PySceneDetect finds, and with the known shots. Onsets are matched with events within 100 ms:
near cuts (both within 1 s of one), and everywhere. The table also says which cuts were found.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cinefoley.media.frames.video import Video, video_from_frames
from cinefoley.media.muxing.save_video import save_video
from cinefoley.media.shots import Shot, find_shots
from cinefoley.metrics.onsets import OnsetCounts, detect_onsets, match_onsets
from cinefoley.pipelines.foley import FoleyPipeline
from cinefoley.stage.render import draw_take

FPS = 25
SIZE = (144, 256)
SHOT_S = (1.5, 6.0)
NEAR_S = 1.0
TOLERANCE_S = 0.1
Times = NDArray[np.float64]


def main() -> None:
    """Print onset F1 near cuts and everywhere for the three kinds of windows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=8)
    parser.add_argument("--shots", type=int, default=6, help="shots per video")
    parser.add_argument("--model", default="lite")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    pipeline = FoleyPipeline.from_pretrained(arguments.model)
    pipeline.prepack()
    rate = pipeline.foley_config.mel.sample_rate
    near, everywhere = {}, {}
    num_cuts = num_found = num_false = 0
    search_s = length_s = 0.0
    for number in range(arguments.videos):
        video, shots, events = cut_together(arguments.shots, arguments.seed + number)
        cuts = np.array([shot.end_s for shot in shots[:-1]])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "film.mp4"
            save_video(path, video.frames, FPS)
            began = time.perf_counter()
            detected = find_shots(path)
            search_s += time.perf_counter() - began
        length_s += video.duration
        found = np.array([shot.end_s for shot in detected[:-1]])
        hits = match_onsets(found, cuts, tolerance_s=1.5 / FPS)
        num_cuts, num_found, num_false = num_cuts + len(cuts), num_found + hits.hits, num_false + hits.extra
        for name, used in (("cuts ignored", None), ("shots found", detected), ("shots known", shots)):
            sound = pipeline(video, seed=arguments.seed + number, shots=used).audios[0]
            onsets = detect_onsets(sound, sample_rate=rate)
            counts = match_onsets(onsets, events, tolerance_s=TOLERANCE_S)
            at_cuts = match_onsets(of_cuts(onsets, cuts), of_cuts(events, cuts), tolerance_s=TOLERANCE_S)
            everywhere[name] = everywhere.get(name, OnsetCounts()) + counts
            near[name] = near.get(name, OnsetCounts()) + at_cuts
    print(
        f"{arguments.videos} videos, {length_s:.0f} s, {num_cuts} cuts ({num_found} found, {num_false} "
        f"false); PySceneDetect {search_s / length_s:.3f} s per second at {SIZE[1]}x{SIZE[0]}; "
        f"model {arguments.model}; "
        f"torch {torch.__version__}, {torch.get_num_threads()} threads"
    )
    print(
        f"{'windows':14} {'near cuts: F1':>14} {'hit':>5} {'extra':>6} {'missed':>7} {'everywhere: F1':>16}"
    )
    for name, counts in near.items():
        print(
            f"{name:14} {counts.f1:14.3f} {counts.hits:5} {counts.extra:6} {counts.missed:7} "
            f"{everywhere[name].f1:16.3f}"
        )


def cut_together(num_shots: int, seed: int) -> tuple[Video, list[Shot], Times]:
    """A video of stretches of stage clips, its shots, and the times of all events in it."""
    rng = np.random.Generator(np.random.PCG64(seed))
    frames, shots, events = [], [], []
    begin = 0
    while len(shots) < num_shots:
        take = draw_take(int(rng.integers(100_000)), split="valid", duration_s=10.0)
        length, offset = round(rng.uniform(*SHOT_S) * FPS), round(rng.uniform(0, 4) * FPS)
        if not all(actor.is_onset_like for actor in take.actors):
            continue
        times = (offset + np.arange(length)) / FPS
        frames.append(take.frames(times, size=SIZE, aspect=take.aspect))
        inside = take.hits.times[(take.hits.times >= times[0]) & (take.hits.times < times[-1])]
        events.append(inside - times[0] + begin / FPS)
        shots.append(Shot(begin / FPS, (begin + length) / FPS))
        begin += length
    pixels = torch.from_numpy(np.concatenate(frames)).permute(0, 3, 1, 2).contiguous()
    return video_from_frames(pixels, FPS), shots, np.concatenate(events)


def of_cuts(times: Times, cuts: Times) -> Times:
    """Those within 1 s of a cut."""
    return times[(np.abs(times[:, None] - cuts) <= NEAR_S).any(axis=1)]


if __name__ == "__main__":
    main()
