"""The Foley stage: procedural clips of sounding actions, every event's time and place known exactly."""

from cinefoley.stage.clip import StageClip, StageEvent, StageSource
from cinefoley.stage.render import Split, StageTake, draw_take, render_clip

__all__ = ["Split", "StageClip", "StageEvent", "StageSource", "StageTake", "draw_take", "render_clip"]
