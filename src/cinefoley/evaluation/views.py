"""Views: with which technique of film language a clip is evaluated, and its window."""

from collections.abc import Mapping
from typing import Literal, get_args

import torch

from cinefoley.config.variations import Technique
from cinefoley.data.sources.clip_source import Clip
from cinefoley.data.sources.stage import StageClip
from cinefoley.data.test_sets.builder import clip_seed
from cinefoley.variations.techniques import technique
from cinefoley.variations.window import Window

__all__ = ["FILM_VIEWS", "VIEWS", "VIEW_NAMES", "View", "window_of"]

View = Literal["full", Technique]
"""What the generator is given; the alignment classifier always gets the features of the whole clip."""

VIEWS: tuple[View, ...] = ("full", "close_up", "camera_movement")
"""The paper's three test sets: clips as they are, VGG-CU and VGG-CM."""

FILM_VIEWS: tuple[View, ...] = get_args(View)
"""The paper's test sets, then one for every other technique of film language."""

VIEW_NAMES: Mapping[View, str] = {
    **{view: view.replace("_", " ") for view in FILM_VIEWS},
    "full": "full view",
    "close_up": "CU",
    "camera_movement": "CM",
}
"""Test sets as tables call them."""


def window_of(clip: Clip, view: View, *, seed: int = 0) -> Window | None:
    """The window that shows a clip in a view; None for the whole of it.

    That of a film is the one that ``cinefoley vary --seed SEED`` gives it in a test set, on even pixels.
    """
    if view == "full":
        return None
    generator = torch.Generator().manual_seed(clip_seed(seed, clip.id))
    window = technique(view).draw(clip.frame_size(), generator=generator)
    return window if isinstance(clip, StageClip) else window.on(window.size, multiple=2)
