"""Values that a reader does not expect: in JSON, in attributes, in arrays."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import h5py
import numpy as np

T = TypeVar("T")

_STRINGS = (
    "", " ", "x", "\x1b[2J\x1b]0;title\x07", "a\nb", "\x00", "\u202e", "\ud800", "$\\frac{1}{0}$",
    "<script>alert(1)</script>", "[bold]x[/]", "../../etc/passwd", "%s%n{0}", "A" * 70_000,
    "log-prob", "prob", "cpu", "linf", "1e999", "NaN", "2026-01-01", "0" * 64,
)  # fmt: skip
_RAW = (
    "NaN",
    "-Infinity",
    "1e999",
    "-1e-999",
    "1" * 5000,
    "1" * 300,
    "1" * 400,
    "[" * 5000,
    '{"a":' * 30,
)
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 16, 17, 0.0, 0.5, 1.0, -0.5, 1e308, 5e-324, 1 << 31, 1 << 63,
    -(1 << 70), [], {}, [1, 2], [[[[]]]], {"a": {"b": {}}}, [None], ["x", 1],
)  # fmt: skip


def some(rng: np.random.Generator, choices: Sequence[T]) -> T:
    """One of the choices, as it is."""
    return choices[int(rng.integers(len(choices)))]


def json_text(rng: np.random.Generator, sound: dict[str, Any]) -> str:
    """A JSON object, or one inside it, with values or keys changed; or no JSON at all."""
    chosen = some(rng, list(_objects(sound)))
    if chosen is sound:
        return _changed(rng, sound)
    inner = dict(chosen)
    chosen.clear()
    chosen["the inner"] = True
    return json.dumps(sound).replace('{"the inner": true}', _changed(rng, inner))


def _objects(held: Any) -> Iterator[dict[str, Any]]:
    """A JSON value's objects, itself first."""
    if isinstance(held, dict):
        yield held
    if isinstance(held, dict | list):
        for value in held.values() if isinstance(held, dict) else held:
            yield from _objects(value)


def _changed(rng: np.random.Generator, sound: dict[str, Any]) -> str:
    """One to three values or keys changed, or no JSON at all."""
    if rng.random() < 0.1:
        return some(rng, (*_RAW, "", "[]", "null", "{", json.dumps([sound])))
    marker = "raw value"
    for _ in range(int(rng.integers(1, 4))):
        key = some(rng, list(sound) or ["x"])
        match int(rng.integers(7)):
            case 0:
                sound.pop(key, None)
            case 1:
                sound[some(rng, _STRINGS)] = sound.get(key)
            case 2:
                sound[key] = marker
            case 3:
                sound[key] = some(rng, _STRINGS)
            case 4 if isinstance(sound.get(key), list):
                sound[key] = _other_list(rng, sound[key])
            case _:
                sound[key] = some(rng, _VALUES)
    return json.dumps(sound).replace(json.dumps(marker), some(rng, _RAW))


def _other_list(rng: np.random.Generator, sound: list[Any]) -> list[Any]:
    """A list with an entry fewer, more, twice, or changed."""
    extra: list[Any] = [some(rng, (*_VALUES, *_STRINGS))]
    return some(rng, (sound[:-1], sound + extra, sound * 2, sound[1:] + extra, sound[::-1]))


def attribute_values(file: h5py.File) -> list[dict[str, Any]]:
    """Arguments that create an attribute of some type."""
    return [
        {"data": 1},
        {"data": 0},
        {"data": 2},
        {"data": 99},
        {"data": -1},
        {"data": True},
        {"data": 1.5},
        {"data": float("nan")},
        {"data": "text"},
        {"data": "x" * 60_000},
        {"data": "\x1b[31m"},
        {"data": np.bytes_(b"\xff\xfe")},
        {"data": np.arange(5)},
        {"data": np.array([True, False])},
        {"data": np.zeros((2, 3))},
        {"data": h5py.Empty("f4")},
        {"data": np.array(["a", "b"], dtype=object), "dtype": h5py.string_dtype()},
        {"data": file.ref, "dtype": h5py.ref_dtype},
        {"data": np.zeros((), [("a", "i4"), ("b", "f8")])},
        {"data": np.void(b"abc")},
        {"data": 1, "dtype": h5py.enum_dtype({"a": 0, "b": 1}, "i4")},
        {"data": 3, "dtype": ">u2"},
    ]


def numbers(dtype: np.dtype[Any]) -> list[Any]:
    """Values at the edges of a type."""
    if dtype.kind == "f":
        return [np.nan, np.inf, -np.inf, 0.0, 0.05, 1.0, 1e38, -1e38, 1e-45]
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return [limits.min, limits.max, 0, 1, 4, 100]
    texts = (b"", b"\xff\xfe", b"a\nb", b"\x1b[2J", b"\x00x", b"/abs", b"../up", "é".encode())
    return list(texts)
