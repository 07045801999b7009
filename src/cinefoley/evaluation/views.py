"""Views: with which variation a clip is evaluated (full, close-up, camera movement), and its window."""

from collections.abc import Mapping
from typing import Literal

import torch

from cinefoley.data.sources.clip_source import Clip
from cinefoley.data.sources.stage import StageClip
from cinefoley.data.test_sets.builder import clip_seed
from cinefoley.variations import CameraMovement, CloseUp
from cinefoley.variations.window import Window

__all__ = ["VIEWS", "VIEW_NAMES", "View", "window_of"]

View = Literal["full", "close_up", "camera_movement"]
"""What the generator is given; the alignment classifier always gets the features of the whole clip."""

VIEWS: tuple[View, ...] = ("full", "close_up", "camera_movement")
"""The paper's three test sets: clips as they are, VGG-CU and VGG-CM."""

VIEW_NAMES: Mapping[View, str] = {"full": "full view", "close_up": "CU", "camera_movement": "CM"}
"""Test sets as tables call them."""


def window_of(clip: Clip, view: View, *, seed: int = 0) -> Window | None:
    """The window that shows a clip in a view; None for the whole of it.

    That of a film is the one that ``cinefoley vary --seed SEED`` gives it in a test set, on even pixels.
    """
    if view == "full":
        return None
    generator = torch.Generator().manual_seed(clip_seed(seed, clip.id))
    variation = CloseUp() if view == "close_up" else CameraMovement()
    window = variation.draw(clip.frame_size(), generator=generator)
    return window if isinstance(clip, StageClip) else window.on(window.size, multiple=2)
