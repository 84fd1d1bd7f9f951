"""``iaside inspect``: what an artifact is, and which preprocessing it wants."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import click

from .numbers import INTEGER
from .options import json_option, label_options, naming_options, output_kind, reading_options


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@reading_options
@click.option(
    "--data", "images", type=click.Path(path_type=Path), metavar="IMAGES",
    help="Find out on these labelled images which preprocessing the model wants.",
)  # fmt: skip
@label_options
@naming_options
@click.option(
    "--samples", type=INTEGER, default=50, show_default=True, help="Images to draw; 0 takes all."
)
@click.option("--seed", type=INTEGER, default=0, show_default=True, help="Seed of the sample.")
@click.option(
    "--write-recipe", "recipe", type=click.Path(path_type=Path), metavar="FILE.toml",
    help="Write the best preprocessing for analyze --preprocess.",
)  # fmt: skip
@click.option(
    "--write-labels", "labels_file", type=click.Path(path_type=Path), metavar="FILE.csv",
    help="Write the labels of all pictures of the folder for --labels.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace what is written.")
@click.option("--progress", is_flag=True, help="Show progress even where there is no terminal.")
@json_option
def inspect(
    model: Path,
    images: Path | None,
    labels: Path | None,
    logits: bool | None,
    recipe: Path | None,
    labels_file: Path | None,
    overwrite: bool,
    progress: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Say what an ONNX artifact is, and which providers would really run it.

    With --data it tries preprocessing recipes, channel orders and label offsets on a few images
    and ranks them.

    \b
    Example:
      iaside inspect models/demo-plain.onnx
      iaside inspect unknown.onnx --data val/ --labels val.csv --write-recipe mine.toml
    """
    from ..measure.inspection import inspect as describe
    from ..measure.labelling import check_labels_target
    from ..storage.output_file import whole_file
    from ..views.terminal import listener, print_candidates, print_inspection

    layout = options["layout"]
    if layout not in (None, "nchw", "nhwc"):
        raise click.UsageError(f"--layout {layout}: choose one of nchw, nhwc")
    if images is None and (labels or recipe or labels_file):
        raise click.UsageError("--labels, --write-recipe and --write-labels need --data IMAGES")
    if labels_file is not None:
        check_labels_target(labels_file, overwrite)
    if recipe is not None:
        _check_recipe_target(recipe, overwrite)
    named = {
        key: options[key] for key in ("input", "output", "layout", "size", "set", "ort_extension")
    }
    found = describe(model, **named)
    if images is not None:
        from ..recipe_search.findings import pixel_range_on_images
        from ..recipe_search.search import search_recipes
        from ..spelling import words

        if not as_json:
            print_inspection(found)
        tell = listener(quiet=False, progress=progress)
        found |= search_recipes(
            model, images, labels=labels, labels_file=labels_file,
            output_kind=output_kind(logits), listener=tell, sha256=found["sha256"], **options,
        )  # fmt: skip
        search = found["search"]
        search["command"] = None
        told = search["options"].items()
        search["options"] = [word for name, value in told for word in words(name, value)]
        search["findings"] += pixel_range_on_images(found)
        if search["above_chance"] and search["class_order"] is None:
            search["command"] = _analyze(search, model, images, labels, recipe)
            if recipe is not None:
                with whole_file(recipe) as scratch:
                    scratch.write_text(search["toml"], encoding="utf-8")
    if as_json:
        click.echo(json.dumps(found, indent=2))
    elif images is not None:
        print_candidates(found, recipe)
    else:
        print_inspection(found)


def _analyze(
    search: dict[str, Any], model: Path, images: Path, labels: Path | None, recipe: Path | None
) -> str:
    """The command that audits with the best candidate, quoted for a shell.

    Without a file of the recipe it takes the preset, or speaks of ``recipe.toml``. What the file
    or one beside it says needs no option.
    """
    from ..spelling import words

    said = recipe is None and search["source"] is not None
    best = None if said else recipe or search["preset"] or "recipe.toml"
    given = [*words("labels", labels), *words("preprocess", best), *search["options"]]
    return shlex.join(["iaside", "analyze", str(model), str(images), "-o", "report.h5", *given])


def _check_recipe_target(target: Path, overwrite: bool) -> None:
    if target.suffix.lower() != ".toml":
        raise click.UsageError(f"--write-recipe {target}: the name must end in .toml")
    from ..storage.output_file import check_folder, check_free

    check_folder(target)
    check_free(target, overwrite=overwrite)
