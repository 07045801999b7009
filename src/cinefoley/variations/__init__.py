"""Variations of film language: close-up, camera movement and mixtures; windows are drawn, then applied."""

from cinefoley.config.variations import VariationConfig
from cinefoley.variations.camera_movement import CameraMovement, camera_movement
from cinefoley.variations.close_up import CloseUp, close_up
from cinefoley.variations.cropping import crop
from cinefoley.variations.mixture import Mixture
from cinefoley.variations.resizing import resize
from cinefoley.variations.variation import Variation
from cinefoley.variations.window import Window

__all__ = [
    "CameraMovement",
    "CloseUp",
    "Mixture",
    "Variation",
    "VariationConfig",
    "Window",
    "camera_movement",
    "close_up",
    "crop",
    "resize",
]
