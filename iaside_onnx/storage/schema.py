"""What a file holds, as data: names, axes, types and bounds of its arrays, rules of its header.

A kind of result declares a `Schema`; writing, reading, checking, joining of parts, xarray and the
tables of docs/format.md follow from it. Files come from strangers: what a schema does not let
through is refused, and additions that this version does not know are let through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .value_rules import (
    WHERE_GIVEN,
    Rule,
    WrongContentError,
    check_rules,
    is_object,
    need,
    parse,
)

TEXT, TRUTH, JSON = "text", "bool", "json"
# Truths that the file holds as h5py does, an enumeration of FALSE and TRUE, and not as numbers.
BOOLEAN = "boolean"
# Datasets that hold text, and how each of its lines is made and read.
LINES = (TEXT, JSON)
IMAGE = "image"
HEADER = "header"
# Rounding of probabilities lets their logarithm exceed 0, and their distance 2, by no more.
ROUNDING = 0.1


@dataclass(frozen=True)
class Field:
    """An array, or a list of text, that files of a kind hold.

    Attributes
    ----------
    name : str
        Attribute of the result; "data.skipped" is an entry of its ``data``.
    dims : tuple of str or int
        Names of the axes, which have one length in all fields of a file, or their lengths.
    dtype : str
        Of numpy; "text" and "json" are lists of text and of JSON objects, "bool" is kept as uint8,
        and "boolean" as what h5py reads as one.
    meaning : str
        For docs/format.md.
    place : str
        Of the dataset in the file; by default `name`.
    low, high : float, optional
        Bounds of the values.
    slack : float
        How far rounding may carry values beyond them.
    finite : bool
        No infinite value; what is no number is always refused.
    optional : bool
        May be missing, and is None or empty then.
    versions : tuple of int, optional
        Versions of the format that have it, and must; by default all.
    allowed : tuple of int
        Further versions, which may have it.
    part_only : bool
        Held by parts of a sample alone, whose joining checks it and drops it.
    by_rows : bool
        Stored in chunks of some rows, so that large tables are written piece by piece.
    checksum : bool
        Stored with Fletcher's checksum.
    coordinate : str
        In xarray: the coordinate that it is; by default a variable.
    """

    name: str
    dims: tuple[str | int, ...]
    dtype: str
    meaning: str
    place: str = ""
    low: float | None = None
    high: float | None = None
    slack: float = 0.0
    finite: bool = True
    optional: bool = False
    versions: tuple[int, ...] | None = None
    allowed: tuple[int, ...] = ()
    part_only: bool = False
    by_rows: bool = False
    checksum: bool = True
    coordinate: str = ""

    @property
    def where(self) -> str:
        """Place in the file."""
        return self.place or self.name

    @property
    def stored(self) -> str:
        """Type in the file."""
        return {TRUTH: "uint8", JSON: TEXT}.get(self.dtype, self.dtype)

    def check(self, values: NDArray[Any]) -> None:
        """Refuse values that are none, or beyond the bounds, as a WrongContentError."""
        if self.dtype in (TRUTH, BOOLEAN) and values.max(initial=0) > 1:
            raise WrongContentError(f"'{self.where}' holds something else than 0 and 1")
        if not values.size:
            return
        least, most = float(values.min()), float(values.max())
        if np.isnan(least):  # as soon as one value is
            raise WrongContentError(f"'{self.where}' holds values not finite, or not evaluated")
        if self.finite and not np.isfinite([least, most]).all():
            raise WrongContentError(f"'{self.where}' holds values not finite")
        if self.low is not None or self.high is not None:
            self._check_bounds(least, most)

    def _check_bounds(self, least: float, most: float) -> None:
        low, high = self.low, self.high
        below = low is not None and least < low - self.slack
        above = high is not None and most > high + self.slack
        if not (below or above):
            return
        value = least if below else most
        if low is None or high is None:
            side, bound = ("below", low) if below else ("above", high)
            raise WrongContentError(f"'{self.where}': {value:g} is {side} {bound:g}")
        raise WrongContentError(
            f"'{self.where}' holds {value:g}, which lies outside [{low:g}, {high:g}]"
        )


@dataclass(frozen=True)
class Schema:
    """What files of one format hold.

    Attributes
    ----------
    format : str
    versions : tuple of int
        Those that are read.
    fields : tuple of Field
        In the order in which they are written.
    header : dict
        What each entry of the header must fulfil.
    inside : dict
        For objects of the header: what entries of theirs must be there, and fulfil.
    counts : dict
        Axes whose length is that of a list of the header.
    attributes : bool
        The header lies in attributes of the root, as reports have it, which hold short values
        alone; else in a dataset of its own.
    copies : dict
        Attributes that repeat an entry of an object of the header, for readers without JSON.
    derived : tuple of Field
        Numbers that follow from the fields and are stored for other readers.
    """

    format: str
    versions: tuple[int, ...]
    fields: tuple[Field, ...]
    header: dict[str, Rule]
    inside: dict[str, dict[str, Rule]]
    counts: dict[str, str] = field(default_factory=dict)
    attributes: bool = False
    copies: dict[str, tuple[str, str]] = field(default_factory=dict)
    derived: tuple[Field, ...] = ()

    @property
    def rows(self) -> tuple[Field, ...]:
        """Fields with an entry for each image."""
        return tuple(each for each in self.fields if IMAGE in each.dims)

    def needs(self, each: Field, version: int) -> bool | None:
        """Whether a file of a version must hold a field; None: it may not.

        Those that the header counts may have no entry, and are missing then.
        """
        if each.versions is not None and version not in each.allowed:
            return True if version in each.versions else None
        return not each.optional and not each.allowed and not self._counted(each)

    def _counted(self, each: Field) -> bool:
        return any(dim in self.counts for dim in each.dims)

    def read_header(self, stored: Mapping[str, str]) -> dict[str, Any]:
        """The header from its texts, checked."""
        if self.attributes:
            header: dict[str, Any] = {
                name: parse(name, stored[name]) if rule is is_object else stored[name]
                for name, rule in self.header.items()
            }
        else:
            header = parse(HEADER, stored[HEADER])
        check_rules(header, self.header, "the header")
        for name, rules in self.inside.items():
            check_rules(header[name], rules, f"attribute {name}")
        for name, rules in WHERE_GIVEN.items():
            given = {key: rule for key, rule in rules.items() if key in header.get(name, {})}
            check_rules(header.get(name, {}), given, f"attribute {name}")
        return {name: header[name] for name in self.header}

    def read_fields(self, header: dict[str, Any], arrays: dict[str, Any]) -> dict[str, Any]:
        """Values of the fields from datasets, checked against one another and the header.

        `header` comes from `read_header`, `arrays` are by the name of the field. What belongs into
        the header ("data.skipped") is put there.
        """
        sizes = {dim: len(header[name]) for dim, name in self.counts.items()}
        values: dict[str, Any] = {}
        for each in self.fields:
            outer, _, inner = each.name.partition(".")
            value = self._value(each, arrays.get(each.name), sizes)
            if inner:
                header[outer][inner] = value
            else:
                values[outer] = value
        return values

    def _value(self, each: Field, stored: NDArray[Any] | None, sizes: dict[str, int]) -> Any:
        empty = any(sizes.get(dim) == 0 for dim in each.dims if isinstance(dim, str))
        if stored is None:
            if empty:
                shape = [dim if isinstance(dim, int) else sizes[dim] for dim in each.dims]
                return np.empty(shape, each.dtype)
            need(
                each.optional or not self._counted(each),
                f"dataset '{each.where}' is missing: the arrays do not match what the header names",
            )
            return [] if each.dtype == JSON else None
        need(not empty, f"holds '{each.where}', results of something that it does not name")
        expected = tuple(
            sizes.setdefault(dim, length) if isinstance(dim, str) else dim
            for dim, length in zip(each.dims, stored.shape, strict=True)
        )
        need(
            stored.shape == expected,
            "the arrays do not match names, images and settings: "
            f"'{each.where}' has shape {stored.shape}, not {expected}",
        )
        if each.dtype in LINES:
            lines = [line.decode() for line in stored.tolist()]
            return [parse(each.where, line) for line in lines] if each.dtype == JSON else lines
        each.check(stored)
        return stored.astype(bool) if each.dtype in (TRUTH, BOOLEAN) else stored
