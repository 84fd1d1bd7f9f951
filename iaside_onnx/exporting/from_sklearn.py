"""Export a fitted scikit-learn classifier of images as a verified ONNX file."""

from __future__ import annotations

import argparse
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import sklearn
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType

from .exporting import (
    Export,
    call_factory,
    finish,
    is_module_reference,
    load_object,
)
from .refusal import ExportError, step

_PICKLES = (".pkl", ".pickle", ".joblib")


def export(args: argparse.Namespace) -> None:
    """Export what a command line asks for."""
    estimator = load(args)
    warnings.filterwarnings("ignore")  # while loading, a change of version is worth a warning
    finish(args, export_estimator(estimator, args.image, args.output_kind))


def load(args: argparse.Namespace) -> Any:
    """The estimator that the source names."""
    path = Path(args.source)
    if path.suffix == ".skops":
        return _load_skops(path, args.trust)
    if path.suffix in _PICKLES:
        if not args.run_pickle:
            raise ExportError(
                f"{path}: reading it runs the code inside; if you made the file yourself add "
                "--run-pickle, or save the estimator with skops.io.dump"
            )
        with step(f"{path}: cannot be read"):
            import joblib

            return joblib.load(path)
    if not is_module_reference(args.source):
        raise ExportError(
            f"{args.source}: give a .skops, .joblib or .pkl file, or package.module:factory"
        )
    found = load_object(args.source, args.path)
    ready = isinstance(found, sklearn.base.BaseEstimator)
    return found if ready else call_factory(args.source, found)


def _load_skops(path: Path, trusted: list[str]) -> Any:
    with step(f"{path}: cannot be read"):
        from skops.io import get_untrusted_types
        from skops.io import load as load_skops

        unknown = sorted(set(get_untrusted_types(file=path)) - set(trusted))
        if unknown:
            raise ExportError(
                f"{path}: holds types that could run code: {', '.join(unknown)}; if you trust "
                f"them add --trust {unknown[0]}" + (" and so on" if len(unknown) > 1 else "")
            )
        return load_skops(path, trusted=trusted)


def export_estimator(
    estimator: Any, image: tuple[int, ...] | None, output_kind: str | None
) -> Export:
    """Convert a fitted classifier of flat rows, taking rows or images of shape `image`.

    An image is flattened in its own order: 1x8x8 and 8x8x1 alike give the rows of the picture, and
    8x8x3 gives interleaved colours.
    """
    if not isinstance(estimator, sklearn.base.BaseEstimator) or not hasattr(estimator, "classes_"):
        raise ExportError(f"a {type(estimator).__name__} is no fitted scikit-learn classifier")
    features = int(estimator.n_features_in_)
    if image is not None and math.prod(image) != features:
        raise ExportError(
            f"--image {'x'.join(map(str, image))} has {math.prod(image)} values, but the "
            f"classifier takes {features} features"
        )
    scores = "predict_proba" if hasattr(estimator, "predict_proba") else "decision_function"
    if scores == "decision_function" and output_kind != "logits":
        raise ExportError(
            f"a {_name(estimator)} has no predict_proba: its outputs are decision scores, not "
            "probabilities; to take them for logits say --output-kind logits"
        )
    raw = scores == "predict_proba" and output_kind == "logits"
    if raw:
        scores = "decision_function"
        if not hasattr(estimator, scores):
            raise ExportError(f"a {_name(estimator)} has no logits; leave --output-kind out")
    with step(f"skl2onnx cannot convert a {_name(estimator)}"):
        model = _convert(estimator, features, raw)
    _keep_scores(model.graph)
    if image is not None:
        _take_images(model, image, features)
    method = getattr(estimator, scores)

    def reference(rows: NDArray[Any]) -> NDArray[Any]:
        values = np.asarray(method(rows.reshape(len(rows), -1)))
        # A binary decision function is one column, the second class's; in ONNX it is two.
        return np.stack([-values, values], axis=1) if values.ndim == 1 else values

    return Export(
        model,
        reference,
        f"scikit-learn {sklearn.__version__}",
        classes=[str(name) for name in estimator.classes_],
        output_kind="logits" if scores == "decision_function" else "probabilities",
    )


def _convert(estimator: Any, features: int, raw: bool) -> Any:
    options: dict[int, dict[str, bool]] = {}
    if raw:
        options[id(_last(estimator))] = {"raw_scores": True}
    kinds = [("image", FloatTensorType([None, features]))]
    try:
        plain = {**options.get(id(estimator), {}), "zipmap": False}
        return to_onnx(estimator, initial_types=kinds, options={**options, id(estimator): plain})
    except NameError:  # a converter that makes no ZipMap does not know the option
        return to_onnx(estimator, initial_types=kinds, options=options)


def _last(estimator: Any) -> Any:
    return estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator


def _name(estimator: Any) -> str:
    return type(_last(estimator)).__name__


def _keep_scores(graph: onnx.GraphProto) -> None:
    """Drop the label output; iaside wants the scores alone."""
    scores = [
        output
        for output in graph.output
        if output.type.tensor_type.elem_type in (TensorProto.FLOAT, TensorProto.DOUBLE)
    ]
    del graph.output[:]
    graph.output.extend(scores)


def _take_images(model: onnx.ModelProto, image: tuple[int, ...], features: int) -> None:
    """Let the graph take images, which it flattens first."""
    graph = model.graph
    for node in graph.node:
        node.input[:] = ["image_rows" if name == "image" else name for name in node.input]
    graph.initializer.append(
        numpy_helper.from_array(np.array([-1, features], np.int64), "image_rows_shape")
    )
    rows = helper.make_node("Reshape", ["image", "image_rows_shape"], ["image_rows"])
    graph.node.insert(0, rows)
    del graph.input[:]
    value = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", *image])
    graph.input.append(value)
    if all(entry.domain for entry in model.opset_import):
        model.opset_import.append(helper.make_opsetid("", 21))
