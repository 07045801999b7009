"""Which input tells a video encoder about onsets: small heads trained on the stage, tested on real videos.

    python recipes/motion_inputs.py FOLDER --clips hammering chopping ...

For each input the same small convolutional network predicts the onsets in each twelfth of a second. It is
trained on the filmed stage (``train``), its threshold is chosen on ``valid`` clips, and both tell F1 within
100 ms. On the real videos of FOLDER, events are the onsets of the video's own sound; F1 with the onsets of
every other video (derangement) stands beside it, once at the threshold of the stage and once at the best one
for these videos.

The inputs: frames at 4 fps; frames at 12 fps; differences of neighbouring frames at 12 fps; and differences
from which the camera's motion is removed (:class:`cinefoley.models.motion.ResidualMotion`).
"""

import argparse
import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import signal
from torch import Tensor, nn
from torch.nn import functional as F

from cinefoley.config.presets import lite
from cinefoley.data.cache.stage_cache import StageClips, prepare_stage_clips
from cinefoley.media import load_video, read_audio
from cinefoley.metrics.onsets import OnsetCounts, detect_onsets, match_onsets
from cinefoley.models.motion import frame_differences, residual_motion
from cinefoley.training.tasks.cavp_warm_start import augment, sharp_events
from cinefoley.training.tasks.frame_targets import event_slots

FPS = 12
SLOTS = 2  # per frame, so that an onset is known to 42 ms
BATCH = 16
THRESHOLDS = np.linspace(0.05, 0.95, 19)
Array = NDArray[np.float64]
INPUTS: dict[str, tuple[int, Callable[[Tensor], Tensor]]] = {
    "frames, 4 fps": (
        3,
        lambda video: halved(video)[:, ::3].repeat_interleave(3, dim=1)[:, : video.shape[1]],
    ),
    "frames, 12 fps": (3, lambda video: halved(video)),
    "differences, 12 fps": (1, frame_differences),
    "differences, camera removed": (1, residual_motion),
    "frames and camera removed": (4, lambda video: torch.cat([halved(video), residual_motion(video)], dim=2)),
}


def halved(video: Tensor) -> Tensor:
    """Frames at half the resolution, in [-1, 1]: the resolution of the differences."""
    return 2 * F.avg_pool2d(video.flatten(0, 1), 2).unflatten(0, video.shape[:2]) - 1


class Head(nn.Module):
    """Convolutions over each frame, then over time; ``(B, T, C, H, W)`` to logits ``(B, T, SLOTS)``."""

    def __init__(self, channels: int, width: int = 16) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for out in (width, 2 * width, 4 * width):
            layers += [nn.Conv2d(channels, out, 3, stride=2, padding=1), nn.BatchNorm2d(out), nn.ReLU()]
            channels = out
        self.space = nn.Sequential(*layers)
        over_time: list[nn.Module] = []
        channels = 8 * width
        for _ in range(3):
            over_time += [nn.Conv1d(channels, 96, 5, padding=2), nn.BatchNorm1d(96), nn.ReLU()]
            channels = 96
        self.time = nn.Sequential(*over_time, nn.Conv1d(96, SLOTS, 1))

    def forward(self, video: Tensor) -> Tensor:
        """``(B, T, C, H, W)`` to ``(B, T, SLOTS)``."""
        maps = self.space(video.flatten(0, 1).contiguous(memory_format=torch.channels_last))
        pooled = torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)
        return self.time(pooled.unflatten(0, video.shape[:2]).transpose(1, 2)).transpose(1, 2)


def main() -> None:
    """Train a head for each input and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", nargs="*", help="stems of the videos to use; default: all")
    parser.add_argument("--inputs", nargs="*", choices=INPUTS, default=list(INPUTS))
    parser.add_argument("--train", type=int, default=1024, help="clips of the stage")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path("runs/motion_inputs"))
    args = parser.parse_args()
    config = replace(lite().foley, video_fps=float(FPS), video_frames=8 * FPS)
    clips, valid = (
        prepare_stage_clips(count, split=split, config=config, cache_dir=args.cache, version="filmed")
        for count, split in ((args.train, "train"), (128, "valid"))
    )
    paths = [p for p in sorted(args.folder.glob("*.mp4")) if not args.clips or p.stem in args.clips]
    real = {path.stem: real_clip(path, config.frame_size) for path in paths}
    table = Table("input", "stage F1", "real F1", "deranged", "best real F1", "deranged", "loss")
    console = Console(width=120)
    for name in args.inputs:
        channels, transform = INPUTS[name]
        torch.manual_seed(args.seed)
        head = Head(channels)
        loss = train(head, transform, clips, steps=args.steps, seed=args.seed)
        staged = [
            (predict(head, transform, valid.frames[i].float() / 255), valid_onsets(valid, i))
            for i in sharp_clips(valid)
        ]
        chosen = max(THRESHOLDS, key=lambda t: total([match_onsets(pick(p, t), o) for p, o in staged]))
        at_chosen = total([match_onsets(pick(p, chosen), o) for p, o in staged])
        found = {stem: (predict(head, transform, video), onsets) for stem, (video, onsets) in real.items()}
        best = max(THRESHOLDS, key=lambda t: scores(found, t)[0])
        cells = [at_chosen, *scores(found, chosen), *scores(found, best)]
        table.add_row(name, *(f"{cell:.3f}" for cell in cells), f"{loss:.3f}")
        console.print(table)


def real_clip(path: Path, size: tuple[int, int]) -> tuple[Tensor, Array]:
    """Frames ``(T, 3, H, W)`` in [0, 1] and the onsets of the sound, seconds."""
    frames = load_video(path, fps=FPS, size=size).frames
    waveform, rate = read_audio(path, mono=True)
    return frames.float() / 255, detect_onsets(waveform[0], sample_rate=rate)


def train(
    head: Head, transform: Callable[[Tensor], Tensor], clips: StageClips, *, steps: int, seed: int
) -> float:
    """Train the head; returns the mean loss of the last tenth."""
    optimizer = torch.optim.AdamW(head.parameters(), lr=3e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    losses = []
    for _ in range(steps):
        index = torch.randint(len(clips), (BATCH,), generator=generator)
        video = augment(clips.frames[index], torch.randint(2**62, (BATCH,), generator=generator))
        target = event_slots(sharp_events(clips, index), frames=8 * FPS, fps=float(FPS), slots=SLOTS)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = head(transform(video))
        loss = F.binary_cross_entropy_with_logits(logits.float(), target, pos_weight=torch.tensor(4.0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    head.eval()
    return float(np.mean(losses[-steps // 10 :]))


@torch.no_grad()
def predict(head: Head, transform: Callable[[Tensor], Tensor], video: Tensor) -> Array:
    """Probability of an onset in every slot, from frames ``(T, 3, H, W)``."""
    return torch.sigmoid(head(transform(video[None])))[0].flatten().double().numpy()


def pick(probability: Array, threshold: float) -> Array:
    """Times of the peaks, at least 0.15 s apart, seconds."""
    peaks, _ = signal.find_peaks(np.pad(probability, 1), height=threshold, distance=round(0.15 * FPS * SLOTS))
    return np.asarray((peaks - 0.5) / FPS / SLOTS, dtype=np.float64)


def sharp_clips(clips: StageClips) -> list[int]:
    """Clips whose events all start sharply."""
    is_event = ~clips.events_s.isnan()
    return torch.nonzero(is_event.any(1) & (clips.is_onset_like | ~is_event).all(1))[:, 0].tolist()


def valid_onsets(clips: StageClips, index: int) -> Array:
    """Times of the events of a clip, seconds."""
    times = clips.events_s[index]
    return times[~times.isnan()].double().numpy()


def total(counts: list[OnsetCounts]) -> float:
    """F1 over all clips together."""
    return sum(counts, OnsetCounts()).f1


def scores(
    found: dict[str, tuple[Array, Array]],
    threshold: float,
    pick: Callable[[Array, float], Array] = pick,
    slots_per_s: float = FPS * SLOTS,
) -> tuple[float, float]:
    """F1, and F1 with the onsets of every other video."""
    picked = {name: pick(probability, threshold) for name, (probability, _) in found.items()}
    own = [match_onsets(picked[name], onsets) for name, (_, onsets) in found.items()]
    others = []
    for name, other in itertools.permutations(found, 2):
        duration_s, onsets = len(found[name][0]) / slots_per_s, found[other][1]
        others.append(match_onsets(picked[name], onsets[onsets < duration_s]))
    return total(own), total(others)


if __name__ == "__main__":
    main()
