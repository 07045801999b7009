import numpy as np
from tests.stage.drawing import drawn

from cinefoley.stage.canvas import Canvas
from cinefoley.stage.distractors import draw_distractors


def test_distractors_move() -> None:
    names = set()
    for seed in range(120):
        for distractor in draw_distractors(np.random.default_rng(seed)):
            names.add(distractor.name)
            pictures = []
            for time_s in np.arange(8) * 0.5:
                canvas = Canvas()
                distractor.paint(canvas, float(time_s))
                pictures.append(drawn(canvas, scale=(80.0, 80.0), size=(160, 160)).tobytes())
            assert len(set(pictures)) > 1, distractor.name
    assert len(names) == 7


def test_most_scenes_are_undisturbed() -> None:
    counts = [len(draw_distractors(np.random.default_rng(seed))) for seed in range(300)]
    assert 0.5 < counts.count(0) / 300 < 0.7
    assert max(counts) == 2
