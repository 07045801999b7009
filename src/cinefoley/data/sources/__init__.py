"""Clip sources: split CSV files, folders of videos, VGGSound downloads and the Foley stage.

``clip_source`` defines the interface (``Clip``, ``ClipSource``), ``folder`` and ``stage`` implement it,
``clip_reader`` decodes one clip for a model, ``video_frames`` reads the frames that shards and caches store.
"""
