"""What the model's image input looks like: settled from the file, the options and the images."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..errors import ArtifactError, DataError, UsageError, said
from ..images.sample import Sample
from ..onnx_file.artifact import Artifact
from ..onnx_file.tensors import Tensor, shape_text
from ..plurals import counted
from ..preprocessing.preprocess import Preprocess
from ..spelling import option
from .ends import settled_layout

_SIZE = option("size", like="HxW")
_DEFAULT_SIZE = 224
Size = tuple[int, int]


@dataclass(frozen=True)
class InputForm:
    """What the model's image input looks like.

    Attributes
    ----------
    name : str
    elem_type : int
        ONNX element type.
    layout : str
        Order of the numbers of one image: "nchw" (planes) or "nhwc" (pixels).
    channels, height, width : int
    fixed_batch : int or None
        Batch that every run must have; None: any.
    packed : bool
        One image is a row of numbers, not a block.
    plane : bool
        One image is (height, width), without an axis for its one channel.
    unbatched : bool
        The graph itself takes one image, without a batch axis.
    assumed : bool
        Nothing gives the size, so it is the usual one of classifiers.
    """

    name: str
    elem_type: int
    layout: str
    channels: int
    height: int
    width: int
    fixed_batch: int | None = None
    packed: bool = False
    plane: bool = False
    unbatched: bool = False
    assumed: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image as the model takes it."""
        if self.packed:
            return (self.features,)
        if self.plane:
            return self.height, self.width
        if self.layout == "nchw":
            return self.channels, self.height, self.width
        return self.height, self.width, self.channels

    @property
    def features(self) -> int:
        """Numbers in one image."""
        return self.channels * self.height * self.width


def form_of(tensor: Tensor, layout: str, size: Size) -> InputForm:
    """An input with what is left open settled: three channels, and a size.

    Parameters
    ----------
    layout : str
        As `ends.settled_layout` says it.
    """
    channels, height, width = tensor.block(layout)
    rank = 4 if tensor.shape is None else len(tensor.shape)
    return InputForm(
        tensor.name,
        tensor.elem_type,
        layout if rank == 4 else "nchw",
        channels or 3,
        height or size[0],
        width or size[1],
        tensor.shape[0] if tensor.shape else None,
        packed=rank == 2,
        plane=rank == 3,
        unbatched=tensor.unbatched,
    )


def settle_input(
    artifact: Artifact,
    tensor: Tensor,
    recipe: Preprocess,
    sample: Sample,
    *,
    layout: str | None = None,
    size: Size | None = None,
) -> InputForm:
    """Settle layout and size of the image input.

    A free size is taken from `size` or the recipe's crop, from the usual 224 pixels for recipes
    that resize, else from the images, if they are all of one size. A flat input is cut into rows
    by the same rule; if it has three channels, the layout must be given.

    Raises
    ------
    ArtifactError, DataError, UsageError
        Something stays open, or contradicts the shape; the message names the option.
    """
    asked = layout or recipe.layout
    size = size or recipe.crop
    shape = tensor.shape or (None, None, None, None)
    if len(shape) == 2:
        return _flat(artifact, tensor, sample, asked, size)
    layout = settled_layout(artifact, tensor, asked)
    given = tensor.block(layout)[1:]
    if size is not None and any(
        side not in (None, asked_side) for side, asked_side in zip(given, size, strict=True)
    ):
        raise UsageError(
            f"a size of {size[0]} x {size[1]} was asked for, but input '{tensor.name}' of "
            f"{artifact.path} is {shape_text(shape)}"
        )
    assumed = False
    if None in given:
        size = size or recipe.size
        assumed = size is None and recipe.resize_ratio is not None
        usual = (_DEFAULT_SIZE, _DEFAULT_SIZE) if assumed else None
        size = size or usual or _needed_size(sample, artifact, tensor)
    return replace(form_of(tensor, layout, size or (0, 0)), assumed=assumed)


def _flat(
    artifact: Artifact, tensor: Tensor, sample: Sample, layout: str | None, size: Size | None
) -> InputForm:
    """An input of (batch, features): grey if the features are the pixels, RGB if three times."""
    assert tensor.shape is not None
    batch, features = tensor.shape
    text = f"{artifact.path}: input '{tensor.name}' is flat, {shape_text(tensor.shape)}"
    if features is None:
        raise ArtifactError(f"{text}: export it with its number of features")
    try:
        height, width = size or _needed_size(sample, artifact, tensor)
    except DataError as error:
        raise DataError(f"{said(error)}{_square_advice(features)}") from error
    channels, left = divmod(features, height * width)
    if left or channels not in (1, 3):
        raise DataError(
            f"{text}, which is neither one nor three numbers a pixel for images of {height} x "
            f"{width}; give the model's size with {_SIZE}{_square_advice(features)}"
        )
    if channels == 3 and layout is None:
        raise ArtifactError(
            f"{text}, so {channels} channels of {height} x {width}: say with {option('layout')} "
            "whether they stand plane by plane (nchw) or pixel by pixel (nhwc)"
        )
    order = layout if channels == 3 and layout else "nchw"
    return InputForm(
        tensor.name, tensor.elem_type, order, channels, height, width, batch, packed=True
    )


def _square_advice(features: int) -> str:
    """The size to name where the features are a square image's."""
    for channels in (1, 3):
        side = math.isqrt(features // channels)
        if side * side * channels == features:
            return (
                f" ({features} would be {side} x {side} pixels of {counted(channels, 'channel')})"
            )
    return ""


def _needed_size(sample: Sample, artifact: Artifact, tensor: Tensor) -> Size:
    size = common_size(sample)
    if size is None:
        raise DataError(
            f"{artifact.path}: input '{tensor.name}' leaves its size free and the images differ "
            f"in size; say which with {_SIZE}"
        )
    return size


def common_size(sample: Sample) -> Size | None:
    """Height and width of the pictures, if all are of one size."""
    sizes: set[Size] = set()
    for position in range(len(sample)):
        picture = sample.picture(position)
        height, width = picture.shape[:2] if isinstance(picture, np.ndarray) else picture.size[::-1]
        sizes.add((int(height), int(width)))
        if len(sizes) > 1:
            return None
    return sizes.pop()
