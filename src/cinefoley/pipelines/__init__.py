"""Film in, sound out."""
