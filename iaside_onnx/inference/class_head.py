"""Classes for a model that gives embeddings: their own embeddings, or means of labelled images.

The logits are ``scale * cosine(embedding, class)``: a head behind the model, and from there it is a
classifier like any other.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper

from ..errors import DataError, InvalidOption, UsageError
from ..images.class_names import shown
from ..images.sample import Reading, Sample
from ..listener import Listener
from ..mathematics.embedding import SAME, directions, nearest_means, without_own
from ..mathematics.one_label import answers
from ..mathematics.temperature import fit_temperature
from ..onnx_file.artifact import Artifact
from ..plurals import counted, plural
from ..settings import TEMPERATURES, Settings
from ..spelling import option
from ..storage.npy_file import read_npy
from ..storage.regular_file import check_regular
from .small_graph import SmallGraph, normalised

# A factor up to which a file keeps its logarithm, as CLIP does: e^5 is 148, and it stops at 100.
_LOGARITHM = 5.0
_SCALE = "logit_scale"
# Numbers in a file of class embeddings.
_MOST_NUMBERS = 1 << 28
_FIT_BATCH = 16
# Classes that are compared with all others at a time.
_AT_ONCE = 1024
# Digits of a fitted scale: what rounding between machines leaves alone.
_DIGITS = 3
Scores = Callable[[NDArray[np.float32]], NDArray[np.float32]]
Pixels = Callable[[Any], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class ClassHead:
    """Directions of the classes, and what their cosines are multiplied by.

    Attributes
    ----------
    classes : ndarray of float32, shape (C, D)
        Of length 1.
    scale : float
    record : dict
        What settings of a result say of it: JSON values.
    names : list of str or None
        Of the classes, where the images that they were fitted on name them.
    """

    classes: NDArray[np.float32]
    scale: float
    record: dict[str, Any]
    names: list[str] | None = None

    def logits(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embeddings as logits of the classes, shape (n, C)."""
        cosines = directions(scores) @ self.classes.astype(np.float64).T
        return (self.scale * cosines).astype(np.float32)

    def added(self, graph: SmallGraph, rows: str) -> str:
        """Add what makes logits of rows of float32."""
        weights = np.ascontiguousarray((np.float32(self.scale) * self.classes).T)
        return graph.add("MatMul", normalised(graph, rows), weights)


def class_head(
    artifact: Artifact,
    settings: Settings,
    width: int,
    sample: Sample,
    scores: Scores,
    pixels: Pixels,
    listener: Listener,
) -> ClassHead:
    """The head that is asked for, for embeddings of so many numbers.

    Parameters
    ----------
    sample : Sample
        The images that are measured, which none may be fitted on.
    scores, pixels : callable
        Of the model: images in pixel space to embeddings, and decoded pictures to these.

    Raises
    ------
    UsageError, DataError
        Embeddings that do not fit, or images that cannot be fitted on.
    """
    if settings.class_embeddings is not None:
        path = Path(settings.class_embeddings)
        rows = _read(path, width)
        scale = _scale(artifact, settings.logit_scale, listener)
        classes = directions(rows).astype(np.float32)
        record = {"class_embeddings": _digest(rows, classes), _SCALE: scale}
        _say_equal(str(path), classes, listener)
        return ClassHead(classes, scale, record)
    assert settings.fit_classes is not None
    return _fitted(Path(settings.fit_classes), settings, sample, scores, pixels, listener)


def digest_of_classes(name: str, given: str | Path) -> str:
    """What settings of a result say of classes that are given for embeddings.

    Parameters
    ----------
    name : str
        "class_embeddings", of a file; "fit_classes", of images.
    given : path

    Raises
    ------
    UsageError, DataError
    """
    if name == "fit_classes":
        source = Reading.asked(given).open()
        return Sample(source, np.arange(len(source.ids))).digest()
    rows = _read(Path(given))
    return _digest(rows, directions(rows).astype(np.float32))


def _read(path: Path, width: int | None = None) -> NDArray[np.float64]:
    """Embeddings of classes from a file, shape (C, D)."""
    name = "class_embeddings"
    check_regular(path, UsageError, option(name, str(path)))
    try:
        rows = read_npy(path)
    except OSError as error:
        why = f"cannot be read ({error.strerror or error})"
        raise InvalidOption(name, str(path), why) from error
    except (ValueError, EOFError) as error:
        raise InvalidOption(name, str(path), f"cannot be read as a .npy file ({error})") from error
    if rows.dtype.kind not in "fiu" or rows.ndim != 2:
        what = f"{rows.dtype} of shape {list(rows.shape)}"
        raise InvalidOption(
            name, str(path), f"holds {what}; a row of numbers for each class is needed"
        )
    classes, numbers = rows.shape
    if classes < 2 or rows.size > _MOST_NUMBERS:
        raise InvalidOption(name, str(path), f"holds {classes} classes; give two or more")
    if width not in (None, numbers):
        raise InvalidOption(
            name, str(path),
            f"has {numbers} numbers a class, but the model's embeddings have {width}; take the "
            f"text side of the same model, or another tensor ({option('output', like='NAME')})",
        )  # fmt: skip
    exact = np.asarray(rows, np.float64)
    bad = ~np.isfinite(exact).all(axis=1)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise InvalidOption(name, str(path), f"class {first} holds values that are not finite")
    if not exact.any(axis=1).all():
        first = int(np.flatnonzero(~exact.any(axis=1))[0])
        raise InvalidOption(name, str(path), f"class {first} is all zeros, so without a direction")
    return exact


def _digest(rows: NDArray[np.float64], classes: NDArray[np.float32]) -> str:
    """Of rows in single precision; of their directions where that does not hold their size."""
    with np.errstate(over="ignore", under="ignore"):
        single = rows.astype("<f4")
    if not np.isfinite(single).all() or not single.any(axis=1).all():
        single = classes.astype("<f4")
    return hashlib.sha256(np.ascontiguousarray(single).tobytes()).hexdigest()


def _scale(artifact: Artifact, asked: float | None, listener: Listener) -> float:
    """What cosines are multiplied by: as asked, else as the file has it."""
    if asked is not None:
        return float(asked)
    found, fault = _stored_scale(artifact)
    if found is None:
        raise UsageError(
            f"{artifact.path}: {fault}; cosines are multiplied by such a scale before the softmax: "
            f"give it with {option(_SCALE, like='S')} (100 for CLIP)"
        )
    name, value = found
    scale = math.exp(value) if value < _LOGARITHM else value
    kept = ", the logarithm of it" if value < _LOGARITHM else ""
    listener.note(
        f"logit scale: {scale:.6g}, from the weight '{name}' of the file ({value:.6g}{kept}); "
        f"{option(_SCALE)} overrides"
    )
    return float(f"{scale:.6g}")


def _stored_scale(artifact: Artifact) -> tuple[tuple[str, float] | None, str]:
    """Name and value of the weight that is the scale; or None, and why."""
    graph = None if artifact.model is None else artifact.model.graph
    named = [
        tensor
        for tensor in (() if graph is None else graph.initializer)
        if tensor.name.replace("/", ".").rpartition(".")[2] == _SCALE
    ]
    if not named:
        return None, f"has no weight called '{_SCALE}'"
    values: dict[float, str] = {}
    for tensor in named:
        numbers = math.prod(tensor.dims)
        what = f"its weight '{tensor.name}'"
        if numbers != 1 or tensor.external_data:
            where = "in a file beside it" if tensor.external_data else ""
            return None, f"{what} holds {counted(numbers, 'number')} {where}".rstrip()
        value = float(numpy_helper.to_array(tensor).reshape(-1)[0])
        low, high = TEMPERATURES
        # Not above 0 it can only be a logarithm.
        if not math.log(low) <= value <= high:
            return None, f"{what} is {value:g}, which is no scale and no logarithm of one"
        values.setdefault(value, str(tensor.name))
    if len(values) > 1:
        each = " and ".join(f"'{name}' is {value:g}" for value, name in values.items())
        return None, f"has several weights called '{_SCALE}' ({each})"
    return next((name, value) for value, name in values.items()), ""


def _say_equal(
    where: str, classes: NDArray[np.float32], listener: Listener, names: list[str] | None = None
) -> None:
    """Warn of classes that no embedding tells apart."""
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(classes), _AT_ONCE):
        rows = classes[start : start + _AT_ONCE]
        first, other = np.nonzero(rows @ classes.T > SAME)
        pairs += [
            (start + one, two)
            for one, two in zip(first.tolist(), other.tolist(), strict=True)
            if start + one < two
        ]
    if pairs:
        one, two = (f"{at}" if names is None else f"'{names[at]}'" for at in pairs[0])
        more = f" (and {len(pairs) - 1} more pairs)" if len(pairs) > 1 else ""
        listener.warning(
            f"{where}: classes {one} and {two} have the same direction{more}, so nothing "
            "decides between them: the first is answered"
        )


def _fitted(
    path: Path,
    settings: Settings,
    sample: Sample,
    scores: Scores,
    pixels: Pixels,
    listener: Listener,
) -> ClassHead:
    """Means of the embeddings of labelled images, class by class."""
    source = Reading.asked(path).open(listener)
    names = source.class_names
    known = Sample(source, np.arange(len(source.ids)))
    ours = {bytes(each) for each in sample.image_digests}
    same = [
        name
        for name, each in zip(known.ids, known.image_digests, strict=True)
        if bytes(each) in ours
    ]
    if same:
        raise DataError(
            f"{path}: {len(same)} of its images are among those that are measured ({shown(same)}), "
            "which a classifier that was fitted on them knows; give other images to "
            f"{option('fit_classes')}"
        )
    labels = known.labels
    classes = len(names) if names is not None else int(labels.max()) + 1
    empty = sorted(set(range(classes)) - set(labels.tolist()))
    if empty or classes < 2 or labels.min() < 0:
        which = [names[place] if names is not None else str(place) for place in empty[:3]]
        why = f"class {shown(which)} has none" if empty else "two classes or more are needed"
        raise DataError(f"{path}: each class needs an image to be fitted on, and {why}")
    rows = []
    for start in range(0, len(known), _FIT_BATCH):
        places = range(start, min(len(known), start + _FIT_BATCH))
        rows.append(scores(np.stack([pixels(known.picture(place)) for place in places])))
    embeddings = directions(np.concatenate(rows))
    for fault, bad in (
        ("returns NaN for", ~np.isfinite(embeddings).all(axis=1)),
        ("gives all zeros, an embedding without a direction, for", ~embeddings.any(axis=1)),
    ):
        if bad.any():
            name = known.ids[int(np.flatnonzero(bad)[0])]
            raise DataError(f"{path}: the model {fault} image {name} of it; leave it out")
    means = nearest_means(embeddings, labels, classes)
    if not means.any(axis=1).all():
        at = int(np.flatnonzero(~means.any(axis=1))[0])
        raise DataError(
            f"{path}: the embeddings of class {names[at] if names is not None else at} cancel each "
            "other, so it has no mean direction; give more images of it"
        )
    _say_equal(str(path), means.astype(np.float32), listener, names)
    alone = without_own(embeddings, labels, classes)
    # Others are the only one of their class, which has no mean without them.
    held = np.isfinite(alone).all(axis=1)
    scale = settings.logit_scale
    if scale is None:
        if not held.any():
            raise DataError(
                f"{path}: holds one image of each class, so none can be compared with a mean "
                f"without it, by which the scale is fitted: give more images, or "
                f"{option(_SCALE, like='S')}"
            )
        scale = 1.0 / fit_temperature(alone[held], labels[held])
        scale = float(f"{scale:.{_DIGITS}g}")
    right = int((answers(alone[held]) == labels[held]).sum())
    held_out = (
        "each" if held.all() else f"{int(held.sum())} that are not the only one of their class"
    )
    told = (
        f"{held_out} compared with the means without it, {right} {plural(right, 'is', 'are')} right"
    )
    listener.note(
        f"classes: means of {counted(len(labels), 'image')} of {path} in {classes} classes; "
        + (f"{told}; " if held.any() else "")
        + f"logit scale {scale:.6g}"
    )
    record = {"fit_classes": known.digest(), _SCALE: float(scale)}
    return ClassHead(means.astype(np.float32), float(scale), record, names)
