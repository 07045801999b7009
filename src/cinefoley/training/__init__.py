"""Training: one engine, one file per stage of a model."""
