"""What the scores of several labels, and of maps, are: logits or probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError, OpenError
from ..listener import Listener
from ..onnx_file.artifact import Artifact
from ..onnx_file.declared import Declared
from ..onnx_file.heads import choices_of, class_labels, head_of
from ..onnx_file.tensors import Tensor
from ..spelling import option
from .class_scores import ScoreForm, look_like_probabilities, plain_kind, settled_kind
from .map_form import MapForm
from .map_meaning import MOST_PLACES, ClassEvidence, Told
from .opened import Opened
from .output_meaning import OutputMeaning, output_meaning

_LOGITS = option("output_kind", "logits")
_NOTHING = Told()
_KINDS = [{"output_kind": kind} for kind in ("probabilities", "logits")]


def meaning_of(
    opened: Opened,
    scores: NDArray[np.float32],
    asked: str | None,
    *,
    of_classes: bool = False,
    told: Told = _NOTHING,
) -> OutputMeaning:
    """What an opened file's output means, by its scores of a few images.

    Parameters
    ----------
    asked : str or None
        The kind of class scores that the user or the file declares.
    of_classes : bool
        Something is asked for that only classes have; so it is where the file names some.
    told : Told
        What is said of classes beside the file.
    """
    shape = (len(scores), *opened.model.score_shapes[0])
    tail = opened.artifact.kind_of(opened.output.name)
    if opened.head is not None and opened.head.operator == "Sigmoid":
        tail = "sigmoid"
    artifact, rows = opened.artifact, scores.reshape(shape)
    declared = Declared(artifact.path, artifact.metadata)
    labels = class_labels(artifact.graph)
    named = of_classes or declared.speaks_of_classes() or bool(labels)
    name, counts = opened.output.name, {**declared.class_counts(), **told.counts}
    if labels:
        counts.setdefault(len(labels), "the graph")
    evidence = ClassEvidence(
        counts, told.masks, frozenset(choices_of(artifact.graph, name, len(shape))),
        artifact.step_of(name),
    )  # fmt: skip
    return output_meaning(
        rows, len(scores), tail, asked, name, classes_named=named, form=opened.model.form,
        evidence=evidence,
    )  # fmt: skip


def counted_form(
    task: str,
    opened: Opened,
    scores: NDArray[np.float32],
    asked: str | None,
    listener: Listener,
) -> tuple[ScoreForm, MapForm | None]:
    """What scores of several labels, or of maps, are, and how a map lies.

    Raises
    ------
    ArtifactError
        It is for the user to say.
    """
    if task == "several-labels":
        return form_of_labels(opened.artifact, asked, opened, scores, listener), None
    map_form = MapForm.of(opened.model.score_shapes[0], opened.model.form)
    return form_of_map(opened.artifact, asked, opened, map_form, scores, listener), map_form


def form_of_labels(
    artifact: Artifact,
    asked: str | None,
    opened: Opened,
    scores: NDArray[np.float32],
    listener: Listener,
) -> ScoreForm:
    """Of scores of several labels, shape (n, classes): as asked, as the graph says, or by values.

    Raises
    ------
    ArtifactError
        It is for the user to say.
    """
    name = opened.output.name
    kind = "logits" if opened.head is not None else asked
    if kind is None and artifact.kind_of(name) == "sigmoid":
        kind = "probabilities"
    if kind is None:
        if scores.min() >= 0 and scores.max() <= 1:
            raise OpenError(f"{artifact.path}: output '{name}' {_open('holds numbers')}", _KINDS)
        kind = "logits"
        if artifact.kind_of(name) != "logits":
            listener.note(f"output '{name}': taken for logits, from its values on a few images")
    step = artifact.step_of(name) if kind == "probabilities" else 0.0
    # A probability and what is left of it to 1 are both read.
    return ScoreForm(kind, opened.output.elem_type, step=step, pair=True)


def form_of_map(
    artifact: Artifact,
    asked: str | None,
    opened: Opened,
    map_form: MapForm,
    scores: NDArray[np.float32],
    listener: Listener,
) -> ScoreForm:
    """Of maps of n images: as asked, as the graph says, or by values.

    Raises
    ------
    ArtifactError
        It is for the user to say, or classes do not exclude each other.
    """
    name, pixels = opened.output.name, map_form.pixels(scores)
    pixels = pixels[:: max(1, len(pixels) // MOST_PLACES)]
    tail, binary = artifact.kind_of(name), map_form.channels == 1
    kind = "logits" if opened.head is not None else asked
    if kind is None and tail == "sigmoid" and not binary:
        head = head_of(artifact.graph, name)
        before = {"output": head.logits, "output_kind": "logits"} if head else {}
        reads = option("output", before["output"]) if head else option("output", like="NAME")
        raise OpenError(
            f"{artifact.path}: output '{name}' is a map of {map_form.channels} numbers a pixel "
            "after a Sigmoid, a picture, or classes that do not exclude each other at a pixel: "
            f"give {option('task', 'other')}, or {reads} {option('output_kind', 'logits')}, which "
            "reads the tensor before it, if the highest one is meant",
            [{"task": "other"}, *([before] if head else [])],
        )
    if kind is None:
        if tail == "probabilities" and not look_like_probabilities(pixels, artifact.step_of(name)):
            tail = "unknown"  # shares along another axis than that of the classes
        kind = settled_kind(pixels, tail)
        if kind == "unknown":
            where = f"{artifact.path}: output '{name}'"
            if binary:
                raise OpenError(f"{where} {_open('holds a number a pixel')}", _KINDS)
            raise OpenError(
                f"{where} holds numbers in [0, 1] that do not sum to 1 at a pixel, so they are no "
                f"probabilities of classes; if they are logits give {_LOGITS}",
                [{"output_kind": "logits"}],
            )
        if kind != plain_kind(tail, map_form.channels):
            listener.note(f"output '{name}': taken for {kind}, from its values on a few images")
    if binary:
        listener.note(f"output '{name}': one score a pixel, of class 1 against class 0")
    step = artifact.step_of(name) if kind == "probabilities" else 0.0
    return ScoreForm(kind, opened.output.elem_type, binary, step)


def _open(what: str) -> str:
    kinds = option("output_kind", "probabilities", "logits")
    return f"{what} in [0, 1], which may be probabilities or logits; say which with {kinds}"


def form_of_classes(
    artifact: Artifact,
    asked: str | None,
    opened: Opened,
    scores: NDArray[np.float32],
    listener: Listener,
) -> ScoreForm:
    """What the output holds: as asked, as declared, as the graph says, else as values look."""
    output = opened.output
    binary = scores.shape[1] == 1
    decision = artifact.decision_of(output.name)
    if binary and decision is not None:
        raise ArtifactError(
            f"{artifact.path}: output '{output.name}' is {decision.meaning}, made by "
            f"{decision.operator}; give the tensor that it reads: "
            f"{option('output', decision.scores)}"
        )
    tail = artifact.kind_of(output.name)
    kind = "logits" if opened.head is not None else asked
    if kind is None:
        kind = settled_kind(scores, tail)
        if kind == "unknown":
            raise ArtifactError(
                f"{artifact.path}: output '{output.name}' {_unsettled(artifact, output, binary)}"
            )
        if kind != plain_kind(tail, scores.shape[1]):
            listener.note(
                f"output '{output.name}': taken for {kind}, from its values on a few images"
            )
    if binary:
        listener.note(f"output '{output.name}': one score, of class 1 against class 0")
    step = artifact.step_of(output.name) if kind == "probabilities" else 0.0
    # One of two columns may be 1 minus the other, unless a Softmax made both.
    pair = scores.shape[1] == 2 and tail != "probabilities"
    return ScoreForm(kind, output.elem_type, binary, step, pair)


def _unsettled(artifact: Artifact, output: Tensor, binary: bool) -> str:
    """What is to be settled about scores in [0, 1]."""
    if binary:
        return (
            "holds one number in [0, 1] per image, a probability of class 1 or a logit; say which "
            f"with {option('output_kind', 'probabilities', 'logits')}"
        )
    head = head_of(artifact.graph, output.name)
    more = ""
    if head:
        before = f"{option('output', head.logits)} {_LOGITS}"
        more = f"; where one class excludes the others, {before}"
    return (
        "lies in [0, 1] but its rows do not sum to 1, as after a sigmoid; class probabilities or "
        f"logits are needed (if these are logits use {_LOGITS}{more})"
    )
