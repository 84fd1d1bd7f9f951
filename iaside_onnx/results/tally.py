"""What a set of images is judged by, of several labels and of maps: precision and overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..mathematics import dense, label_sets
from ..plurals import counted
from ..storage.value_rules import need

LABELS, MAPS = "several-labels", "dense"
# Numbers of each class in a tally.
NUMBERS = {LABELS: 2, MAPS: 3}
USUAL_THRESHOLD = 0.5


def check_tally(tally: NDArray[Any], task: str, classes: int) -> None:
    """Refuse numbers that no measurement can have written, as a WrongContentError."""
    need(tally.shape[1:] == (NUMBERS[task], classes), "a tally has not its numbers of each class")
    if task == LABELS:
        need(bool(np.isin(tally[:, 1], (0, 1)).all()), "a tally holds sets that are none")
        return
    whole = bool((tally == np.floor(tally)).all() and (tally >= 0).all())
    both, answered, masked = tally[:, 0], tally[:, 1], tally[:, 2]
    fits = whole and bool((both <= np.minimum(answered, masked)).all())
    counted = masked.sum(axis=1)
    fits &= bool((answered.sum(axis=1) == counted).all() and (counted > 0).all())
    need(fits, "a tally holds no counts of pixels")


def guessed(tally: NDArray[Any], task: str) -> float:
    """Share of an answer that the best answer without looking gets right, mean over images."""
    if task == MAPS:
        return dense.share_of_commonest(tally)
    return label_sets.share_of_commonest(tally[:, 1] != 0)


def class_numbers(
    tally: NDArray[Any], task: str, names: Sequence[str] | None, threshold: Any = None
) -> list[dict[str, Any]]:
    """A row for each class of the model.

    Parameters
    ----------
    tally : ndarray, shape (n, numbers, classes)
        Of several labels log-odds, then 1 where an image has the label; of maps the pixels in which
        answer and mask meet, those of the answer, and those of the mask.
    threshold : float or list of float
        Of several labels.

    Returns
    -------
    list of dict
        ``class``, ``name``, and of several labels ``n`` (images with the label),
        ``average_precision`` (None where no image has it) and ``accuracy`` (share of images on
        which it is decided right); of maps ``iou`` (None where neither a mask nor an answer has the
        class) and ``pixels`` (that either has).
    """
    classes = tally.shape[2]
    named = [names[at] if names is not None and at < len(names) else str(at) for at in
             range(classes)]  # fmt: skip
    heads = [{"class": at, "name": name} for at, name in enumerate(named)]
    if task == MAPS:
        masked = tally[:, 2].sum(axis=0, dtype=np.float64)
        overlaps = zip(dense.class_overlaps(tally), masked, strict=True)
        return [
            {**head, "iou": _known(iou), "pixels": int(pixels)}
            for head, (iou, pixels) in zip(heads, overlaps, strict=True)
        ]
    log_odds, sets = tally[:, 0].astype(np.float64), tally[:, 1] != 0
    at = np.broadcast_to(np.asarray(threshold or USUAL_THRESHOLD, np.float64), (classes,))
    right = (label_sets.decided(log_odds, np.log(at) - np.log1p(-at)) == sets).mean(axis=0)
    columns = zip(sets.sum(axis=0), label_sets.class_precisions(log_odds, sets), right, strict=True)
    return [
        {**head, "n": int(n), "average_precision": _known(precision), "accuracy": float(share)}
        for head, (n, precision, share) in zip(heads, columns, strict=True)
    ]


def summary(rows: Sequence[dict[str, Any]], task: str) -> dict[str, float | None]:
    """The means over classes: of several labels precision and accuracy, of maps the overlap."""
    if task == MAPS:
        return {"mean_iou": _mean(row["iou"] for row in rows)}
    return {
        "mean_average_precision": _mean(row["average_precision"] for row in rows),
        "mean_class_accuracy": _mean(row["accuracy"] for row in rows),
    }


def words(rows: Sequence[dict[str, Any]], task: str) -> str:
    """The same in a few words."""
    means = summary(rows, task)
    if task == MAPS:
        many = counted(sum(row["iou"] is not None for row in rows), "class", "classes")
        return f"mean intersection over union {_text(means['mean_iou'])} over {many}"
    known = sum(row["average_precision"] is not None for row in rows)
    return (
        f"mean average precision {_text(means['mean_average_precision'])} over the {known} of "
        f"{len(rows)} classes that some image has; labels decided right "
        f"{_text(means['mean_class_accuracy'])}"
    )


def _text(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3f}"


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _mean(values: Any) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
