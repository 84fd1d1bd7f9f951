"""``iaside compare``: what differs between models, image by image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .numbers import FILE, NUMBER
from .options import any_view_options, json_option, picture_options
from .output import (
    Next,
    check_picture_target,
    check_targets,
    present,
    print_result,
    refuse_for_audits,
    say_next,
)


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

    The first report is the reference. Folders of audits are compared in what each model gets
    right under the same corruptions.

    \b
    Example:
      iaside compare analyses/model.h5 analyses/model-v2.h5
      iaside compare analyses/model.h5 analyses/model-v2.h5 --margin 0.02 -o difference.png
    """
    from ..comparisons.comparison import compare as comparison_of

    check_targets()
    check_picture_target(target, overwrite=overwrite)
    folders = [path for path in reports if path.is_dir()]
    if folders:
        from ..comparisons.audits import check_alone, compare_audits

        check_alone(folders, [path for path in reports if not path.is_dir()])
        given = {**options, "target": target, "overwrite": overwrite}
        refuse_for_audits(given, "confidence")
        compared = compare_audits(*reports, confidence=options["confidence"])
        print_result(compared, as_json=as_json)
        gated, bound = True, ("--max-error-rise", "noise=0.05")
    else:
        found = comparison_of(*reports, **options)
        present(found, target, overwrite=overwrite, as_json=as_json)
        gated, bound = hasattr(found, "srs_range"), ("--max-drop", "0.02")  # no damage by band
    if gated and not as_json:
        gate = ("gate", reports[-1], "--baseline", reports[0])
        further = _of_damage(reports[0], reports[-1]) if folders else []
        say_next(*gate, *bound, gives="a bound for CI", further=further)


def _of_damage(reference: Path, other: Path) -> list[Next]:
    """Audits are not compared in where damage comes in: the commands that do."""
    from ..comparisons.audits import shared_files
    from ..results.audit import DAMAGE

    pairs = shared_files(reference / DAMAGE, other / DAMAGE)
    return [(("compare", *pair), "where damage differs, band by band") for pair in pairs]
