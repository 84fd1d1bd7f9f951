"""Which class of the model each image is of: folder names compared with the names of classes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, InvalidOption, UsageError
from ..images.class_index import ClassIndex
from ..images.class_names import NO_NAMES, mere_numbers, shown
from ..images.folders import PhotoFiles
from ..images.imagenet import CLASSES, synsets, wordnet_id
from ..images.sample import Reading, Sample
from ..images.tree import look_below
from ..inference.classifier import Classifier
from ..listener import Listener
from ..plurals import counted
from ..spelling import option
from .model_names import ModelNames, model_names

_NAMES = option("class_names", like="FILE")
_LABELS = option("labels", like="FILE")
_REMEDY = f"give {_NAMES} (the model's classes in its order, named as here)"

_BY_PLACE = option("class_names", NO_NAMES)
_NUMBER, _TEXT = (option("label_order", order) for order in ("number", "text"))
_FROM_1 = option("label_offset", -1)
# ImageNet's 1000 classes and one before them, as in TensorFlow's model garden.
_WITH_BACKGROUND = 1001


def settle_labels(
    sample: Sample, classifier: Classifier, reading: Reading, listener: Listener
) -> tuple[Sample, Classifier]:
    """Give the images of a sample the numbers that the model's classes have.

    Where names of the model's classes are known, images follow them; places of folders count only
    where there are no names, or no folder bears one.

    Returns
    -------
    sample : Sample
        With labels in the order of the model's classes, before the label offset.
    classifier : Classifier
        With the names of its classes.

    Raises
    ------
    DataError
        Names that disagree, or that are unknown, or numbers whose order is open.
    UsageError
        An option that does not go with the images.
    """
    offset, classes = classifier.label_offset, classifier.classes
    if offset >= classes:
        reason = f"the model has {classes:,} classes, so it leads from no label to one of them"
        raise InvalidOption("label_offset", offset, reason)
    names = model_names(classifier, reading, listener)
    if names is not None:
        classifier = replace(classifier, class_names=names.names)
        sample = sample if reading.own_answers else _files_by_names(sample, names)
    elif reading.class_names == NO_NAMES:
        classifier = replace(classifier, class_names=None)
    source = sample.source
    own = source.class_names
    folders = source.naming == "folders"
    numbers = own is not None and all(_number(name) is not None for name in own)
    numbered = numbers and folders
    if reading.label_order is not None and not numbered:
        raise UsageError(
            f"{option('label_order', reading.label_order)} goes with class folders named by numbers"
        )
    if own is None:
        return sample, classifier
    used = np.unique(source.labels).tolist()
    used_names = [own[label] for label in used]
    free = classifier.classes - classifier.label_offset
    counted = source.naming == "list" and len(own) == free
    if names is None and reading.class_names is None and not counted:
        names = _imagenet(used_names, classifier, listener)
    if names is not None and not (numbered and reading.label_order):
        places = _by_name(own, used, names, source.naming, numbers, listener)
        if places is not None:
            mapping = np.array([places.get(place, -1) for place in range(len(own))], np.int64)
            return sample.with_labels(mapping[source.labels], names.names), classifier
    if isinstance(source, PhotoFiles) and source.doubt:
        raise DataError(
            f"{source.doubt} If they are classes of the model, list its classes with "
            f"{option('class_names')}"
        )
    if source.naming == "words":
        raise DataError(
            f"the labels are names ({shown(used_names)}), and those of the model's classes are not "
            f"known: give {_NAMES} (one a line, in the model's order), or labels that are "
            "numbers"
        )
    if numbered:
        sample = _by_number(sample, own, free, reading.label_order, listener)
        if names is not None:
            sample = sample.with_labels(sample.source.labels, names.names)
        return sample, classifier
    if len(own) < free and all(wordnet_id(name) for name in used_names):
        raise DataError(
            f"the class folders are WordNet ids ({shown(used_names)}), {len(own)} for the model's "
            f"{free} classes, and which is which is not known: give {_NAMES} (the ids in the "
            f"model's order), or {_LABELS}"
        )
    _check_text_order(own if folders else [], listener)
    return sample, classifier


def _files_by_names(sample: Sample, names: ModelNames) -> Sample:
    """Compare picture files with the names of the model's classes, before labels are settled."""
    source = sample.source
    if not isinstance(source, PhotoFiles):
        return sample
    _check_skipped(source, names)
    _check_pairs(source, names)
    return sample if source.class_names is not None else _numbers_as_names(sample, names)


def _check_skipped(source: PhotoFiles, names: ModelNames) -> None:
    """Refuse a folder of pictures that is passed over for its name, but bears that of a class."""
    classes = {name.strip().casefold() for name in names.names}
    for name in source.skipped:
        if name.casefold() in classes and look_below(source.root / name).pictures:
            raise DataError(
                f"{source.root / name}: is passed over as hidden or left over, but {names.where} "
                f"has a class '{name}': rename the folder (without a dot before it), or give "
                f"{_LABELS}"
            )


def _check_pairs(source: PhotoFiles, names: ModelNames) -> None:
    """Refuse a file of labels whose numbers and names are other classes of the model."""
    matches = ClassIndex(names.known_as).find([name for _, name in source.pairs])
    if not all(matches):  # names of something else, such as groups of classes
        return
    for ((number, name), where), classes in zip(source.pairs.items(), matches, strict=True):
        if number not in classes:
            raise DataError(
                f"{where}: has the number {number} and the name '{name}', which is class "
                f"{min(classes)} as {names.where} has them; give "
                f"{option('columns', like='FILE,LABEL')} with the column that is right"
            )


def _numbers_as_names(sample: Sample, names: ModelNames) -> Sample:
    """Numbers of a file of labels, refused where they may be names as well as other places."""
    known = [_number(name) for name in names.names]
    places = {number: place for place, number in enumerate(known) if number is not None}
    used = np.unique(sample.source.labels).tolist()
    if len(places) < len(known) or not all(label in places for label in used):
        return sample
    other = next((label for label in used if places[label] != label), None)
    if other is None:
        return sample
    if max(used) < len(known):
        raise DataError(
            f"the labels are numbers, and so are the names of the classes: label {other} may be "
            f"class {other}, or the name of class {places[other]}, as {names.where} has them; give "
            f"{_BY_PLACE} to take the labels as places, or labels that are places"
        )
    labels = np.array([places[label] for label in sample.source.labels.tolist()], np.int64)
    return sample.with_labels(labels, names.names)


def _check_text_order(own: list[str], listener: Listener) -> None:
    """Warn where folders with numbers in their names stand in another order than the numbers."""
    if moved := _moved(own, _with_numbers):
        listener.warning(
            f"the names of the class folders hold numbers, and {len(moved)} of {len(own)} have "
            f"another place in the order of these: {_places(own, moved[0], ', which is used,')}; "
            f"if the model counts so, give {_NAMES} (its classes in its order)"
        )


def _moved(names: list[str], key: Callable[[str], Any]) -> list[tuple[int, int]]:
    """Places of folders that another order changes, and those that they have there."""
    others = {name: place for place, name in enumerate(sorted(names, key=key))}
    pairs = [(place, others[name]) for place, name in enumerate(names)]
    return [(place, other) for place, other in pairs if place != other]


def _places(names: list[str], places: tuple[int, int], remark: str = ",") -> str:
    place, other = places
    return (
        f"{names[place]}/ is class {place} in the order of text{remark} but {other} in that of "
        "numbers"
    )


def _with_numbers(name: str) -> list[tuple[str, int]]:
    """A key that sorts names by the numbers in them."""
    parts = [*re.split(r"([0-9]{1,18})", name), "0"]
    return [(text, int(number)) for text, number in zip(parts[::2], parts[1::2], strict=True)]


def _number(name: str) -> int | None:
    """The number that a folder's name is, or None."""
    return int(name) if name.isascii() and name.isdecimal() and len(name) < 10 else None


def _imagenet(used: list[str], classifier: Classifier, listener: Listener) -> ModelNames | None:
    """ImageNet's names, where the model has its number of classes and the folders bear them."""
    classes, offset = classifier.classes, classifier.label_offset
    if CLASSES not in (classes, classes - offset) and (classes, offset) != (CLASSES + 1, 0):
        return None
    known_as = [f"{synset} {text}" for synset, text in synsets().items()]
    known = sum(map(bool, ClassIndex(known_as).find(used)))
    if 2 * known < len(used):
        return None
    lemmas = [text.partition(",")[0] for text in synsets().values()]
    names = [
        f"{lemma} ({synset})" if lemmas.count(lemma) > 1 else lemma
        for lemma, synset in zip(lemmas, synsets(), strict=True)
    ]
    if all(wordnet_id(name) in synsets() for name in used):
        listener.note("classes: those of ImageNet, by WordNet ids")
    else:
        listener.warning(
            f"the model has {classes} classes and those of the images ({shown(used, 3)}) bear "
            f"names of ImageNet's, so they are taken for these; {option('class_names')} settles it"
        )
    return ModelNames(names, "ImageNet", known_as)


def _by_name(
    own: list[str],
    used: list[int],
    names: ModelNames,
    naming: str,
    numbers: bool,
    listener: Listener,
) -> dict[int, int] | None:
    """The model's class of each class of the images, by name; refused where that is not settled.

    None where no class of the images bears a name, and names on one side are only numbers.
    """
    what, several = {
        "folders": ("class folder", "class folders"),
        "list": ("class", "classes"),
        "words": ("label", "labels"),
    }[naming]
    called = {place: own[place] + ("/" if naming == "folders" else "") for place in used}
    matches = ClassIndex(names.known_as).find([own[place] for place in used])
    if not any(matches) and (numbers or mere_numbers(names.names)):
        return None
    unknown = [place for place, classes in zip(used, matches, strict=True) if not classes]
    if unknown:
        first, at = unknown[0], ""
        if naming != "words" and first < len(names.names):
            at = (
                f"; {called[first]} is class {first} by position, but {names.where} calls class "
                f"{first} '{names.names[first]}'"
            )
        labels = "" if naming == "list" else f", {_LABELS}"
        none = "" if naming == "words" else f", or {_BY_PLACE} to go by place"
        raise DataError(
            f"{several} {shown(called[place] for place in unknown)}: no class of the model by that "
            f"name, as {names.where} has them ({shown(names.names, 4)}){at}; "
            f"{_REMEDY}{labels}{none}"
        )
    numbers_of: dict[int, int] = {}
    place_of: dict[int, int] = {}
    for place, classes in zip(used, matches, strict=True):
        if len(classes) > 1 and naming == "list" and place in classes:
            classes.intersection_update({place})
        if len(classes) > 1:
            which = " or ".join(str(number) for number in sorted(classes)[:3])
            raise DataError(
                f"{what} {called[place]} may be class {which}, as {names.where} has them; "
                f"give its WordNet id or full name, or {_LABELS} with numbers"
            )
        numbers_of[place] = next(iter(classes))
    for place, number in numbers_of.items():
        first = place_of.setdefault(number, place)
        if first != place:
            raise DataError(
                f"{several} {called[first]} and {called[place]} are both class {number}, "
                f"'{names.names[number]}', as {names.where} has it; join or rename them"
            )
    if naming != "words" and any(place != number for place, number in numbers_of.items()):
        listener.note(f"classes: {several} go by name, not by place, as {names.where} has them")
    return numbers_of


def _by_number(
    sample: Sample, own: list[str], free: int, order: str | None, listener: Listener
) -> Sample:
    """Images of folders that are named by numbers."""
    numbers = [int(name) for name in own]
    if len(set(numbers)) < len(numbers):
        again = next(name for name in own if numbers.count(int(name)) > 1)
        raise DataError(f"class folder {again}/: another folder is named by the same number")
    first = min(numbers)
    if order is None:
        if moved := _moved(own, int):
            raise DataError(
                f"class folders are named by numbers ({shown(own, 3)}), and "
                f"{_places(own, moved[0])}; give {_NUMBER} or {_TEXT}, or {_NAMES} (the model's "
                "classes in its order)"
            )
        if numbers != list(range(len(own))) and len(own) != free:
            raise DataError(
                f"class folders are named by numbers ({shown(own, 4)}) that are not 0, 1, 2, ..., "
                f"and the model has {free} classes: give {_NUMBER} to take the numbers as labels "
                f"(with {_FROM_1} if they count from 1), or {_TEXT} to take the folders in order; "
                f"or {_NAMES} (the model's classes in its order, named as the folders)"
            )
    if order != "number":
        return sample
    if len(own) == free and max(numbers) - first == free - 1:  # all of them, from any first one
        numbers = [number - first for number in numbers]
    elif numbers != list(range(len(own))):
        listener.note(
            f"labels: the folders' numbers, {first} to {max(numbers)}; if they count from 1, give "
            f"{_FROM_1}"
        )
    names = [""] * min(max(numbers) + 1, max(free, 1))
    for number, name in zip(numbers, own, strict=True):
        if number < len(names):
            names[number] = name
    return sample.with_labels(np.array(numbers, np.int64)[sample.source.labels], names)


def class_targets(sample: Sample, classifier: Classifier, listener: Listener) -> NDArray[np.int64]:
    """Index of each image's class in the model's output."""
    classes, offset = classifier.classes, classifier.label_offset
    targets = sample.labels + offset
    names = sample.class_names
    if names is not None and len(names) + offset > classes:
        raise DataError(
            f"the images are of {len(names)} classes ({shown(names)}), but the model has "
            f"{classes}" + (f" (label offset {offset})" if offset else "")
        )
    wrong = np.flatnonzero((targets < 0) | (targets >= classes))
    if wrong.size:
        first = int(wrong[0])
        advice = f"see {option('label_offset')}"
        if not offset and sample.labels.min() == 1 and sample.labels.max() == classes:
            advice = f"if the labels count from 1, give {_FROM_1}"
        raise DataError(
            f"image {sample.ids[first]} has label {int(sample.labels[first])}"
            + (f" (+ offset {offset})" if offset else "")
            + f", but the model has classes 0 to {classes - 1}; {advice}"
        )
    background = classes == _WITH_BACKGROUND and not offset
    known = background and names is not None and len(names) == classes - 1
    if names is not None and len(names) + offset < classes and not known:
        places = f"classes {offset} to {offset + len(names) - 1}"
        if len(names) == 1:
            places = f"class {offset}"
        few = counted(len(names), "class", "classes")
        listener.warning(
            f"the images are of {few}, the model has {classes}: they are taken as {places}; if "
            f"that is wrong use {option('class_names')}, {option('labels')} or "
            f"{option('label_offset')}"
        )
    if names is None and not offset and _count_from_one(sample.source.labels, classes):
        listener.warning(
            f"the labels count 1, 2, ... and none is 0: if they count from 1, give {_FROM_1}"
        )
    if background and targets.max() < classes - 1:
        listener.warning(
            "the model has 1001 classes: if its class 0 is a background class and your labels "
            f"count from the first real one, give {option('label_offset', 1)}"
        )
    if len(np.unique(targets)) == 1:
        listener.warning(
            "all images of the sample are of one class; the result speaks for it alone"
        )
    return targets


def _count_from_one(labels: NDArray[np.int64], classes: int) -> bool:
    """Whether labels are 1, 2, ..., as where they count classes from 1 and the last is missing."""
    present = np.unique(labels)
    return 2 <= len(present) < classes and np.array_equal(present, np.arange(1, len(present) + 1))
