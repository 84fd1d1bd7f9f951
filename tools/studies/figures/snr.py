"""Spectral signal-to-noise ratio of perturbed pictures over the frequency, with fitted decays."""

from __future__ import annotations

import numpy as np

import iaside_onnx as ia
from tools.studies.zoo_reports import IMAGES

from .common import Asked, panels, save

_KINDS = ("noise", "blur", "weather", "digital")
_SAMPLES, _SEVERITY = 60, 3


def draw(asked: Asked) -> None:
    """A panel a kind of corruption at severity 3; dashed are the power laws fitted to it."""
    images = asked.images or IMAGES
    report = ia.measure_snr(
        images, samples=_SAMPLES, severity=_SEVERITY, size=asked.size, norm="linf"
    )
    figure, axes = panels(2, 2, 9.0, 6.4)
    rows = []
    for ax, kind in zip(axes, _KINDS, strict=True):
        drawn = getattr(ia.panels, kind)(report, ax=ax)
        lines = {line.get_label(): line for line in drawn.lines}
        for name, curves in zip(report.perturbations, report.curves, strict=True):
            if report.settings["kinds"][name] != kind:
                continue
            fits = curves[report.middle].fits
            power, low, high = fits["power_law"]
            line = lines.get(name.replace("_", " "))
            if line is not None and np.isfinite(power.slope):
                radius = np.asarray(line.get_xdata(), np.float64)
                fitted = power.scale * radius**-power.slope
                ax.plot(radius, fitted, color=line.get_color(), linestyle="--", linewidth=1.4)
            exponential = fits["exponential"][0]
            numbers = {
                "power_law": power.slope,
                "power_low": low.slope,
                "power_high": high.slope,
                "power_r2": power.r_squared,
                "exponential": exponential.slope,
                "exponential_r2": exponential.r_squared,
            }
            rows.append(
                {"corruption": name, "kind": kind, "images": len(report.image_ids)}
                | {key: f"{float(value):.3f}" for key, value in numbers.items()}
            )
        if kind == "weather":  # or the legend covers a curve
            ax.set_ylim(top=12 * ax.get_ylim()[1])
    figure.supxlabel("dashed: power laws fitted to the curves of the same colour", fontsize=8)
    save(asked, "snr", figure, rows)
