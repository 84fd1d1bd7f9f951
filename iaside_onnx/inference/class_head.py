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
from ..mathematics.embedding import directions, nearest_means, without_own
from ..mathematics.one_label import answers
from ..mathematics.temperature import fit_temperature
from ..onnx_file.artifact import Artifact
from ..settings import Settings
from ..spelling import option
from ..storage.regular_file import check_regular
from .small_graph import SmallGraph, normalised

# A factor up to which a file keeps its logarithm, as CLIP does: e^5 is 148, and it stops at 100.
_LOGARITHM = 5.0
_SCALE = "logit_scale"
# Numbers in a file of class embeddings.
_MOST_NUMBERS = 1 << 28
_FIT_BATCH = 16
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
        digest = hashlib.sha256(np.ascontiguousarray(rows, "<f4").tobytes()).hexdigest()
        record = {"class_embeddings": digest, _SCALE: scale}
        return ClassHead(directions(rows).astype(np.float32), scale, record)
    assert settings.fit_classes is not None
    return _fitted(Path(settings.fit_classes), settings, sample, scores, pixels, listener)


def _read(path: Path, width: int) -> NDArray[np.float64]:
    """Embeddings of classes from a file, shape (C, D)."""
    name = "class_embeddings"
    check_regular(path, UsageError, option(name, str(path)))
    try:
        with path.open("rb") as stream:
            rows = np.load(stream, allow_pickle=False)
        if not isinstance(rows, np.ndarray):
            raise ValueError("it holds several arrays, as a .npz does; save one by numpy.save")
    except (OSError, ValueError, EOFError) as error:
        raise InvalidOption(name, str(path), f"cannot be read as a .npy file ({error})") from error
    if rows.dtype.kind not in "fiu" or rows.ndim != 2:
        what = f"{rows.dtype} of shape {list(rows.shape)}"
        raise InvalidOption(
            name, str(path), f"holds {what}; a row of numbers for each class is needed"
        )
    classes, numbers = rows.shape
    if classes < 2 or rows.size > _MOST_NUMBERS:
        raise InvalidOption(name, str(path), f"holds {classes} classes; give two or more")
    if numbers != width:
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


def _scale(artifact: Artifact, asked: float | None, listener: Listener) -> float:
    """What cosines are multiplied by: as asked, else as the file has it."""
    if asked is not None:
        return float(asked)
    found = _stored_scale(artifact)
    if found is None:
        raise UsageError(
            f"{artifact.path}: has no weight called '{_SCALE}', by which cosines are multiplied "
            f"before the softmax: give it with {option(_SCALE, like='S')} (100 for CLIP)"
        )
    name, value = found
    scale = math.exp(value) if value < _LOGARITHM else value
    kept = ", the logarithm of it" if value < _LOGARITHM else ""
    listener.note(
        f"logit scale: {scale:.6g}, from the weight '{name}' of the file ({value:.6g}{kept}); "
        f"{option(_SCALE)} overrides"
    )
    return float(f"{scale:.6g}")


def _stored_scale(artifact: Artifact) -> tuple[str, float] | None:
    """Name and value of the weight that is the scale."""
    graph = None if artifact.model is None else artifact.model.graph
    for tensor in () if graph is None else graph.initializer:
        last = tensor.name.replace("/", ".").rpartition(".")[2]
        if last == _SCALE and not tensor.external_data and math.prod(tensor.dims) == 1:
            value = float(numpy_helper.to_array(tensor).reshape(-1)[0])
            if math.isfinite(value) and value > 0:
                return str(tensor.name), value
    return None


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
    if not np.isfinite(embeddings).all():
        raise DataError(f"{path}: the model returns NaN for an image of it")
    means = nearest_means(embeddings, labels, classes)
    alone = without_own(embeddings, labels, classes)
    scale = settings.logit_scale
    if scale is None:
        scale = 1.0 / fit_temperature(alone, labels)
        scale = float(f"{scale:.{_DIGITS}g}")
    right = int((answers(alone) == labels).sum())
    listener.note(
        f"classes: means of {len(labels)} images of {path} in {classes} classes; each held against "
        f"the means without it, {right} are right; logit scale {scale:.6g}"
    )
    record = {"fit_classes": known.digest(), _SCALE: float(scale)}
    return ClassHead(means.astype(np.float32), float(scale), record, names)
