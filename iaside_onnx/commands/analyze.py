"""``iaside analyze``: the main job."""

from __future__ import annotations

import json
from itertools import filterfalse
from pathlib import Path
from typing import Any

import click

from .numbers import INTEGER, NUMBER, TEXT
from .options import (
    Listed,
    bands_option,
    label_options,
    naming_options,
    norm_option,
    output_kind,
    preprocess_option,
    reading_options,
    resume_option,
    robustness_option,
    running_options,
    sample_options,
    skip_bad_option,
    target_option,
    telling_options,
    view_options,
)

# What the command line passes as its context's object: its process runs nothing but us.
OWN_PROCESS = "own process"


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("images", type=click.Path(path_type=Path))
@target_option("REPORT.h5")
@label_options
@naming_options
@skip_bad_option
@bands_option
@click.option("--separate-dc", is_flag=True, help="Make the mean colour a player of its own.")
@norm_option
@click.option(
    "--absence", cls=Listed, table="mathematics.absence.ABSENCES", default="gaussian",
    show_default=True, help="What stands for an absent band: {names}.",
)  # fmt: skip
@sample_options(200)
@preprocess_option
@reading_options
@running_options
@click.option(
    "--output-map", default="real", show_default=True,
    help="real, or magnitude to read coalitions as the authors' script does.",
)  # fmt: skip
@click.option(
    "--estimator",
    help="exact, permutation or regression.  [default: exact up to 10 players, else permutation]",
)
@click.option(
    "--passes", type=INTEGER, metavar="N",
    help="Forward passes an image of an estimator that draws.  [default: by the number of bands]",
)  # fmt: skip
@click.option(
    "--target-stderr", type=NUMBER, metavar="E",
    help="Stop when the standard error of the signed score is E; --samples is then the most.",
)  # fmt: skip
@click.option("--time-budget", type=NUMBER, metavar="SECONDS", help="Stop after so many seconds.")
@click.option(
    "--shard", metavar="I/N", help="Audit the I-th of N parts of the sample (for iaside merge)."
)
@click.option(
    "--dask", type=TEXT, metavar="ADDRESS|local:N",
    help="Evaluate on the workers of a Dask scheduler, or in N processes here.",
)  # fmt: skip
@view_options
@robustness_option()
@resume_option
@telling_options
@click.pass_obj
def analyze(
    owner: str | None,
    /,
    model: Path,
    images: Path,
    target: Path,
    logits: bool | None,
    robustness: Path | None,
    progress: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Audit a classifier: find the frequency bands that its predictions rest on.

    IMAGES is a folder with one sub-folder per class, any folder with --labels FILE.csv, a .npz
    or .h5 file with the arrays images and labels, or WebDataset tar shards or Hugging Face
    Parquet: one file, a folder of them, or a quoted pattern such as 'val-{000..049}.tar'.

    \b
    Example:
      iaside analyze models/demo-plain.onnx demo/test -o plain.h5
      iaside analyze resnet50.onnx val/ -o r50.h5 --preprocess imagenet --samples 500
    """
    from ..inference.session import claim_process
    from ..measure.analysis import analyze as audit
    from ..results.finding import NO_FINDING
    from ..results.precondition import speaks_of_accuracy
    from ..views.terminal import listener, print_report

    measured = None if robustness is None else _measured(robustness, model, options["confidence"])
    if owner == OWN_PROCESS:
        claim_process()
    given = {key: value for key, value in options.items() if value is not None}
    report = audit(
        model,
        images,
        target,
        output_kind=output_kind(logits),
        listener=listener(quiet=quiet, progress=progress),
        **given,
    )
    if as_json or quiet:
        # The run has warned of the accuracy already, and the table is not printed.
        for reason in filterfalse(speaks_of_accuracy, report.precondition.reasons):
            click.echo(f"Warning: {NO_FINDING}: {reason}", err=True)
    if as_json:
        click.echo(json.dumps(report.summary(robustness=measured), indent=2))
    elif not quiet:
        print_report(report, robustness=measured)
        click.echo(f"Report: {target}")


def _measured(path: Path, model: Path, confidence: float | None) -> Any:
    """A measurement of this model, refused before the long work where it is of another."""
    from ..onnx_file.artifact import read_artifact
    from ..results.finding import check_measures
    from ..results.robustness import load_robustness

    found = load_robustness(path).view(confidence=confidence)
    check_measures(path, found, [{"path": str(model), "sha256": read_artifact(model).sha256}])
    return found
