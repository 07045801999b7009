"""Techniques of film language by name, for commands and tables."""

from collections.abc import Mapping

from cinefoley.variations.aspect_mask import AspectMask
from cinefoley.variations.camera_movement import CameraMovement
from cinefoley.variations.close_up import CloseUp
from cinefoley.variations.cut import Cut
from cinefoley.variations.handheld import Handheld
from cinefoley.variations.light_change import LightChange
from cinefoley.variations.occlusion import Occlusion
from cinefoley.variations.pan import Pan, Tilt
from cinefoley.variations.rack_focus import RackFocus
from cinefoley.variations.variation import Variation
from cinefoley.variations.zoom import Zoom

__all__ = ["TECHNIQUES", "technique"]

TECHNIQUES: Mapping[str, type[Variation]] = {
    each.kind: each
    for each in (
        CloseUp,
        CameraMovement,
        Zoom,
        Handheld,
        Pan,
        Tilt,
        Cut,
        RackFocus,
        LightChange,
        Occlusion,
        AspectMask,
    )
}
"""Every technique by its kind: the paper's two, then ours."""


def technique(kind: str) -> Variation:
    """A technique with its default ranges.

    Raises:
        ValueError: If there is none of this kind.
    """
    if kind not in TECHNIQUES:
        raise ValueError(f"no technique {kind!r}; there are {', '.join(TECHNIQUES)}")
    return TECHNIQUES[kind]()
