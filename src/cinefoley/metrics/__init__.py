"""How generated sound is judged."""
