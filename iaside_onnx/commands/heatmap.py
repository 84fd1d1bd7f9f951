"""``iaside heatmap``: a model under each Fourier basis vector."""

from __future__ import annotations

import json
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
        from ..views.figure import check_picture

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
        from ..views.registry import save

        save([report], picture, [target.stem], [beside], overwrite=redraw)
        if not (as_json or quiet):
            click.echo(f"Picture: {picture}")
