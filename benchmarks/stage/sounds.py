"""How every kind sounds, measured: pitch by size, ringing by material, loudness by force, onsets by events.

    python benchmarks/stage/sounds.py [--clips 30] [--version plain|filmed]

- ``centre``: the spectrum's centre (logarithmic) of one event at sizes 0, 0.5 and 1, in Hz;
- ``falls``: seconds in which it falls by 30 dB from its peak, in its dullest and its most ringing material;
- ``force``: how much louder an event of strength 1 is than one of 0.4, in dB;
- ``onset F1``: the onset detector on the kind's own clips against their events, within 100 ms, in two splits
  (kinds in brackets start softly and are not judged by onsets).
"""

import argparse
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray

from cinefoley.metrics.onsets import OnsetCounts, detect_onsets, match_onsets
from cinefoley.stage.actor import MATERIALS, Actor, Hit
from cinefoley.stage.digest import stage_digest
from cinefoley.stage.generator import Split
from cinefoley.stage.kinds import KINDS
from cinefoley.stage.render import draw_take
from cinefoley.stage.version import DEFAULT_VERSION, StageVersion

RATE = 16000
SPLITS: tuple[Split, ...] = ("train", "valid")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=30, help="of each kind and split")
    parser.add_argument("--version", choices=get_args(StageVersion), default=DEFAULT_VERSION)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{args.version} stage {stage_digest(args.version)[:12]}, {RATE} Hz;", end=" ")
    print(f"seeds 0 to {args.clips - 1} of each kind and split\n")
    print("| kind | centre, Hz | falls, s | force, dB | onset F1 train | valid |\n|---|---|---|---|---|---|")
    total = dict.fromkeys(SPLITS, OnsetCounts())
    for kind in KINDS:
        found = {split: count_onsets(kind, split, args.clips, args.version) for split in SPLITS}
        if kind.is_onset_like:
            total = {split: total[split] + found[split] for split in SPLITS}
        name = kind.kind if kind.is_onset_like else f"({kind.kind})"
        scores = " | ".join(f"{found[split].f1:.3f}" for split in SPLITS)
        print(f"| {name} | {measure(kind)} | {scores} |", flush=True)
    scores = " | ".join(f"{total[split].f1:.4f}" for split in SPLITS)
    events = ", ".join(str(total[split].hits + total[split].missed) for split in SPLITS)
    print(f"| all with sharp onsets ({events} events) | | | | {scores} |")


def measure(kind: type[Actor]) -> str:
    """Centre, fall and force of one event."""
    takes = (draw_take(seed, kind=kind.kind) for seed in range(100))
    actor = next(take.actor for take in takes if len(take.hits.times) >= 3)
    centres = []
    for size in (0.0, 0.5, 1.0):
        actor.size = size
        centres.append(centre(sound_of(actor, 0.8)))
    actor.size = 0.5
    falls = []
    for name in kind.materials:
        actor.material = MATERIALS[name]
        falls.append(fall(sound_of(actor, 0.8)))
    weak, strong = (np.square(sound_of(actor, strength)).sum() for strength in (0.4, 1.0))
    pitches = ", ".join(f"{value:.0f}" for value in centres)
    return f"{pitches} | {min(falls):.2f} to {max(falls):.2f} | {10 * np.log10(strong / weak):.1f}"


def sound_of(actor: Actor, strength: float) -> NDArray[np.float64]:
    """One event."""
    return actor.sound(Hit(0, strength, float(actor.hits.durations[0])), np.random.default_rng(0), RATE)


def centre(waveform: NDArray[np.float64]) -> float:
    """Centre of the power spectrum on a logarithmic scale, in Hz."""
    power = np.abs(np.fft.rfft(waveform)) ** 2
    frequencies = np.maximum(np.fft.rfftfreq(len(waveform), 1 / RATE), 1.0)
    return float(np.exp((power * np.log(frequencies)).sum() / power.sum()))


def fall(waveform: NDArray[np.float64]) -> float:
    """Seconds from the loudest 10 ms until 30 dB below."""
    level = np.convolve(waveform**2, np.ones(RATE // 100), "same")
    peak = int(level.argmax())
    below = np.flatnonzero(level[peak:] < level[peak] / 1000)
    return float(below[0] if len(below) else len(level) - peak) / RATE


def count_onsets(kind: type[Actor], split: Split, clips: int, version: StageVersion) -> OnsetCounts:
    """Detected onsets against events."""
    counts = OnsetCounts()
    for seed in range(clips):
        take = draw_take(seed, split=split, kind=kind.kind, version=version)
        heard = detect_onsets(torch.from_numpy(take.waveform(RATE)), sample_rate=RATE)
        counts += match_onsets(heard, take.hits.times)
    return counts


if __name__ == "__main__":
    main()
