"""Evaluation: metrics of folders of audio, measurements on the Foley stage, and the paper's tables."""
