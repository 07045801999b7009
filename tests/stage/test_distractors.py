import numpy as np

from cinefoley.stage.canvas import Canvas, Projection
from cinefoley.stage.distractors import draw_distractors


def test_distractors_move() -> None:
    names = set()
    for seed in range(120):
        for distractor in draw_distractors(np.random.default_rng(seed)):
            names.add(distractor.name)
            pictures = []
            for time_s in np.arange(8) * 0.5:
                image = np.zeros((90, 160, 3), dtype=np.uint8)
                camera = Projection(np.diag([80.0, 80.0]), np.array([80.0, 80.0]))
                distractor.paint(Canvas(image, camera), float(time_s))
                pictures.append(image.tobytes())
            assert len(set(pictures)) > 1, distractor.name
    assert len(names) == 7


def test_most_scenes_are_undisturbed() -> None:
    counts = [len(draw_distractors(np.random.default_rng(seed))) for seed in range(300)]
    assert 0.5 < counts.count(0) / 300 < 0.7
    assert max(counts) == 2
