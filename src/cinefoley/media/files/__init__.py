"""File safety: atomic writes and folder locks."""
