"""The kinds of action, by family."""

from cinefoley.stage.actor import Actor
from cinefoley.stage.kinds.animals import Bird, Dog
from cinefoley.stage.kinds.impacts import Ball, Door, Punch, Racket
from cinefoley.stage.kinds.machines import Press
from cinefoley.stage.kinds.people import Footsteps, Gun
from cinefoley.stage.kinds.percussion import Bell, Drum, Xylophone
from cinefoley.stage.kinds.strings import Bow, Guitar
from cinefoley.stage.kinds.tools import Axe, Drill, Hammer, Saw
from cinefoley.stage.kinds.vehicles import Engine, Horn, Train
from cinefoley.stage.kinds.water import Drip, Pour, Splash
from cinefoley.stage.kinds.weather import Wind

__all__ = ["KINDS"]

# fmt: off
KINDS: tuple[type[Actor], ...] = (
    Axe, Ball, Bell, Bird, Bow, Dog, Door, Drill, Drip, Drum, Engine, Footsteps, Guitar, Gun, Hammer, Horn,
    Pour, Press, Punch, Racket, Saw, Splash, Train, Wind, Xylophone,
)
"""Every kind of action, in alphabetical order (the order is part of every seed's meaning)."""
# fmt: on
