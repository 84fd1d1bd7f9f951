"""``iaside snr``: what corruptions, or an attack, do to each band of a data set's images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .measure import measure, run_options, telling_options
from .numbers import FILE, INTEGER, TEXT
from .options import (
    bands_option,
    confidence_option,
    corruption_options,
    label_options,
    model_options,
    norm_option,
    order_option,
    preprocess_option,
    queries_option,
    radius,
    runtime_options,
    sample_options,
    size,
    skip_bad_option,
    spacing_options,
    target_option,
)
from .output import check_targets, print_written


@click.command()
@click.argument("images", type=FILE)
@target_option("FILE.h5", default="IMAGES-snr.h5")
@label_options
@skip_bad_option
@bands_option
@click.option(
    "--rings", type=INTEGER, metavar="N",
    help="Finer rings of the curves, a multiple of the bands.  [default: 4 a band where they fit]",
)  # fmt: skip
@click.option("--separate-dc", is_flag=True, help="Keep the mean colour out of the lowest band.")
@norm_option
@spacing_options
@sample_options(50)
@preprocess_option
@click.option("--size", callback=size, metavar="N|HxW", help="Size of the model's input.")
@click.option("--grey", is_flag=True, help="One channel, as grey models see pictures.")
@corruption_options
@click.option(
    "--attack", type=TEXT, metavar="NAME",
    help="square-linf, square-l2, spsa-linf or spsa-l2, beside the corruptions named if any.",
)  # fmt: skip
@click.option("--model", type=FILE, metavar="MODEL.onnx", help="The model to attack.")
@click.option(
    "--class-names", type=TEXT, metavar="FILE",
    help="Check folders and labels against the attacked model's class names.",
)  # fmt: skip
@click.option(
    "--epsilon", callback=radius, metavar="E",
    help="Radius of the attack at severity 3, such as 4/255; s/3 of it at severity s.",
)  # fmt: skip
@queries_option
@order_option
@model_options
@runtime_options
@run_options
@confidence_option()
@telling_options
def snr(images: Path, target: Path, **options: Any) -> None:
    """Measure what corruptions do to each band, without a model.

    The signal-to-noise ratio, band by band, of corruptions at 5 severities. IMAGES is what analyze
    takes. With --attack it is measured what a black-box attack on a model adds; how that is read
    and run is asked for as in analyze. `iaside show` and `iaside plot` read the file again.

    \b
    Example:
      iaside snr photos/ -o photos-snr.h5
      iaside snr photos/ -o snr-224.h5 --preprocess imagenet --size 224 --severity 3
      iaside snr photos/ -o attack.h5 --attack square-linf --model model.onnx \\
        --epsilon 4/255 --severity 3
    """
    from ..measure.snr import measure_snr

    check_targets("measured")
    report = measure(measure_snr, images, target, unit="perturbed images", options=options)
    print_written(report, "Measurement", target, options)
