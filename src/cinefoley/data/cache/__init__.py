"""Caches keyed by content: decoded clips, JPEG frames, features and latents.

``content_cache`` makes missing files and maps all of them; ``clip_cache``, ``frame_cache`` and
``feature_cache`` say what goes into them. ``clip_windows``, ``clip_frames`` and ``tensor_rows`` read them.
"""
