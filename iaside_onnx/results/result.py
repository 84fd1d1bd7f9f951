"""What all results are: values for each image with their provenance, kept in a file of one kind.

A kind says in its `Schema` what it holds; saving, loading, parts and their joining, and xarray
follow from that. Nothing here knows how a result is shown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .. import errors
from ..checks import check_kind, one_of
from ..digest import data_digest, rows_digest
from ..errors import IasideError, InvalidOption, ReportError, UsageError, again, said
from ..mathematics.bands import MOST_BANDS, NORMS
from ..mathematics.shapley import VALUES
from ..storage.isolated import Child
from ..storage.opening import stored_content, wrong_kind
from ..storage.output_file import check_folder, check_free_for_result
from ..storage.regular_file import why
from ..storage.schema import IMAGE, ROUNDING, TEXT, Field, Schema
from ..storage.value_rules import WrongContentError, need
from ..tasks import CLASSES, TaskKind, kind_of_settings
from .joining import joined, taken
from .part import part_of
from .shown import Shown
from .spread import check_confidence
from .tally import LABELS as SETS

if TYPE_CHECKING:
    from xarray import Dataset

# Fields that several kinds have.
IDS = Field("image_ids", (IMAGE,), TEXT, "relative path or index", coordinate="image")
LABELS = Field("labels", (IMAGE,), "int64", "true class; none where the task has no classes",
               optional=True, coordinate="label")  # fmt: skip
PREDICTED = Field(
    "predicted", (IMAGE,), "int64", "class given to the clean image; none likewise",
    optional=True, coordinate="predicted",
)  # fmt: skip
CHANGE = Field(
    "change",
    (IMAGE,),
    "float32",
    "l1 distance of the probabilities from those of the clean image, at most 2; of other "
    "tasks how far the answer lies from that",
    low=0,
    slack=ROUNDING,
)
# Of probabilities.
MOST_CHANGE = 2
DIGESTS = Field("image_digests", (IMAGE, 32), "uint8",
                "SHA-256 of each image's content, in parts of a sample",
                optional=True, part_only=True)  # fmt: skip
# As ``settings["labels"]`` has it.
OWN_ANSWERS = "model"
_PROVENANCE = ("iaside_version", "created", "model", "data", "settings", "provider", "run")
_SHARE = "must lie between 0 and 1, both excluded"
# What the view settings can be; the rules are those of the file.
_TAKEN = {
    "bands": f"give a whole number from 1 to {MOST_BANDS}",
    "separate_dc": "give True or False",
    "beta": _SHARE,
    "confidence": _SHARE,
}
_CHOICES = {"norm": NORMS, "value": VALUES}
_LABELS = {"labels": "label", "predicted": "predicted class"}


def _nothing() -> NDArray[np.int64]:
    return np.empty(0, np.int64)


@dataclass(frozen=True, kw_only=True)
class Result(Shown):
    """Values for each image of a sample, and where they come from.

    Attributes
    ----------
    image_ids : list of str
        What the images are called in the data: relative paths or numbers.
    settings : dict
        All that determines the values, and the view settings.
    model, data, run : dict
        What was measured, on what, and how it ran (plain JSON values).
    provider : str
        What ran the model, as `inference.providers` names it.
    created : str
        ISO 8601, UTC.
    iaside_version : str
        Version that made the result.
    """

    SCHEMA: ClassVar[Schema]

    image_ids: list[str]
    settings: dict[str, Any]
    model: dict[str, Any]
    data: dict[str, Any]
    run: dict[str, Any]
    provider: str
    created: str
    iaside_version: str

    @property
    def format_version(self) -> int:
        """Version of the file format that holds this result."""
        return self.SCHEMA.versions[0]

    @property
    def provenance(self) -> dict[str, Any]:
        """What summaries say of where a result comes from."""
        return {
            "format": self.SCHEMA.format,
            "format_version": self.format_version,
            **{name: getattr(self, name) for name in _PROVENANCE},
        }

    @property
    def confidence(self) -> float:
        """Coverage that the intervals aim at."""
        return float(self.settings["confidence"])

    def view(self, *, confidence: float | None = None) -> Self:
        """The same values with intervals of another coverage; None keeps the present one.

        Raises
        ------
        UsageError
            A confidence outside (0, 1).
        """
        return self._viewed(confidence=confidence)

    def _viewed(self, **asked: Any) -> Self:
        """The same values with other view settings; those that are None stay."""
        changed = {
            key: value.item() if isinstance(value, np.generic) else value
            for key, value in asked.items()
            if value is not None
        }
        rules = self.SCHEMA.inside.get("settings", {})
        for name, value in changed.items():
            if name in rules and not rules[name](value):
                choices = _CHOICES.get(name)
                raise InvalidOption(
                    name, value, one_of(value, choices) if choices else _TAKEN[name]
                )
        if "confidence" in changed:
            check_confidence(changed["confidence"])
        if not changed:
            return self
        return replace(self, settings={**self.settings, **changed})

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the result as HDF5; the file appears only when it is whole.

        Raises
        ------
        UsageError
            The result is none that `load` would take, as one with settings of one's own can be.
        ReportError
            A folder, a folder that does not exist, an existing file without `overwrite` or one
            that is not of iaside, or it cannot be written.
        """
        from ..storage import hdf5  # loads h5py, which reading here does without

        target, schema = Path(path), self.SCHEMA
        check_folder(target)
        check_free_for_result(target, overwrite=overwrite)
        header = {name: getattr(self, name) for name in schema.header}
        values: dict[str, Any] = {}
        for each in schema.fields:
            outer, _, inner = each.name.partition(".")
            if inner:  # an attribute has no room for a long list
                header[outer] = {**header[outer]}
                values[each.name] = header[outer].pop(inner, None)
            else:
                values[each.name] = self.stored(outer)
        try:
            stored = hdf5.as_stored(schema, self.format_version, header, values)
            self._of_content(*stored)
        except Exception as error:  # a result can be wrong in any way
            raise UsageError(
                f"{target}: is not written, for nothing could read it again: {_reason(error)}"
            ) from error
        derived, notes = self._derived()
        hdf5.write(schema, target, self.format_version, *stored, derived, notes)

    def stored(self, name: str) -> Any:
        """What a file holds under the name of a field; None: nothing."""
        return getattr(self, name)

    def _derived(self) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Numbers of ``SCHEMA.derived`` by place, and attributes of groups."""
        return {}, {}

    @classmethod
    def load(cls, path: str | Path, reading: Child | None = None) -> Self:
        """Read a finished file of this kind.

        Parameters
        ----------
        path : path
        reading : Child, optional
            From `storage.opening.begin_reading(path)`, where reading has begun already.

        Raises
        ------
        ReportError
            A file of another kind or none, an unknown version, unfinished, or damaged.
        """
        if isinstance(path, Result):
            raise wrong_kind("the result given", path.SCHEMA.format, cls.SCHEMA.format)
        path = Path(path)
        stored, arrays = stored_content(path, reading)
        if stored["format"] != cls.SCHEMA.format:
            raise wrong_kind(path, stored["format"], cls.SCHEMA.format)
        return cls.of_stored(path, stored, arrays)

    @classmethod
    def of_stored(
        cls, path: Path, stored: Mapping[str, Any], arrays: dict[str, NDArray[Any]]
    ) -> Self:
        """The result from what `storage.hdf5.read_content` took from a file, checked."""
        if "error" in stored:
            raise again(getattr(errors, stored["error"]), {"parts": stored["parts"]})
        try:
            result = cls._of_content(stored["header"], arrays)
            version = result.format_version
            fits = stored["version"] == version
            need(fits, f"what it holds is of version {version}, not {stored['version']}")
            return result
        except Exception as error:  # a header can be wrong in any way
            raise ReportError(f"{path}: is damaged: {_reason(error)}") from error

    @classmethod
    def _of_content(cls, texts: Mapping[str, str], arrays: dict[str, NDArray[Any]]) -> Self:
        """The result from texts and arrays as files hold them; what none can hold is an error."""
        header = cls.SCHEMA.read_header(texts)
        values = cls.SCHEMA.read_fields(header, arrays)
        cls._check_fields(header, values)
        own = {name: values.pop(name) for name in cls.own_fields() & values.keys()}
        result = cls(**header, **own)
        result._check_images()
        part_of(result)
        result.check()
        for name, value in values.items():  # which the result computes
            same = np.array_equal(getattr(result, name), value)
            need(same, f"the {name} are not those of its grid or settings")
        return result

    @classmethod
    def _check_fields(cls, header: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        """Refuse fields that a result of this header does not keep."""

    def check(self) -> None:
        """Refuse what no run can have written, as far as the schema cannot tell."""

    def _check_images(self) -> None:
        """Numbers of images, and labels within the classes."""
        images = len(self.image_ids)
        need(
            self.data["samples"] == images,
            f"the samples do not match: it counts other images than the {images} it holds",
        )
        classes, offset = self.data.get("classes"), self.settings.get("label_offset", 0)
        for name, what in _LABELS.items():
            labels = getattr(self, name, None)
            if labels is None or classes is None:
                continue
            low, high = int(labels.min()) + offset, int(labels.max()) + offset
            need(low >= 0 and high < classes, f"a {what} lies outside the {classes} classes")

    def rows(self, positions: Sequence[int] | NDArray[np.intp] | NDArray[np.bool_]) -> Self:
        """The same of some of the images, in the order of their positions.

        A mask with a truth for each image stands for the positions where it is true.

        The digest of the images is that of a run over these alone, where the result holds the
        digests of their contents (``image_digests``); else one that names the whole and the
        positions.

        Raises
        ------
        UsageError
            No position, one where no image is, or a mask of another length.
        """
        chosen = _chosen(positions, len(self.image_ids))
        rows: dict[str, Any] = {}
        for each in self.own_rows():
            value = getattr(self, each.name)
            if value is not None:
                rows[each.name] = taken(value, chosen, each.dims.index(IMAGE))
        run = {key: value for key, value in self.run.items() if key not in ("shard", "parts")}
        some = replace(self, **rows, run=run)
        digest = some.computed_digest()
        if digest is None:
            digest = rows_digest(str(self.data["digest"]), chosen.tolist())
        return replace(some, data={**self.data, "digest": digest, "samples": len(chosen)})

    @classmethod
    def own_fields(cls) -> set[str]:
        """Names that the result is made of; the others it computes."""
        return {each.name for each in fields(cls)}

    @classmethod
    def own_rows(cls) -> list[Field]:
        """Fields of these with an entry for each image."""
        return [each for each in cls.SCHEMA.rows if each.name in cls.own_fields()]

    def computed_digest(self) -> str | None:
        """Digest of the images from ids, labels and contents; None where it lacks these."""
        labels, contents = (getattr(self, name, None) for name in ("labels", "image_digests"))
        if labels is None or contents is None:
            return None
        return data_digest(self.image_ids, labels, contents)

    @classmethod
    def join(cls, parts: Sequence[Self], *, allow_missing: bool = False) -> Self:
        """Parts of one sample as the result that one run would have made; see `merge`."""
        for part in parts:
            check_kind("parts", part, Result, "results of one kind")
        named = [(f"report {number}", part) for number, part in enumerate(parts, 1)]
        return joined(named, allow_missing=allow_missing)

    def to_xarray(self) -> Dataset:
        """The values with named dimensions.

        Returns
        -------
        xarray Dataset
            The arrays of the file, by their names; coordinates name images, bands and so on.
            Attributes: provenance and settings, as text and numbers.

        Raises
        ------
        UsageError
            xarray is not installed.
        """
        try:
            import xarray
        except ModuleNotFoundError as error:
            raise UsageError(
                "to_xarray needs xarray: pip install 'iaside-onnx[notebook]'"
            ) from error
        values, coordinates = dict(self.variables()), dict(self.coordinates())
        for each in self.SCHEMA.fields:
            value = self.stored(each.name) if hasattr(self, each.name) else None
            if value is None or not (each.coordinate or IMAGE in each.dims):
                continue
            if any(isinstance(dim, int) for dim in each.dims) or not np.size(value):
                continue  # bytes of digests, and what was not measured
            dims = [self.axis_names.get(str(dim), dim) for dim in each.dims]
            if each.coordinate:
                coordinates[each.coordinate] = (dims, np.asarray(value))
            else:
                values[each.name] = (dims, np.asarray(value), {"long_name": each.meaning})
        dataset: Dataset = xarray.Dataset(values, coordinates, self._attributes())
        return dataset

    def _attributes(self) -> dict[str, Any]:
        """Those of `to_xarray`."""
        model = {
            "model": self.model.get("path"),
            "model_sha256": self.model.get("sha256"),
            "provider": self.provider or None,
        }
        return {
            **{key: str(value) for key, value in model.items() if value is not None},
            "data": str(self.data["source"]),
            "data_digest": str(self.data["digest"]),
            "created": self.created,
            "iaside_version": self.iaside_version,
            "settings": json.dumps(self.settings),
            **self.scores,
        }

    def coordinates(self) -> dict[str, Any]:
        """Coordinates in xarray beside those that the schema declares."""
        return {
            dim: [entry["name"] if isinstance(entry, dict) else entry for entry in entries]
            for dim, name in self.SCHEMA.counts.items()
            if (entries := getattr(self, name))
        }

    def variables(self) -> dict[str, Any]:
        """Variables in xarray beside the fields, as that library takes them."""
        return {}

    @property
    def scores(self) -> dict[str, float]:
        """Single numbers that xarray holds as attributes."""
        return {}

    @property
    def axis_names(self) -> dict[str, str]:
        """Axes that xarray shall name otherwise than the schema."""
        return {}


@dataclass(frozen=True, kw_only=True)
class ModelResult(Result):
    """Of a model that answered clean images.

    Attributes
    ----------
    labels, predicted : ndarray of int64, shape (n,)
        True class, and the class that the model gives the clean image. With ``labels`` "model"
        in the settings the latter stands for the former, and nothing is known of accuracy. All 0
        where the `task` has no classes; files hold none then.
    image_digests : ndarray of uint8, shape (n, 32), or None
        SHA-256 of each image's content; None where the result carries none.
    """

    # Version of files whose labels are the model's own answers.
    OF_OWN_ANSWERS: ClassVar[int] = 1
    # And of tasks that give no single class; by default the latest. That of files whose bands are
    # not of equal width is always the latest.
    OF_TASKS: ClassVar[int | None] = None

    labels: NDArray[np.int64] = field(default_factory=_nothing)
    predicted: NDArray[np.int64] = field(default_factory=_nothing)
    image_digests: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        if not self.of_classes:
            for name in _LABELS:
                object.__setattr__(self, name, np.zeros(len(self.image_ids), np.int64))

    @property
    def task(self) -> TaskKind:
        """The kind of model that was measured."""
        return kind_of_settings(self.settings)

    @property
    def of_classes(self) -> bool:
        """Whether each image has one class, so that labels and accuracy mean something."""
        return self.task.name == CLASSES

    def stored(self, name: str) -> Any:
        """See `Result`; what is not of classes has no labels."""
        return None if name in _LABELS and not self.of_classes else super().stored(name)

    @classmethod
    def _check_fields(cls, header: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        """See `Result`: labels are of classes alone."""
        if kind_of_settings(header["settings"]).name == CLASSES:
            return
        for each in cls.SCHEMA.fields:
            none = each.name not in _LABELS or values.get(each.name) is None
            need(none, f"holds '{each.where}', of a task without classes")

    def _check_task(self) -> None:
        """Refuse settings that are not those of the task."""
        task, threshold = self.task, self.settings.get("threshold")
        given = task.labelled and self.data.get("labels") != OWN_ANSWERS
        fits = self.of_classes or self.of_own_answers or given
        need(fits, "its settings do not say that images are compared with the model's own answers")
        fits = not isinstance(threshold, list) or (
            task.name == SETS and len(threshold) == self.data.get("classes")
        )
        need(fits, "its thresholds are not those of its task")

    def _check_images(self) -> None:
        """See `Result`: labels and a number of classes where the task has them."""
        self._check_task()
        counted, known = self.task.counted, "classes" in self.data
        need(known or not counted, "attribute data holds no usable 'classes'")
        for each in self.SCHEMA.fields:
            there = each.name not in _LABELS or getattr(self, each.name) is not None
            need(there, f"dataset '{each.where}' is missing")
        super()._check_images()

    @property
    def of_own_answers(self) -> bool:
        """Whether the model's own answers to the clean images stand for labels."""
        return self.settings.get("labels") == OWN_ANSWERS

    @property
    def clean_note(self) -> str | None:
        """What is known of the clean images, such as how many hold objects, in words."""
        parts = self.run.get("parts")
        runs = parts if isinstance(parts, list) else [self.run]
        told = [
            (run.get("of_clean_images"), run.get("shard")) for run in runs if isinstance(run, dict)
        ]
        notes = [
            f"shard {shard}: {note}" if isinstance(shard, str) else note
            for note, shard in told
            if isinstance(note, str) and note
        ]
        return "; ".join(notes) or None

    @property
    def format_version(self) -> int:
        """Version of the file format; earlier readers would take own answers for true labels.

        They would not know other tasks than classes, and take bands for such of equal width.
        """
        if self.settings.get("edges") is not None:
            return self.SCHEMA.versions[-1]
        if not self.of_classes:
            return self.OF_TASKS or self.SCHEMA.versions[-1]
        return self.OF_OWN_ANSWERS if self.of_own_answers else self.SCHEMA.versions[0]

    def computed_digest(self) -> str | None:
        """See `Result`; the model's own answers are no part of what the images are."""
        if not self.of_own_answers:
            return super().computed_digest()
        return replace(
            self, labels=np.zeros_like(self.labels), settings={**self.settings, "labels": None}
        ).computed_digest()

    @property
    def clean_is_settled(self) -> bool:
        """Whether a clean image is worth what it is by definition, being compared with itself.

        So it is of embeddings, and of other outputs than classes.
        """
        return not self.task.labelled

    @property
    def class_words(self) -> str:
        """What the labels are, in words."""
        if not self.of_classes:
            return "image"
        return "model's own answer" if self.of_own_answers else "true class"

    @property
    def error_name(self) -> str:
        """What the share of answers that are not the label is called."""
        if not self.of_classes:
            changed = self.of_own_answers and self.task.changed is not None
            return str(self.task.changed) if changed else self.task.lost
        return "flip rate" if self.of_own_answers else "error"

    @property
    def change_name(self) -> str:
        """What the distance of answers from those to the clean images is called."""
        return "mPE" if self.of_classes else "mean change"

    def as_errors(self, errors: str, flips: str, value: Any) -> dict[str, Any]:
        """A share of answers that are not the label, for JSON: no error where labels are unknown.

        Under the key `errors`; else None there, and the share under the key `flips`; of other
        tasks than classes under one that speaks of the share that is lost.
        """
        if not self.of_classes:
            return {errors: None, flips.replace("flip_rate", "lost_share"): value}
        return {errors: None, flips: value} if self.of_own_answers else {errors: value}

    def check_changes(self, *changes: NDArray[np.float32]) -> None:
        """Refuse distances of probabilities that none can have."""
        most = max(float(change.max(initial=0)) for change in changes)
        fits = not self.of_classes or most <= MOST_CHANGE + ROUNDING
        need(fits, f"a change of {most:g} lies outside [0, {MOST_CHANGE}]")

    def check_own_answers(self) -> None:
        """Refuse labels that are said to be the model's answers and are not."""
        fits = not self.of_own_answers or np.array_equal(self.labels, self.predicted)
        need(fits, "its labels are not the answers to the clean images")

    @property
    def clean_wrong(self) -> NDArray[np.bool_]:
        """The answer to the clean image is not the label, shape (n,)."""
        return np.asarray(self.predicted != self.labels)

    @property
    def accuracy(self) -> float | None:
        """Share of clean images whose top-1 class is right; None where labels are unknown."""
        if self.of_own_answers or not self.of_classes:
            return None
        return float(np.mean(self.predicted == self.labels))

    @property
    def clean_error(self) -> float | None:
        """Share of clean images whose top-1 class is wrong; None where labels are unknown."""
        return None if self.accuracy is None else float(self.clean_wrong.mean())


def _reason(error: Exception) -> str:
    """Why content is none, in the words of whoever refused it."""
    return said(error) if isinstance(error, IasideError | WrongContentError) else why(error)


def _chosen(positions: Any, images: int) -> NDArray[np.intp]:
    """Positions of images, from these or from a mask."""
    try:
        given = np.asarray(positions)
    except ValueError:  # rows of several lengths
        given = np.empty(0, object)
    if given.dtype == bool and given.shape == (images,):
        given = np.flatnonzero(given)
    elif isinstance(positions, list | tuple):
        # Among numbers, truths would pass for 0 and 1.
        given = np.empty(0) if any(isinstance(each, bool) for each in positions) else given
    usable = given.dtype.kind in "iu" and given.ndim == 1 and given.size
    if not usable or given.min() < 0 or given.max() >= images:
        raise UsageError(
            f"rows: give positions from 0 to {images - 1}, or a mask with a truth for each of the "
            f"{images} images, at least one of them true"
        )
    return given.astype(np.intp)
