"""How a clip is filmed: camera, optics, delivery and microphone, drawn together."""

from dataclasses import dataclass

from cinefoley.stage.camera import LOCKED_OFF, CameraPath, draw_camera
from cinefoley.stage.generator import Split, make_generator
from cinefoley.stage.version import StageVersion

__all__ = ["PLAIN", "Film", "draw_film"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Film:
    """How one clip is filmed."""

    version: StageVersion
    camera: CameraPath = LOCKED_OFF


PLAIN = Film(version="plain")
"""A camera on a tripod."""


def draw_film(seed: int, *, split: Split, duration_s: float) -> Film:
    """Draw how a clip of the filmed stage is filmed, from random numbers of its own."""
    return Film(version="filmed", camera=draw_camera(make_generator(seed, split, "camera"), duration_s))
