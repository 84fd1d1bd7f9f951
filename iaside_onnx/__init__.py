"""Which frequencies an image classifier lives on, from nothing but its ONNX file.

The public names load what they need on first use, so importing the package is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .analysis import analyze
    from .bands import band_images, band_index
    from .comparison import Comparison, compare
    from .errors import IasideError
    from .listener import Listener
    from .report import Report, load
    from .score import signed_score, spectral_importance, spectral_robustness_score
    from .settings import Settings
    from .shapley import shapley_interactions, shapley_values

_HOMES = {
    "Comparison": "comparison",
    "compare": "comparison",
    "Listener": "listener",
    "Settings": "settings",
    "analyze": "analysis",
    "band_images": "bands",
    "band_index": "bands",
    "IasideError": "errors",
    "Report": "report",
    "load": "report",
    "signed_score": "score",
    "spectral_importance": "score",
    "spectral_robustness_score": "score",
    "shapley_interactions": "shapley",
    "shapley_values": "shapley",
}

__all__ = [
    "Comparison",
    "IasideError",
    "Listener",
    "Report",
    "Settings",
    "analyze",
    "band_images",
    "band_index",
    "compare",
    "load",
    "shapley_interactions",
    "shapley_values",
    "signed_score",
    "spectral_importance",
    "spectral_robustness_score",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
