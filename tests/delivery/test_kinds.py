import torch

from cinefoley.delivery.cues import find_cues
from cinefoley.delivery.kinds import KindNamer
from cinefoley.media.audio.reader import slice_blocks
from cinefoley.metrics.backbones.lite import LiteBackbone
from cinefoley.stage import draw_take
from cinefoley.stage.kinds import KINDS

RATE = 16000


def test_events_of_two_sources_are_named() -> None:
    """On clips that the classifier was not trained on; a few events may be heard as something else."""
    namer, right, total = KindNamer([actor.kind for actor in KINDS]), 0, 0
    for seed in (12, 13, 68):
        clip = draw_take(seed, split="valid")
        blocks = [*slice_blocks(clip.waveform(RATE)[None])]
        events = [(time, actor.kind) for actor in clip.actors for time in actor.hits.times]
        for cue in find_cues(blocks.copy, RATE, namer=namer):
            right += cue.kind == min(events, key=lambda event: abs(event[0] - cue.time_s))[1]
            total += 1
    assert total >= 12
    assert right / total > 0.7


def test_only_kinds_of_the_model_are_named_and_never_silence() -> None:
    clip = draw_take(13, split="valid")
    first = round(clip.hits.times[0] * RATE)
    excerpt = torch.from_numpy(clip.waveform(RATE)[max(0, first - 800) : first + 4000])

    assert KindNamer(LiteBackbone().classes).name(excerpt, RATE)
    for kinds in ([], ["thunder"]):
        assert KindNamer(kinds).name(excerpt, RATE) == ""
    assert KindNamer(LiteBackbone().classes).name(torch.zeros(4000), RATE) == ""
