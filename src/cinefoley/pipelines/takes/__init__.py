"""Takes on disk: generate, name, publish and record the output files of a video."""
