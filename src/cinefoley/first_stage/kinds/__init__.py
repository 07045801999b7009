"""The kinds of action, by family."""

from cinefoley.first_stage.actor import Actor
from cinefoley.first_stage.kinds.impacts import Ball
from cinefoley.first_stage.kinds.instruments import Bell, Bow, Drum, Guitar
from cinefoley.first_stage.kinds.tools import Axe, Footsteps, Gun, Hammer
from cinefoley.first_stage.kinds.water import Drip

__all__ = ["KINDS"]

KINDS: tuple[type[Actor], ...] = (Axe, Ball, Bell, Bow, Drip, Drum, Footsteps, Guitar, Gun, Hammer)
"""Every kind of action, in alphabetical order (the order is part of every seed's meaning)."""
