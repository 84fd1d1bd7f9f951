"""``iaside filter``: a filter in front of a model that takes a perturbation's damage away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .measure import measure, telling_options
from .numbers import FILE, INTEGER, NUMBER, TEXT
from .options import (
    confidence_option,
    label_options,
    naming_options,
    preprocess_option,
    reading_options,
    running_options,
    sample_options,
    skip_bad_option,
    target_option,
)
from .output import check_targets, print_json


@click.command("filter")
@click.argument("model", type=FILE)
@click.argument("images", type=FILE)
@click.option(
    "--against", multiple=True, type=TEXT, metavar="CORRUPTION[:SEVERITY]",
    help="What to filter against, at severity 3 unless one is given; may be repeated.",
)  # fmt: skip
@click.option(
    "--perturbed", type=FILE, multiple=True, metavar="FOLDER",
    help="Your own perturbed pictures to filter against, matched by their paths without suffix; "
    "may be repeated.",
)  # fmt: skip
@target_option("FILE.onnx", "Where the model with the filter goes, if one helps.", required=False)
@click.option(
    "--kernel", type=INTEGER, metavar="N",
    help="Weights along a side of the kernel, odd, 3 to 15.  [default: the smallest that will do]",
)  # fmt: skip
@click.option(
    "--max-clean-loss", type=NUMBER, default=0.02, show_default=True,
    help="Accuracy on clean images that it may cost, in (0, 1).",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Write the file even if the filter does not help.")
@label_options
@naming_options
@skip_bad_option
@sample_options(200)
@preprocess_option
@reading_options
@running_options
@confidence_option()
@telling_options
def filter_model(model: Path, images: Path, target: Path | None, **options: Any) -> None:
    """Look for a filter that helps a model against a perturbation.

    The filter is linear, one convolution in front of the model, and nothing is trained. One half
    of the images builds it and chooses its strength, the other half says what it gains and costs.
    It helps if the interval of its gain lies above 0 and clean accuracy falls by no more than
    --max-clean-loss; only then is the model written with it. Where none helps, that is the answer,
    and the exit code is 0 too.

    \b
    Example:
      iaside filter model.onnx photos/ --against gaussian_noise:2 -o filtered.onnx
      iaside filter model.onnx photos/ --against jpeg_compression --against shot_noise:4
      iaside filter model.onnx photos/ --perturbed photos-as-jpeg/ -o filtered-jpeg.onnx
    """
    from ..measure.filtering import fit_filter
    from ..views.filter_table import print_filter

    check_targets("measured")
    as_json, quiet = options["as_json"], options["quiet"]
    result = measure(fit_filter, model, images, target=target, options=options)
    if as_json:
        print_json(result.summary())
        return
    if not quiet:
        print_filter(result)
        if result.written is not None:
            click.echo(f"Model with the filter: {result.written}")
        elif target is not None:
            click.echo("Nothing was written (--force writes it all the same).")
