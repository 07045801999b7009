"""Evaluation of any folder of generated audio against reference audio."""
