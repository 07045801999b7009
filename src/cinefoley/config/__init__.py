"""Typed settings; the one source of defaults."""
