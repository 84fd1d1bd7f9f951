"""Spectral importance of one architecture after trainings for robustness, and after plain ones."""

from __future__ import annotations

from .common import Asked, importance

PLAIN = ("plain", "late", "bare", "contrast", "augmix", "highpass")
ROBUST = ("blur", "noise-weak", "noise", "noise-strong", "adv-weak", "adv-strong")


def draw(asked: Asked) -> None:
    """The residual network after twelve trainings that start from the same weights."""
    names = [f"resnet-{recipe}" for recipe in PLAIN + ROBUST]
    importance(asked, "trainings", asked.analyses(names), 4.2)
