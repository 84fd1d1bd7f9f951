"""Where model, images and labels lay, as commands that are proposed name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from ..spelling import command_text, path_word, words

# Stands for a folder that a result does not tell.
_SOMEWHERE = "FOLDER"
_READING = ("labels", "columns", "class_names", "label_order", "image_column", "label_column")


def found(recorded: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    """Recorded names of files, each by a path that a command finds if the result knows it.

    Parameters
    ----------
    recorded : mapping
        Names by their use, as a result's ``model`` and ``data`` have them.
    run : mapping
        Of the result; its ``paths`` are the ways to what lies outside of the folder of the run.
    """
    ways = _ways(run)
    return {
        use: name if name is None or use not in ways else ways[use] or _somewhere(str(name))
        for use, name in recorded.items()
    }


def _somewhere(name: str) -> str:
    path = PurePosixPath(name)
    return f"{_SOMEWHERE}/{path.name if '..' in path.parts else name}"


def joined_ways(parts: Sequence[Any]) -> dict[str, str | None]:
    """The ways that hold for all results of parts of a sample, by their use.

    The way of a part without one is the name that it recorded. Where parts have different ways to
    a file no command finds it from all their folders: it is somewhere, as over the root of the file
    system.
    """
    ways: dict[str, str | None] = {}
    names = [_recorded(part) for part in parts]
    for use, name in names[0].items():
        own = [_ways(part.run).get(use, each[use]) for part, each in zip(parts, names, strict=True)]
        way = own[0] if all(each == own[0] for each in own) else None
        if name is not None and way != name:
            ways[use] = way
    return ways


def _recorded(result: Any) -> dict[str, Any]:
    """Names of what a result is of, by their use."""
    data = result.data
    return {
        "model": result.model.get("path"),
        "images": data.get("source"),
        "labels": data.get("labels"),
        "class_names": data.get("class_names"),
    }


def reading(data: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, str | None]:
    """The options with which images and labels were read; None for what was not given."""
    given = found({name: data.get(name) for name in _READING}, run)
    return {name: None if value is None else str(value) for name, value in given.items()}


def look(given: Mapping[str, str | None]) -> str:
    """The command that finds out how images reach a model, read as `reading` says."""
    typed = ["iaside", "inspect", "MODEL", *looking("IMAGES", given)]
    return command_text(typed)


def looking(images: str, given: Mapping[str, str | None]) -> list[str]:
    """Options of ``iaside inspect`` that try recipes on labelled images."""
    options = [word for name in _READING for word in words(name, given.get(name))]
    return ["--data", path_word(images), *options]


def _ways(run: Mapping[str, Any]) -> dict[str, str | None]:
    """A stranger's report may hold anything there; what is no path is as good as unknown."""
    ways = run.get("paths")
    known = ways if isinstance(ways, Mapping) else {}
    return {use: way if isinstance(way, str) and way else None for use, way in known.items()}
