"""Training tasks: the losses, draws and data of Diff-Foley's networks and of the small audio classifier."""
