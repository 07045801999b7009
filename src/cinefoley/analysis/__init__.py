"""Explanations and figures: heat maps of encoders, comparisons of takes, gains by category."""
