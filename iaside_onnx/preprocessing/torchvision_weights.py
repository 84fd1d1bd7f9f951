"""What torchvision prescribes for its own weights, by the weights' name."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

from ..errors import InvalidOption

_NAME = re.compile(r"(?:torchvision\.)?(?:models\.)?(\w+)_Weights\.(\w+)")
_IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
_OTHER_VALUES: dict[tuple[str, str], dict[str, Any]] = {
    ("EfficientNet_V2_L", "IMAGENET1K_V1"): {"mean": 0.5, "std": 0.5},
    ("VGG16", "IMAGENET1K_FEATURES"): {"mean": [0.48235, 0.45882, 0.40784], "std": 1 / 255},
}


def weights_recipe(name: str) -> dict[str, Any] | None:
    """The recipe, with the keys of a TOML file, for a name such as ``ResNet50_Weights.DEFAULT``.

    None where the text does not look like the name of torchvision weights.

    Raises
    ------
    UsageError
        It does, and torchvision has none of that name.

    Examples
    --------
    >>> weights_recipe("ResNet50_Weights.IMAGENET1K_V2")["resize"]
    232
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    network, version = match.groups()
    known = []
    table = (files(__package__) / "torchvision_weights.txt").read_text(encoding="ascii")
    for line in table.splitlines():
        if line.startswith("#"):
            continue
        resize, crop, interpolation, weights, *networks = line.split()
        if network not in networks:
            continue
        known.append(weights.rstrip("*"))
        if version == known[-1] or (version == "DEFAULT" and weights.endswith("*")):
            values = _OTHER_VALUES.get((network, known[-1]), _IMAGENET)
            sizes = {"resize": int(resize), "crop": int(crop)}
            return {**sizes, "interpolation": interpolation, **values}
    others = f"; {network}_Weights has {', '.join(sorted(known))}" if known else ""
    raise InvalidOption(
        "preprocess", name, f"torchvision 0.29 has no classifier weights of that name{others}"
    )
