"""What damage costs an image model, and which frequencies it relies on, from its ONNX file.

The public names load what they need on first use, so importing the package is quick.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# onnxruntime reports its use to its maker, keeps a store for that in the home folder, and complains
# on the error stream where there is none. It asks for this when it is first imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from .auditing.audit import audit
    from .comparisons.audits import AuditComparison, compare_audits
    from .comparisons.comparison import compare
    from .comparisons.correlation import Correlation, correlate
    from .comparisons.gate import Gate, gate
    from .comparisons.pairs import Comparison
    from .comparisons.prediction import Prediction, predict_damage
    from .comparisons.ranking import Ranking, rank
    from .comparisons.shares import Shares, damage_shares
    from .corruptions.corrupt import corrupt
    from .errors import IasideError
    from .listener import Listener
    from .mathematics.bands import band_images, band_index
    from .mathematics.score import signed_score, spectral_importance, spectral_robustness_score
    from .mathematics.shapley import shapley_interactions, shapley_values
    from .mathematics.spacing import equal_energy_edges, octave_edges
    from .measure.analysis import analyze
    from .measure.damage import explain
    from .measure.filtering import fit_filter
    from .measure.heatmap import measure_heatmap
    from .measure.robustness import measure_robustness
    from .measure.snr import measure_snr
    from .measure.stand_ins import measure_stand_ins
    from .results.audit import Audit
    from .results.damage import DamageReport
    from .results.group_verdict import Verdicts, verdicts
    from .results.heatmap import HeatmapReport, load_heatmap
    from .results.kinds import load
    from .results.merging import merge
    from .results.report import Report
    from .results.robustness import RobustnessReport, load_robustness
    from .results.snr import SnrReport, load_snr
    from .results.stand_ins import StandInReport
    from .settings import Settings
    from .views import panels
    from .views.plotting import plot

_HOMES = {
    "Audit": "results.audit",
    "AuditComparison": "comparisons.audits",
    "compare_audits": "comparisons.audits",
    "Verdicts": "results.group_verdict",
    "verdicts": "results.group_verdict",
    "Comparison": "comparisons.pairs",
    "compare": "comparisons.comparison",
    "Correlation": "comparisons.correlation",
    "DamageReport": "results.damage",
    "correlate": "comparisons.correlation",
    "Gate": "comparisons.gate",
    "fit_filter": "measure.filtering",
    "gate": "comparisons.gate",
    "HeatmapReport": "results.heatmap",
    "Listener": "listener",
    "Settings": "settings",
    "Prediction": "comparisons.prediction",
    "predict_damage": "comparisons.prediction",
    "Shares": "comparisons.shares",
    "damage_shares": "comparisons.shares",
    "SnrReport": "results.snr",
    "StandInReport": "results.stand_ins",
    "measure_stand_ins": "measure.stand_ins",
    "analyze": "measure.analysis",
    "audit": "auditing.audit",
    "band_images": "mathematics.bands",
    "band_index": "mathematics.bands",
    "equal_energy_edges": "mathematics.spacing",
    "octave_edges": "mathematics.spacing",
    "corrupt": "corruptions.corrupt",
    "explain": "measure.damage",
    "IasideError": "errors",
    "Report": "results.report",
    "RobustnessReport": "results.robustness",
    "load": "results.kinds",
    "plot": "views.plotting",
    "rank": "comparisons.ranking",
    "Ranking": "comparisons.ranking",
    "load_heatmap": "results.heatmap",
    "load_robustness": "results.robustness",
    "load_snr": "results.snr",
    "measure_heatmap": "measure.heatmap",
    "measure_robustness": "measure.robustness",
    "measure_snr": "measure.snr",
    "merge": "results.merging",
    "signed_score": "mathematics.score",
    "spectral_importance": "mathematics.score",
    "spectral_robustness_score": "mathematics.score",
    "shapley_interactions": "mathematics.shapley",
    "shapley_values": "mathematics.shapley",
}

__all__ = [
    "Audit", "AuditComparison", "Comparison", "Correlation", "DamageReport", "Gate",
    "HeatmapReport", "IasideError", "Listener", "Prediction", "Ranking", "Report",
    "RobustnessReport", "Settings", "Shares", "SnrReport", "StandInReport", "Verdicts", "analyze",
    "audit", "band_images", "band_index", "compare", "compare_audits", "correlate", "corrupt",
    "damage_shares", "equal_energy_edges", "explain", "fit_filter", "gate", "load", "load_heatmap",
    "load_robustness", "load_snr", "measure_heatmap", "measure_robustness", "measure_snr",
    "measure_stand_ins", "merge", "octave_edges", "panels", "plot", "predict_damage", "rank",
    "shapley_interactions", "shapley_values", "signed_score", "spectral_importance",
    "spectral_robustness_score", "verdicts",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "panels":
        return import_module(".views.panels", __name__)
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
