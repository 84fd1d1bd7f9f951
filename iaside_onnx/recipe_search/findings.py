"""What the search for a preprocessing says, in sentences."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..onnx_file.pixel_range import PixelRange
from ..plurals import counted
from ..preprocessing.preprocess import PRESETS
from ..spelling import option
from .axes import Given
from .candidate import LEVEL, Candidate, mcnemar
from .plausible import source_of

_SHOWN_PAIRS = 5
_LABELS = option("labels", like="FILE.csv")
_SOURCES = {"declared": "the file's metadata", "beside": "the file beside the model"}
_AXES = {"values": "Values", "geometry": "Resizing", "label_offset": "Label offset"}


def other_order(candidates: list[Candidate]) -> dict[int, int] | None:
    """The model's class for each class of the images, where the two count differently.

    That is so where reading the model's answers as the labels they usually go with is right on
    more images than the best candidate is, corrected for the number of recipes.
    """
    best = candidates[0]
    if len(np.unique(best.targets)) == 1:  # whatever is answered is the usual answer
        return None
    recipes = [item for item in candidates if item.label_offset == best.label_offset]
    other = max(recipes, key=lambda item: int(item.right_renumbered.sum()))
    if len(recipes) * mcnemar(other.right_renumbered, best.right) > LEVEL:
        return None
    return other.usual_answers()


def findings(
    candidates: list[Candidate],
    rows: list[dict[str, Any]],
    order: dict[int, int] | None,
    given: Given,
) -> list[str]:
    """What the search says, in sentences."""
    best, count = candidates[0], len(candidates[0].right)
    if order is not None:
        pairs = [f"{label} is {answer}" for label, answer in order.items() if label != answer]
        shown = ", ".join(pairs[:_SHOWN_PAIRS]) + (", ..." if len(pairs) > _SHOWN_PAIRS else "")
        same = (
            "the same answer comes again for images of the same class, but under another number "
            f"(label {shown}, as far as {count} images tell)"
        )
        if len(set(order.values())) < len(order):
            return [
                f"These may be no images of the model's classes: {same}, and one answer stands for "
                "several labels. If they are, the labels count the classes in another order; give "
                f"the model's own numbers with {_LABELS} and look again."
            ]
        return [
            f"The labels count the classes in another order than the model: {same}. Class folders "
            f"count from 0 in order of name; give the model's own numbers with {_LABELS} and "
            "look again."
        ]
    if not best.above_chance(len(candidates)):
        chance = (
            f"None of the {len(candidates)} candidates is above chance on "
            f"{counted(count, 'image')}: best "
            f"accuracy {best.right.mean():.3f}, guessing gives {best.chance:.3f}."
        )
        reading = ", ".join(map(option, ("input", "output", "layout", "size")))
        if len(np.unique(best.targets)) == 1:
            return [f"{chance} All images are of one class: give images of several classes."]
        return [
            f"{chance} Then there are too few images ({option('samples')}), or it is the order of "
            "the classes (class folders count from 0 in order of name; the model's own numbers go "
            f"into {option('labels')}), the input or output ({reading}), or a preprocessing that "
            "is not among the candidates."
        ]
    alike = [
        candidate for candidate, row in zip(candidates, rows, strict=True) if not row["told_apart"]
    ]
    source = source_of(best, given)
    sentences = _fit(candidates)
    if source:
        sentences += [f"It is what {_SOURCES[source]} says: no {option('preprocess')} is needed."]
    sentences += [
        f"What {_SOURCES[name]} says does worse."
        for name, recipe in given.items()
        if not any(source_of(candidate, {name: recipe}) for candidate in alike)
    ]
    if len(alike) == 1:
        better = f"The best is better than every other candidate (paired on {count} images)."
        return [*sentences, better]
    others = "1 other candidate" if len(alike) == 2 else f"{len(alike) - 1} other candidates"
    sentences.append(
        f"{others} cannot be told apart from the best on {count} images (p > {LEVEL}, or next to "
        "no difference); of them the most plausible one stands first: declared, beside the file, "
        "a preset, then any other."
    )
    for axis, title in _AXES.items():
        names = list(dict.fromkeys(str(getattr(candidate, axis)) for candidate in alike))
        state = "settled" if len(names) == 1 else f"open between {len(names)}"
        sentences.append(f"{title} {state}: {' | '.join(names)}.")
    presets = {
        candidate.recipe.name
        for candidate in alike
        if candidate.recipe.name in PRESETS and candidate.label_offset == best.label_offset
    }
    if presets and best.recipe.name not in presets:
        sentences.append(f"Presets among them: {', '.join(sorted(presets))}.")
    return sentences


def _fit(candidates: list[Candidate]) -> list[str]:
    best, count = candidates[0], len(candidates[0].right)
    if best.values != "fitted":
        return []
    recipe, nearest = best.recipe, candidates[1]
    numbers = {key: getattr(recipe, key) for key in ("scale", "mean", "std")}
    shown = ", ".join(
        f"{key} {' '.join(f'{part:g}' for part in np.atleast_1d(value))}"
        for key, value in numbers.items()
    )
    return [
        f"No preset has the values that the model wants: {shown} were fitted to half of the "
        f"{count} images and do better on the other half (accuracy on all {best.right.mean():.3f}, "
        f"nearest preset {nearest.values} {nearest.right.mean():.3f}). They are as exact as these "
        "images make them: look for the true ones in the model's training code."
    ]


def pixel_range_on_images(inspection: dict[str, Any]) -> list[str]:
    """Compare the range that the graph seems made for with the best candidate.

    Parameters
    ----------
    inspection : dict
        What `inspect` and `search_recipes` say; ``pixel_range`` gains what the images say.
    """
    guess, search = inspection["pixel_range"], inspection["search"]
    if guess is None or not search["above_chance"] or search["class_order"] is not None:
        return []
    low, high = search["input_range"]
    agree = PixelRange(guess["low"], guess["high"], guess["known"]).fits(low, high)
    inspection["pixel_range"] = guess | {"images": {"low": low, "high": high, "agree": agree}}
    outcome = "the images agree" if agree else "on the images it does best with other numbers"
    return [f"As the file has it, {guess['text']}; {outcome} ({low + 0.0:.3g}..{high:.3g})."]
