"""The tables and figures of the paper, as ``cinefoley reproduce`` makes them."""
