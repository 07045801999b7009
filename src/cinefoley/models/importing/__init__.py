"""Import public checkpoints as model folders, and download them."""
