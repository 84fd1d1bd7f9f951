"""``iaside compare``: what differs between models, image by image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .numbers import FILE, NUMBER
from .options import any_view_options, json_option, picture_options
from .output import check_targets, present


@click.command()
@click.argument("reports", type=FILE, nargs=-1, required=True)
@click.option(
    "--replicate", "replicates", type=FILE, multiple=True,
    metavar="REPORT", help="A further training of the first report's recipe, which differs by its "
    "seed alone: differences are then judged between trainings. May be repeated.",
)  # fmt: skip
@click.option("--per-class", is_flag=True, help="Add the differences of every class.")
@click.option(
    "--margin", type=NUMBER, metavar="D",
    help="Say whether the signed scores differ by no more than D.",
)  # fmt: skip
@picture_options("Also draw the differences.")
@any_view_options
@json_option
def compare(
    reports: tuple[Path, ...], target: Path | None, overwrite: bool, as_json: bool, **options: Any
) -> None:
    """Say what differs between models, image by image.

    The first report is the reference.

    \b
    Example:
      iaside compare report.h5 report-v2.h5
      iaside compare report.h5 report-v2.h5 --margin 0.02 -o difference.png
    """
    from ..comparisons.comparison import compare as comparison_of

    check_targets()
    present(comparison_of(*reports, **options), target, overwrite=overwrite, as_json=as_json)
