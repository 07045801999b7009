"""What the video encoder of `make lite` knows about onsets before a generator is trained on it.

    python recipes/encoder_onsets.py FOLDER --clips hammering chopping ...

Reads the encoder and the heads of its warm start from ``runs/lite/encoder`` and prints two tables. On `valid`
clips of the filmed stage, for each view: onset F1 of the head for events (within 100 ms, clips whose events
all start sharply, threshold chosen in full view), and the cosine distance of the features from those of the
full view. On the real videos of FOLDER: F1 against the onsets of the video's own sound, and against those of
every other video (derangement), at that threshold and at the best one for these videos.
"""

import argparse
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from lite import MODEL, STAGE
from motion_inputs import THRESHOLDS, Array, scores, total
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file
from scipy import signal
from torch import Tensor
from torch.nn import functional as F

from cinefoley.data.cache.stage_cache import KIND_NAMES
from cinefoley.data.sources.stage import StageClip
from cinefoley.evaluation.paper.clip_windows import read_frames
from cinefoley.evaluation.views import View, window_of
from cinefoley.media import load_video, read_audio
from cinefoley.metrics.onsets import detect_onsets, match_onsets
from cinefoley.models.folder import load_part
from cinefoley.models.video_encoder import VideoEncoder
from cinefoley.training.tasks.frame_targets import FrameTargetHeads

SLOTS_PER_S = 8 * MODEL.foley.feature_fps
VIEWS: tuple[View, ...] = get_args(View)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", nargs="*", help="stems of the videos to use; default: all")
    parser.add_argument("--valid", type=int, default=96, help="clips of the stage")
    parser.add_argument("--run", type=Path, default=Path("runs/lite/encoder"))
    args = parser.parse_args()
    encoder = load_part(args.run / "final", VideoEncoder)
    heads = FrameTargetHeads(MODEL.video_encoder.feature_dim, len(KIND_NAMES))
    heads.load_state_dict(load_file(args.run / "heads.safetensors"))
    clips = [
        StageClip(seed=seed, split="valid", duration_s=MODEL.foley.window_s, version=STAGE)
        for seed in range(args.valid)
    ]
    features = {
        view: [encode(encoder, read_frames(clip, MODEL.foley, window_of(clip, view))) for clip in clips]
        for view in VIEWS
    }
    onsets = [np.array([event.time_s for event in clip.events]) for clip in clips]
    sharp = [
        n for n, clip in enumerate(clips) if clip.events and all(event.is_onset_like for event in clip.events)
    ]

    def f1(view: View, threshold: float) -> float:
        return total(
            [match_onsets(pick(predict(heads, features[view][n]), threshold), onsets[n]) for n in sharp]
        )

    chosen = max(THRESHOLDS, key=lambda threshold: f1("full", threshold))
    table = Table(
        "view",
        "onset F1",
        "cosine distance",
        title=f"{len(clips)} valid clips, {len(sharp)} with sharp onsets",
    )
    for view in VIEWS:
        distance = np.mean(
            [float(1 - (a * b).sum(-1).mean()) for a, b in zip(features["full"], features[view], strict=True)]
        )
        table.add_row(view, f"{f1(view, chosen):.3f}", f"{distance:.3f}")
    console = Console(width=100)
    console.print(table)
    paths = [p for p in sorted(args.folder.glob("*.mp4")) if not args.clips or p.stem in args.clips]
    found = {
        path.stem: (predict(heads, encode(encoder, frames)), times)
        for path in paths
        for frames, times in [real_clip(path)]
    }
    table = Table("threshold", "real F1", "deranged", title=f"{len(found)} real videos")
    best = max(THRESHOLDS, key=lambda threshold: scores(found, threshold, pick, SLOTS_PER_S)[0])
    for name, threshold in ((f"{chosen:.2f}, of the stage", chosen), (f"{best:.2f}, the best", best)):
        table.add_row(name, *(f"{value:.3f}" for value in scores(found, threshold, pick, SLOTS_PER_S)))
    console.print(table)


@torch.no_grad()
def encode(encoder: VideoEncoder, frames: Tensor) -> Tensor:
    """Features ``(T, D)`` of unit norm, from frames ``(T, 3, H, W)`` uint8."""
    return encoder(frames[None].float() / 255)[0]


@torch.no_grad()
def predict(heads: FrameTargetHeads, features: Tensor) -> Array:
    """Probability of an onset in every slot."""
    logits = heads.events(F.normalize(features, dim=-1) * features.shape[-1] ** 0.5)
    return torch.sigmoid(logits).flatten().double().numpy()


def pick(probability: Array, threshold: float) -> Array:
    """Times of the peaks, at least 0.15 s apart, seconds."""
    peaks, _ = signal.find_peaks(np.pad(probability, 1), height=threshold, distance=round(0.15 * SLOTS_PER_S))
    return np.asarray((peaks - 0.5) / SLOTS_PER_S, dtype=np.float64)


def real_clip(path: Path) -> tuple[Tensor, Array]:
    """Frames ``(T, 3, H, W)`` uint8 and the onsets of the sound, seconds."""
    frames = load_video(path, fps=MODEL.foley.frame_rate, size=MODEL.foley.frame_size).frames
    waveform, rate = read_audio(path, mono=True)
    return frames, detect_onsets(waveform[0], sample_rate=rate)


if __name__ == "__main__":
    main()
