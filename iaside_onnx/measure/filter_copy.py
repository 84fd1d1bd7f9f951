"""A copy of a model with a filter in front of its image input."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from ..errors import ArtifactError, one_line
from ..inference.classifier import Classifier
from ..inference.input_form import InputForm
from ..onnx_file.artifact import load_whole
from ..onnx_file.declared import PREFIX
from ..onnx_file.edits import with_filter, with_property

_FILTER, _PREPROCESS = PREFIX + "filter", PREFIX + "preprocess"


def copy_with_filter(
    classifier: Classifier, weights: NDArray[np.float64], strength: float, against: list[str]
) -> bytes:
    """The model's file with a filter; its metadata is kept, and the filter is named in it.

    Preprocessing that was asked for, or lies beside the model, is declared in the copy where the
    file declares none, since it would not go with it.

    Raises
    ------
    ArtifactError
        The graph takes no filter.
    """
    path, form = classifier.artifact.path, classifier.form
    whole = load_whole(path)
    sound = _fault(whole) is None
    try:
        model = with_filter(whole, form.name, weights, **_how(form))
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from error
    known = {each.key: each.value for each in model.metadata_props}
    this = {
        "against": against,
        "size": len(weights),
        "strength": strength,
        "model_sha256": classifier.artifact.sha256,
    }
    with_property(model, _FILTER, json.dumps([*_filters(known.get(_FILTER, "")), this]))
    recipe = classifier.preprocess
    if recipe.name != "unit" and recipe.resize_ratio is None and _PREPROCESS not in known:
        with_property(model, _PREPROCESS, json.dumps(recipe.recipe()))
    fault = _fault(model)
    if sound and fault is not None:
        raise ArtifactError(f"{path}: its graph takes no filter: {fault}")
    return bytes(model.SerializeToString())


def _how(form: InputForm) -> dict[str, Any]:
    """How an image stands in a model's input, as `with_filter` takes it."""
    block = form.channels, form.height, form.width
    if form.layout == "nhwc":
        block = form.height, form.width, form.channels
    lacking = 0 if form.unbatched else 1 if form.plane else None
    return {
        "channels": form.channels,
        "layout": form.layout,
        "block": block if form.packed else (),
        "lacking": lacking,
    }


def _filters(text: str) -> list[Any]:
    """Filters that a file names already."""
    try:
        found = json.loads(text or "[]")
    except (ValueError, RecursionError):
        return []
    return found if isinstance(found, list) else []


def _fault(model: onnx.ModelProto) -> str | None:
    """What the checker of ONNX says against a model; None where it holds."""
    try:
        onnx.checker.check_model(model)
    except Exception as error:  # its errors have no common base
        return one_line(error)
    return None
