"""Test sets of clips with a variation (VGG-CU, VGG-CM): building them and reading them.

``builder`` builds a set from any clips; ``video_set`` and ``shard_set`` provide clips of a split CSV and of
shards. ``test_set`` reads a finished set. ``single_videos`` varies videos that belong to no set.
"""
