"""Variations of film language: windows are drawn at random, then applied to frames or videos."""

from cinefoley.config.variations import VariationConfig
from cinefoley.variations.aspect_mask import AspectMask
from cinefoley.variations.camera_movement import CameraMovement, camera_movement
from cinefoley.variations.close_up import CloseUp, close_up
from cinefoley.variations.cropping import crop
from cinefoley.variations.cut import Cut
from cinefoley.variations.handheld import Handheld
from cinefoley.variations.light_change import LightChange
from cinefoley.variations.mixture import Mixture
from cinefoley.variations.occlusion import Occlusion
from cinefoley.variations.pan import Pan, Tilt
from cinefoley.variations.rack_focus import RackFocus
from cinefoley.variations.resizing import resize
from cinefoley.variations.sequence import Sequence
from cinefoley.variations.showing import show
from cinefoley.variations.variation import Variation
from cinefoley.variations.window import Window
from cinefoley.variations.zoom import Zoom

__all__ = [
    "AspectMask",
    "CameraMovement",
    "CloseUp",
    "Cut",
    "Handheld",
    "LightChange",
    "Mixture",
    "Occlusion",
    "Pan",
    "RackFocus",
    "Sequence",
    "Tilt",
    "Variation",
    "VariationConfig",
    "Window",
    "Zoom",
    "camera_movement",
    "close_up",
    "crop",
    "resize",
    "show",
]
