"""Labelled images of many forms, and the sample drawn from them."""
