"""From a decoded picture to pixel space, and from pixel space to the model's input.

Pixel space is C x H x W, float32, RGB (or one grey channel) in [0, 1]. The step from there to
the model's input is affine: ``(x * scale - mean) / std`` with the channels in the model's order.
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .errors import DataError, UsageError
from .images import Picture

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_LAYOUTS = ("nchw", "nhwc")


@dataclass(frozen=True)
class Preprocess:
    """How photographs become the model's input.

    Attributes
    ----------
    name : str
        A preset's name, or the file it was read from.
    resize : int or (height, width) or None
        New length of the short side, or the exact size. None: pictures of the crop's size stay
        as they are, others are resized so that the short side covers the crop.
    crop : (height, width) or None
        Centre crop; None: the model's input size.
    interpolation : str
        "nearest", "bilinear", "bicubic" or "lanczos", antialiased as in pillow.
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
    resize: int | tuple[int, int] | None = None
    crop: tuple[int, int] | None = None
    resize_ratio: float | None = None
    interpolation: str = "bilinear"
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
        resize = self.resize
        if resize is None and self.resize_ratio is not None:
            resize = round(min(height, width) * self.resize_ratio)
        return replace(self, crop=(height, width), resize=resize, resize_ratio=None)

    def pixels(self, picture: Picture, channels: int) -> NDArray[np.float32]:
        """A decoded picture in pixel space, shape (channels, height, width), in [0, 1].

        Colour modes are converted as torchvision's image loader does (pillow's ``convert``);
        the EXIF orientation is not applied.
        """
        if self.crop is None:
            raise ValueError("settle the size with for_size first")
        if isinstance(picture, Image.Image):
            image = picture.convert("L" if channels == 1 else "RGB")
            array = np.asarray(self._fit(image))
        else:
            array = self._fit_array(_with_channels(picture, channels))
        if array.ndim == 2:
            array = array[:, :, None]
        planes = np.ascontiguousarray(np.moveaxis(array, -1, 0), dtype=np.float32)
        return np.asarray(planes / np.float32(255) if array.dtype == np.uint8 else planes)

    def _fit_array(self, array: NDArray[Any]) -> NDArray[Any]:
        if array.dtype == np.uint8:
            image = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
            return np.asarray(self._fit(image))
        planes = [
            np.asarray(self._fit(Image.fromarray(np.ascontiguousarray(plane))))
            for plane in np.moveaxis(array, -1, 0)
        ]
        return np.asarray(np.clip(np.stack(planes, axis=-1), 0.0, 1.0))

    def _fit(self, image: Image.Image) -> Image.Image:
        assert self.crop is not None
        height, width = self.crop
        image = self._resize(image, height, width)
        if (image.height, image.width) == (height, width):
            return image
        if image.height < height or image.width < width:
            raise DataError(
                f"preprocessing '{self.name}' resizes to {image.width} x {image.height}, smaller "
                f"than its crop of {width} x {height}"
            )
        # torchvision's centre crop rounds the corner the same way.
        top = round((image.height - height) / 2.0)
        left = round((image.width - width) / 2.0)
        return image.crop((left, top, left + width, top + height))

    def _resize(self, image: Image.Image, height: int, width: int) -> Image.Image:
        if isinstance(self.resize, tuple):
            size = (self.resize[1], self.resize[0])
        elif self.resize is not None:
            short, long = sorted(image.size)
            new_long = int(self.resize * long / short)
            size = (
                (self.resize, new_long) if image.width <= image.height else (new_long, self.resize)
            )
        elif (image.height, image.width) == (height, width):
            return image
        else:
            ratio = max(height / image.height, width / image.width)
            size = (
                max(width, math.floor(image.width * ratio)),
                max(height, math.floor(image.height * ratio)),
            )
        return image if size == image.size else image.resize(size, _FILTERS[self.interpolation])

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
                f"model takes {channels} channel(s)"
            )
        return np.broadcast_to(np.array(values, np.float64), (channels,))

    def settings(self) -> dict[str, Any]:
        """The recipe as plain JSON values."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def _with_channels(array: NDArray[Any], channels: int) -> NDArray[Any]:
    if array.shape[2] == channels:
        return array
    if channels == 3 and array.shape[2] == 1:
        return np.repeat(array, 3, axis=2)
    raise DataError(f"the images have {array.shape[2]} channels, but the model takes {channels}")


PRESETS: dict[str, Preprocess] = {
    preset.name: preset
    for preset in (
        Preprocess("unit"),
        Preprocess("raw", scale=255.0),
        Preprocess(
            "imagenet",
            resize_ratio=256 / 224,
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
        ),
        Preprocess(
            "inception", resize_ratio=1 / 0.875, interpolation="bicubic", mean=(0.5,), std=(0.5,)
        ),
        Preprocess(
            "clip",
            resize_ratio=1.0,
            interpolation="bicubic",
            mean=(0.48145466, 0.4578275, 0.40821073),
            std=(0.26862954, 0.26130258, 0.27577711),
        ),
        Preprocess("cifar10", mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616)),
        Preprocess(
            "caffe",
            resize_ratio=256 / 224,
            channels="bgr",
            scale=255.0,
            mean=(103.939, 116.779, 123.68),
        ),
    )
}


def load_preprocess(choice: str | None) -> Preprocess:
    """A named preset or a TOML file.

    Raises
    ------
    UsageError
        Neither a preset's name nor a readable TOML file; an unknown key or an unusable value.
    """
    if choice is None:
        return PRESETS["unit"]
    if choice in PRESETS:
        return PRESETS[choice]
    path = Path(choice)
    if path.suffix.lower() != ".toml":
        raise UsageError(
            f"--preprocess {choice}: give one of {', '.join(PRESETS)}, or a .toml file"
        )
    try:
        recipe = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML ({error})") from error
    return _from_toml(path, recipe)


def _from_toml(path: Path, recipe: dict[str, Any]) -> Preprocess:
    known = ("resize", "crop", "interpolation", "channels", "scale", "mean", "std", "layout")
    unknown = sorted(set(recipe) - set(known))
    if unknown:
        raise UsageError(f"{path}: unknown key '{unknown[0]}'; known are {', '.join(known)}")

    def number(value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool)

    def check(key: str, good: bool, wanted: str) -> None:
        if key in recipe and not good:
            raise UsageError(f"{path}: {key} = {recipe[key]!r}; wanted is {wanted}")

    def size(value: Any) -> bool:
        sides = value if isinstance(value, list) else [value]
        whole = all(isinstance(side, int) and not isinstance(side, bool) for side in sides)
        return whole and len(sides) in (1, 2) and min(sides) > 0

    values: dict[str, Any] = dict(recipe)
    check("resize", size(values.get("resize")), "a number of pixels or [height, width]")
    check("crop", size(values.get("crop")), "a number of pixels or [height, width]")
    check("interpolation", values.get("interpolation") in _FILTERS, f"one of {list(_FILTERS)}")
    check("channels", values.get("channels") in ("rgb", "bgr"), '"rgb" or "bgr"')
    check("layout", values.get("layout") in _LAYOUTS, '"nchw" or "nhwc"')
    check("scale", number(values.get("scale")) and values["scale"] != 0, "a number, not 0")
    for key in ("mean", "std"):
        given = values.get(key)
        listed: list[Any] = given if isinstance(given, list) else [given]
        good = len(listed) in (1, 3) and all(number(value) for value in listed)
        check(key, good and (key == "mean" or 0 not in listed), "a number or three, std not 0")
        if key in values:
            values[key] = tuple(float(value) for value in listed)
    if isinstance(values.get("resize"), list):
        sides = values["resize"]
        values["resize"] = tuple(sides) if len(sides) == 2 else sides[0]
    if "crop" in values:
        sides = values["crop"] if isinstance(values["crop"], list) else [values["crop"]]
        values["crop"] = (sides[0], sides[-1])
    return Preprocess(name=path.name, **values)


def preprocess_from(recipe: dict[str, Any], name: str) -> Preprocess:
    return _from_toml(Path(name), recipe)
