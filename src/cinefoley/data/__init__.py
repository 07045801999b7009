"""Clips for training, lists of clips, and test sets built of them."""
