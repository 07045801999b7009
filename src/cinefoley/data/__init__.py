"""Datasets: clip sources, known events, WebDataset shards, caches and the test sets VGG-CU and VGG-CM.

Each line may import from those above it:

- ``json_lines``, ``parallel``: files of records; tasks on all cores or on a Dask cluster
- ``sources``: clips of a folder of videos, of a split CSV and of the Foley stage, behind one interface
- ``events``: when sounds begin, and what of it a window shows
- ``shards``: prepare, read, summarize WebDataset shards
- ``cache``: decoded clips, JPEG frames, features and latents, computed once
- ``test_sets``: clips seen through close-ups and camera movements
- ``source_argument``, ``known_events``: from a ``--data`` argument or a clip to any of these
"""
