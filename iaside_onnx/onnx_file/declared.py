"""What an ONNX file declares about itself in its metadata, under keys that start with ``iaside.``.

The keys are written by the exporters in ``exporting`` and documented there. They are defaults:
an option overrides its key, and then even a broken value does no harm.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ArtifactError, DataError, UsageError, said
from ..images.class_names import (
    OpenOrderError,
    mere_numbers,
    names_in,
    python_dict,
    read_class_names,
    without_places,
)
from ..preprocessing.hub_config import beside
from ..preprocessing.preprocess import Preprocess, declared_preprocess, load_preprocess
from ..preprocessing.recipe_keys import short_text
from ..settings import MOST_OFFSET
from ..spelling import option
from .bounds import LONGEST_NAME, shortened

PREFIX = "iaside."
_LARGEST_SIDE = 1 << 16
# Keys of other tools that say what a model is; shown beside our own.
OTHER_KEYS = ("task", "names", "imgsz", "stride", "character")
_SHOWN = 300
# Where other tools put class names: "names" is that of ultralytics, "character" of PaddleOCR.
_NAME_KEYS = (
    "names", "class_names", "classes", "labels", "id2label", "idx_to_class", "categories",
    "character", "class_to_idx", "label2id",
)  # fmt: skip


def fit_names(names: list[str], outputs: int, offset: int) -> list[str] | None:
    """Names in order of labels, if there is one for each score or for each label; else None."""
    if len(names) not in (outputs, outputs - offset):
        return None
    if len(names) != outputs or offset == 0:
        return names
    return names[offset:] if offset > 0 else [""] * -offset + names


def _listed(text: str, key: str) -> list[str] | None:
    """Names in a value of the metadata: JSON, a dictionary as Python prints it, lines or commas.

    Raises
    ------
    OpenOrderError
        Their order is open.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        if text.strip().startswith("{"):
            value = python_dict(text)
            if value is None:
                raise OpenOrderError(
                    "it is a set, or no dictionary of numbers and names, and has no order"
                ) from None
            return names_in(value, key)
        parts = text.splitlines() if "\n" in text.strip() else text.split(",")
        names = [part.strip(" []'\"") for part in parts]
        return without_places(names) if len(names) > 1 and all(names) else None
    return names_in(value, key)


@dataclass(frozen=True)
class Declared:
    """Reads the declared values, each when it is asked for.

    Attributes
    ----------
    path : Path
        The file, for messages.
    metadata : mapping of str to str
        Its ``metadata_props``.
    """

    path: Path
    metadata: Mapping[str, str]

    def preprocess(self) -> Preprocess | None:
        """Recipe: a preset's name, or a JSON object with the keys of the TOML file.

        Raises
        ------
        ArtifactError
            Neither, or an unusable value; one that is asked for overrides it.
        """
        text = self._text("preprocess")
        if text is None:
            return None
        try:
            return declared_preprocess(text, f"metadata {PREFIX}preprocess")
        except UsageError as error:
            raise ArtifactError(
                f"{self.path}: {said(error)}; override it with {option('preprocess')}"
            ) from error

    def preprocess_beside(self) -> Preprocess | None:
        """Recipe in a file that Hugging Face or timm put beside the model.

        Raises
        ------
        ArtifactError
            One that cannot be used; one that is asked for overrides it.
        """
        path = beside(self.path)
        if path is None:
            return None
        try:
            return load_preprocess(str(path))
        except UsageError as error:
            raise ArtifactError(
                f"{said(error)} (the file lies beside the model; {option('preprocess')} overrides "
                "it)"
            ) from error

    def layout(self) -> str | None:
        """Layout of the image input: "nchw" or "nhwc"."""
        return self._one_of("layout", ("nchw", "nhwc"))

    def output_kind(self) -> str | None:
        """What the score output holds: "logits" or "probabilities"."""
        return self._one_of("output_kind", ("logits", "probabilities"))

    def kind_of(self, outputs: Sequence[str]) -> str | None:
        """`output_kind`, where these outputs are what it speaks of; None given: they are."""
        own = self.output()
        return None if own is not None and outputs and own not in outputs else self.output_kind()

    def output(self) -> str | None:
        """Name of the score output."""
        return self._text("output")

    def size(self) -> tuple[int, int] | None:
        """Height and width under the key ``imgsz``, as Ultralytics' exporter writes them."""
        try:
            sides = json.loads(self.metadata.get("imgsz") or "null")
        except (ValueError, RecursionError):
            return None
        sides = [sides] if isinstance(sides, int) else sides
        if not isinstance(sides, list) or len(sides) not in (1, 2):
            return None
        if not all(isinstance(side, int) and 0 < side < _LARGEST_SIDE for side in sides):
            return None
        return sides[0], sides[-1]

    def label_offset(self) -> int:
        """Number to add to labels; 0 where nothing is declared."""
        text = self._text("label_offset")
        try:
            offset = int(text or "0")
        except ValueError:
            offset = MOST_OFFSET + 1
        if abs(offset) > MOST_OFFSET:
            raise self._wrong("label_offset", "not a whole number of reasonable size")
        return offset

    def classes(self, outputs: int, offset: int = 0) -> list[str] | None:
        """Names of the classes in order of labels, if the file declares a fitting list.

        Parameters
        ----------
        outputs : int
            Scores of the model: with a name for each of them the list is in their order.
        offset : int
            Label offset: a list shorter by it is in order of labels.
        """
        named = self.named_classes(outputs, offset)
        return None if named is None else named[0]

    def named_classes(self, outputs: int, offset: int = 0) -> tuple[list[str], str] | None:
        """Names of the classes as `classes` has them, and the key that declares them."""
        for key, names in self.class_lists():
            fitting = fit_names(names, outputs, offset)
            if fitting is not None:
                return fitting, key
        return None

    def class_lists(self) -> list[tuple[str, list[str]]]:
        """Every list of names in the metadata, of the exporters here and of other tools."""
        return [(key, names) for key, names in self._read_lists() if isinstance(names, list)]

    def open_lists(self) -> list[tuple[str, str]]:
        """Keys of lists whose order is open, and why it is."""
        return [(key, why) for key, why in self._read_lists() if isinstance(why, str)]

    def files_beside(self) -> list[Path]:
        """Files beside the model that name its classes: of Azure, and of Hugging Face."""
        folder = self.path.parent
        above = [folder.parent] if folder.name == "onnx" else []
        places = [folder / "labels.txt", *(at / "config.json" for at in (folder, *above))]
        return [place for place in places if place.is_file()]

    def class_counts(self) -> dict[int, str]:
        """How many classes are named, and where: in the metadata, and in files beside the model.

        Names that only count are left out of files beside: tools fill them in for any model.
        """
        found: dict[int, str] = {}
        for key, names in self.class_lists():
            found.setdefault(len(names), f"'{key}' in the file's metadata")
        for file in self.files_beside():
            try:
                names = read_class_names(file)
            except DataError:
                continue
            if not mere_numbers(names):
                found.setdefault(len(names), f"{file.name} beside the model")
        return found

    def speaks_of_classes(self) -> bool:
        """Whether something is declared that only a model of classes has."""
        return bool(self._read_lists()) or self._text("label_offset") is not None

    def _read_lists(self) -> list[tuple[str, list[str] | str]]:
        """Each list of names, or why its order is open, with its key."""
        lists: list[tuple[str, list[str] | str]] = []
        for key in (PREFIX + "classes", *_NAME_KEYS):
            try:
                names = _listed(self.metadata.get(key, ""), key)
            except OpenOrderError as error:
                lists.append((key, str(error)))
                continue
            if names:
                lists.append((key, [shortened(name, LONGEST_NAME) for name in names]))
        return lists

    def shown(self) -> dict[str, str]:
        """All declared values as they stand in the file; long ones of other tools cut short."""
        values = self.metadata
        own = {key: shortened(text) for key, text in values.items() if key.startswith(PREFIX)}
        return own | {key: shortened(values[key], _SHOWN) for key in OTHER_KEYS if key in values}

    def _text(self, key: str) -> str | None:
        return self.metadata.get(PREFIX + key)

    def _one_of(self, key: str, allowed: tuple[str, ...]) -> str | None:
        text = self._text(key)
        if text is not None and text not in allowed:
            raise self._wrong(key, f"not one of {', '.join(allowed)}")
        return text

    def _wrong(self, key: str, why: str) -> ArtifactError:
        shown = short_text(self._text(key) or "")
        kinds = ("logits", "probabilities") if key == "output_kind" else ()
        return ArtifactError(
            f"{self.path}: its metadata declares {PREFIX}{key} = {shown}, which is {why}; override "
            f"it with {option(key, *kinds)}"
        )
