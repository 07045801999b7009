"""The training engine: loop, tasks' interface, checkpoints, ranks, log. It knows no task by name."""
