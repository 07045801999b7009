"""Inference pipeline: video in, takes of sound out."""
