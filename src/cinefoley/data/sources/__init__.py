"""Clip sources: split CSV files, folders of videos, VGGSound downloads and the Foley stage."""
