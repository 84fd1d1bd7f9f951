"""What all export commands share: options, test images, declared metadata, the last line."""

from __future__ import annotations

import argparse
import importlib
import json
import shlex
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import onnx

from .declared import PRESETS, ends_in_softmax, kind_of, read_classes, read_recipe
from .gate import BATCHES, TOLERANCE, Comparison, Reference, admit, check_target, spread_of
from .gate_graph import Image, image_input, shape_text
from .probe_images import full_shape, test_images
from .refusal import ExportError, one_line, step

PHOTOGRAPHS = Path(__file__).resolve().parents[1] / "bundled" / "photos"


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


def parse(made: Parser, words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read a command line, of the process if not given; refuse at once what can be refused."""
    args = made.parse_args(words)
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
    kind = kind_of(
        scores, args.output_kind or export.output_kind, softmax=ends_in_softmax(export.model)
    )
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
