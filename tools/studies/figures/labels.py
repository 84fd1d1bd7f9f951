"""Spectral importance after trainings with wrong labels."""

from __future__ import annotations

from .common import Asked, importance

NETWORKS = ("resnet-plain", "resnet-labels-20", "resnet-labels-50")


def draw(asked: Asked) -> None:
    """The residual network with no, a fifth and half of the labels wrong."""
    importance(asked, "labels", asked.analyses(NETWORKS), 3.2)
