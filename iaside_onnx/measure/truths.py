"""What images are compared with where that is no class: sets of labels, and masks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, InvalidOption
from ..images.class_index import ClassIndex
from ..images.class_names import shown
from ..images.label_sets import LabelSets
from ..images.masks import Masks
from ..images.sample import OWN_ANSWERS, Reading, Sample
from ..inference.classifier import Classifier
from ..listener import Listener
from ..mathematics.dense import IGNORED
from ..preprocessing.mask import fitted_mask
from ..spelling import option
from ..tasks import DETECTOR, TaskKind
from .model_names import ModelNames, model_names
from .request import Request
from .thresholds import as_number, thresholds

# A level of masks that never counts, unless the model has so many classes.
NEVER_COUNTED = 255
_NAMES = option("class_names", like="FILE")


def without_truths(kind: TaskKind, reading: Reading) -> str | None:
    """What labels a model needs that are not those given, for an error; None where all is well."""
    if reading.own_answers:
        return None
    given = reading.labels is not None or reading.brings_labels
    masks = given and reading.labels is not None and reading.labels.is_dir()
    own = option("labels", OWN_ANSWERS)
    if kind.name == "several-labels" and (not given or masks):
        return (
            f"the model gives {kind.what}, which one class a folder does not tell: give "
            f"{option('labels', like='FILE')} (columns file,labels with the labels separated by "
            f"';', or one column a class with 0 and 1), or {own} for its own decisions"
        )
    if kind.name == "dense" and not masks and not reading.brings_labels:
        return (
            f"the model gives {kind.what}, which is compared with masks: give "
            f"{option('labels', like='FOLDER')} with a mask for each picture, of the same name, or "
            f"{own} for its own clean answers"
        )
    if kind.name == "classes" and masks:
        return (
            f"{option('labels', reading.labels)}: is a folder, as of masks, and the model gives "
            f"{kind.what}: give a file of labels"
        )
    return None


def settled_truths(
    sample: Sample, positions: list[int], classifier: Classifier, request: Request
) -> tuple[Classifier, NDArray[Any]]:
    """What images are compared with, of given labels: the model as it takes them, and these.

    Raises
    ------
    DataError
    """
    reading, listener = request.reading, request.listener
    truths = sample.source.truths
    if isinstance(truths, Masks):
        form = classifier.form
        classifier = replace(classifier, mask_size=(form.height, form.width))
        ignore = request.settings.ignore
        return classifier, mask_targets(truths, sample, positions, classifier, ignore)
    if not isinstance(truths, LabelSets):
        raise DataError(
            f"{reading.images}: holds no sets of labels; they are read from a file beside a folder "
            f"of pictures ({option('labels', like='FILE')}), from arrays of 0 and 1, or from lists "
            "in tar shards and Parquet files"
        )
    names = model_names(classifier, reading, listener)
    if names is not None:
        classifier = replace(classifier, class_names=names.names)
    return classifier, set_targets(truths, sample, classifier, names, listener)


def with_thresholds(classifier: Classifier, request: Request) -> Classifier:
    """A model of several labels, or a detector, with the thresholds that are asked for."""
    if classifier.kind is DETECTOR and request.settings.threshold is not None:
        number = as_number(request.settings.threshold)
        if number is None or not 0 < number < 1:
            given = request.settings.threshold
            raise InvalidOption("threshold", given, "a detector takes one number between 0 and 1")
        return replace(classifier, threshold=number)
    if classifier.kind.name != "several-labels":
        return classifier
    asked, names = request.settings.threshold, None
    if isinstance(asked, str):
        known = model_names(classifier, request.reading, Listener())
        names = None if known is None else known.known_as
    return replace(classifier, thresholds=thresholds(asked, classifier.classes, names))


def set_targets(
    truths: LabelSets,
    sample: Sample,
    classifier: Classifier,
    names: ModelNames | None,
    listener: Listener,
) -> NDArray[np.bool_]:
    """The labels of each image in the model's order, shape (K, classes).

    Raises
    ------
    DataError
        A label that is no class of the model, or classes whose names are not known.
    """
    words = list(truths.lines) if truths.classes is None else list(truths.classes)
    places = _places(truths, words, classifier, names, listener)
    sets = np.zeros((len(sample), classifier.classes), np.bool_)
    for row, name in enumerate(sample.ids):
        sets[row, [places[word] for word in truths.sets[name]]] = True
    return sets


def _places(
    truths: LabelSets,
    words: list[str],
    classifier: Classifier,
    names: ModelNames | None,
    listener: Listener,
) -> dict[str, int]:
    """The model's class of each label, or of each column of a table."""
    table, classes, offset = truths.table, classifier.classes, classifier.label_offset
    columns = truths.classes is not None
    if truths.whole and len(words) + offset != classes:
        raise DataError(
            f"{table}: labels have {len(words)} columns, but the model has {classes} classes; "
            f"one column a class is needed, in its order (see {option('label_offset')})"
        )
    if all(_is_number(word) for word in words):
        _check_numbers(truths, words, names)
        places = [int(word) + offset for word in words]
        wrong = next((at for at, place in enumerate(places) if not 0 <= place < classes), None)
        if wrong is not None:
            raise DataError(
                f"{_where(truths, words[wrong])}: label {words[wrong]}"
                + (f" (+ offset {offset})" if offset else "")
                + f", but the model has classes 0 to {classes - 1}; see {option('label_offset')}"
            )
        again = next((at for at, place in enumerate(places) if place in places[:at]), None)
        if columns and again is not None:
            first = words[places.index(places[again])]
            raise DataError(
                f"{table}: columns '{first}' and '{words[again]}' are both class {places[again]}"
            )
        return dict(zip(words, places, strict=True))
    if names is None:
        if not columns or len(words) + offset != classes:
            many = f"{len(words)} columns, but the model has {classes} classes" if columns else ""
            raise DataError(
                f"{table}: the labels are names ({shown(words)}), and those of the model's classes "
                f"are not known{f' (it has {many})' if many else ''}: give {_NAMES} (one a line, "
                "in the model's order), or labels that are numbers"
            )
        listener.note(f"classes: the columns of {table}, in their order")
        return {word: place + offset for place, word in enumerate(words)}
    found = ClassIndex(names.known_as).find(words)
    known: dict[str, int] = {}
    owner: dict[int, str] = {}
    for word, meant in zip(words, found, strict=True):
        if not meant:
            raise DataError(
                f"{_where(truths, word)}: '{word[:80]}' is no class of the model, as {names.where} "
                f"has them ({shown(names.names, 4)})"
            )
        if len(meant) > 1:
            which = " or ".join(map(str, sorted(meant)[:3]))
            raise DataError(
                f"{_where(truths, word)}: '{word[:80]}' may be class {which}, as {names.where} has "
                "them; give numbers"
            )
        place = known[word] = next(iter(meant)) + offset
        if columns and owner.setdefault(place, word) != word:
            raise DataError(
                f"{table}: columns '{owner[place]}' and '{word}' are both class {place}, "
                f"'{names.names[place - offset]}', as {names.where} has it"
            )
    if columns and len(known) < classes - offset:
        listener.warning(
            f"{table} has columns for {len(known)} of the model's {classes} classes; the other "
            "labels are taken for absent in every image"
        )
    return known


def _check_numbers(truths: LabelSets, words: list[str], names: ModelNames | None) -> None:
    """Refuse numbers that may be places of classes as well as names of others."""
    known = [] if names is None else [name.strip() for name in names.names]
    other = next((w for w in words if w in known and known.index(w) != int(w)), None)
    if other is not None and names is not None:
        raise DataError(
            f"{_where(truths, other)}: label {other} may be class {other}, or the name of class "
            f"{known.index(other)}, as {names.where} has them; give labels that are names, or "
            f"{option('class_names', 'none')}"
        )


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdecimal() and len(word) < 10


def _where(truths: LabelSets, word: str) -> str:
    line = truths.lines.get(word)
    return f"{truths.table}" if not line else f"{truths.table}, line {line}"


def mask_targets(
    truths: Masks,
    sample: Sample,
    positions: list[int],
    classifier: Classifier,
    ignore: int | None,
) -> NDArray[np.int16]:
    """Masks at the size of the model's input, with the class of each pixel.

    255 does not count where the model has no such class, nor does `ignore`, nor what lies outside
    the picture: these are -1.

    Returns
    -------
    ndarray of int16, shape (K, height, width)
        -1 alone for images at other positions.

    Raises
    ------
    DataError
        A mask that does not fit its picture or the model.
    """
    form = classifier.form
    targets = np.full((len(sample), form.height, form.width), IGNORED, np.int16)
    highest, never = 0, False
    for position in positions:
        name = sample.ids[position]
        levels = truths.mask(name)
        never |= NEVER_COUNTED in levels
        mask = _classes(truths, name, levels, sample.size(position), classifier, ignore)
        fitted = targets[position] = fitted_mask(classifier.preprocess, mask, IGNORED)
        highest = max(highest, int(fitted.max()))
        if fitted.max() == IGNORED:
            raise DataError(
                f"{truths.where(name)}: has no pixel that counts inside the model's input; leave "
                "its picture out"
            )
    if classifier.classes == 2 and highest == 0 and never and ignore != NEVER_COUNTED:
        raise DataError(
            f"{truths.place}: its masks hold 0 and {NEVER_COUNTED} alone, and {NEVER_COUNTED} "
            "does not count; give masks of 0 and 1"
        )
    return targets


def _classes(
    truths: Masks,
    name: str,
    mask: NDArray[np.int32],
    size: tuple[int, int],
    classifier: Classifier,
    ignore: int | None,
) -> NDArray[Any]:
    """The class of each pixel of a mask at its own size, -1 where one does not count."""
    path = truths.where(name)
    classes, offset = classifier.classes, classifier.label_offset
    if mask.shape != size:
        raise DataError(
            f"{path}: is {mask.shape[1]} x {mask.shape[0]} pixels, but its picture {name} is "
            f"{size[1]} x {size[0]}; a mask has the size of its picture"
        )
    apart = mask == ignore if ignore is not None else np.zeros(mask.shape, np.bool_)
    if classes <= NEVER_COUNTED:
        apart |= mask == NEVER_COUNTED
    found = np.where(apart, IGNORED, mask + offset)
    wrong = ~apart & ((found < 0) | (found >= classes))
    if wrong.any():
        level = int(mask[wrong][0])
        raise DataError(
            f"{path}: holds {level}"
            + (f" (+ offset {offset})" if offset else "")
            + f", but the model has classes 0 to {classes - 1}; {option('ignore', level)} leaves "
            f"such pixels out, {option('label_offset')} moves all numbers"
        )
    return found
