"""``iaside quantize``: quantised versions of a model, to audit and compare."""

from __future__ import annotations

from pathlib import Path

import click

from ..spelling import command_text, path_word, words
from .numbers import FILE, INTEGER, TEXT
from .options import (
    label_options,
    overwrite_option,
    preprocess_option,
    quiet_option,
    target_option,
)


@click.command()
@click.argument("model", type=FILE)
@click.argument("images", type=FILE)
@target_option("FOLDER", "Where the files go.", default="MODEL-quantised")
@click.option(
    "--kind", "kinds", multiple=True, type=TEXT, metavar="NAME",
    help="Only this one; may be repeated: qdq, qoperator, dynamic, float16.  [default: all]",
)  # fmt: skip
@label_options
@click.option(
    "--samples", type=INTEGER, default=100, show_default=True, help="Images to calibrate on."
)
@click.option(
    "--seed", type=INTEGER, default=1, show_default=True,
    help="Of these; the audit's own sample, seed 0, should not be the calibration's.",
)  # fmt: skip
@preprocess_option
@overwrite_option("existing files")
@quiet_option
def quantize(
    model: Path,
    images: Path,
    target: Path,
    kinds: tuple[str, ...],
    samples: int,
    seed: int,
    preprocess: str | None,
    overwrite: bool,
    quiet: bool,
    **labels: str | None,
) -> None:
    """Write INT8 and float16 versions of a model, to compare with it.

    Made with onnxruntime's own tools and calibrated on images as the model sees them in an audit:
    qdq (INT8 weights and activations), qoperator (the same as integer operators), dynamic
    (activations quantised on the fly) and float16, each as MODEL-KIND.onnx.

    \b
    Example:
      iaside quantize model.onnx photos/ -o quantised/
      iaside analyze quantised/model-qdq.onnx photos/ -o qdq.h5
    """
    from ..measure.quantized import quantize as write
    from ..views.terminal import listener

    written = write(
        model, images, target, kinds=kinds, samples=samples, seed=seed, preprocess=preprocess,
        overwrite=overwrite, listener=listener(quiet=quiet, progress=False), **labels,
    )  # fmt: skip
    for path in [] if quiet else written:
        size, whole = path.stat().st_size, model.stat().st_size
        click.echo(f"{path}: {size:,} bytes, {size / whole:.0%} of the float file")
    if written and not quiet:
        typed = ["iaside", "audit", *map(path_word, (written[0], images))]
        for name, value in {**labels, "preprocess": preprocess}.items():
            typed += words(name, value)
        click.echo(f"Next: {command_text(typed)}")
