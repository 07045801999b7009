"""Networks and their weights: model folders, and import of public checkpoints."""
