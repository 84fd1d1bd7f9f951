"""``iaside predict``: what corruptions will cost a model, without running it on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from .measure import measure, run_options
from .numbers import FILE, INTEGER
from .options import (
    confidence_option,
    corruption_options,
    json_option,
    label_options,
    naming_options,
    norm_option,
    overwrite_option,
    preprocess_option,
    progress_option,
    quiet_option,
    reading_options,
    running_options,
    sample_options,
    skip_bad_option,
    target_option,
)
from .output import check_targets, present, print_written, say_next

# Options of a prediction from a report; all others go with a model.
_OF_REPORT = {"source", "snr", "measured", "confidence", "target", "overwrite", "as_json"}


@click.command()
@click.argument("source", metavar="REPORT|IMAGES", type=FILE)
@click.option(
    "--snr",
    "snr",
    type=FILE,
    metavar="SNR.h5",
    help="What the corruptions do to each band: a file of iaside snr. Needed with a report; with "
    "--model its average spectra are taken.",
)
@click.option(
    "--measured",
    type=FILE,
    metavar="ROBUSTNESS.h5",
    help="Put the damage beside that iaside robustness measured, and say how well it was "
    "predicted; with --model also which share of it is spectral.",
)
@confidence_option(None)
@target_option(
    "FILE",
    "A picture (.png, .svg, .pdf); with --model also the file of the result (.h5).",
    required=False,
)
@overwrite_option("what is there")
@click.option(
    "--model",
    type=FILE,
    metavar="MODEL.onnx",
    help="Run this model on spectral stand-ins of IMAGES instead of reading a report.",
)
@click.option(
    "--spectrum",
    type=FILE,
    multiple=True,
    metavar="FILE.csv",
    help="With --model: a perturbation known by its spectrum alone, columns radius,gain,noise; "
    "may be repeated.",
)
@click.option(
    "--rings",
    type=INTEGER,
    metavar="N",
    help="With --model: rings of the stand-ins.  [default: 32, or as many as the size resolves]",
)
@norm_option
@click.option(
    "--placed",
    is_flag=True,
    help="With --model: place the noise of a stand-in where the corruption has its own.",
)
@corruption_options
@label_options
@naming_options
@skip_bad_option
@sample_options(200)
@preprocess_option
@reading_options
@running_options
@run_options
@progress_option
@quiet_option
@json_option
def predict(
    source: Path,
    snr: Path | None,
    measured: Path | None,
    confidence: float | None,
    target: Path | None,
    overwrite: bool,
    model: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Predict the damage of each corruption and severity.

    From a REPORT and an SNR file no model is needed: the report must have the bands, norm and size
    of that file. How well the order of the corruptions was predicted differs much between networks
    and images: the output says where it held and where it failed, and --measured says it for this
    model.

    With --model and IMAGES the model answers spectral stand-ins: clean images whose rings are
    scaled, and filled with noise of random phase, as the perturbation does. It takes as many
    passes as iaside robustness on the same images, which is the better measurement; stand-ins say
    which share of that damage is spectral (--measured), and predict perturbations that are known
    by their spectrum alone (--spectrum). All further options go with --model.

    \b
    Example:
      iaside predict analyses/model.h5 --snr snr.h5
      iaside predict analyses/model.h5 --snr snr.h5 --measured robustness/model.h5 -o predicted.png
      iaside predict --model model.onnx photos/ --samples 21 --measured robustness/model.h5
      iaside predict --model model.onnx photos/ --spectrum night.csv
    """
    check_targets("read" if model is None else "measured")
    if model is None:
        _from_report(source, snr, measured, confidence, target, overwrite, as_json)
        return
    given = {**options, "snr": snr, "confidence": confidence, "as_json": as_json}
    _from_model(model, source, measured, target, overwrite, given)


def _from_report(
    report: Path,
    snr: Path | None,
    measured: Path | None,
    confidence: float | None,
    target: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """From a report and a file of iaside snr; options that go with a model are refused."""
    import iaside_onnx as ia

    from ..storage.output_file import check_picture_ending

    context = click.get_current_context()
    for each in context.command.params:
        source = context.get_parameter_source(each.name or "")
        if each.name not in _OF_REPORT and source is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{each.opts[0]} goes with --model, which is not given")
    if snr is None:
        raise click.UsageError(
            "Missing option '--snr', a file of iaside snr; or give --model and images"
        )
    if target is not None:
        check_picture_ending(target)
    prediction = ia.predict_damage(ia.Report.load(report), ia.load_snr(snr), confidence=confidence)
    if measured is not None:
        prediction = prediction.beside(ia.load_robustness(measured))
    present(prediction, target, overwrite=overwrite, as_json=as_json)
    if measured is None and not as_json:
        say_next("robustness", "MODEL", "IMAGES", gives="what was predicted, measured")


def _from_model(
    model: Path,
    images: Path,
    measured: Path | None,
    target: Path | None,
    overwrite: bool,
    options: dict[str, Any],
) -> None:
    from ..comparisons.shares import damage_shares
    from ..measure.stand_ins import measure_stand_ins
    from ..results.robustness import RobustnessReport
    from ..storage.output_file import PICTURES

    picture = target if target is not None and target.suffix.lower() in PICTURES else None
    kept = None if picture is not None else target
    if kept is None and options["resume"]:
        raise click.UsageError("--resume needs the file of the result, -o FILE.h5")
    if picture is not None:
        from ..views.figure import check_picture

        check_picture(picture, overwrite=overwrite)
    held = None if measured is None else RobustnessReport.load(measured)
    writing = {} if kept is None else {"overwrite": overwrite}
    paths = [model, images] if kept is None else [model, images, kept]
    result = measure(measure_stand_ins, *paths, measured=held, options={**options, **writing})
    shown = result if held is None else damage_shares(result, held)
    if picture is not None:
        from ..views.plotting import save

        save([shown], picture, overwrite=overwrite)
    word = "Stand-ins" if picture is None else "Picture"
    print_written(shown, word, target, options)
