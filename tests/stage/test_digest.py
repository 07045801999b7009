import hashlib
import json

import numpy as np
import pytest

from cinefoley.evaluation.stage.frozen import FROZEN_FILE
from cinefoley.stage.digest import stage_digest
from cinefoley.stage.render import render_clip
from cinefoley.stage.version import StageVersion

# A change here is a new stage: models trained on the old one, and tables made with it, no longer fit.
DIGESTS: dict[StageVersion, str] = {
    "plain": "1382d6f92fcf3dbc9d7550e59216e0565579d29c3e4b7653edb42dc952392a27",
    "filmed": "e6004370732b9040c2b23f8d5bf66bd23e8400d378fc854a89826d45a57cfdc5",
}
CLIPS = {("train", 0): "0353b7fece34b384", ("valid", 1): "81aa755325de3167", ("test", 2): "069022316530c39e"}


@pytest.mark.parametrize("version", list(DIGESTS))
def test_the_stage_is_frozen(version: StageVersion) -> None:
    assert stage_digest(version) == DIGESTS[version]


def test_both_stages_are_in_the_list_of_what_is_frozen() -> None:
    frozen = json.loads(FROZEN_FILE.read_text())
    assert frozen["digests"]["stage"] == DIGESTS["plain"]
    assert frozen["filmed_stage"] == DIGESTS["filmed"]


@pytest.mark.parametrize(("split", "seed"), list(CLIPS))
def test_a_clip_has_the_same_bytes_on_every_run(split: str, seed: int) -> None:
    clip = render_clip(seed, split=split, size=(36, 64), fps=4, duration_s=4.0, version="plain")  # type: ignore[arg-type]
    digest = hashlib.sha256(clip.frames.tobytes() + np.rint(clip.waveform * 32768).astype("<i2").tobytes())
    assert digest.hexdigest()[:16] == CLIPS[split, seed]
