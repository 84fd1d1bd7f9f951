"""``iaside analyze``: the main job."""

from __future__ import annotations

from itertools import filterfalse
from pathlib import Path
from typing import Any

import click

from ..defaults import ABSENCE
from .measure import measure, model_on_images
from .numbers import INTEGER, NUMBER
from .options import (
    Listed,
    bands_option,
    norm_option,
    robustness_option,
    spacing_options,
    view_options,
)
from .output import check_targets, print_written, say
from .show import measurement_of


@click.command()
@model_on_images(
    "REPORT.h5",
    "MODEL-report.h5",
    bands_option,
    click.option("--separate-dc", is_flag=True, help="Make the mean colour a player of its own."),
    norm_option,
    spacing_options,
    click.option(
        "--absence", cls=Listed, table="mathematics.absence.ABSENCES", default=ABSENCE,
        show_default=True, help="What stands for an absent band: {names}.",
    ),
    click.option(
        "--output-map", default="real", show_default=True,
        help="real, or magnitude to read coalitions as the authors' script does.",
    ),
    click.option(
        "--estimator",
        help="exact, permutation or regression.  "
        "[default: exact up to 10 players, else permutation]",
    ),
    click.option(
        "--passes", type=INTEGER, metavar="N",
        help="Forward passes an image of an estimator that draws.  "
        "[default: by the number of bands]",
    ),
    click.option(
        "--target-stderr", type=NUMBER, metavar="E",
        help="Stop when the standard error of the signed score is E; --samples is then the most.",
    ),
    robustness_option(),
    view=view_options,
)  # fmt: skip
def analyze(
    model: Path, images: Path, target: Path, robustness: Path | None, **options: Any
) -> None:
    """Find the frequency bands that a model's predictions rest on.

    IMAGES is a folder with one sub-folder per class, any folder with --labels FILE.csv, a .npz
    or .h5 file with the arrays images and labels, or WebDataset tar shards or Hugging Face
    Parquet: one file, a folder of them, or a quoted pattern such as 'val-{000..049}.tar'.

    \b
    Example:
      iaside analyze model.onnx photos/ -o report.h5
      iaside analyze model-v2.onnx photos/ -o report-v2.h5 --preprocess unit
    """
    from ..measure.analysis import analyze as audit
    from ..onnx_file.artifact import read_artifact
    from ..results.finding import NO_FINDING
    from ..results.precondition import speaks_of_accuracy

    check_targets("measured")
    measured = None
    if robustness is not None:  # refused before the long work where it is of another model
        itself = {"path": str(model), "sha256": read_artifact(model).sha256}
        measured = measurement_of(robustness, [itself], options["confidence"])
    report = measure(audit, model, images, target, options=options)
    if options["as_json"] or options["quiet"]:
        # The run has warned of the accuracy already, and the table is not printed.
        for reason in filterfalse(speaks_of_accuracy, report.precondition.reasons):
            say(f"Warning: {NO_FINDING}: {reason}", err=True)
    print_written(report, "Report", target, options, robustness=measured)
