"""``iaside merge``: parts of one audit become the report of the whole."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .measurements import print_result
from .options import json_option, view_options


@click.command()
@click.argument("reports", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "-o", "--output-file", "target", type=click.Path(path_type=Path), required=True,
    metavar="REPORT.h5", help="Where the report goes.",
)  # fmt: skip
@click.option("--allow-missing", is_flag=True, help="Join what there is, as a part of the sample.")
@view_options
@click.option("--overwrite", is_flag=True, help="Replace an existing report.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@json_option
def merge(
    reports: tuple[Path, ...],
    target: Path,
    allow_missing: bool,
    value: str | None,
    beta: float | None,
    confidence: float | None,
    overwrite: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Join the files of runs with --shard into the one that a single run would have written.

    The order of the reports does not matter. The view options set the view of all parts.

    \b
    Example:
      iaside analyze models/demo-plain.onnx demo/test -o part1.h5 --shard 1/2
      iaside analyze models/demo-plain.onnx demo/test -o part2.h5 --shard 2/2
      iaside merge part1.h5 part2.h5 -o plain.h5
    """
    from ..results.merging import merge as joined
    from ..storage.output_file import check_folder, check_free, sole_writer

    check_folder(target)
    with sole_writer(target):
        check_free(target, overwrite=overwrite)
        found = joined(
            reports,
            allow_missing=allow_missing,
            value=value,
            beta=beta,
            confidence=confidence,
        )
        found.save(target, overwrite=True)
    if as_json:
        click.echo(json.dumps(found.summary(), indent=2))
    elif not quiet:
        print_result(found)
        click.echo(f"Report: {target}")
