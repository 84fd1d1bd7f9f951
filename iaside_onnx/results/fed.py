"""Which results are of one subject: one file of a model, fed and read in one way.

Results of two subjects are compared, be they of two files or of one that is fed or read in two
ways; several results of one subject are views of it, and what was measured of it stands beside
them. Whatever asks which results belong together asks here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from ..plurals import listed
from ..setting_roles import FED, FED_IF_SAID, Apart, Belongs, settings_apart


def fed_apart(first: Mapping[str, Any], other: Mapping[str, Any]) -> list[Apart]:
    """In what two settings feed or read a model differently.

    What only one of them holds is not known of the other, but for what is written down where it
    was asked for. A recipe's name says nothing about the pixels.
    """
    only = [
        name
        for name in FED
        if (name in first and name in other)
        or (name in FED_IF_SAID and (name in first or name in other))
    ]
    return [
        each
        for each in settings_apart(first, other, only=only)
        if each.setting != "preprocess" or _recipe(each.first) != _recipe(each.other)
    ]


def fed_otherwise(
    first: Mapping[str, Any], other: Mapping[str, Any], *, fitted: bool = True
) -> str | None:
    """What differs, such as "another preprocessing and size"; None where nothing does.

    Without `fitted` not in what does not change a recipe: temperature, provider, rounding.
    """
    apart = [
        each.setting.replace("preprocess", "preprocessing").replace("_", " ")
        for each in fed_apart(first, other)
        if fitted or each.belongs is not Belongs.FITTED
    ]
    return f"another {listed(apart)}" if apart else None


def file_of(result: Any) -> str:
    """What the file of a result's model is called."""
    return PurePosixPath(str(result.model.get("path"))).name or "of a file without a name"


def one_file(first: Any, other: Any) -> bool:
    """Whether two results are of one file of a model, by its hash."""
    return bool(first.model.get("sha256") == other.model.get("sha256"))


def one_subject(first: Any, other: Any) -> bool:
    """Whether two results are of one file that is fed and read in one way."""
    return one_file(first, other) and not fed_apart(first.settings, other.settings)


def by_subject(results: Sequence[Any]) -> list[list[int]]:
    """The numbers of the results of each subject, in the order of the first of each."""
    return _grouped(results, one_subject)


def by_file(results: Sequence[Any]) -> list[list[int]]:
    """The numbers of the results of each file, in the order of the first of each."""
    return _grouped(results, one_file)


def said_of_files(results: Sequence[Any], names: Sequence[str]) -> list[str]:
    """That results are of one file that is fed in several ways, and what differs."""
    said = []
    subjects = [numbers[0] for numbers in by_subject(results)]
    for numbers in by_file([results[at] for at in subjects]):
        first, *others = (subjects[number] for number in numbers)
        file = file_of(results[first])
        said += [
            f"{names[first]} and {names[other]} are of one file, {file}, with "
            f"{fed_otherwise(results[first].settings, results[other].settings)}"
            for other in others
        ]
    return said


def beside(results: Sequence[Any], measured: Sequence[Any]) -> list[list[int]]:
    """For each measurement the numbers of the results that it stands beside.

    Those are of its subject, first those of the same labels or own answers. Where there is none,
    and the results leave no choice, they are of its file alone: first those of the same recipe,
    then any; whether that is so `fed_otherwise` tells.
    """
    found: list[list[int]] = [[] for _ in measured]
    for near in (_one_question, one_subject, _one_recipe, one_file):
        taken = {number for numbers in found for number in numbers}
        candidates = {
            at: numbers
            for at, each in enumerate(measured)
            if not found[at]
            and (
                numbers := [
                    number
                    for number, result in enumerate(results)
                    if number not in taken and near(result, each)
                ]
            )
        }
        for at, numbers in candidates.items():
            rivals = [measured[k] for k, own in candidates.items() if set(own) & set(numbers)]
            recipes = _grouped([results[number] for number in numbers], _one_recipe)
            if len(recipes) == 1 == len(by_subject(rivals)):
                found[at] = numbers
    _take_in(found, results, measured)
    return found


def _take_in(found: list[list[int]], results: Sequence[Any], measured: Sequence[Any]) -> None:
    """Let results without a measurement have the only one of their recipe."""
    taken = {number for numbers in found for number in numbers}
    for number, result in enumerate(results):
        near = [at for at, each in enumerate(measured) if _one_recipe(result, each)]
        if number not in taken and len(near) == 1:
            found[near[0]] = sorted([*found[near[0]], number])


def _one_question(first: Any, other: Any) -> bool:
    return one_subject(first, other) and first.of_own_answers == other.of_own_answers


def _one_recipe(first: Any, other: Any) -> bool:
    return one_file(first, other) and not fed_otherwise(
        first.settings, other.settings, fitted=False
    )


def _grouped(results: Sequence[Any], alike: Callable[[Any, Any], bool]) -> list[list[int]]:
    groups: list[list[int]] = []
    for number, result in enumerate(results):
        own = next((group for group in groups if alike(results[group[0]], result)), None)
        if own is None:
            groups.append([number])
        else:
            own.append(number)
    return groups


def _recipe(value: Any) -> Any:
    """What it does to pixels: not its name, and one number for all channels is that for each."""
    if not isinstance(value, Mapping):
        return value
    recipe = {key: each for key, each in value.items() if key != "name"}
    for key in {"mean", "std"} & recipe.keys():
        numbers = recipe[key]
        if isinstance(numbers, list | tuple) and all(each == numbers[0] for each in numbers):
            recipe[key] = next(iter(numbers), None)
    return recipe
