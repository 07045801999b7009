"""WebDataset shards: layout, writing, reading, ledger and reports."""
