"""Which outputs are read of a model that is no classifier: all that hold numbers, or a detector's.

Whether they are those of a detector is told from what the model gives for single images.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import check_choice
from ..errors import ArtifactError, UsageError
from ..listener import Listener
from ..onnx_file.artifact import Artifact
from ..onnx_file.declared import Declared
from ..onnx_file.heads import choices_of, computed, suppresses_boxes
from ..onnx_file.tensors import SCORE_TYPES, Tensor, names_of
from ..plurals import counted
from ..spelling import option
from ..tasks import DETECTOR, TASKS, TaskKind
from .detection import HEADS, DetectionHead
from .ends import of_images, score_output
from .head_facts import HeadFacts
from .head_search import known_head
from .map_form import channels_of
from .model import Model
from .opened import Source

OTHER, NO_HEAD = "other", "none"
# Images that a head is looked for on.
_IMAGES = 3


@dataclass(frozen=True)
class ReadOutputs:
    """Outputs that are read in one run.

    Attributes
    ----------
    tensors : tuple of Tensor
    detector : DetectionHead or None
        What finds detections in them.
    images : int
        That the detector's form was told by.
    hint : str
        What they may be besides, for people.
    """

    tensors: tuple[Tensor, ...]
    detector: DetectionHead | None = None
    images: int = 0
    hint: str = ""

    def source(self, source: Source) -> Source:
        """A source that reads them.

        Candidates of a detector are read as they are until the file is open: two runs are compared
        by them.
        """
        first, *beside = self.tensors
        suppressed = self.detector is not None and self.detector.suppressed
        return replace(
            source, output=first, beside=tuple(each.name for each in beside), any_shape=True,
            detector=self.detector if suppressed else None,
        )  # fmt: skip

    def kind(self, asked: str | None, model: Model, listener: Listener) -> TaskKind:
        """The kind of model, said in a note where it was found out; and how outputs are read."""
        if self.detector is not None:
            chosen = "" if asked else f"task: {OTHER}, since "
            names = " and ".join(f"'{each.name}'" for each in self.tensors)
            what, has = ("outputs", "hold") if len(self.tensors) > 1 else ("output", "holds")
            why = f", and {self.detector.why}" if self.detector.why else ""
            listener.note(
                f"{chosen}{what} {names} {has} {self.detector.words}: valued by matched boxes "
                f"({option('head', NO_HEAD)} takes the numbers as they are); found from the "
                f"outputs for {counted(self.images, 'image')}{why}"
            )
            return DETECTOR
        if self.hint:
            listener.note(self.hint)
        if asked is None:
            why = "several outputs are asked for" if model.beside else "their numbers are asked for"
            why = "the form of its output is not known" if self.hint else why
            listener.note(f"task: {OTHER}, since {why}")
        return TASKS[OTHER]


def say_channels(model: Model, listener: Listener) -> None:
    """Note which axis of each output holds its channels."""
    for name, shape in zip(model.outputs, model.score_shapes, strict=True):
        block = channels_of(shape, model.form)
        axis = "one channel" if block.axis is None else (
            f"{block.channels} channel{'s' * (block.channels > 1)} along axis {block.axis}"
        )  # fmt: skip
        text = " x ".join(map(str, shape)) or "1"
        listener.note(f"output '{name}': {text} numbers an image, {axis}")


def float_outputs(artifact: Artifact, names: tuple[str, ...] = ()) -> tuple[Tensor, ...]:
    """The outputs of those names, else all of images that hold floating-point numbers.

    Raises
    ------
    ArtifactError
        There is no such output, or it holds no such numbers.
    """
    outputs = {each.name: each for each in artifact.outputs}
    numbers = [each for each in artifact.outputs if each.elem_type in SCORE_TYPES]
    chosen = of_images(artifact, numbers)
    if names:
        chosen = []
        for name in names:
            if name not in outputs and not computed(artifact.graph, name):
                raise ArtifactError(
                    f"{artifact.path}: no output or other tensor named '{name}'; outputs are "
                    f"{names_of(artifact.outputs)}"
                )
            chosen.append(outputs.get(name, Tensor(name, None, 0)))
    wrong = [each for each in chosen if each.name in outputs and each.elem_type not in SCORE_TYPES]
    if wrong or not chosen:
        what = f"output '{wrong[0].name}' is {wrong[0].dtype}" if wrong else "no output"
        raise ArtifactError(
            f"{artifact.path}: {what}{'' if wrong else ' holds floating-point numbers'}; an output "
            "of float16, float32 or float64 is needed to see how far it moves "
            f"(outputs are {names_of(artifact.outputs)})"
        )
    return tuple(chosen)


def detector_outputs(
    source: Source, images: NDArray[np.float32], declared: Declared,
    names: tuple[str, ...] = (), form: str | None = None,
) -> ReadOutputs | None:  # fmt: skip
    """The outputs of a detector whose head is known; None: it is none, or not known.

    Parameters
    ----------
    source : Source
        A file whose input is settled.
    images : ndarray, shape (n, C, H, W)
        Images of the sample in pixel space.
    names : tuple of str
        Outputs to look at; all of them by default.
    form : str, optional
        The form asked for.

    Raises
    ------
    ArtifactError
        The model fails, or its outputs are not of the form that is asked for.
    OpenError
        They may be of two forms.
    """
    artifact = source.artifact
    outputs = [each for each in artifact.outputs if each.name in names or not names]
    few = len(outputs) < max(1, len(names))
    if few or source.form.unbatched or (form is None and not _may_detect(outputs)):
        return None
    first, *beside = outputs
    read = replace(source, output=first, beside=tuple(each.name for each in beside), opened=None)
    batch = source.form.fixed_batch or 1
    runs: list[dict[str, NDArray[Any]]] = []
    for number, image in enumerate(images):
        if number >= _IMAGES and any(array.size for array in runs[-1].values()):
            break
        arrays = read.model.raw_outputs(image[None])
        if not all(isinstance(array, np.ndarray) for array in arrays):
            return None
        runs.append(dict(zip((each.name for each in outputs), arrays, strict=True)))
    # Where the batch is fixed each image was run beside copies of itself.
    by_image = [
        each.name for each in outputs
        if batch > 1 and all(run[each.name].shape[:1] == (batch,) for run in runs)
    ]  # fmt: skip
    runs = [
        {name: array[:1] if name in by_image else array for name, array in run.items()}
        for run in runs
    ]
    graph, hints = artifact.graph, list[str]()
    choices = {
        each.name: frozenset(name for name, axis in choices_of(graph, each.name, 3) if axis)
        for each in outputs
    }
    # What ends in scores of classes holds no boxes.
    suppresses = suppresses_boxes(graph) and artifact.kind_of(first.name) == "unknown"
    size = (source.form.height, source.form.width)
    facts = HeadFacts(declared.class_counts(), size, suppresses, choices)
    head = known_head(runs, facts, form, hints)
    if head is None:
        return ReadOutputs((first,), hint=hints[0]) if hints and not beside else None
    by_name = {each.name: each for each in outputs}
    return ReadOutputs(tuple(by_name[name] for name in head.outputs), head, len(runs))


def _may_detect(outputs: list[Tensor]) -> bool:
    """Whether shapes leave it possible: spares a plain classifier the runs."""
    if len(outputs) > 1:
        return any(each.shape is None or each.shape[-1:] in ((4,), (None,)) for each in outputs)
    (shape,) = (each.shape for each in outputs)
    if shape is None or len(shape) == 3:
        return True
    return (len(shape), shape[-1]) in ((2, 6), (2, 7), (4, 7))


def first_output(
    artifact: Artifact, names: tuple[str, ...], task: str | None, head: str | None
) -> tuple[Tensor, ArtifactError | None]:
    """The output that a model is opened by, before any run, and what speaks against it.

    Parameters
    ----------
    names : tuple of str
        Those asked for, or declared.
    task, head : str, optional
        As `Settings` has them.

    Raises
    ------
    ArtifactError
        There is none.
    UsageError
        Several, or a detector's, for a task that reads one.
    """
    if task not in (None, OTHER) and (len(names) > 1 or head is not None):
        what = option("head", head) if head is not None else f"several {option('output')}"
        raise UsageError(
            f"{what}: goes with {option('task', OTHER)}; of {TASKS[task].what} one output is read"
        )
    if task == OTHER or len(names) > 1:
        return float_outputs(artifact, names)[0], None
    try:
        return score_output(artifact, next(iter(names), None)), None
    except ArtifactError as error:
        candidates = [each for each in artifact.outputs if each.elem_type in SCORE_TYPES]
        if names or task is not None or len(candidates) < 2:
            raise
        if head == NO_HEAD:  # the numbers of all, as they are
            return float_outputs(artifact)[0], None
        return candidates[0], error  # they may be those of a detector


def settled_outputs(
    source: Source, images: NDArray[np.float32], declared: Declared, *,
    names: tuple[str, ...], task: str | None, head: str | None, fault: ArtifactError | None,
) -> ReadOutputs | None:  # fmt: skip
    """What is read of a model that is no classifier; None: its one output decides what it is.

    Parameters
    ----------
    source : Source
        Of `first_output`, whose other result is the `fault`.

    Raises
    ------
    ArtifactError
        `fault`; or the outputs are no head of the form asked for.
    """
    if head not in (None, NO_HEAD, *HEADS):
        check_choice("head", head, (*HEADS, NO_HEAD))
    if task in (None, OTHER) and head != NO_HEAD:
        form = head if head in HEADS else None
        found = detector_outputs(source, images, declared, names, form)
        if found is not None and (found.detector or task is None):
            return found
    if head not in (None, NO_HEAD):
        raise ArtifactError(
            f"{option('head', head)}: the outputs are no such head; {option('head', NO_HEAD)} "
            "takes their numbers as they are"
        )
    if fault is not None:
        raise fault
    if task == OTHER or len(names) > 1 or head == NO_HEAD:
        return ReadOutputs(float_outputs(source.artifact, names))
    return None
