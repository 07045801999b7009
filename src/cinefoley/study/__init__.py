"""Listening studies: pairs, their balance, votes, and their statistics. Uses no web framework."""
