"""How a clip is filmed and recorded: camera, optics, delivery and microphone, drawn together."""

from dataclasses import dataclass

from cinefoley.stage.camera import LOCKED_OFF, CameraPath, draw_camera
from cinefoley.stage.delivery import UNTOUCHED, Delivery, draw_delivery
from cinefoley.stage.generator import Split, make_generator
from cinefoley.stage.microphone import Microphone, draw_microphone
from cinefoley.stage.optics import CLEAN, Optics, draw_optics
from cinefoley.stage.version import StageVersion

__all__ = ["PLAIN", "Film", "draw_film"]

_NATIVE_RATE = 25.0  # frames per second where the source has no rate of its own
_SLOWEST_SHUTTER = 24.0  # frames per second: a slower source has lost frames, and was not exposed for longer


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Film:
    """How one clip is filmed and recorded."""

    version: StageVersion
    camera: CameraPath = LOCKED_OFF
    optics: Optics = CLEAN
    delivery: Delivery = UNTOUCHED
    microphone: Microphone | None = None
    """None: where the camera stands, in a quiet room."""

    @property
    def exposure_s(self) -> float:
        """Seconds for which the shutter is open."""
        return self.optics.shutter / max(self.delivery.rate or _NATIVE_RATE, _SLOWEST_SHUTTER)


PLAIN = Film(version="plain")
"""A camera on a tripod."""


def draw_film(seed: int, *, split: Split, duration_s: float) -> Film:
    """Draw how a clip of the filmed stage is filmed; each part has random numbers of its own."""
    return Film(
        version="filmed",
        camera=draw_camera(make_generator(seed, split, "camera"), duration_s),
        optics=draw_optics(make_generator(seed, split, "optics")),
        delivery=draw_delivery(make_generator(seed, split, "delivery")),
        microphone=draw_microphone(make_generator(seed, split, "microphone")),
    )
