"""``iaside correlate``: how well the score predicts measured robustness over several models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .numbers import FILE
from .options import confidence_option, json_option, picture_options, score_options
from .output import check_picture_target, check_targets, present, result_files, say_next

# So many files are named in a command to copy.
_FEW = 4


@click.command()
@click.argument("files", type=FILE, nargs=-1, required=True)
@click.option(
    "--baseline", type=FILE, metavar="FILE.h5",
    help="Robustness report of the model that mCE and relative mCE are relative to.",
)  # fmt: skip
@score_options
@confidence_option()
@picture_options("Also draw the models, score against robustness.")
@json_option
def correlate(
    files: tuple[Path, ...], target: Path | None, overwrite: bool, as_json: bool, **options: Any
) -> None:
    """Say how well the score predicts measured robustness.

    Over several models. Takes files of analyze and of robustness in any order; two of one model (by
    hash) make one point. At least four models are needed. A folder stands for the files in it.

    \b
    Example:
      iaside correlate analyses/*.h5 robustness/*.h5 -o models.png
    """
    from ..comparisons.correlation import correlate as over_models

    check_targets()
    check_picture_target(target, overwrite=overwrite)
    present(
        over_models(*result_files(files), **options), target, overwrite=overwrite, as_json=as_json
    )
    if not as_json:
        named = files if len(files) <= _FEW else ("FILE...",)
        say_next("rank", *named, gives="the models in one table")
