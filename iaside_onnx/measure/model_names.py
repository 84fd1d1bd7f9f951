"""Names of a model's classes: as given, as its file declares, or as stands beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError, UsageError, said
from ..images.class_names import NO_NAMES, folded, line_left_empty, mere_numbers, read_class_names
from ..images.sample import Reading
from ..inference.class_head import ClassHead
from ..inference.classifier import Classifier
from ..listener import Listener
from ..onnx_file.declared import Declared, fit_names
from ..spelling import option


@dataclass(frozen=True)
class ModelNames:
    """Names of a model's classes, in order of labels.

    Attributes
    ----------
    names : list of str
        As reports show them.
    where : str
        Who says so, as the subject of a sentence.
    known_as : list of str
        With synonyms and ids, for finding.
    """

    names: list[str]
    where: str
    known_as: list[str]


def model_names(classifier: Classifier, reading: Reading, listener: Listener) -> ModelNames | None:
    """Names of the model's classes: as given, as the file declares, or as stands beside it."""
    if reading.class_names == NO_NAMES:
        return None
    outputs, offset = classifier.classes, classifier.label_offset
    path = classifier.artifact.path
    if reading.class_names is not None:
        given = Path(reading.class_names)
        names = read_class_names(given)
        fitting = fit_names(names, outputs, offset)
        if fitting is None:
            raise DataError(
                f"{given}: names {len(names):,} classes, but the model has {outputs:,}"
                + (f" (label offset {offset})" if offset else "")
                + _remedy(given, len(names) == outputs - 1 and offset == 0)
            )
        if classifier.scores.head is not None:
            _say_equal(given, fitting, listener)
        return ModelNames(fitting, str(given), fitting)
    if classifier.scores.head is not None:
        return _of_head(classifier.scores.head, reading)
    declared = Declared(path, classifier.artifact.metadata)
    named = declared.named_classes(outputs, offset)
    for key, why in declared.open_lists():
        listener.warning(f"{path.name} ({key} in its metadata): {why}; it is not used")
    if named is not None:
        _check_agreement(path.name, declared, named, classifier, listener)
        return ModelNames(named[0], f"{path.name} ({named[1]} in its metadata)", named[0])
    for key, names in declared.class_lists():
        listener.warning(
            f"{path.name} names {len(names)} classes ({key} in its metadata) but has {outputs}; "
            "the names are not used"
        )
    for file in declared.files_beside():
        try:
            names = read_class_names(file)
        except DataError as error:
            if file.suffix == ".txt":
                listener.warning(f"{said(error)}; it is not used")
            continue
        fitting = fit_names(names, outputs, offset)
        if fitting is not None:
            listener.note(f"class names: {file}, beside the model")
            return ModelNames(fitting, str(file), fitting)
        if file.suffix == ".txt":
            listener.note(f"class names: {file} names {len(names)} for {outputs} classes; not used")
    return None


def _remedy(given: Path, one_short: bool) -> str:
    """What may help where a file has not as many names as the model has classes."""
    empty = line_left_empty(given)
    if empty is not None:
        return f"; its line {empty} is empty: write the name of a class that belongs there"
    if one_short:
        return f"; if the model's class 0 is a background class, give {option('label_offset', 1)}"
    return ""


def _say_equal(given: Path, names: list[str], listener: Listener) -> None:
    """Warn of classes of one name, whose embeddings were made from it, or of another."""
    again = next((at for at, name in enumerate(names) if name in names[:at]), None)
    if again is not None:
        first = names.index(names[again])
        listener.warning(f"{given}: classes {first} and {again} are both called '{names[again]}'")


def _of_head(head: ClassHead, reading: Reading) -> ModelNames | None:
    """Names of classes that were given for embeddings; None where nothing goes by them."""
    if head.names is not None:
        return ModelNames(head.names, option("fit_classes"), head.names)
    if reading.own_answers:
        return None
    raise UsageError(
        f"{option('class_embeddings')}: which class each row of it is has to be said with "
        f"{option('class_names', like='FILE')} (one a line, in order), or "
        f"{option('class_names', NO_NAMES)} to go by place"
    )


def _check_agreement(
    model: str,
    declared: Declared,
    used: tuple[list[str], str],
    classifier: Classifier,
    listener: Listener,
) -> None:
    """Warn where the metadata names the classes in two ways."""
    for key, names in declared.class_lists():
        fitting = fit_names(names, classifier.classes, classifier.label_offset)
        if fitting is None or mere_numbers(fitting):
            continue
        pairs = zip(used[0], fitting, strict=True)
        other = next((at for at, (one, two) in enumerate(pairs) if folded(one) != folded(two)), -1)
        if other >= 0:
            listener.warning(
                f"{model} names its classes in two ways: class {other} is '{used[0][other]}' under "
                f"{used[1]}, which is used, and '{fitting[other]}' under {key}; "
                f"{option('class_names', like='FILE')} settles it"
            )
            return
