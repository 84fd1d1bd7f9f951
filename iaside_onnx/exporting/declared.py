"""What an export declares about a model: preprocessing, class names, kind of output."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from .refusal import ExportError, step

RECIPE_KEYS = (
    "resize", "crop", "interpolation", "antialias", "pad", "pad_position",
    "channels", "scale", "mean", "std", "layout",
)  # fmt: skip
# How `iaside` hands pixels of [0, 1] to the model under each named preprocessing.
PRESETS: dict[str, dict[str, Any]] = {
    "unit": {},
    "raw": {"scale": 255},
    "imagenet": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
    "inception": {"mean": 0.5, "std": 0.5},
    "clip": {
        "mean": [0.48145466, 0.4578275, 0.40821073],
        "std": [0.26862954, 0.26130258, 0.27577711],
    },
    "cifar10": {"mean": [0.4914, 0.4822, 0.4465], "std": [0.2470, 0.2435, 0.2616]},
    "caffe": {"channels": "bgr", "scale": 255, "mean": [103.939, 116.779, 123.68]},
}

# Operators after which scores are the same up to rounding.
_KEEPING = ("QuantizeLinear", "DequantizeLinear", "Reshape", "Flatten", "Squeeze", "Identity")


def read_recipe(choice: str | None) -> str | dict[str, Any] | None:
    """A preset's name, or the recipe in a TOML or JSON file.

    Raises
    ------
    ExportError
    """
    if choice is None or choice in PRESETS:
        return choice
    path = Path(choice)
    readers: dict[str, Callable[[str], Any]] = {".toml": tomllib.loads, ".json": json.loads}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ExportError(
            f"--preprocess {choice}: give one of {', '.join(PRESETS)}, or a .toml or .json file"
        )
    with step(f"--preprocess {choice}"):
        recipe = reader(path.read_text(encoding="utf-8"))
    if not isinstance(recipe, dict) or not recipe:
        raise ExportError(f"{path}: holds no recipe; keys are {', '.join(RECIPE_KEYS)}")
    if unknown := sorted(set(recipe) - set(RECIPE_KEYS)):
        raise ExportError(f"{path}: unknown key '{unknown[0]}'; known: {', '.join(RECIPE_KEYS)}")
    return recipe


def read_classes(choice: str | None) -> list[str] | None:
    """Class names from a file (a JSON list, or one a line) or from the option itself."""
    if choice is None:
        return None
    path = Path(choice)
    if path.is_file():
        with step(f"--classes {choice}"):
            text = path.read_text(encoding="utf-8")
            listed = path.suffix.lower() == ".json"
            names = json.loads(text) if listed else text.strip().splitlines()
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ExportError(f"{path}: wanted is a JSON list of class names")
    elif "," in choice:
        names = choice.rstrip(", ").split(",")
    else:
        raise ExportError(f"--classes {choice}: no such file, and no list of names such as cat,dog")
    names = [name.strip() for name in names]
    if "" in names:  # left out, it would move the classes behind it
        raise ExportError(f"--classes {choice}: class {names.index('')} has no name")
    return names


def kind_of(scores: NDArray[Any], asked: str | None, *, softmax: bool = False) -> str:
    """What the outputs are, by their values; what was asked for must agree with them.

    Parameters
    ----------
    softmax : bool
        They come from a Softmax: where each was rounded to 8 bits, rows need not sum to 1.

    Raises
    ------
    ExportError
        Said to be probabilities and are none; or could be either and nothing was said.
    """
    scores = np.asarray(scores, np.float64)
    sums = scores.reshape(len(scores), -1).sum(axis=1)
    inside = bool(scores.min() >= 0 and scores.max() <= 1)
    probable = inside and (softmax or bool(np.abs(sums - 1).max() < 1e-2))
    if asked == "probabilities" and not probable:
        raise ExportError(
            f"--output-kind probabilities: rows sum to {sums.min():.4g} ... {sums.max():.4g}"
        )
    if asked == "logits" and probable:
        why = "made by a Softmax" if softmax else "their rows sum to 1"
        raise ExportError(f"--output-kind logits: these are probabilities, {why}")
    if asked is None and inside and not probable:
        raise ExportError(
            "the outputs lie in [0, 1] and their rows do not sum to 1, as after a sigmoid; iaside "
            "needs logits or probabilities of classes (if these are logits: --output-kind logits)"
        )
    return asked or ("probabilities" if probable else "logits")


def ends_in_softmax(model: ModelProto) -> bool:
    """Whether the first output is a Softmax, maybe rounded or in another shape after it."""
    makers = {name: node for node in model.graph.node for name in node.output}
    node = makers.get(model.graph.output[0].name)
    while node is not None and node.op_type in _KEEPING:
        node = makers.get(node.input[0])
    return node is not None and node.op_type == "Softmax"
