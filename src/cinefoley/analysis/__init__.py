"""Seeing why: what an encoder looks at, and where it gains."""
