"""Cards of trained models: templates filled with what was measured."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import onnx
from torch import nn

PACKAGES = ("torch", "onnx", "onnxscript", "onnxruntime", "pillow", "numpy")


def version(package: str) -> str:
    """Return the installed version of a package without a build tag such as +cpu."""
    return metadata.version(package).split("+")[0]


def write_card(
    path: Path,
    template: Path,
    model: nn.Module,
    scores: Mapping[str, float],
    test_count: int,
    **figures: Any,
) -> None:
    """Write the card of an ONNX file next to it.

    Parameters
    ----------
    path : pathlib.Path
        The ONNX file.
    template : pathlib.Path
        Text with the figures' names in braces.
    model : torch.nn.Module
        The network that the file was made from.
    scores, test_count : mapping, int
        Accuracies by kind of test images, and on how many images.
    figures
        What else the template names.
    """
    blob = path.read_bytes()
    opsets = onnx.load_from_string(blob).opset_import
    measured = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "versions": ", ".join(f"{package} {version(package)}" for package in PACKAGES),
        "pip": " ".join(f"{package}=={version(package)}" for package in PACKAGES),
        "opset": next(entry.version for entry in opsets if not entry.domain),
        "size": len(blob),
        "sha256": hashlib.sha256(blob).hexdigest(),
        "test_count": test_count,
        "table": "\n".join(
            f"| {kind} | {value:.3f} | {round(value * test_count)} |"
            for kind, value in scores.items()
        ),
    }
    text = template.read_text(encoding="utf-8").format(**figures, **measured)
    path.with_suffix(".md").write_text(text, encoding="utf-8")
