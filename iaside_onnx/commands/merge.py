"""``iaside merge``: parts of one audit become the report of the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .numbers import FILE
from .options import json_option, overwrite_option, quiet_option, target_option, view_options
from .output import check_targets, print_written


@click.command()
@click.argument("reports", type=FILE, nargs=-1, required=True)
@target_option("REPORT.h5", "Where the report goes.", default="REPORT-merged.h5")
@click.option("--allow-missing", is_flag=True, help="Join what there is, as a part of the sample.")
@view_options
@overwrite_option("an existing report")
@quiet_option
@json_option
def merge(
    reports: tuple[Path, ...],
    target: Path,
    allow_missing: bool,
    overwrite: bool,
    quiet: bool,
    as_json: bool,
    **view: Any,
) -> None:
    """Join the files of runs with --shard into one.

    It is the file that a single run would have written. The order of the reports does not matter.
    The view options set the view of all parts.

    \b
    Example:
      iaside analyze model.onnx photos/ -o part1.h5 --shard 1/2
      iaside analyze model.onnx photos/ -o part2.h5 --shard 2/2
      iaside merge part1.h5 part2.h5 -o merged.h5
    """
    from ..results.merging import merge as joined
    from ..storage.output_file import check_folder, check_free_for_result, sole_writer

    check_folder(target)
    check_targets()
    with sole_writer(target):
        check_free_for_result(target, overwrite=overwrite)
        whole = joined(reports, allow_missing=allow_missing, **view)
        whole.save(target, overwrite=True)
    print_written(whole, "Report", target, {"quiet": quiet, "as_json": as_json})
