"""What all export commands share: options, test images, declared metadata, the last line."""

from __future__ import annotations

import argparse
import importlib
import json
import math
import shlex
import sys
import tomllib
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import onnx
from numpy.typing import NDArray
from PIL import Image as Picture

from gate import (
    BATCHES,
    TOLERANCE,
    Comparison,
    ExportError,
    Image,
    Reference,
    admit,
    check_target,
    image_input,
    one_line,
    shape_text,
    spread_of,
)

PHOTOGRAPHS = Path(__file__).resolve().parents[2] / "demo" / "test"
RECIPE_KEYS = ("resize", "crop", "interpolation", "channels", "scale", "mean", "std", "layout")
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


@dataclass
class Export:
    """A converted model, not believed yet.

    Attributes
    ----------
    model : onnx.ModelProto
    reference : callable
        The framework's scores for images as the graph takes them.
    framework : str
        Its name and version, for the last line.
    preprocess, classes, output_kind
        What the source itself declares; options override it.
    remedy : str
        What to try when the gate refuses the file.
    """

    model: onnx.ModelProto
    reference: Reference
    framework: str
    preprocess: str | dict[str, Any] | None = None
    classes: list[str] | None = None
    output_kind: str | None = None
    remedy: str = ""
    notes: list[str] = field(default_factory=list)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, like all others."""

    def error(self, message: str) -> NoReturn:
        """Stop with exit code 2."""
        raise ExportError(f"{message} (see --help)")


def parser(description: str, source: str, example: str) -> Parser:
    """A command line with the options that every export has.

    Parameters
    ----------
    description : str
        First paragraph of the help.
    source : str
        What the positional argument may be.
    example : str
        Command lines shown at the end of the help.
    """
    made = Parser(
        description=description,
        epilog=f"Example:\n\n{example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("source", help=source)
    add("-o", "--output", type=Path, required=True, metavar="FILE.onnx", help="file to write")
    add("--overwrite", action="store_true", help="replace an existing file")
    add(
        "--image",
        type=image_shape,
        metavar="AxBxC",
        help="shape of one image in the model's own order, such as 3x224x224 or 224x224x3; "
        "needed where the source does not say it",
    )
    add(
        "--path",
        type=Path,
        default=Path(),
        metavar="FOLDER",
        help="folder that modules are imported from (default: the current one)",
    )
    declared = made.add_argument_group("written into the file, read by iaside as defaults")
    add = declared.add_argument
    add(
        "--preprocess",
        metavar="NAME|FILE",
        help=f"what the model wants of photographs: {', '.join(PRESETS)}, or a .toml or .json "
        "recipe; without it the test images are RGB in [0, 1] and nothing is written",
    )
    add("--classes", metavar="FILE|A,B,...", help="class names in label order (lines or JSON)")
    add("--output-kind", choices=("logits", "probabilities"), help="default: from the values")
    add("--layout", choices=("nchw", "nhwc"), help="default: from the input's shape")
    add("--label-offset", type=int, default=0, help="output index minus label (default 0)")
    tested = made.add_argument_group("the gate")
    add = tested.add_argument
    add(
        "--images",
        type=Path,
        default=PHOTOGRAPHS,
        metavar="FOLDER",
        help="photographs to compare outputs on (default: the bundled ones)",
    )
    add(
        "--tolerance",
        type=float,
        default=TOLERANCE,
        help="largest difference, relative to how much the outputs vary over the images "
        f"(default {TOLERANCE:g})",
    )
    add("--traceback", action="store_true", help="show where an error comes from")
    return made


def image_shape(text: str) -> tuple[int, ...]:
    """Parse a shape such as 3x64x64."""
    sides = text.lower().split("x")
    if len(sides) != 3 or not all(side.isdigit() and int(side) > 0 for side in sides):
        raise argparse.ArgumentTypeError(f"'{text}' is no shape such as 3x224x224")
    return tuple(int(side) for side in sides)


def run(main: Callable[[], None]) -> NoReturn:
    """Run a command: errors are one line and exit code 2."""
    try:
        main()
    except ExportError as error:
        if "--traceback" in sys.argv:
            traceback.print_exc()
        print(f"Error: {one_line(error, 600)}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("Error: interrupted; nothing was written", file=sys.stderr)
        sys.exit(130)
    sys.exit(0)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Turn whatever a framework raises into one line that says what failed."""
    try:
        yield
    except ExportError:
        raise
    except Exception as error:  # code of frameworks and of the user's own modules
        raise ExportError(f"{what}: {type(error).__name__}: {one_line(error)}") from error


def parse(made: Parser) -> argparse.Namespace:
    """Read the command line; what can be refused at once is refused at once."""
    args = made.parse_args()
    check_target(args.output, args.overwrite)
    if not 0 < args.tolerance < 1:
        raise ExportError(f"--tolerance {args.tolerance:g}: give a number between 0 and 1")
    args.recipe = read_recipe(args.preprocess)
    args.names = read_classes(args.classes)
    return args


def load_object(source: str, folder: Path) -> Any:
    """Import what `package.module:factory` names, from a folder or the installed packages.

    A factory (any function or class) is called without arguments; other objects are returned.
    """
    module, _, name = source.partition(":")
    sys.path.insert(0, str(folder.resolve()))
    with step(f"{source}: cannot be imported (from {folder.resolve()}; see --path)"):
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    return found


def call_factory(source: str, factory: Any) -> Any:
    """What a factory returns when called without arguments."""
    with step(f"{source}: calling it without arguments failed"):
        return factory()


def is_module_reference(source: str) -> bool:
    """Whether a source reads like `package.module:factory`."""
    module, colon, name = source.partition(":")
    words = [*module.split("."), *name.split(".")]
    return bool(colon) and all(word.isidentifier() for word in words)


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
            names = json.loads(text) if path.suffix.lower() == ".json" else text.splitlines()
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ExportError(f"{path}: wanted is a JSON list of class names")
    elif "," in choice:
        names = choice.split(",")
    else:
        raise ExportError(f"--classes {choice}: no such file, and no list of names such as cat,dog")
    return [name.strip() for name in names if name.strip()]


def full_shape(image: Image, asked: tuple[int, ...] | None) -> tuple[int, ...]:
    """Shape of one image, free sizes filled in from --image.

    Raises
    ------
    ExportError
        A size is free and --image missing, or --image contradicts the graph.
    """
    shown = f"input '{image.name}' is {shape_text((None, *image.shape))}"
    if asked is None or image.layout == "flat":
        if None in image.shape:
            raise ExportError(f"{shown}; say the shape of one image with --image")
        return tuple(size for size in image.shape if size is not None)
    if any(size not in (None, side) for size, side in zip(image.shape, asked, strict=True)):
        raise ExportError(f"{shown}; --image {'x'.join(map(str, asked))} does not fit it")
    return asked


def test_images(
    folder: Path, image: Image, shape: tuple[int, ...], recipe: dict[str, Any]
) -> dict[str, NDArray[Any]]:
    """Random and real images, as the graph takes them.

    Parameters
    ----------
    folder : Path
        Photographs, in sub-folders or not.
    image : Image
        Its layout is "nchw", "nhwc" or "flat".
    shape : tuple of int
        Of one image, in the graph's order.
    recipe : dict
        Only channels, scale, mean and std matter here.
    """
    if image.layout == "flat":
        side = math.isqrt(shape[0] - 1) + 1
        planes: tuple[int, ...] = (1, side, side)
    else:
        planes = shape if image.layout == "nchw" else (shape[2], shape[0], shape[1])
    count = max(BATCHES)
    pixels = {
        "random": np.random.default_rng(0).random((count, *planes)),
        "real": np.stack([_photograph(path, planes) for path in _choose(folder, count)]),
    }
    return {kind: _as_input(values, image, shape, recipe) for kind, values in pixels.items()}


def _choose(folder: Path, count: int) -> list[Path]:
    suffixes = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm"}
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes)
    if len(found) < count:
        raise ExportError(f"--images {folder}: {len(found)} photographs; {count} are needed")
    return [found[position * len(found) // count] for position in range(count)]


def _photograph(path: Path, planes: tuple[int, ...]) -> NDArray[np.float64]:
    channels, height, width = planes
    with step(f"{path}: cannot be read"), Picture.open(path) as picture:
        grey_or_rgb = picture.convert("L" if channels == 1 else "RGB")
        resized = grey_or_rgb.resize((width, height), Picture.Resampling.BILINEAR)
        pixels = np.asarray(resized, np.float64).reshape(height, width, -1) / 255
    return np.moveaxis(pixels, -1, 0)


def _as_input(
    pixels: NDArray[np.float64], image: Image, shape: tuple[int, ...], recipe: dict[str, Any]
) -> NDArray[Any]:
    channels = pixels.shape[1]
    if recipe.get("channels") == "bgr" and channels == 3:
        pixels = pixels[:, ::-1]
    mean, std = (
        np.asarray(recipe.get(key, default), np.float64).reshape(-1, 1, 1)
        for key, default in (("mean", 0), ("std", 1))
    )
    if not {len(mean), len(std)} <= {1, channels}:
        raise ExportError(f"the preprocessing's mean or std does not fit {channels} channel(s)")
    values = (pixels * recipe.get("scale", 1) - mean) / std
    if image.layout == "nhwc":
        values = np.moveaxis(values, 1, -1)
    elif image.layout == "flat":
        values = values.reshape(len(values), -1)[:, : shape[0]]
    if image.dtype is np.uint8:
        values = np.clip(np.rint(values), 0, 255)
    return np.ascontiguousarray(values, dtype=image.dtype)


def kind_of(scores: NDArray[Any], asked: str | None) -> str:
    """What the outputs are, by their values; what was asked for must agree with them.

    Raises
    ------
    ExportError
        Said to be probabilities and are none; or could be either and nothing was said.
    """
    scores = np.asarray(scores, np.float64)
    sums = scores.reshape(len(scores), -1).sum(axis=1)
    inside = bool(scores.min() >= 0 and scores.max() <= 1)
    probable = inside and bool(np.abs(sums - 1).max() < 1e-2)
    if asked == "probabilities" and not probable:
        raise ExportError(
            f"--output-kind probabilities: rows sum to {sums.min():.4g} ... {sums.max():.4g}"
        )
    if asked == "logits" and probable:
        raise ExportError("--output-kind logits: these are probabilities, their rows sum to 1")
    if asked is None and inside and not probable:
        raise ExportError(
            "the outputs lie in [0, 1] and their rows do not sum to 1, as after a sigmoid; iaside "
            "needs logits or probabilities of classes (if these are logits: --output-kind logits)"
        )
    return asked or ("probabilities" if probable else "logits")


def finish(args: argparse.Namespace, export: Export) -> Comparison:
    """Take a converted model through the gate, write it with what is known, and say so.

    Raises
    ------
    ExportError
    """
    image = image_input(export.model)
    layout = args.layout or image.layout
    if layout == "unknown":
        raise ExportError(
            f"input '{image.name}' is {shape_text((None, *image.shape))}: the axis of 1 or 3 "
            "channels is not plain to see; say --layout nchw or nhwc"
        )
    if image.layout != "flat":
        image = Image(image.name, image.dtype, image.shape, layout)
    declared = args.recipe or export.preprocess or ("raw" if image.dtype is np.uint8 else None)
    recipe = PRESETS[declared] if isinstance(declared, str) else declared or {}
    images = test_images(args.images, image, full_shape(image, args.image), recipe)
    with step(f"running the model in {export.framework}"):
        scores = np.concatenate([np.asarray(export.reference(rows)) for rows in images.values()])
    spread_of(scores)
    kind = kind_of(scores, args.output_kind or export.output_kind)
    names = args.names or export.classes
    count = scores.shape[1] if scores.ndim > 1 else 0
    if names and len(names) != count - args.label_offset:
        raise ExportError(
            f"{len(names)} class names do not fit {count} outputs at label offset "
            f"{args.label_offset}"
        )
    metadata = {
        "iaside.preprocess": json.dumps(declared) if isinstance(declared, dict) else declared,
        "iaside.layout": layout if layout != "flat" else None,
        "iaside.output_kind": kind,
        "iaside.output": export.model.graph.output[0].name,
        "iaside.label_offset": str(args.label_offset) if args.label_offset else None,
        "iaside.classes": json.dumps(names) if names else None,
    }
    try:
        result = admit(
            export.model,
            args.output,
            export.reference,
            images,
            metadata={key: value for key, value in metadata.items() if value},
            tolerance=args.tolerance,
            overwrite=args.overwrite,
        )
    except ExportError as error:
        hint = f"; {export.remedy}" if export.remedy else ""
        raise ExportError(f"not exported: {one_line(error)}{hint}") from error
    _report(args, export, result, f"{shape_text((None, *image.shape))} -> {count} {kind}")
    if declared is None:
        note("preprocessing is not declared: iaside will show the model RGB in [0, 1]")
    return result


def _report(args: argparse.Namespace, export: Export, result: Comparison, what: str) -> None:
    for line in export.notes:
        note(line)
    if result.weak:
        note(
            f"the outputs vary by only {result.spread:.2g} (largest {result.size:.2g}), as those "
            "of an untrained network do: a weak test"
        )
    opset = max(entry.version for entry in export.model.opset_import if not entry.domain)
    megabytes = args.output.stat().st_size / 1e6
    report = args.output.with_suffix(".h5").name
    command = ["iaside", "analyze", str(args.output), "IMAGES", "-o", report]
    print(
        f"wrote {args.output}: {what}, opset {opset}, {megabytes:.2f} MB; largest difference to "
        f"{export.framework} is {result.relative:.1e} of the outputs' spread on {result.images} "
        f"images at batches {', '.join(map(str, BATCHES))} in {result.runtime} (limit "
        f"{args.tolerance:g}); next: {shlex.join(command)}"
    )


def note(text: str) -> None:
    """Say something on standard error that is no error."""
    print(f"note: {text}", file=sys.stderr)
