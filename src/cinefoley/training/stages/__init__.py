"""Training stages: from clips to a part of a model folder, one module for each stage."""
