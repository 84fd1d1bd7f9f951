"""Which frequencies an image classifier lives on, from nothing but its ONNX file.

The public names load what they need on first use, so importing the package is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .audit.analysis import analyze
    from .audit.heatmap import measure_heatmap
    from .audit.robustness import measure_robustness
    from .audit.snr import measure_snr
    from .corruptions.corrupt import corrupt
    from .errors import IasideError
    from .listener import Listener
    from .mathematics.bands import band_images, band_index
    from .mathematics.score import signed_score, spectral_importance, spectral_robustness_score
    from .mathematics.shapley import shapley_interactions, shapley_values
    from .reports.comparison import Comparison, compare
    from .reports.correlation import Correlation, correlate
    from .reports.gate import Gate, gate
    from .reports.heatmap import HeatmapReport
    from .reports.heatmap_store import load_heatmap
    from .reports.merging import merge
    from .reports.prediction import Prediction, predict_damage
    from .reports.report import Report, load
    from .reports.robustness import RobustnessReport
    from .reports.robustness_store import load_robustness
    from .reports.snr import SnrReport
    from .reports.snr_store import load_snr
    from .settings import Settings
    from .views.plots import plot

_HOMES = {
    "Comparison": "reports.comparison",
    "compare": "reports.comparison",
    "Correlation": "reports.correlation",
    "correlate": "reports.correlation",
    "Gate": "reports.gate",
    "gate": "reports.gate",
    "HeatmapReport": "reports.heatmap",
    "Listener": "listener",
    "Settings": "settings",
    "Prediction": "reports.prediction",
    "predict_damage": "reports.prediction",
    "SnrReport": "reports.snr",
    "analyze": "audit.analysis",
    "band_images": "mathematics.bands",
    "band_index": "mathematics.bands",
    "corrupt": "corruptions.corrupt",
    "IasideError": "errors",
    "Report": "reports.report",
    "RobustnessReport": "reports.robustness",
    "load": "reports.report",
    "plot": "views.plots",
    "load_heatmap": "reports.heatmap_store",
    "load_robustness": "reports.robustness_store",
    "load_snr": "reports.snr_store",
    "measure_heatmap": "audit.heatmap",
    "measure_robustness": "audit.robustness",
    "measure_snr": "audit.snr",
    "merge": "reports.merging",
    "signed_score": "mathematics.score",
    "spectral_importance": "mathematics.score",
    "spectral_robustness_score": "mathematics.score",
    "shapley_interactions": "mathematics.shapley",
    "shapley_values": "mathematics.shapley",
}

__all__ = [
    "Comparison",
    "Correlation",
    "Gate",
    "HeatmapReport",
    "IasideError",
    "Listener",
    "Prediction",
    "Report",
    "RobustnessReport",
    "Settings",
    "SnrReport",
    "analyze",
    "band_images",
    "band_index",
    "compare",
    "correlate",
    "corrupt",
    "gate",
    "load",
    "load_heatmap",
    "load_robustness",
    "load_snr",
    "measure_heatmap",
    "measure_robustness",
    "measure_snr",
    "merge",
    "plot",
    "predict_damage",
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
