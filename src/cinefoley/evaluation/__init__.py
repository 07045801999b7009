"""A test set in, figures out."""
