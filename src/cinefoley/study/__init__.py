"""A blind listening test: pairs, their balance, votes, and what the votes say. Knows no web framework."""
