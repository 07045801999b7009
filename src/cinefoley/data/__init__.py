"""Clips for training: pictures at the encoder's rate beside the mel of their sound."""
