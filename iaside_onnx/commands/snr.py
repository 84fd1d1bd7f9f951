"""``iaside snr``: what corruptions, or an attack, do to each band of a data set's images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .analyze import OWN_PROCESS
from .numbers import INTEGER, TEXT
from .options import (
    bands_option,
    confidence_option,
    corruption_options,
    label_options,
    model_options,
    norm_option,
    output_kind,
    preprocess_option,
    radius,
    runtime_options,
    sample_options,
    size,
    skip_bad_option,
    target_option,
    telling_options,
)


@click.command()
@click.argument("images", type=click.Path(path_type=Path))
@target_option("FILE.h5")
@label_options
@skip_bad_option
@bands_option
@click.option(
    "--rings", type=INTEGER, metavar="N",
    help="Finer rings of the curves, a multiple of the bands.  [default: 4 a band where they fit]",
)  # fmt: skip
@click.option("--separate-dc", is_flag=True, help="Keep the mean colour out of the lowest band.")
@norm_option
@sample_options(50)
@preprocess_option
@click.option("--size", callback=size, metavar="N|HxW", help="Size of the model's input.")
@click.option("--grey", is_flag=True, help="One channel, as grey models see pictures.")
@corruption_options
@click.option(
    "--attack", type=TEXT, metavar="NAME",
    help="square-linf, square-l2, spsa-linf or spsa-l2, beside the corruptions named if any.",
)  # fmt: skip
@click.option(
    "--model", type=click.Path(path_type=Path), metavar="MODEL.onnx", help="The model to attack."
)
@click.option(
    "--class-names", type=TEXT, metavar="FILE",
    help="Check folders and labels against the attacked model's class names.",
)  # fmt: skip
@click.option(
    "--epsilon", callback=radius, metavar="E",
    help="Radius of the attack at severity 3, such as 4/255; s/3 of it at severity s.",
)  # fmt: skip
@click.option(
    "--queries",
    type=INTEGER,
    default=500,
    show_default=True,
    help="Budget of the attack on an image.",
)
@model_options
@runtime_options
@confidence_option
@telling_options
@click.pass_obj
def snr(
    owner: str | None,
    /,
    images: Path,
    target: Path,
    logits: bool | None,
    progress: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure the signal-to-noise ratio, band by band, of corruptions at 5 severities.

    No model is needed; IMAGES is what analyze takes. With --attack it is measured what a black-box
    attack on a model adds; how that is read and run is asked for as in analyze. `iaside show` and
    `iaside plot` read the file again.

    \b
    Example:
      iaside snr demo/test -o snr.h5
      iaside snr val/ -o snr.h5 --preprocess imagenet --size 224 --severity 3
      iaside snr demo/test -o attack.h5 --attack square-linf --model models/demo-plain.onnx \\
        --epsilon 4/255 --severity 3
    """
    from ..inference.session import claim_process
    from ..measure.snr import measure_snr
    from ..views.terminal import listener

    if owner == OWN_PROCESS:
        claim_process()
    tell = listener(quiet=quiet, progress=progress, unit="corruptions")
    kind = output_kind(logits)
    report = measure_snr(images, target, output_kind=kind, listener=tell, **options)
    if as_json:
        click.echo(json.dumps(report.summary(), indent=2))
    elif not quiet:
        from ..views.snr_table import print_snr

        print_snr(report)
        click.echo(f"Measurement: {target}")
