"""WebDataset shards: layout, writing, reading, ledger and reports.

Writing: ``prepare`` (all shards) > ``writer`` (one shard) > ``clip_encoder`` (one clip) and ``archive`` (tar
files and index entries). Reading: ``source``. ``layout`` holds settings and file names for both.
"""
