"""``iaside predict``: what corruptions will cost a model, without running it on them."""

from __future__ import annotations

from pathlib import Path

import click

from .numbers import FILE
from .options import confidence_option, json_option, picture_options
from .output import check_targets, present


@click.command()
@click.argument("report", type=FILE)
@click.option(
    "--snr", "snr", type=FILE, required=True, metavar="SNR.h5",
    help="What the corruptions do to each band: a file of iaside snr.",
)  # fmt: skip
@click.option(
    "--measured", type=FILE, metavar="ROBUSTNESS.h5",
    help="Put the damage beside that iaside robustness measured, and say how well it was foretold.",
)  # fmt: skip
@confidence_option(None)
@picture_options("Also draw it.")
@json_option
def predict(
    report: Path,
    snr: Path,
    measured: Path | None,
    confidence: float | None,
    target: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Foretell what each corruption will cost, from a report.

    No model is needed. The report must have the bands, norm and size of the SNR file. How well the
    order of the corruptions was foretold differs much between networks and images: the output says
    where it held and where it failed, and --measured says it for this model.

    \b
    Example:
      iaside predict analyses/model.h5 --snr snr.h5
      iaside predict analyses/model.h5 --snr snr.h5 --measured robustness/model.h5 -o foretold.png
    """
    check_targets()
    import iaside_onnx as ia

    prediction = ia.predict_damage(ia.Report.load(report), ia.load_snr(snr), confidence=confidence)
    if measured is not None:
        prediction = prediction.beside(ia.load_robustness(measured))
    present(prediction, target, overwrite=overwrite, as_json=as_json)
