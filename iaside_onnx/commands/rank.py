"""``iaside rank``: many models in one table."""

from __future__ import annotations

from pathlib import Path

import click

from ..storage.output_file import PICTURES
from .numbers import FILE, TEXT
from .options import (
    Listed,
    confidence_option,
    csv_option,
    json_option,
    overwrite_option,
    target_option,
)
from .output import check_picture_target, check_targets, present, print_csv, print_result


@click.command()
@click.argument("files", type=FILE, nargs=-1, required=True)
@click.option(
    "--by", cls=Listed, table="comparisons.ranking_measures.BY", type=TEXT, metavar="MEASURE",
    help="What the models are in the order of: {names}.  [default: corrupted, or score where no "
    "errors were measured]",
)  # fmt: skip
@click.option("--reverse", is_flag=True, help="The last comes first.")
@target_option(
    "FILE.html|png|svg|pdf", "Also write the table as a page, or draw the models in their order."
)
@overwrite_option("an existing file")
@confidence_option()
@csv_option
@json_option
def rank(
    files: tuple[Path, ...],
    by: str | None,
    confidence: float,
    target: Path | None,
    *,
    overwrite: bool,
    reverse: bool,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Rank many models, and say which of them can be told apart.

    Takes files of iaside robustness and of iaside analyze, folders of audits, and folders of all of
    these, in any order. Files of one model (by hash) make one row. Models are ranked on one ground:
    what was measured on other images or with other settings is left out, and said.

    \b
    Example:
      iaside rank robustness/ analyses/
      iaside rank robustness/model.h5 robustness/model-v2.h5 --by noise
      iaside rank robustness/ --csv
      iaside rank robustness/ analyses/ -o models.html
      iaside rank robustness/ analyses/ -o ranking.png
    """
    from ..comparisons.ranking import rank as ranking_of
    from ..storage.output_file import PAGES, check_free
    from ..views.terminal import listener

    if as_csv and as_json:
        raise click.UsageError("--json and --csv both take standard output; give one")
    check_targets()
    of_page = target is not None and target.suffix.lower() in PAGES
    if target is not None and of_page:
        check_free(target, overwrite=overwrite)
    elif target is not None and target.suffix.lower() not in PICTURES:
        raise click.UsageError(
            f"{target}: the name of a page ends in .html, that of a picture in "
            f"{', '.join(PICTURES)}"
        )
    else:
        check_picture_target(target, overwrite=overwrite)
    heard = listener(quiet=False, progress=False, unit="files")
    ranking = ranking_of(files, by=by, reverse=reverse, confidence=confidence, listener=heard)
    if target is not None and of_page:
        ranking.to_html(target, overwrite=overwrite)
        print_csv(("", ranking)) if as_csv else print_result(ranking, as_json=as_json)
        if not as_csv and not as_json:
            click.echo(f"Page: {target}")
        return
    if not as_csv:
        present(ranking, target, overwrite=overwrite, as_json=as_json)
        return
    if target is not None:
        from ..views.plotting import save

        save([ranking], target, overwrite=overwrite)
    print_csv(("", ranking))
