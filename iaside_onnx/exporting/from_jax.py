"""Export a JAX or Flax classifier of images as a verified ONNX file."""

from __future__ import annotations

import argparse
import logging
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import onnx
from numpy.typing import NDArray

from .exporting import (
    Export,
    call_factory,
    finish,
    is_module_reference,
    load_object,
)
from .refusal import ExportError, step


def export(args: argparse.Namespace) -> None:
    """Export what a command line asks for."""
    jax.config.update("jax_platforms", "cpu")  # accelerators may round to fewer digits
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    finish(args, convert(load(args), args))


def load(args: argparse.Namespace) -> Callable[[Any], Any]:
    """The function from images to scores that the factory returns."""
    if not is_module_reference(args.source):
        raise ExportError(f"{args.source}: give package.module:factory")
    if args.image is None:
        raise ExportError(f"{args.source}: say the shape of one image, such as --image 64x64x3")
    made = load_object(args.source, args.path)
    model = made if _is_module(made) else call_factory(args.source, made)
    if _is_module(model):
        model.eval()  # dropout and batch statistics as in prediction
    if not callable(model):
        raise ExportError(
            f"{args.source}: returns a {type(model).__name__}; an nnx module or a function of a "
            "batch of images is needed"
        )
    return model  # type: ignore[no-any-return]


def _is_module(found: Any) -> bool:
    try:
        from flax import nnx
    except ImportError:
        return False
    return isinstance(found, nnx.Module)


def convert(model: Callable[[Any], Any], args: argparse.Namespace) -> Export:
    """The function as ONNX, with a free batch."""
    with step("jax2onnx cannot be imported here"):
        from jax2onnx import to_onnx
    with tempfile.TemporaryDirectory() as scratch, step("jax2onnx cannot convert it"):
        target = Path(scratch) / "model.onnx"
        to_onnx(model, [("B", *args.image)], return_mode="file", output_path=str(target))
        converted = onnx.load(target)

    def reference(rows: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(model(jax.numpy.asarray(rows)))

    return Export(converted, reference, f"JAX {jax.__version__}")
