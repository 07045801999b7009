"""The filmed stage as a whole, beside the plain one."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from cinefoley.stage import DEFAULT_VERSION, draw_take, render_clip, stage_digest
from cinefoley.stage.distribution import CAMERAS
from cinefoley.stage.film import PLAIN
from cinefoley.stage.kinds import KINDS
from cinefoley.stage.version import resolve_version

DOCS = Path(__file__).parents[2] / "docs" / "stage.md"


def test_the_default_version_is_the_one_of_the_bundled_model() -> None:
    assert DEFAULT_VERSION == "plain"
    assert resolve_version(None) == "plain"
    assert draw_take(3).film is PLAIN
    assert stage_digest() == stage_digest("plain")
    with pytest.raises(ValueError, match="versions are plain, filmed; got 'tripod'"):
        draw_take(0, version="tripod")  # type: ignore[arg-type]


def test_both_versions_show_the_same_action() -> None:
    for seed in range(20):
        plain, filmed = draw_take(seed), draw_take(seed, version="filmed")
        assert [a.kind for a in plain.actors] == [a.kind for a in filmed.actors]
        assert np.array_equal(plain.hits.times, filmed.hits.times)
        assert plain.aspect == filmed.aspect


def test_the_same_seed_gives_the_same_bytes_and_splits_differ() -> None:
    digests = []
    for split in ("train", "train", "valid"):
        clip = render_clip(5, split=split, size=(48, 64), fps=8, version="filmed")
        digests.append(hashlib.sha256(clip.frames.tobytes() + clip.waveform.tobytes()).hexdigest())
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("seed", range(0, 60, 5))
def test_frames_do_not_depend_on_what_else_is_rendered(seed: int) -> None:
    take = draw_take(seed, split="valid", version="filmed")
    times = np.array([0.4, 2.2, 5.0])
    together = take.frames(times, size=(64, 64), aspect=take.aspect)
    for time_s, frame in zip(times, together, strict=True):
        (alone,) = take.frames([time_s], size=(64, 64), aspect=take.aspect)
        assert np.abs(alone.astype(int) - frame).mean() < 6


@pytest.mark.parametrize("kind", [actor.kind for actor in KINDS])
def test_any_kind_can_be_filmed_at_any_instant(kind: str) -> None:
    for seed in range(4):
        take = draw_take(seed, kind=kind, version="filmed")
        times = np.concatenate([take.hits.times, [0.0, 7.99]])
        frames = take.frames(times, size=(24, 32))
        assert frames.shape == (len(times), 24, 32, 3)
        assert np.isfinite(take.boxes(times, size=(24, 32))[0]).all()


def test_most_events_are_seen() -> None:
    seen = []
    for seed in range(120):
        take = draw_take(seed, split="valid", version="filmed")
        seen += [event.is_visible for event in take.events(size=(round(100 / take.aspect), 100))]
    assert 0.75 < np.mean(seen) < 0.99


def test_the_docs_print_the_distribution() -> None:
    text = DOCS.read_text()
    for kind, probability in CAMERAS.items():
        assert re.search(rf"{kind.replace('_', ' ')}\W+{100 * probability:.0f} %", text), kind
