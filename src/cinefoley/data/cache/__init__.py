"""Caches keyed by content: decoded clips, frames, features, latents and file digests."""
