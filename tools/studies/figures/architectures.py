"""Spectral importance of convolutional networks, a mixer and a transformer, all trained alike."""

from __future__ import annotations

from .common import Asked, importance

NETWORKS = ("cnn-plain", "resnet-plain", "mixer-plain", "vit-plain")


def draw(asked: Asked) -> None:
    """Four architectures of one plain training."""
    importance(asked, "architectures", asked.analyses(NETWORKS), 3.2)
