"""Preprocessing as model hubs write it down beside a model, turned into the keys of a recipe.

Hugging Face's ``preprocessor_config.json`` (``processor_config.json`` holds the same under
``image_processor``), and timm's ``config.json`` with its ``pretrained_cfg``.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UsageError
from ..spelling import option
from ..storage.regular_file import check_regular, read_bounded, real_path
from .recipe_keys import LETTERBOX, MOST_BYTES, UNRESIZED, short_text

# Files that are looked for beside a model, in this order.
_BESIDE = ("preprocessor_config.json", "processor_config.json", "config.json")
_RESAMPLE = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
# Keys of Hugging Face that say nothing about the numbers a classifier is given.
_HARMLESS = {
    "image_processor_type", "feature_extractor_type", "processor_class", "auto_map", "model_type",
    "transformers_version", "return_tensors", "data_format", "input_data_format", "device",
    "disable_grouping", "do_convert_rgb", "model_input_names", "default_to_square", "num_channels",
    "do_reduce_labels", "reduce_labels", "image_seq_length", "return_metadata",
}  # fmt: skip
_UNDERSTOOD = {
    "do_resize", "size", "resample", "do_center_crop", "crop_size", "crop_pct", "do_rescale",
    "rescale_factor", "rescale_offset", "do_normalize", "image_mean", "image_std", "do_pad",
    "do_flip_channel_order", "include_top",
}  # fmt: skip
# Processors that read one number under `size` as the short side; others make a square of it.
_SHORT_SIDE = (
    "Bit", "ChineseCLIP", "CLIP", "MobileNetV1", "MobileNetV2", "MobileViT", "MobileViTV2",
)  # fmt: skip
_SQUARE = (
    "BEiT", "Beit", "BLIP", "Blip", "DeiT", "EfficientNet", "Flava", "ImageGPT", "Siglip", "ViT",
)  # fmt: skip
_ENDINGS = ("ImageProcessorFast", "ImageProcessorPil", "ImageProcessor", "FeatureExtractor")
# Processors that take crop_pct, and what it is unless given.
_MARGINS = {"ConvNext": Fraction(7, 8), "PoolFormer": Fraction(9, 10)}
# A ConvNeXt input of this side or more is squeezed, a smaller one cropped.
_CONVNEXT_SQUEEZED = 384


@dataclass(frozen=True)
class Translated:
    """A recipe in the keys of a TOML file, and what those keys cannot say.

    Attributes
    ----------
    keys : dict
    ratio : Fraction or None
        How much larger than the model's input a picture is made before the crop.
    ratio_at : ((height, width), Fraction) or None
        The one size of the input where another ratio holds.
    size : (height, width) or None
        Size of the input where the model leaves it free.
    squashed : bool
        The picture takes the shape of the input, instead of keeping its own.
    """

    keys: dict[str, Any] = field(default_factory=dict)
    ratio: Fraction | None = None
    ratio_at: tuple[tuple[int, int], Fraction] | None = None
    size: tuple[int, int] | None = None
    squashed: bool = False


def beside(model: Path) -> Path | None:
    """The preprocessing that lies beside a model, or above it where its folder is ``onnx``.

    A ``config.json`` counts only where it holds timm's preprocessing; one that cannot be read
    does not.
    """
    folder = real_path(model).parent
    for place in (folder, *([folder.parent] if folder.name == "onnx" else [])):
        for name in _BESIDE:
            path = place / name
            check_regular(path, UsageError)
            if path.is_file() and (name == _BESIDE[0] or _holds_preprocessing(path)):
                return path
    return None


def _holds_preprocessing(path: Path) -> bool:
    try:
        config = json.loads(read_bounded(path, MOST_BYTES, UsageError))
    except (OSError, UsageError, ValueError, RecursionError):
        return False
    return isinstance(config, dict) and (
        "image_processor" in config or _timm_part(config) is not None
    )


def translated(config: object, source: str) -> Translated:
    """What the JSON of a hub prescribes.

    Parameters
    ----------
    config : object
        The file's JSON value.
    source : str
        What error messages call the file.

    Raises
    ------
    UsageError
        Neither of the two kinds, or a field whose value no recipe can express; it is named.
    """
    if not isinstance(config, Mapping):
        raise UsageError(f"{source}: holds no JSON object with preprocessing")
    timm = _timm_part(config)
    if timm is not None:
        return _timm(_Fields(timm, source))
    nested = config.get("image_processor")
    fields = _Fields(nested if isinstance(nested, Mapping) else config, source)
    if not _UNDERSTOOD & set(fields.values):
        raise UsageError(
            f"{source}: describes no preprocessing of images; wanted is Hugging Face's "
            "preprocessor_config.json, timm's config.json with pretrained_cfg, or a recipe"
        )
    _refuse_unknown(fields)
    return Translated(_geometry(fields) | _values(fields))


def _timm_part(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for part in (config.get("pretrained_cfg"), config):
        if isinstance(part, Mapping) and isinstance(part.get("input_size"), list):
            return part
    return None


@dataclass(frozen=True)
class _Fields:
    """Fields of a configuration, each checked where it is read."""

    values: Mapping[str, Any]
    source: str

    def wrong(self, key: str, why: str) -> UsageError:
        shown = short_text(self.values.get(key))
        return UsageError(
            f"{self.source}: {key} = {shown} {why}; write the preprocessing as a .toml recipe "
            f"and give it with {option('preprocess')}"
        )

    def get(self, key: str, good: Callable[[Any], bool], needed: str, default: Any = None) -> Any:
        value = self.values.get(key)
        if value is None:
            return default
        if not good(value):
            raise self.wrong(key, f"cannot be used: wanted is {needed}")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """A switch; one that is there and says nothing is off, as in the libraries."""
        default = default and key not in self.values
        return bool(self.get(key, lambda value: isinstance(value, bool), "true or false", default))

    def number(self, key: str, default: float) -> float:
        return float(self.get(key, lambda x: _is_number(x) and x > 0, "a number", default))

    def sides(self, key: str) -> Any:
        """One length, or a mapping of lengths."""

        def good(value: Any) -> bool:
            sides = value.values() if isinstance(value, Mapping) else [value]
            return bool(sides) and all(_is_length(side) for side in sides if side is not None)

        value = self.get(key, good, "a number of pixels, or a table of such")
        if isinstance(value, Mapping):
            return {name: side for name, side in value.items() if side is not None}
        return value

    def triple(self, key: str) -> list[float] | float | None:
        """One number, or one for each channel."""

        def good(value: Any) -> bool:
            parts = value if isinstance(value, list) else [value]
            return len(parts) in (1, 3) and all(map(_is_number, parts))

        value: list[float] | float | None = self.get(key, good, "a number or three")
        return value[0] if isinstance(value, list) and len(value) == 1 else value


def _is_number(value: Any) -> bool:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return plain and abs(value) <= sys.float_info.max  # false for not-a-number


def _is_length(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _timm(fields: _Fields) -> Translated:
    """Timm's rules: short side to floor(input / crop_pct), centre crop; its own defaults."""
    size = fields.get("input_size", _is_input_size, "[channels, height, width]")
    height, width = size[1:]
    share = _share(fields, "crop_pct", Fraction(7, 8))
    modes = ("center", "squash", "border")
    mode = fields.get("crop_mode", modes.__contains__, "center, squash or border", "center")
    interpolation = fields.values.get("interpolation") or "bicubic"
    if interpolation not in _RESAMPLE.values():
        raise fields.wrong("interpolation", "is not among " + ", ".join(_RESAMPLE.values()))
    mean, std = fields.triple("mean"), fields.triple("std")
    keys: dict[str, Any] = {
        "interpolation": interpolation,
        "mean": [0.485, 0.456, 0.406] if mean is None else mean,
        "std": [0.229, 0.224, 0.225] if std is None else std,
    }
    if mode == "border":
        if share != 1:
            raise fields.wrong("crop_pct", "goes with crop_mode 'border' only if it is 1")
        levels = keys["mean"] if isinstance(keys["mean"], list) else [keys["mean"]]
        keys |= {"resize": LETTERBOX, "pad": [min(255, max(0, round(255 * x))) for x in levels]}
        return Translated(keys, size=(height, width))
    at_test = None
    if fields.values.get("test_crop_pct") is not None:
        test = fields.values.get("test_input_size") or size
        if not _is_input_size(test):
            raise fields.wrong("test_input_size", "is not [channels, height, width]")
        if test != size:
            at_test = ((test[1], test[2]), 1 / _share(fields, "test_crop_pct", share))
    return Translated(keys, 1 / share, at_test, (height, width), squashed=mode == "squash")


def _is_input_size(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(_is_length, value))


def _share(fields: _Fields, key: str, default: Fraction) -> Fraction:
    share = fields.get(key, lambda x: _is_number(x) and 0.1 <= x <= 2, "0.1 to 2")
    return default if share is None else Fraction(str(share))


def _refuse_unknown(fields: _Fields) -> None:
    for key, value in fields.values.items():
        if key in _UNDERSTOOD or key in _HARMLESS or key.startswith("_") or value in (None, False):
            continue
        if key == "pad_size" and not fields.values.get("do_pad"):
            continue
        raise fields.wrong(key, "is a step that is not known here")
    if fields.values.get("do_pad"):
        raise fields.wrong("do_pad", "is a step that is not known here")


def _processor(fields: _Fields) -> str:
    """The processor's name without the ending of its class: "ViT", "CLIP", "ConvNext"."""
    name = fields.values.get("image_processor_type") or fields.values.get("feature_extractor_type")
    name = name if isinstance(name, str) else ""
    ending = next((ending for ending in _ENDINGS if name.endswith(ending)), "")
    return name.removesuffix(ending)


def _geometry(fields: _Fields) -> dict[str, Any]:
    processor = _processor(fields)
    crop = _box(fields, "crop_size")
    cropped = fields.flag("do_center_crop", False)
    if cropped and crop is None:
        raise fields.wrong("crop_size", "says no size for do_center_crop")
    if not fields.flag("do_resize", True):
        return {"resize": UNRESIZED, **({"crop": crop} if cropped else {})}
    keys: dict[str, Any] = {"interpolation": _interpolation(fields)}
    size = fields.sides("size")
    if size is None:
        raise fields.wrong("size", "says no size for do_resize")
    if processor in _MARGINS:
        return keys | _by_crop_pct(fields, processor, size, crop if cropped else None)
    if fields.values.get("crop_pct") is not None:
        raise fields.wrong("crop_pct", f"is not known for the processor '{processor}'")
    short = _short_side(fields, processor, size, cropped)
    if short is None:
        resize = [size["height"], size["width"]] if isinstance(size, dict) else [size, size]
        return keys | {"resize": resize, "crop": crop if cropped else resize}
    if processor == "Levit":
        short = int(256 / 224 * short)
    if not cropped:
        raise fields.wrong(
            "size",
            "resizes the short side and nothing crops (do_center_crop), so pictures keep "
            "their shapes",
        )
    return keys | {"resize": short, "crop": crop}


def _short_side(fields: _Fields, processor: str, size: Any, cropped: bool) -> int | None:
    """Length of the short side, or None where `size` is the exact size."""
    if isinstance(size, dict):
        if set(size) == {"height", "width"}:
            return None
        if set(size) == {"shortest_edge"}:
            return int(size["shortest_edge"])
        raise fields.wrong("size", "is neither shortest_edge nor height and width")
    squared = fields.values.get("default_to_square")
    if isinstance(squared, bool):
        return None if squared else int(size)
    if processor in _SQUARE or not cropped:
        return None
    if processor in _SHORT_SIDE:
        return int(size)
    raise fields.wrong("size", "may be the short side or a square: give it by name")


def _by_crop_pct(
    fields: _Fields, processor: str, size: Any, crop: list[int] | None
) -> dict[str, Any]:
    """Processors whose `size` is that of the model's input; crop_pct says the margin."""
    share = _share(fields, "crop_pct", _MARGINS[processor])
    sides = set(size.values()) if isinstance(size, dict) else {size}
    if len(sides) != 1:
        raise fields.wrong("size", "is not the one length that this processor takes")
    side = sides.pop()
    if processor != "ConvNext":
        return {"resize": int(side / share), "crop": crop or side}
    if side >= _CONVNEXT_SQUEEZED:
        return {"resize": [side, side], "crop": side}
    return {"resize": int(side / share), "crop": side}


def _interpolation(fields: _Fields) -> str:
    code = fields.values.get("resample")
    if isinstance(code, bool) or not isinstance(code, int) or code not in _RESAMPLE:
        known = ", ".join(f"{code} ({name})" for code, name in _RESAMPLE.items())
        name = {4: " (box)", 5: " (hamming)"}.get(code, "") if isinstance(code, int) else ""
        raise fields.wrong("resample", f"is{name or ' unknown,'} not one of {known}")
    return _RESAMPLE[code]


def _box(fields: _Fields, key: str) -> list[int] | None:
    sides = fields.sides(key)
    if not isinstance(sides, dict):
        return None if sides is None else [sides, sides]
    if set(sides) == {"height", "width"}:
        return [sides["height"], sides["width"]]
    if set(sides) == {"shortest_edge"}:
        return [sides["shortest_edge"]] * 2
    raise fields.wrong(key, "is not height and width")


def _values(fields: _Fields) -> dict[str, Any]:
    """Scale, mean and deviation: (pixels * factor [- 1] - mean) / std on pixels of 0..255."""
    factor = fields.number("rescale_factor", 1 / 255)
    scale = 255 * factor if fields.flag("do_rescale", True) else 255.0
    keys: dict[str, Any] = {"scale": 1.0 if math.isclose(scale, 1, rel_tol=1e-6) else scale}
    mean: list[float] | float = 0.0
    given = fields.triple("image_mean"), fields.triple("image_std")
    never = _processor(fields).startswith("MobileViT")  # has the values and does not use them
    if fields.flag("do_normalize", None not in given and not never):
        for key, value in zip(("image_mean", "image_std"), given, strict=True):
            if value is None:
                raise fields.wrong(key, "says no values for do_normalize")
        mean, keys["std"] = given  # type: ignore[assignment]
    if _processor(fields) == "EfficientNet" and fields.flag("include_top", True):
        # That processor divides by the deviation a second time.
        std = keys.get("std", 1.0)
        again = 1.0 if given[1] is None else given[1]
        keys["std"] = (np.array(std) * np.array(again)).tolist()
    if fields.flag("rescale_offset", False) and fields.flag("do_rescale", True):
        mean = [part + 1 for part in mean] if isinstance(mean, list) else mean + 1
    keys["mean"] = mean
    if fields.flag("do_flip_channel_order", False):
        if isinstance(mean, list) and len(set(mean)) > 1:
            raise fields.wrong("do_flip_channel_order", "leaves open which channel a mean is of")
        keys["channels"] = "bgr"
    return keys
