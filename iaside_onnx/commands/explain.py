"""``iaside explain``: by which bands a perturbation damages a classifier's answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from .measure import measure, model_on_images
from .numbers import FILE, INTEGER
from .options import (
    Listed,
    bands_option,
    confidence_option,
    norm_option,
    queries_option,
    radius,
    spacing_options,
    together,
)
from .output import check_targets, print_json, print_written


@click.command()
@model_on_images(
    "FILE.h5|FOLDER",
    "MODEL-damage.h5",
    click.option(
        "--corruption", cls=Listed, table="corruptions.severity.choices", multiple=True,
        metavar="NAME", help="What perturbs the images; may be repeated: {names}.",
    ),
    click.option(
        "--severity", type=INTEGER, multiple=True, metavar="1..5",
        help="Of the corruptions; may be repeated.  [default: 3]",
    ),
    click.option(
        "--attack", multiple=True, metavar="NAME",
        help="square-linf, square-l2, spsa-linf or spsa-l2; may be repeated.",
    ),
    click.option(
        "--epsilon", multiple=True, callback=radius, metavar="R",
        help="Radius of an attack, 1 being from black to white; one for each attack or for all.  "
        "[default: 4/255 for linf; for l2 0.5 at 32 x 32, more for larger images]",
    ),
    queries_option,
    click.option(
        "--perturbed", type=FILE, multiple=True, metavar="FOLDER",
        help="Your own perturbed pictures, matched by their paths without suffix; may be repeated.",
    ),
    click.option(
        "--split", is_flag=True,
        help="Part each band's share into what is taken away and what is added.",
    ),
    bands_option,
    click.option("--separate-dc", is_flag=True, help="Make the mean colour a player of its own."),
    norm_option,
    spacing_options,
    click.option(
        "--estimator",
        help="exact, permutation or regression.  "
        "[default: exact up to 10 players, 8 with --split, else permutation]",
    ),
    click.option(
        "--passes", type=INTEGER, metavar="N",
        help="Forward passes an image of an estimator that draws.  "
        "[default: by the number of bands]",
    ),
    view=together(
        click.option(
            "--value", metavar="KIND",
            help="Damage in right (points of accuracy), same-answer or log-prob.  "
            "[default: right; same-answer with --labels model]",
        ),
        confidence_option(),
    ),
)  # fmt: skip
def explain(model: Path, images: Path, target: Path, **options: Any) -> None:
    """Tell by which frequency bands a perturbation damages the answers.

    The bands' shares sum to the accuracy that the perturbation costs: exact Shapley values of
    a game in which some bands are clean and the others perturbed. IMAGES is what analyze
    takes. With several perturbations -o names a folder, by default MODEL-damage, with a file for
    each.

    \b
    Example:
      iaside explain model.onnx photos/ --corruption fog -o fog.h5
      iaside explain model.onnx photos/ --perturbed photos-as-jpeg/ --split -o jpeg.h5
      iaside explain model.onnx photos/ --corruption fog --corruption snow -o damage/
    """
    from ..measure.damage import explain as explained
    from ..results.damage_words import perturbation_name
    from ..views.terminal import terminal
    from ..views.text import one_line

    source = click.get_current_context().get_parameter_source("target")
    if source is ParameterSource.DEFAULT and _are_several(options):
        target = target.with_suffix("")
        click.get_current_context().params["target"] = target
    check_targets("measured")
    found = measure(explained, model, images, target, options=options)
    if not isinstance(found, list):
        print_written(found, "Report", target, options)
    elif options["as_json"]:
        print_json({"explanations": [report.summary() for report in found]})
    elif not options["quiet"]:
        out = terminal()
        for report in found:
            name = perturbation_name(report.settings["perturbation"])
            out.say(one_line(f"{name}: {report.sentence()}"))
        click.echo(
            f"Reports: {target}, {len(found)} files; iaside plot, html and show take the folder"
        )


def _are_several(options: Mapping[str, Any]) -> bool:
    """Whether several perturbations are asked for."""
    from ..measure.corrupted import asked_corruptions

    others = len(options["attack"] or ()) + len(options["perturbed"])
    if not options["corruption"]:
        return others > 1
    names, levels = asked_corruptions(options["corruption"], options["severity"] or (3,))
    return len(names) * len(levels) + others > 1
