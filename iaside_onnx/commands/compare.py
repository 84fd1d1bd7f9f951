"""``iaside compare``: what differs between models, image by image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .numbers import FILE, NUMBER
from .options import json_option, view_options


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
@click.option(
    "-o", "--output-file", "target", type=FILE,
    metavar="FILE.png|svg|pdf", help="Also draw the differences.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace an existing picture.")
@view_options
@json_option
def compare(
    reports: tuple[Path, ...], target: Path | None, overwrite: bool, as_json: bool, **options: Any
) -> None:
    """Say what differs between models, image by image: the first report is the reference.

    \b
    Example:
      iaside compare plain.h5 robust.h5
      iaside compare float.h5 int8.h5 --margin 0.02 -o difference.png
      iaside compare plain.h5 robust.h5 --replicate plain-2.h5 --replicate plain-3.h5
    """
    from ..comparisons.comparison import compare as hold_against

    found = hold_against(*reports, **options)
    if target is not None:
        from ..views.registry import save

        save([found], target, overwrite=overwrite)
    if as_json:
        click.echo(json.dumps(found.summary(), indent=2))
        return
    from ..views.comparison_table import print_comparison

    print_comparison(found)
    if target is not None:
        click.echo(f"Picture: {target}")
