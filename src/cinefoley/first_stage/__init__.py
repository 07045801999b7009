"""The Foley stage as it was when the bundled ``lite`` was trained on it: ten kinds, one shot size.

It stays, unchanged, until ``lite`` is trained on :mod:`cinefoley.stage`: the demo, ``make lite`` and the
figures in ``lite``'s card are about these clips.
"""

from cinefoley.first_stage.clip import StageClip, StageEvent, StageSource
from cinefoley.first_stage.render import Split, StageTake, draw_take, render_clip

__all__ = ["Split", "StageClip", "StageEvent", "StageSource", "StageTake", "draw_take", "render_clip"]
