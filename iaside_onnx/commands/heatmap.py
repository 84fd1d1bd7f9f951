"""``iaside heatmap``: a model under each Fourier basis vector."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from .analyze import OWN_PROCESS
from .numbers import plain
from .options import (
    bands_option,
    confidence_option,
    label_options,
    naming_options,
    norm_option,
    number_or,
    output_kind,
    preprocess_option,
    reading_options,
    resume_option,
    running_options,
    sample_options,
    skip_bad_option,
    target_option,
    telling_options,
)


def _grid(_: click.Context, __: click.Parameter, value: str | None) -> int | str | None:
    if value is None or value == "full":
        return value
    try:
        side: int = plain(value, int)
        return side
    except ValueError:
        raise click.BadParameter(f"'{value}' is neither 'full' nor a number") from None


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("images", type=click.Path(path_type=Path))
@target_option("FILE.h5")
@label_options
@naming_options
@skip_bad_option
@click.option(
    "--grid", callback=_grid, metavar="N|full",
    help="Frequencies an axis, an odd number, or all.  [default: 2 bands + 1]",
)  # fmt: skip
@click.option(
    "--strength", callback=number_or("auto", float, None), default="auto", show_default=True,
    metavar="auto|V",
    help="l2 norm of the wave in each channel, for pixels in [0, 1]; auto: as published.",
)  # fmt: skip
@click.option("--clip", is_flag=True, help="Cut perturbed images to [0, 1].")
@bands_option
@norm_option
@sample_options(200)
@preprocess_option
@reading_options
@running_options
@confidence_option
@click.option(
    "--analysis", type=click.Path(path_type=Path), metavar="REPORT.h5",
    help="A report of analyze on the same model: its bands are taken, its SID stands beside.",
)  # fmt: skip
@click.option(
    "--plot", "picture", type=click.Path(path_type=Path), metavar="FILE.png|svg|pdf",
    help="Draw the picture too.",
)  # fmt: skip
@resume_option
@telling_options
@click.pass_obj
def heatmap(
    owner: str | None,
    /,
    model: Path,
    images: Path,
    target: Path,
    logits: bool | None,
    analysis: Path | None,
    picture: Path | None,
    overwrite: bool,
    progress: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure error and prediction change under each Fourier basis vector of one strength.

    The Fourier heat map of Yin et al. (NeurIPS 2019), with the bands of the SID drawn over it.
    IMAGES is what analyze takes; `iaside show` and `iaside plot` read the file again.

    \b
    Example:
      iaside heatmap models/demo-plain.onnx demo/test -o map.h5 --plot map.png
      iaside plot map.h5 plain.h5 -o both.png
    """
    from ..inference.session import claim_process
    from ..measure.heatmap import measure_heatmap
    from ..views.terminal import listener

    beside = None
    if analysis is not None:
        from ..results.report import load

        beside = load(analysis)
    # A run that goes on ends in the picture that one from the start would have drawn.
    redraw = overwrite or bool(options["resume"])
    if picture is not None:
        from ..views.plots import check_picture

        check_picture(picture, overwrite=redraw)
    if owner == OWN_PROCESS:
        claim_process()
    given = {key: value for key, value in options.items() if value is not None}
    report = measure_heatmap(
        model,
        images,
        target,
        analysis=beside,
        output_kind=output_kind(logits),
        overwrite=overwrite,
        listener=listener(quiet=quiet, progress=progress),
        **given,
    )
    if as_json:
        click.echo(json.dumps(report.summary(beside), indent=2))
    elif not quiet:
        from ..views.heatmap_table import print_heatmap

        print_heatmap(report, beside)
        click.echo(f"Heat map: {target}")
    if picture is not None:
        from ..views.heatmap_plot import save_heatmaps

        save_heatmaps([report], [target.stem], [beside], picture, overwrite=redraw)
        if not (as_json or quiet):
            click.echo(f"Picture: {picture}")


def plot_beside(
    paths: Sequence[Path], target: Path, confidence: float | None, overwrite: bool
) -> None:
    """What ``iaside plot`` does with heat maps, and with analyses of their models among them."""
    from ..results.heatmap import HEATMAP_FORMAT, load_heatmap
    from ..results.kinds import format_of
    from ..results.report import load
    from ..views.heatmap_plot import save_heatmaps

    maps = [path for path in paths if format_of(path, [HEATMAP_FORMAT])]
    reports = [load_heatmap(path).view(confidence=confidence) for path in maps]
    analyses = {}
    for path in paths:
        if path not in maps:
            found = load(path)
            analyses[found.model["sha256"]] = found
            if all(report.model["sha256"] != found.model["sha256"] for report in reports):
                raise click.UsageError(f"{path}: is of a model that none of the heat maps is of")
    beside = [analyses.get(report.model["sha256"]) for report in reports]
    save_heatmaps(reports, [path.stem for path in maps], beside, target, overwrite=overwrite)
