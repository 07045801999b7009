"""Evaluation on the Foley stage, where every event is known."""
