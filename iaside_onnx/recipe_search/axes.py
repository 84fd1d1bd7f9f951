"""The recipes that the search for an unknown artifact's preprocessing tries: two short axes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from onnx import TensorProto

from ..inference.input_form import InputForm
from ..preprocessing.preprocess import PRESETS, Preprocess
from ..preprocessing.recipe_keys import LETTERBOX

UNTOUCHED = "as they are"
Given = Mapping[str, Preprocess]
"""Recipes that somebody wrote down for the model, the most binding first: "declared", "beside"."""
# What fills letterboxes: black, and the grey of a family of detectors.
_LETTERBOXES = ((0.0, "center"), (114.0, "center"), (0.0, "top-left"), (128.0, "top-left"))


def values_axis(form: InputForm, given: Given) -> Iterable[Preprocess]:
    """The axis of scale, mean, deviation and channel order."""
    chosen = list(PRESETS.values())
    if form.channels == 1:
        chosen = [preset for preset in chosen if len(preset.mean) == 1]
        # The mean and deviation of MNIST in PyTorch's examples; dark strokes for light ones.
        chosen.append(Preprocess("mnist", mean=(0.1307,), std=(0.3081,)))
        chosen.append(Preprocess("inverted", scale=-1.0, mean=(-1.0,)))
    if form.elem_type == TensorProto.UINT8:
        chosen = [PRESETS["raw"]]
    for recipe in given.values():
        recipe.affine(form.channels)  # refuses three means for one channel
    chosen = [*(replace(recipe, name=name) for name, recipe in given.items()), *chosen]
    tried = set()
    for recipe in chosen:
        for channels in ("rgb", "bgr") if form.channels == 3 else (recipe.channels,):
            turned = recipe if channels == recipe.channels else _turned(recipe)
            key = (turned.channels, turned.scale, turned.mean, turned.std)
            if key not in tried:
                tried.add(key)
                order = f", {channels.upper()}" if form.channels == 3 else ""
                yield replace(turned, name=recipe.name + order)


def _turned(recipe: Preprocess) -> Preprocess:
    """The same values with the other channel order."""
    return replace(
        recipe,
        channels="rgb" if recipe.channels == "bgr" else "bgr",
        mean=recipe.mean[::-1],
        std=recipe.std[::-1],
    )


def geometry_axis(
    form: InputForm, size: tuple[int, int] | None, given: Given
) -> Iterable[Preprocess]:
    """The axis of resize, crop and interpolation; the first is what all values are tried with."""
    height, width = form.height, form.width
    for name, recipe in given.items():
        if recipe.resize or recipe.resize_ratio:
            yield replace(recipe.for_size(height, width), name=name)
    if size == (height, width):
        yield Preprocess(UNTOUCHED).for_size(height, width)
        return
    if height == width:
        for preset in ("imagenet", "inception", "clip", "unit"):
            settled = PRESETS[preset].for_size(height, width)
            yield replace(settled, name=f"short side {settled.resize}, {settled.interpolation}")
    else:
        for interpolation in ("bilinear", "bicubic"):
            yield Preprocess(f"short side fits, {interpolation}", interpolation=interpolation)
    for interpolation in ("bilinear", "nearest"):
        name = f"squeezed, {interpolation}"
        yield Preprocess(name, resize=(height, width), interpolation=interpolation)
    # What tf.image.resize does unless told otherwise.
    yield Preprocess("squeezed, not antialiased", resize=(height, width), antialias=False)
    if size is None or size[0] * width != size[1] * height:
        for level, place in _LETTERBOXES:
            name = f"letterbox, {place}, padded with {level:g}"
            yield Preprocess(name, resize=LETTERBOX, pad=(level,), pad_position=place)


def joined(values: Preprocess, geometry: Preprocess, form: InputForm) -> Preprocess:
    """One recipe from both axes, named after the preset that does the same, if there is one."""
    recipe = replace(
        values,
        name=f"{values.name}, {geometry.name}",
        resize=geometry.resize,
        resize_ratio=geometry.resize_ratio,
        crop=(form.height, form.width),
        interpolation=geometry.interpolation,
        antialias=geometry.antialias,
        pad=geometry.pad,
        pad_position=geometry.pad_position,
    )
    for preset in PRESETS.values():
        settled = preset.for_size(form.height, form.width)
        if geometry.name == UNTOUCHED:  # pictures that no resize changes
            settled = replace(settled, interpolation=recipe.interpolation)
        if replace(settled, name=recipe.name, layout=recipe.layout) == recipe:
            return replace(recipe, name=preset.name)
    return recipe
