"""What crops hide and what they leave: the stage's geometry behind the paper's variations.

    python benchmarks/stage/visibility.py [--clips 300] [--split valid] [--version plain|filmed]

For every event of the split's first clips, in full view and under each variation: is the contact in the
window when the sound starts, is the target, and does anything there tell of the event? The last is measured:
the view at 64x64 is drawn again with no event at all, and a clue is a picture within 0.3 s after the event in
which at least ``--share`` of the pixels differ by more than 16 grey levels.
"""

import argparse
from collections import Counter, defaultdict
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from cinefoley.stage.actor import Actor
from cinefoley.stage.clip import boxes_in_windows, visible_share
from cinefoley.stage.render import StageTake, draw_take
from cinefoley.stage.rhythm import Hits
from cinefoley.stage.version import DEFAULT_VERSION, StageVersion

SIZE = (64, 64)
VARIATIONS = ("full view", "close-up, centred", "close-up, uniform", "camera movement")


def main() -> None:
    """Count and print, over all kinds and kind by kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--split", choices=["train", "valid", "test"], default="valid")
    parser.add_argument("--share", type=float, default=0.015)
    parser.add_argument("--version", choices=get_args(StageVersion), default=DEFAULT_VERSION)
    args = parser.parse_args()
    counts: dict[str, Counter[str]] = {name: Counter() for name in VARIATIONS}
    clues: dict[str, dict[str, list[bool]]] = {name: defaultdict(list) for name in VARIATIONS}
    away: Counter[str] = Counter()
    clips: dict[str, list[float]] = {name: [] for name in VARIATIONS}
    for seed in range(args.clips):
        take = draw_take(seed, split=args.split, version=args.version)
        away[leaving(take)] += 1
        rng = np.random.default_rng([seed, 7])
        for name in VARIATIONS:
            told = []
            for source, actor in enumerate(take.actors):
                if len(actor.hits.times):
                    told += count_events(
                        take, source, draw_windows(name, take, rng), args.share, counts[name], clues[name]
                    )
            if told:
                clips[name].append(float(np.mean(told)))
    print(f"{args.version} stage, split {args.split}, clips 0 to {args.clips - 1}; shares of events")
    print(f"{'':20s} contact  target  clue  | clue without contact  nothing | clips: all events told, none")
    for name, count in counts.items():
        n = count["events"]
        row = "  ".join(
            f"{count[key] / n:6.3f}" for key in ("contact", "target", "clue", "hidden", "nothing")
        )
        shares = np.array(clips[name])
        print(f"{name:20s} {row}   | {(shares == 1).mean():.3f} {(shares == 0).mean():.3f}   of {n} events")
    shares_away = ", ".join(f"{name} {away[name] / args.clips:.3f}" for name in ("leaves", "returns"))
    print(f"\nfull view: share of clips in which every target is out of the frame for a while: {shares_away}")
    print("\nclues, kind by kind: " + ", ".join(VARIATIONS))
    for kind in sorted(clues["full view"]):
        print(f"{kind:10s} " + "  ".join(f"{np.mean(clues[name][kind]):.2f}" for name in VARIATIONS))


def leaving(take: StageTake) -> str:
    """Whether all targets leave the frame in full view, and whether one is there at both ends."""
    times = np.arange(0, take.duration_s, 0.1)
    size = (round(1000 / take.aspect), 1000)
    boxes = [take.boxes(times, size=size, source=source)[0] for source in range(len(take.actors))]
    is_hidden = np.all([visible_share(box) <= 0 for box in boxes], axis=0)
    if not is_hidden.any():
        return "stays"
    return "leaves" if is_hidden[[0, -1]].any() else "returns"


def draw_windows(name: str, take: StageTake, rng: np.random.Generator) -> NDArray[np.float64]:
    """Windows ``(2, 4)`` at the clip's start and end; they move in a straight line."""
    if name == "full view":
        return np.array([[0.0, 0, 1, 1]] * 2)
    width, height = rng.uniform(0.4, 0.6, 2)
    x, y = (1 - width) / 2, (1 - height) / 2
    if name == "close-up, uniform":
        x, y = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
    start, end = np.array([x, y]), np.array([x, y])
    if name == "camera movement":
        axis = 0 if take.aspect > 1 else 1 if take.aspect < 1 else int(rng.integers(2))
        start[axis], end[axis] = (0.0, (1 - width, 1 - height)[axis])
        if rng.random() < 0.5:
            start, end = end, start
    return np.array([[*corner, corner[0] + width, corner[1] + height] for corner in (start, end)])


def count_events(
    take: StageTake,
    source: int,
    ends: NDArray[np.float64],
    share: float,
    counts: Counter[str],
    clues: dict[str, list[bool]],
) -> list[bool]:
    """Count one source's events; returns for each whether anything tells of it."""
    actor = take.actors[source]
    times = actor.hits.times
    size = (round(1000 / take.aspect), 1000)
    target, contact = take.boxes(times, size=size, source=source)
    windows = windows_at(ends, times, take.duration_s)
    sees_contact = visible_share(boxes_in_windows(contact, windows)) > 0.1
    sees_target = visible_share(boxes_in_windows(target, windows)) > 0.1
    told = np.zeros(len(times), dtype=bool)
    for delay in (0.05, 0.15, 0.30):
        told |= differs(take, actor, times + delay, windows_at(ends, times + delay, take.duration_s)) > share
    counts["events"] += len(times)
    counts["contact"] += int(sees_contact.sum())
    counts["target"] += int(sees_target.sum())
    counts["clue"] += int(told.sum())
    counts["hidden"] += int((told & ~sees_contact).sum())
    counts["nothing"] += int((~told).sum())
    clues[actor.kind] += told.tolist()
    return told.tolist()


def windows_at(
    ends: NDArray[np.float64], times: NDArray[np.float64], duration_s: float
) -> NDArray[np.float64]:
    """Windows at the given instants."""
    along = (times / duration_s)[:, None]
    return np.asarray(ends[0] + (ends[1] - ends[0]) * along)


def differs(
    take: StageTake, actor: Actor, times: NDArray[np.float64], windows: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Share of pixels that would look otherwise if the actor did nothing in the whole clip."""
    seen = take.frames(times, size=SIZE, aspect=take.aspect, windows=windows).astype(int)
    hits, actor.hits = actor.hits, Hits(np.empty(0), np.empty(0))
    still = take.frames(times, size=SIZE, aspect=take.aspect, windows=windows).astype(int)
    actor.hits = hits
    return np.asarray((np.abs(seen - still).max(axis=-1) > 16).mean(axis=(1, 2)))


if __name__ == "__main__":
    main()
