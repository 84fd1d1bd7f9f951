"""From a decoded picture to pixel space, and from pixel space to the model's input.

Pixel space is C x H x W, float32, RGB (or one grey channel) in [0, 1]. The step from there to
the model's input is affine: ``(x * scale - mean) / std`` with the channels in the model's order.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..checks import one_of
from ..errors import DataError, InvalidOption, UsageError
from ..images.sample import Picture
from ..plurals import counted
from ..storage.regular_file import read_bounded
from .geometry import corner, covering, inscribed, place
from .hub_config import translated
from .recipe_keys import (
    CHECKS,
    INTERPOLATIONS,
    LETTERBOX,
    MOST_BYTES,
    RECIPE_KEYS,
    UNRESIZED,
    listed,
    short_text,
)
from .torchvision_weights import weights_recipe

_FILTERS = {name: Image.Resampling[name.upper()] for name in INTERPOLATIONS}
# Of a picture after resizing: the long side of a very long and thin one has no other bound.
_MOST_PIXELS = 1 << 27


@dataclass(frozen=True)
class Preprocess:
    """How photographs become the model's input.

    Attributes
    ----------
    name : str
        A preset's name, or the file it was read from.
    resize : int or (height, width) or "letterbox" or "none" or None
        New length of the short side, or the exact size. "letterbox": the picture is resized, in
        its own shape, to just fit into the crop, and the rest is filled with `pad`. "none": it
        stays as it is. None: it is resized to just cover the crop; one that has the crop's size
        stays as it is.
    crop : (height, width) or None
        Centre crop, padded with black where the picture is smaller; None: the model's input size.
    resize_ratio : Fraction or None
        Instead of `resize`: how much larger than the crop the resized picture is, cut down to
        whole pixels (8/7 is what timm calls a crop_pct of 0.875).
    ratio_at : ((height, width), Fraction) or None
        One size of the model's input at which another `resize_ratio` holds.
    size : (height, width) or None
        Size of the model's input where the model leaves it free.
    squashed : bool
        With `resize_ratio`: the picture takes the shape of the crop, instead of keeping its own.
    interpolation : str
        "nearest", "bilinear", "bicubic" or "lanczos".
    antialias : bool
        True: pillow's filters, which widen where a picture shrinks. False, for bilinear alone: four
        neighbours at any scale and no rounding to bytes, as in TensorFlow.
    pad : tuple of float
        What fills a letterbox: a level of 0..255, or one for each of red, green and blue.
    pad_position : str
        Where the picture lies in a letterbox: "center" or "top-left".
    channels : str
        "rgb" or "bgr": the order that the model wants; grey models take one channel.
    scale : float
        Factor on [0, 1] pixels: 1 or 255.
    mean, std : tuple of float
        One a channel (or one for all), in the model's channel order, after scaling.
    layout : str or None
        "nchw" or "nhwc" where the file fixes it.
    """

    name: str = "unit"
    resize: int | tuple[int, int] | str | None = None
    crop: tuple[int, int] | None = None
    resize_ratio: Fraction | None = None
    ratio_at: tuple[tuple[int, int], Fraction] | None = None
    size: tuple[int, int] | None = None
    squashed: bool = False
    interpolation: str = "bilinear"
    antialias: bool = True
    pad: tuple[float, ...] = (0.0,)
    pad_position: str = "center"
    channels: str = "rgb"
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    layout: str | None = None

    def for_size(self, height: int, width: int) -> Preprocess:
        """The same recipe with crop and resize settled for an input of `height` x `width`."""
        if self.crop is not None and self.crop != (height, width):
            raise UsageError(
                f"preprocessing '{self.name}' crops to {self.crop[0]} x {self.crop[1]}, but the "
                f"model's input is {height} x {width} (height x width)"
            )
        ratio = self.resize_ratio
        if self.ratio_at is not None and self.ratio_at[0] == (height, width):
            ratio = self.ratio_at[1]
        settled = replace(
            self, crop=(height, width), resize_ratio=ratio, ratio_at=None, size=None, squashed=False
        )
        if self.squashed and ratio is not None:
            resize = int(height * ratio), int(width * ratio)
            return replace(settled, resize=resize, resize_ratio=None)
        if self.resize is None and height == width:
            return replace(settled, resize=int(height * (ratio or 1)), resize_ratio=None)
        return settled

    def pixels(self, picture: Picture, channels: int) -> NDArray[np.float32]:
        """A decoded picture in pixel space, shape (channels, height, width), in [0, 1].

        Colour modes are converted as torchvision's image loader does (pillow's ``convert``);
        the EXIF orientation is not applied.
        """
        if self.crop is None:
            raise ValueError("settle the size with for_size first")
        if isinstance(picture, Image.Image):
            image = picture.convert("L" if channels == 1 else "RGB")
            array = self._fit_array(np.atleast_3d(np.asarray(image)))
        else:
            array = self._fit_array(_with_channels(picture, channels))
        planes = np.ascontiguousarray(np.moveaxis(array, -1, 0), dtype=np.float32)
        planes = planes / np.float32(255) if array.dtype == np.uint8 else planes
        if self.resize == LETTERBOX:
            planes = place(planes, *self.crop, self._padding(channels), self.pad_position)
        return np.asarray(planes)

    def _padding(self, channels: int) -> NDArray[np.float32]:
        """What fills a letterbox, in [0, 1]; grey models see colours as pillow greys them."""
        levels = np.array(self.pad, np.float64)
        if channels == 1 and len(levels) == 3:
            levels = levels @ np.array([[299], [587], [114]]) / 1000
        return np.broadcast_to(levels / 255, (channels,)).astype(np.float32)

    def _fit_array(self, array: NDArray[Any]) -> NDArray[Any]:
        """H x W x C, uint8 or float in [0, 1]; uint8 only where it came as such."""
        if array.dtype == np.uint8 and self.antialias:
            image = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
            return np.atleast_3d(np.asarray(self.fitted(image)))
        unit = array / np.float32(255) if array.dtype == np.uint8 else array
        planes = [
            np.asarray(self.fitted(Image.fromarray(np.ascontiguousarray(plane))))
            for plane in np.moveaxis(unit, -1, 0)
        ]
        return np.asarray(np.clip(np.stack(planes, axis=-1), 0.0, 1.0))

    def fitted(self, image: Image.Image, filter_: Image.Resampling | None = None) -> Image.Image:
        """A picture resized and cropped, by the recipe's filter or another; 0 lies outside it."""
        assert self.crop is not None
        height, width = self.crop
        image = self._resize(image, height, width, filter_)
        if self.resize == LETTERBOX:
            return image
        top, left = corner(image.height, height), corner(image.width, width)
        # Pillow fills what lies outside the picture with black.
        return image.crop((left, top, left + width, top + height))

    def _resize(
        self, image: Image.Image, height: int, width: int, filter_: Image.Resampling | None
    ) -> Image.Image:
        if isinstance(self.resize, tuple):
            size = (self.resize[1], self.resize[0])
        elif isinstance(self.resize, int):
            size = covering(image.size, self.resize, self.resize)
        elif self.resize == LETTERBOX:
            size = inscribed(image.size, width, height)
        elif self.resize == UNRESIZED:
            size = image.size
        else:
            ratio = self.resize_ratio or 1
            size = covering(image.size, int(width * ratio), int(height * ratio))
        if size[0] * size[1] > _MOST_PIXELS:
            raise DataError(
                f"preprocessing '{self.name}' would make a picture of {size[0]} x {size[1]} pixels "
                f"from one of {image.width} x {image.height}; leave that picture out"
            )
        if size == image.size:
            return image
        if filter_ is None and not self.antialias:
            whole = (0, 0, *image.size)
            return image.transform(size, Image.Transform.EXTENT, whole, Image.Resampling.BILINEAR)
        return image.resize(size, _FILTERS[self.interpolation] if filter_ is None else filter_)

    def affine(self, channels: int) -> tuple[list[int], NDArray[np.float32], NDArray[np.float32]]:
        """The step from pixel space to the model's input.

        Returns
        -------
        order : list of int
            Which pixel-space channel each channel of the model takes.
        gain, shift : ndarray of float32, shape (channels,)
            ``input[c] = pixels[order[c]] * gain[c] + shift[c]``.
        """
        order = list(range(channels))
        if self.channels == "bgr" and channels == 3:
            order.reverse()
        mean, std = (self._per_channel(part, channels) for part in (self.mean, self.std))
        return order, (self.scale / std).astype(np.float32), (-mean / std).astype(np.float32)

    def _per_channel(self, values: tuple[float, ...], channels: int) -> NDArray[np.float64]:
        if len(values) not in (1, channels):
            raise UsageError(
                f"preprocessing '{self.name}' has {len(values)} values of mean or std, but the "
                f"model takes {counted(channels, 'channel')}"
            )
        return np.broadcast_to(np.array(values, np.float64), (channels,))

    def settings(self) -> dict[str, Any]:
        """The recipe as plain JSON values."""
        known = {key: value for key, value in asdict(self).items() if value is not None}
        padding = () if self.resize == LETTERBOX else ("pad", "pad_position")
        for key in ("ratio_at", "size", "squashed", *padding):
            known.pop(key, None)
        if self.resize_ratio is not None:
            known["resize_ratio"] = float(self.resize_ratio)
        return known

    def recipe(self) -> dict[str, Any]:
        """The recipe under the keys of a TOML file, without those at their defaults.

        `preprocess_from` reads it back.
        """
        if self.resize_ratio is not None:
            raise ValueError("settle the size with for_size first")
        default = Preprocess()
        recipe: dict[str, Any] = {}
        for key in RECIPE_KEYS:
            value = getattr(self, key)
            if value == getattr(default, key):
                continue
            if isinstance(value, tuple):
                value = value[0] if len(set(value)) == 1 and key != "resize" else list(value)
            recipe[key] = value
        return recipe

    def toml(self) -> str:
        """The text of a TOML file that `load_preprocess` reads back as this recipe."""
        # JSON's numbers, strings and lists are TOML's.
        return "".join(f"{key} = {json.dumps(value)}\n" for key, value in self.recipe().items())


def _with_channels(array: NDArray[Any], channels: int) -> NDArray[Any]:
    if array.shape[2] == channels:
        return array
    if channels == 3 and array.shape[2] == 1:
        return np.repeat(array, 3, axis=2)
    raise DataError(f"the images have {array.shape[2]} channels, but the model takes {channels}")


# A centre crop of 0.875 of the resized picture.
_MARGIN = Fraction(8, 7)
PRESETS: dict[str, Preprocess] = {
    preset.name: preset
    for preset in (
        Preprocess("unit"),
        Preprocess("raw", scale=255.0),
        Preprocess(
            "imagenet", resize_ratio=_MARGIN, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
        ),
        Preprocess(
            "inception", resize_ratio=_MARGIN, interpolation="bicubic", mean=(0.5,), std=(0.5,)
        ),
        Preprocess(
            "clip",
            resize_ratio=Fraction(1),
            interpolation="bicubic",
            mean=(0.48145466, 0.4578275, 0.40821073),
            std=(0.26862954, 0.26130258, 0.27577711),
        ),
        Preprocess("cifar10", mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616)),
        Preprocess(
            "caffe",
            resize_ratio=_MARGIN,
            channels="bgr",
            scale=255.0,
            mean=(103.939, 116.779, 123.68),
        ),
    )
}


def load_preprocess(choice: str | None) -> Preprocess:
    """A preset, what torchvision prescribes for its weights, or a file.

    Parameters
    ----------
    choice : str or None
        A preset's name; a name such as ``ResNet50_Weights.IMAGENET1K_V2``; a ``.toml`` recipe; a
        ``.json`` file with the same keys, or as Hugging Face (``preprocessor_config.json``) and
        timm (``config.json``) write it. None: pixels of [0, 1].

    Raises
    ------
    UsageError
        None of these; a file that cannot be read, an unknown key or an unusable value.
    """
    if choice is None:
        return PRESETS["unit"]
    if choice in PRESETS:
        return PRESETS[choice]
    weights = weights_recipe(choice)
    if weights is not None:
        return preprocess_from(weights, choice)
    path = Path(choice)
    readers: dict[str, Callable[[str], Any]] = {".toml": tomllib.loads, ".json": json.loads}
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise InvalidOption(
            "preprocess",
            choice,
            f"{one_of(choice, PRESETS, 'give')}, a torchvision name such as "
            "ResNet50_Weights.IMAGENET1K_V2, a .toml file, or the .json file of Hugging Face or "
            "timm that lies beside the model",
        )
    try:
        recipe = readers[suffix](read_bounded(path, MOST_BYTES, UsageError).decode())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not valid {suffix[1:].upper()} ({error})") from error
    if suffix == ".toml" or (isinstance(recipe, dict) and set(recipe) <= set(RECIPE_KEYS)):
        return preprocess_from(recipe, str(path), name=path.name)
    prescribed = translated(recipe, str(path))
    return replace(
        preprocess_from(prescribed.keys, str(path), name=path.name),
        resize_ratio=prescribed.ratio,
        ratio_at=prescribed.ratio_at,
        size=prescribed.size,
        squashed=prescribed.squashed,
    )


def names_a_file(choice: str) -> bool:
    """Whether `load_preprocess` reads a file for this choice."""
    return choice not in PRESETS and weights_recipe(choice) is None


def preprocess_from(recipe: object, source: str, *, name: str | None = None) -> Preprocess:
    """A recipe from a mapping with the keys of a TOML file, however it came.

    Parameters
    ----------
    recipe : mapping
        Any of `RECIPE_KEYS`, with values as docs/preprocessing.md has them.
    source : str
        What error messages call the place it came from.
    name : str, optional
        The recipe's name; `source` unless given.

    Raises
    ------
    UsageError
        Not a mapping, an unknown key, or a value of the wrong type or range.
    """
    if not isinstance(recipe, Mapping):
        raise UsageError(f"{source}: not a table of preprocessing settings")
    unknown = sorted(str(key) for key in recipe if key not in RECIPE_KEYS)
    if unknown:
        raise UsageError(
            f"{source}: unknown key '{unknown[0]}'; known are {', '.join(RECIPE_KEYS)}"
        )
    values: dict[str, Any] = dict(recipe)
    for key, value in values.items():
        fits, needed = CHECKS[key]
        if not fits(value):
            raise UsageError(f"{source}: {key} = {short_text(value)}; wanted is {needed}")
    for key in {"mean", "std", "pad"} & set(values):
        values[key] = tuple(map(float, listed(values[key])))
    if values.get("antialias") is False and values.get("interpolation", "bilinear") != "bilinear":
        raise UsageError(f'{source}: antialias = false goes with interpolation = "bilinear" alone')
    padded = next((key for key in ("pad", "pad_position") if key in values), None)
    if padded is not None and values.get("resize") != LETTERBOX:
        raise UsageError(f'{source}: {padded} goes with resize = "{LETTERBOX}" alone')
    if "scale" in values:
        values["scale"] = float(values["scale"])
    if isinstance(values.get("resize"), list | tuple):
        sides = values["resize"]
        values["resize"] = tuple(sides) if len(sides) == 2 else sides[0]
    if "crop" in values:
        sides = listed(values["crop"])
        values["crop"] = (sides[0], sides[-1])
    return Preprocess(name=name or source, **values)


def declared_preprocess(text: str, source: str) -> Preprocess:
    """A recipe as a file declares it: a preset's name, or a JSON object of `RECIPE_KEYS`.

    Raises
    ------
    UsageError
        Neither of the two, or see `preprocess_from`.
    """
    if text in PRESETS:
        return PRESETS[text]
    try:
        recipe = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{source}: {short_text(text)} is neither a JSON object nor one of {', '.join(PRESETS)}"
        ) from error
    return preprocess_from(recipe, source, name="declared")
