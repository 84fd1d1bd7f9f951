"""The command lines of the exports, which need no framework: options, examples, packages."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from .exporting import Parser, parse, parser, run
from .refusal import ExportError

_JAX = """\
  iaside export jax mypackage.nets:build -o net.onnx --image 64x64x3
  iaside export jax train:predictor -o net.onnx --image 32x32x3 \\
      --path ~/project --preprocess unit --classes names.txt
"""
_KERAS = """\
  iaside export keras net.keras -o net.onnx --preprocess raw --classes names.txt
  iaside export keras keras.applications:MobileNetV2 -o mobilenet.onnx \\
      --preprocess inception
  iaside export keras saved_model/ -o net.onnx
  iaside export keras net.tflite -o net.onnx --tolerance 0.05
"""
_PYTORCH = """\
  iaside export pytorch mypackage.nets:build -o net.onnx \\
      --image 3x224x224 --weights net.pth --preprocess imagenet --classes names.txt
  iaside export pytorch program.pt2 -o net.onnx
  iaside export pytorch timm:resnet50.a1_in1k --weights pretrained -o r50.onnx
  iaside export pytorch torchvision:resnet50 --weights resnet50-11ad3fa6.pth \\
      -o r50.onnx
"""
_SKLEARN = """\
  iaside export sklearn digits.skops -o digits.onnx --image 1x8x8
  iaside export sklearn digits.joblib -o digits.onnx --image 1x8x8 \\
      --run-pickle --preprocess scale16.toml
  iaside export sklearn mypackage.train:fitted -o digits.onnx
"""


def _jax() -> Parser:
    return parser(
        "Export a JAX or Flax classifier of images as a verified ONNX file. Naming a module runs "
        "its\ncode: use your own.",
        "package.module:factory, which returns an nnx module or a function of a batch of images "
        "(for linen: lambda x: net.apply(variables, x, train=False))",
        _JAX,
    )


def _keras() -> Parser:
    made = parser(
        "Export a Keras or TensorFlow classifier of images as a verified ONNX file. Reading a "
        "model\nand naming a module can run code: use your own, or files that you trust.",
        "a .keras or .h5 file, a SavedModel folder, a .tflite file, or package.module:factory "
        "that returns a Keras model",
        _KERAS,
    )
    made.add_argument(
        "--route",
        choices=("torch", "tensorflow"),
        default="torch",
        help="what computes a Keras model (default torch, which converts more)",
    )
    made.add_argument(
        "--import",
        dest="modules",
        action="append",
        default=[],
        metavar="MODULE",
        help="import a module that registers custom layers; may be repeated",
    )
    made.add_argument(
        "--signature", default="serving_default", help="of a SavedModel (default serving_default)"
    )
    return made


def _pytorch() -> Parser:
    made = parser(
        "Export a PyTorch classifier of images as a verified ONNX file. Naming a module, or\n"
        "a program, runs its code: use your own.",
        "package.module:factory, a torch.export program (.pt2), timm:NAME or torchvision:NAME",
        _PYTORCH,
    )
    made.add_argument(
        "--weights",
        metavar="FILE|pretrained|random",
        help="a state dict (.pth read as weights only, or .safetensors); for timm and torchvision "
        "also 'pretrained' (downloads theirs) or 'random'",
    )
    made.add_argument("--num-classes", type=int, metavar="N", help="for timm and torchvision")
    made.add_argument(
        "--legacy", action="store_true", help="use the older TorchScript-based exporter"
    )
    return made


def _sklearn() -> Parser:
    made = parser(
        "Export a fitted scikit-learn classifier of images as a verified ONNX file.\n\n"
        "WARNING: reading a pickle or joblib file runs whatever code is in it. Do it only with\n"
        "files that you made yourself, and say so with --run-pickle; .skops files are read\n"
        "without running code. Naming a module runs its code.",
        "a fitted estimator: a .skops file, a .pkl, .pickle or .joblib file with --run-pickle, or "
        "package.module:factory",
        _SKLEARN,
    )
    made.add_argument(
        "--run-pickle", action="store_true", help="the pickle is my own file: run the code in it"
    )
    made.add_argument(
        "--trust",
        action="append",
        default=[],
        metavar="TYPE",
        help="a type in a .skops file that skops does not know to be harmless; may be repeated",
    )
    return made


@dataclass(frozen=True)
class Framework:
    """Where models come from.

    Attributes
    ----------
    title : str
    parser : callable
        Makes the command line.
    needed : tuple of str
        Modules without which nothing is exported.
    packages : str
        What to install, as pip takes it.
    """

    title: str
    parser: Callable[[], Parser]
    needed: tuple[str, ...]
    packages: str


FRAMEWORKS = {
    "pytorch": Framework("PyTorch", _pytorch, ("torch", "onnxscript"), "torch onnxscript"),
    "keras": Framework("Keras", _keras, ("keras",), "keras torch onnxscript"),
    "jax": Framework("JAX", _jax, ("jax", "jax2onnx"), "jax flax jax2onnx"),
    "sklearn": Framework(
        "scikit-learn", _sklearn, ("sklearn", "skl2onnx"), "scikit-learn skl2onnx skops"
    ),
}


def export(framework: str, words: Sequence[str] | None = None, program: str | None = None) -> None:
    """Export as a command line says, by default that of the process.

    Raises
    ------
    ExportError
        The framework is not installed; an option is wrong; the export is refused.
    """
    row = FRAMEWORKS[framework]
    made = row.parser()
    made.prog = program or made.prog
    args = parse(made, words)
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    missing = [name for name in row.needed if importlib.util.find_spec(name) is None]
    if missing:
        raise ExportError(
            f"to export from {row.title}, install it beside iaside (there is no "
            f"{' and no '.join(missing)} here): pip install {row.packages}"
        )
    importlib.import_module(f".from_{framework}", __package__).export(args)


def run_alone(framework: str) -> NoReturn:
    """Be the process of an export: errors are one line and exit code 2."""
    run(lambda: export(framework))
