"""The recipes that the search for an unknown artifact's preprocessing tries: two short axes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from onnx import TensorProto

from ..inference.input_form import InputForm
from ..preprocessing.preprocess import PRESETS, Preprocess

UNTOUCHED = "as they are"


def values_axis(form: InputForm, declared: Preprocess | None) -> Iterable[Preprocess]:
    """The axis of scale, mean, deviation and channel order."""
    chosen = list(PRESETS.values())
    if form.channels == 1:
        chosen = [preset for preset in chosen if len(preset.mean) == 1]
        # The mean and deviation of MNIST in PyTorch's examples; dark strokes for light ones.
        chosen.append(Preprocess("mnist", mean=(0.1307,), std=(0.3081,)))
        chosen.append(Preprocess("inverted", scale=-1.0, mean=(-1.0,)))
    if form.elem_type == TensorProto.UINT8:
        chosen = [PRESETS["raw"]]
    if declared is not None:
        declared.affine(form.channels)  # refuses three means for one channel
        chosen.insert(0, declared)
    seen = set()
    for recipe in chosen:
        for channels in ("rgb", "bgr") if form.channels == 3 else (recipe.channels,):
            turned = recipe if channels == recipe.channels else _turned(recipe)
            key = (turned.channels, turned.scale, turned.mean, turned.std)
            if key not in seen:
                seen.add(key)
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
    form: InputForm, size: tuple[int, int] | None, declared: Preprocess | None
) -> Iterable[Preprocess]:
    """The axis of resize, crop and interpolation; the first is what all values are tried with."""
    height, width = form.height, form.width
    if declared is not None and (declared.resize or declared.resize_ratio):
        yield replace(declared.for_size(height, width), name="declared")
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


def joined(values: Preprocess, geometry: Preprocess, form: InputForm) -> Preprocess:
    """One recipe from both axes, named after the preset that does the same, if there is one."""
    found = replace(
        values,
        name=f"{values.name}, {geometry.name}",
        resize=geometry.resize,
        resize_ratio=geometry.resize_ratio,
        crop=(form.height, form.width),
        interpolation=geometry.interpolation,
        antialias=geometry.antialias,
    )
    for preset in PRESETS.values():
        settled = preset.for_size(form.height, form.width)
        if geometry.name == UNTOUCHED:  # pictures that no resize changes
            settled = replace(settled, interpolation=found.interpolation)
        if replace(settled, name=found.name, layout=found.layout) == found:
            return replace(found, name=preset.name)
    return found
