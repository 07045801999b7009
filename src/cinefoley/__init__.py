"""cinefoley: Foley for silent film, in sync also when the camera shows only part of what sounds."""

__version__ = "0.1.0.dev0"
