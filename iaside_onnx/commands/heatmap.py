"""``iaside heatmap``: a model under each Fourier basis vector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .measure import measure, model_on_images
from .numbers import FILE, NEW_FILE
from .options import bands_option, norm_option, number_or, spacing_options
from .output import check_targets, print_written


@click.command()
@model_on_images(
    "FILE.h5",
    "MODEL-heatmap.h5",
    click.option(
        "--grid", callback=number_or("full", int, "full"), metavar="N|full",
        help="Frequencies an axis, an odd number, or all.  [default: 2 bands + 1]",
    ),
    click.option(
        "--strength", callback=number_or("auto", float, None), default="auto", show_default=True,
        metavar="auto|V",
        help="l2 norm of the wave in each channel, for pixels in [0, 1]; auto: as published.",
    ),
    click.option("--clip", is_flag=True, help="Cut perturbed images to [0, 1]."),
    bands_option,
    norm_option,
    spacing_options,
    click.option(
        "--analysis", type=FILE, metavar="REPORT.h5",
        help="A report of analyze on the same model: its bands are taken, its SID stands beside.",
    ),
    click.option(
        "--plot", "picture", type=NEW_FILE, metavar="FILE.png|svg|pdf", help="Draw the picture too."
    ),
)  # fmt: skip
def heatmap(
    model: Path,
    images: Path,
    target: Path,
    analysis: Path | None,
    picture: Path | None,
    **options: Any,
) -> None:
    """Measure the error under each wave of one strength, as a heat map.

    Error and prediction change under each Fourier basis vector: the Fourier heat map of Yin et al.
    (NeurIPS 2019), with the bands of the SID drawn over it. IMAGES is what analyze takes; `iaside
    show` and `iaside plot` read the file again.

    \b
    Example:
      iaside heatmap model.onnx photos/ -o heatmap.h5 --plot heatmap.png
      iaside plot heatmap.h5 analyses/model.h5 -o heatmap-bands.png
    """
    from ..measure.heatmap import measure_heatmap
    from ..results.report import load

    check_targets("measured")
    beside = None if analysis is None else load(analysis)
    # A run that goes on ends in the picture that one from the start would have drawn.
    redraw = options["overwrite"] or options["resume"]
    if picture is not None:
        from ..views.figure import check_picture

        check_picture(picture, overwrite=redraw)
    report = measure(measure_heatmap, model, images, target, analysis=beside, options=options)
    print_written(report, "Heat map", target, options, analysis=beside)
    if picture is not None:
        from ..views.plotting import save

        save([report], picture, [target.stem], [beside], overwrite=redraw)
        if not (options["as_json"] or options["quiet"]):
            click.echo(f"Picture: {picture}")
