"""Whether the numbers at each place of a map are scores of classes: told by evidence, or open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..images.class_names import NO_NAMES, read_class_names
from ..images.sample import OWN_ANSWERS
from .class_scores import look_like_probabilities
from .map_form import MapForm

# Of a map, places that its numbers are told by.
MOST_PLACES = 1 << 16
# Operators along the axis of classes of which one class comes out, or a share for each.
_EXCLUSIVE = {"Softmax", "LogSoftmax", "QLinearSoftmax", "Hardmax", "ArgMax"}
_SIGMOID = {"Sigmoid", "QLinearSigmoid"}


@dataclass(frozen=True)
class Told:
    """What the user says of classes beside the file, by what is given with the images.

    Attributes
    ----------
    masks : bool
        Labels are a folder of masks.
    counts : mapping of int to str
        How many classes are named, and where.
    """

    masks: bool = False
    counts: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def by(cls, labels: str | Path | None, class_names: str | Path | None) -> Told:
        """By labels and a file of names; what cannot be read is for others to refuse."""
        counts = {}
        if class_names is not None and str(class_names) != NO_NAMES:
            try:
                counts = {len(read_class_names(Path(class_names))): str(class_names)}
            except DataError:
                counts = {}
        own = labels is None or labels == OWN_ANSWERS
        return cls(not own and Path(str(labels)).is_dir(), counts)


@dataclass(frozen=True)
class ClassEvidence:
    """What speaks for classes at the places of a map, beside its numbers.

    Attributes
    ----------
    counts : mapping of int to str
        How many classes are named, and where.
    masks : bool
        The user gives masks.
    choices : set of (str, int)
        Operators of the graph that take the output for scores of classes, and along which axis.
    step : float
        Distance between neighbouring numbers where they were quantised, else 0.
    """

    counts: Mapping[int, str] = field(default_factory=dict)
    masks: bool = False
    choices: frozenset[tuple[str, int]] = frozenset()
    step: float = 0.0

    def why_classes(self, scores: NDArray[Any], form: MapForm, tail: str, asked: str | None) -> str:
        """Why the numbers of a place are scores of classes, in words; empty: nothing says so.

        Parameters
        ----------
        scores : ndarray
            Maps of a few images.
        tail : str
            What the graph's last nodes say, as `output_meaning` has it.
        asked : str or None
            The kind of class scores that the user or the file declares.
        """
        channels, axis = form.channels, 3 if form.channels_last else 1
        operators = sorted(name for name, along in self.choices if along == axis)
        exclusive = [name for name in operators if name in _EXCLUSIVE]
        if asked is not None:
            return f"said to be {asked}"
        if tail == "sigmoid" and channels == 1:
            return "after a Sigmoid"
        if channels > 1 and exclusive:
            return f"which {' and '.join(exclusive)} in the graph takes for classes"
        if channels == 1 and any(name in _SIGMOID for name, _ in self.choices):
            return "which a Sigmoid in the graph takes for a class"
        if (named := self.counts.get(max(2, channels))) is not None:
            return f"as many as {named} lists"
        if self.masks:
            return "since masks are given"
        places = form.pixels(scores)
        places = np.asarray(places[:: max(1, len(places) // MOST_PLACES)], np.float32)
        with np.errstate(over="ignore"):
            shares = any(
                look_like_probabilities(each, self.step) for each in (places, np.exp(places))
            )
        return "probabilities: those of each place sum to 1" if shares else ""
