"""Models and images that are given as objects, not as files: a measurement reads files alone.

They are put into a private folder for the time of a call, under names that do not change, so a
report is the one that files of the same content would have given, wherever the folder was.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..errors import IasideError, InvalidOption, UsageError, again, one_line
from ..listener import Listener
from ..spelling import option

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from onnx import ModelProto

GivenModel: TypeAlias = "str | Path | bytes | ModelProto"
GivenImages: TypeAlias = "str | Path | tuple[ArrayLike, ArrayLike]"
# What reports call them.
MODEL, IMAGES = "in-memory.onnx", "in-memory.npz"


def is_in_memory(given: Any) -> bool:
    """Whether a model or images are given as an object, not as a path."""
    return (
        isinstance(given, bytes | bytearray | memoryview)
        or callable(getattr(given, "SerializeToString", None))
        or (isinstance(given, tuple | list) and len(given) == 2)
    )


@contextmanager
def as_files(
    model: Any, images: Any, listener: Listener | None = None
) -> Iterator[tuple[Any, Any, Listener | None]]:
    """Model and images as paths, for the time of the context.

    Parameters
    ----------
    model : path, bytes, ModelProto or None
    images : path, or (images, labels)
        Arrays as array files have them.
    listener : Listener, optional
        Who gets notes and warnings.

    Yields
    ------
    model, images, listener
        Paths, or what was given where it is no object in memory; the listener to hand on, which
        names the objects as reports do.

    Raises
    ------
    UsageError
        Something that cannot be put into a file.
    """
    if not (is_in_memory(model) or is_in_memory(images)):
        yield model, images, listener
        return
    with ExitStack() as stack:
        try:
            name = stack.enter_context(tempfile.TemporaryDirectory(prefix="iaside-"))
            folder = Path(name)
            if is_in_memory(model):
                (folder / MODEL).write_bytes(_content(model))
                model = folder / MODEL
            if is_in_memory(images):
                _save(folder / IMAGES, *images)
                images = folder / IMAGES
        except OSError as error:
            raise UsageError(
                "model and images in memory are written to a temporary folder for the time of the "
                f"call, which fails ({one_line(error)}); make room, or set TMPDIR to another folder"
            ) from error
        try:
            yield model, images, _Named.of(listener, f"{folder}/")
        except IasideError as error:
            plain = {
                key: value.replace(f"{folder}/", "") if isinstance(value, str) else value
                for key, value in vars(error).items()
            }
            plain["parts"] = [
                [text.replace(f"{folder}/", "") for text in piece] for piece in error.parts
            ]
            raise again(type(error), plain) from error


@dataclass
class _Named(Listener):
    """A listener that leaves the folder out of what it hears."""

    folder: str = ""

    @classmethod
    def of(cls, listener: Listener | None, folder: str) -> Listener:
        heard = Listener() if listener is None else listener
        if not isinstance(heard, Listener):  # refused by whoever reads the options
            return heard
        return cls(
            note=lambda text: heard.note(text.replace(folder, "")),
            warn=lambda text: heard.warn(text.replace(folder, "")),
            title=lambda text: heard.title(text.replace(folder, "")),
            start=heard.start,
            advance=heard.advance,
            stop=heard.stop,
            warnings=heard.warnings,
            words=heard.words,
            folder=folder,
        )

    def warning(self, message: str) -> None:
        """See `Listener`."""
        super().warning(message.replace(self.folder, ""))


def _content(model: Any) -> bytes:
    """The bytes of a model; those of a graph object as it is saved."""
    if not hasattr(model, "SerializeToString"):
        return bytes(model)
    graph = getattr(model, "graph", None)
    for tensor in getattr(graph, "initializer", ()):
        if tensor.external_data:
            raise UsageError(
                f"model: its weights ('{str(tensor.name)[:60]}', ...) lie in a file beside it, "
                "which the object does not hold; load it with onnx.load, which reads them in, or "
                "give its path"
            )
    try:
        return bytes(model.SerializeToString())
    except Exception as error:  # of protobuf: more than 2 GiB, or parts that are missing
        raise UsageError(
            f"model: cannot be serialised ({one_line(error)}); one of more than 2 GiB is given by "
            "its path"
        ) from error


def _save(path: Path, images: Any, labels: Any) -> None:
    """Arrays as an array file, which says what is wrong with them when it is read."""
    arrays = []
    for name, given in (("images", images), ("labels", labels)):
        try:
            array = np.asarray(given)
        except Exception as error:  # lists of several lengths, tensors on a device
            raise InvalidOption(
                "images", given, f"the {name} are no array: {one_line(error)}"
            ) from error
        if array.dtype.hasobject:
            raise UsageError(
                f"{option('images')}: the {name} are an array of objects; give numbers"
                + (" or text" if name == "labels" else "")
            )
        arrays.append(array)
    np.savez(path, images=arrays[0], labels=arrays[1])
