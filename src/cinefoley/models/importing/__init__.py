"""From public checkpoints to model folders."""
