"""``iaside inspect``: what an artifact is, and which preprocessing it wants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .numbers import FILE, NEW_FILE
from .options import (
    json_option,
    label_options,
    naming_options,
    overwrite_option,
    progress_option,
    reading_options,
    sample_options,
)
from .output import check_targets, print_json


@click.command()
@click.argument("model", type=FILE, required=False)
@reading_options
@click.option(
    "--data", "images", type=FILE, metavar="IMAGES",
    help="Find out on these labelled images which preprocessing the model wants.",
)  # fmt: skip
@label_options
@naming_options
@sample_options(50)
@click.option(
    "--write-recipe", "recipe", type=NEW_FILE, metavar="FILE.toml",
    help="Write the best preprocessing for analyze --preprocess.",
)  # fmt: skip
@click.option(
    "--write-labels", "labels_file", type=NEW_FILE, metavar="FILE.csv",
    help="Write the labels of all pictures of the folder for --labels.",
)  # fmt: skip
@click.option(
    "--providers", is_flag=True,
    help="Say which providers this machine has, and which would run MODEL, if one is given.",
)  # fmt: skip
@overwrite_option("what is written")
@progress_option
@json_option
def inspect(
    model: Path | None,
    images: Path | None,
    recipe: Path | None,
    providers: bool,
    overwrite: bool,
    progress: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Say what an ONNX file is, and which providers would run it.

    With --data it tries preprocessing recipes, channel orders and label offsets on a few images
    and ranks them.

    \b
    Example:
      iaside inspect model.onnx
      iaside inspect model.onnx --data photos/ --write-recipe recipe.toml
      iaside inspect model.onnx --providers
    """
    from ..inference.inspection import inspect as describe
    from ..inference.map_meaning import Told
    from ..inference.plugin_loading import load_plugins
    from ..storage.output_file import whole_file
    from ..views.inspection_table import print_candidates, print_inspection
    from ..views.terminal import listener

    labels, written = options["labels"], options["labels_file"]
    if images is None and (labels or recipe or written):
        raise click.UsageError("--labels, --write-recipe and --write-labels need --data IMAGES")
    check_targets()
    load_plugins(options.pop("ep_library"))
    if providers:
        _inspect_providers(model, images, options["ort_extension"], as_json)
        return
    if model is None:
        raise click.UsageError("Missing argument 'MODEL' (--providers goes without one).")
    _check_target("--write-labels", written, ".csv", overwrite)
    _check_target("--write-recipe", recipe, ".toml", overwrite)
    named = ("input", "output", "layout", "size", "set", "task", "head", "ort_extension")
    asked = {key: options[key] for key in named}
    told = Told.by(labels, options["class_names"])
    naming = {"labels": labels, "class_names": options["class_names"]}
    description: dict[str, Any] = {**describe(model, **asked, told=told, naming=naming)}
    if images is not None:
        from ..recipe_search.findings import pixel_range_on_images
        from ..recipe_search.search import search_recipes

        if not as_json:
            print_inspection(description)
        options |= {"listener": listener(quiet=False, progress=progress)}
        description |= search_recipes(model, images, sha256=description["sha256"], **options)
        search = description["search"]
        search["options"] = _typed(search["options"])
        search["command"] = None
        search["findings"] += pixel_range_on_images(description)
        if search["above_chance"] and search["class_order"] is None:
            search["command"] = _analyze(search, model, images, labels, recipe)
            if recipe is not None:
                with whole_file(recipe) as scratch:
                    scratch.write_text(search["toml"], encoding="utf-8")
    if as_json:
        print_json(description)
    elif images is not None:
        print_candidates(description, recipe)
    else:
        print_inspection(description)


def _inspect_providers(
    model: Path | None, images: Path | None, extensions: Any, as_json: bool
) -> None:
    from ..inference.provider_facts import provider_facts
    from ..views.inspection_table import print_providers

    if images is not None:
        raise click.UsageError("--providers goes without --data")
    software, facts = provider_facts(model, extensions)
    if as_json:
        print_json({**software, "model": None if model is None else str(model), "providers": facts})
    else:
        print_providers(software, facts, model)


def _typed(options: dict[str, Any]) -> list[str]:
    from ..spelling import words

    return [word for name, value in options.items() for word in words(name, value)]


def _analyze(
    search: dict[str, Any], model: Path, images: Path, labels: Path | None, recipe: Path | None
) -> str:
    """The command that audits with the best candidate, quoted for a shell.

    Without a file of the recipe it takes the preset, or speaks of ``recipe.toml``. What the file
    or one beside it says needs no option.
    """
    from ..spelling import command_text, path_word

    declared = recipe is None and search["source"] is not None
    best = None if declared else recipe or search["preset"] or "recipe.toml"
    given = [*_typed({"labels": labels, "preprocess": best}), *search["options"]]
    paths = map(path_word, (model, images))
    return command_text(["iaside", "analyze", *paths, "-o", "report.h5", *given])


def _check_target(name: str, target: Path | None, ending: str, overwrite: bool) -> None:
    if target is None:
        return
    if target.suffix.lower() != ending:
        raise click.UsageError(f"{name} {target}: the name must end in {ending}")
    from ..storage.output_file import check_folder, check_free

    check_folder(target)
    check_free(target, overwrite=overwrite)
