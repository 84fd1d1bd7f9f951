"""Finds out on a few labelled images which preprocessing an artifact wants."""
