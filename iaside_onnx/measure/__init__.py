"""Measurements: a table with a row an image, filled by a model."""
