"""cinefoley: Foley for silent film, in sync also when the camera shows only part of what sounds.

The public names below are loaded when they are first used, so that ``import cinefoley`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cinefoley.errors import CinefoleyError
    from cinefoley.media.frames.video import Video, load_video
    from cinefoley.media.muxing.save_video import save_video
    from cinefoley.pipelines.foley import FoleyPipeline
    from cinefoley.pipelines.output import FoleyOutput
    from cinefoley.spectral.inverse import invert_mel
    from cinefoley.spectral.mel import mel_spectrogram
    from cinefoley.stage.clip import StageClip
    from cinefoley.stage.render import render_clip
    from cinefoley.variations.camera_movement import CameraMovement
    from cinefoley.variations.close_up import CloseUp
    from cinefoley.variations.mixture import Mixture

__version__ = "0.2.0"

__all__ = [
    "CameraMovement",
    "CinefoleyError",
    "CloseUp",
    "FoleyOutput",
    "FoleyPipeline",
    "Mixture",
    "StageClip",
    "Video",
    "__version__",
    "invert_mel",
    "load_video",
    "mel_spectrogram",
    "render_clip",
    "save_video",
]

_HOMES = {
    "CameraMovement": "cinefoley.variations.camera_movement",
    "CinefoleyError": "cinefoley.errors",
    "CloseUp": "cinefoley.variations.close_up",
    "FoleyOutput": "cinefoley.pipelines.output",
    "FoleyPipeline": "cinefoley.pipelines.foley",
    "Mixture": "cinefoley.variations.mixture",
    "StageClip": "cinefoley.stage.clip",
    "Video": "cinefoley.media.frames.video",
    "invert_mel": "cinefoley.spectral.inverse",
    "load_video": "cinefoley.media.frames.video",
    "mel_spectrogram": "cinefoley.spectral.mel",
    "render_clip": "cinefoley.stage.render",
    "save_video": "cinefoley.media.muxing.save_video",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cinefoley' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
