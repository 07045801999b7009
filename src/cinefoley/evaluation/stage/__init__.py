"""Evaluation on the Foley stage, where every event is known.

Start at :func:`~cinefoley.evaluation.stage.take_metrics.measure_takes` for generated takes, and at
``encoder_metrics`` for encoders and the alignment classifier on real clips.
"""
