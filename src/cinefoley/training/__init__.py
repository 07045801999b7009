"""Training: the engine, Diff-Foley's training tasks and the stages that run them."""
