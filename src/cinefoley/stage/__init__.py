"""The Foley stage: procedural clips of sounding actions, every event's time and place known exactly."""

from cinefoley.stage.clip import StageClip, StageEvent, StageSource, boxes_in_windows, visible_share
from cinefoley.stage.digest import stage_digest
from cinefoley.stage.render import Split, StageTake, draw_take, render_clip
from cinefoley.stage.version import DEFAULT_VERSION, StageVersion

__all__ = [
    "DEFAULT_VERSION",
    "Split",
    "StageClip",
    "StageEvent",
    "StageSource",
    "StageTake",
    "StageVersion",
    "boxes_in_windows",
    "draw_take",
    "render_clip",
    "stage_digest",
    "visible_share",
]
