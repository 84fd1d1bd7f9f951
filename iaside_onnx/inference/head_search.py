"""Which form of detector's head some outputs have, told by shapes, numbers and what the file says.

Nothing is guessed: where two forms fit, the user is asked; where a form that is asked for does not
fit, the condition that fails is said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import ArtifactError
from ..spelling import option
from .candidate_heads import candidates_head, pairs_head
from .detection import HEADS, DetectionHead
from .head_facts import HeadFacts, Outputs, UnfitError
from .suppressed_heads import boxes_head, rows_head

_Finder = Callable[[Sequence[Outputs], HeadFacts, str | None], DetectionHead]
_FINDERS: dict[str, _Finder] = {
    form: rows_head if form.endswith("rows") else boxes_head if form == "boxes"
    else candidates_head if form.startswith("yolo") else pairs_head
    for form in HEADS
}  # fmt: skip
_NOTHING = HeadFacts()


def known_head(
    runs: Sequence[Outputs],
    facts: HeadFacts = _NOTHING,
    form: str | None = None,
    hints: list[str] | None = None,
) -> DetectionHead | None:
    """The form of a detector's head, or None where it is not known.

    One row for every image, and rows that sum to 1, are scores of classes whatever their numbers
    look like: a Softmax that saturates gives whole numbers, shares and corners. A node that
    suppresses boxes, or the user, makes a detector of the first; of the second only the user.

    Parameters
    ----------
    runs : sequence of mappings
        All outputs for one image each, by name, as the graph gives them.
    facts : HeadFacts
        What is known beside.
    form : str, optional
        The form that is asked for: a key of `HEADS`.
    hints : list of str, optional
        Gets what the outputs might be, where that is not sure enough.

    Raises
    ------
    ArtifactError
        The outputs are not of the form that is asked for.
    OpenError
        They may be of two.
    """
    if form is not None:
        return _asked(runs, facts, form)
    if not facts.suppresses and runs and all(map(_is_one_row, runs)):
        return None
    for find in (rows_head, boxes_head, pairs_head, candidates_head):
        try:
            return find(runs, facts, None)
        except UnfitError as error:
            if hints is not None and error.hint:
                hints.append(error.hint)
    return None


def _asked(runs: Sequence[Outputs], facts: HeadFacts, form: str) -> DetectionHead:
    find = _FINDERS[form]
    try:
        head = find(runs, facts, form)
        if head.form == form:
            return head
        why = f"they are {head.words} ({option('head', head.form)})"
    except UnfitError as error:
        why = str(error)
    raise ArtifactError(
        f"{option('head', form)}: the outputs are no such head: {why}; {option('head', 'none')} "
        "takes their numbers as they are"
    )


def _is_one_row(run: Outputs) -> bool:
    """Whether the largest output has one row of its last axis."""
    largest = max(run.values(), key=lambda output: output.size)
    return largest.size > 0 and (not largest.shape or largest.size == largest.shape[-1])
