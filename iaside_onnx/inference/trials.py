"""Random images put through a file as an audit would open it, to see what its output is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from ..errors import ArtifactError, IasideError, OpenError, ProviderError, said
from ..listener import Listener
from ..onnx_file.artifact import Artifact
from ..onnx_file.declared import Declared
from ..onnx_file.tensors import Tensor
from ..spelling import on_command_line, option
from ..tasks import CLASSES, TASKS
from .class_scores import ScoreForm
from .fixed_inputs import FixedInputs
from .input_form import InputForm, form_of
from .map_form import MapForm
from .map_meaning import Told
from .model import Affine, Model
from .opened import Opened, Source, open_source
from .other_outputs import OTHER, ReadOutputs, first_output, settled_outputs
from .output_meaning import NoClassScoresError, OutputMeaning, task_of
from .score_forms import counted_form, meaning_of
from .session import Runtime

ALLOW = option("allow_random", True)
_SIZE = option("size", like="HxW")
# Where a file leaves its size free: the usual one, then those of lines of text.
_PROBE_SIZES = ((224, 224), (48, 192), (32, 128))
_RANDOM_IMAGES = 3
# Numbers in the random images; larger inputs are described without being run.
_MOST_NUMBERS = 1 << 25
# What is asked for of a task that is known.
_OF_A_TASK = {"output_kind"}
_NOTHING = Told()
T = TypeVar("T")
_Find = Callable[[Source, NDArray[np.float32]], ReadOutputs | None]


class Warnings(list[str]):
    """What stands in the way of an audit, in words."""

    def read(self, value: Callable[[], T], *, strict: bool = False, about: str = "") -> T | None:
        """A value; an error becomes a warning, unless what was asked for by name is wrong."""
        try:
            return value()
        except IasideError as error:
            if strict:
                raise
            self.append(f"{about}{said(error)}")
            return None


@dataclass(frozen=True)
class Asked:
    """What is asked for of the outputs.

    Attributes
    ----------
    names : tuple of str
        Outputs to read, as asked for or declared.
    task, head : str or None
        As `Settings` has them.
    told : Told
        What labels and names that are given say of the classes.
    """

    names: tuple[str, ...] = ()
    task: str | None = None
    head: str | None = None
    told: Told = _NOTHING

    @property
    def read_as(self) -> str | None:
        """The task that changes which outputs are read, where that is asked for."""
        return self.task if self.task == OTHER else None


class Trial(NamedTuple):
    """How far random images came."""

    form: InputForm
    opened: Opened | None = None
    scores: NDArray[np.float32] | None = None
    meaning: OutputMeaning | None = None
    counted: tuple[ScoreForm, MapForm | None] | None = None
    left_open: OpenError | None = None

    @property
    def task(self) -> str | None:
        """The task that an audit takes; None where the file settles none, or failed."""
        answers = () if self.left_open is None else self.left_open.answers
        if self.opened is None or self.meaning is None:
            return None
        asked_for = any(set(answer) - _OF_A_TASK for answer in answers)
        return None if asked_for else self.meaning.task

    def confirm(self, *, settled: bool) -> None:
        """Refuse a file that may be for several tasks, where it has to be settled.

        Raises
        ------
        OpenError
        """
        error = self.left_open
        if settled and error is not None and self.task is None and len(error.answers) > 1:
            raise error


@dataclass(frozen=True)
class Ready:
    """A file of which all but its outputs is settled, with the size to try, where one is given."""

    artifact: Artifact
    runtime: Runtime
    declared: Declared
    image: Tensor
    layout: str
    beside: FixedInputs
    size: tuple[int, int] | None = None

    def trial(self, asked: Asked, warnings: Warnings) -> Trial:
        """Random images put through the file, at the first size that it takes.

        Raises
        ------
        ArtifactError
            There is no output that could be read.
        UsageError
            The output does not fit the task that is asked for.
        """
        free = self.image.shape is None or None in self.image.shape[1:]
        sizes = [self.size] if self.size else _PROBE_SIZES[: None if free else 1]
        forms = [form_of(self.image, self.layout, sides) for sides in sizes]
        output, fault = first_output(self.artifact, asked.names, asked.read_as, asked.head)
        kind = warnings.read(partial(self.declared.kind_of, asked.names))
        find = partial(
            settled_outputs, declared=self.declared, names=asked.names, task=asked.read_as,
            head=asked.head, fault=fault,
        )  # fmt: skip
        for form in forms:
            if max(_RANDOM_IMAGES, form.fixed_batch or 1) * form.features > _MOST_NUMBERS:
                warnings.append("the input is too large to try random images on")
                continue
            source = Source(
                self.artifact, self.runtime, form, _plain(form), output, self.beside,
                any_shape=True,
            )  # fmt: skip
            try:
                return _run(source, find, asked, kind, warnings)
            except OpenError as error:
                warnings.append(said(error))
                meaning = error.meaning if isinstance(error, NoClassScoresError) else None
                return Trial(form, meaning=meaning, left_open=error)
            except (ArtifactError, ProviderError) as error:
                advice = f"; the model may be made for another size: {_SIZE}" if free else ""
                place = f"random images of {form.height} x {form.width}"
                warnings.append(f"{place}: {said(error)}{advice}")
        return Trial(forms[0])


def _plain(form: InputForm) -> Affine:
    """Pixels as a file is likely to take them: in [0, 1], bytes from 0 to 255."""
    gain = np.full(form.channels, 255 if form.elem_type == TensorProto.UINT8 else 1, np.float32)
    return Affine(list(range(form.channels)), gain, np.zeros_like(gain))


def _run(source: Source, find: _Find, asked: Asked, kind: str | None, warnings: Warnings) -> Trial:
    form, listener = source.form, Listener()
    shape = _RANDOM_IMAGES, form.channels, form.height, form.width
    pixels = np.random.default_rng(0).random(shape, dtype=np.float32)
    read, name = find(source, pixels), source.output.name
    source = source if read is None else read.source(source)
    opened = open_source(
        source, pixels, listener,
        before_head=read is None and kind != "logits" and asked.task != "embedding",
        several=asked.task == "several-labels" or (asked.task or kind) is None, allow_random=True,
    )  # fmt: skip
    opened.model.head = None if read is None else read.detector
    scores = opened.model.scores(pixels)
    allowed = on_command_line(ALLOW)
    warnings.extend(text for text in listener.warnings if allowed not in text)
    if opened.mode == "freed" and form.fixed_batch is not None:
        warnings.append(
            f"the batch is fixed at {form.fixed_batch}; analyze makes it free in a copy of the "
            "graph and checks the copy against the file, which works on random images"
        )
    if read is not None:
        return Trial(form, opened, scores, _other(opened.model, read))
    meaning = meaning_of(opened, scores, kind if asked.task in (None, CLASSES) else None,
                         told=asked.told)  # fmt: skip
    shape_of = (len(scores), *opened.model.score_shapes[0])
    task = task_of(name, meaning, shape_of, asked.task)  # whether it can be audited
    if asked.task is not None and not (meaning.settled and task == meaning.task):
        meaning = OutputMeaning(task, f"{TASKS[task].what}, as asked")
    if not TASKS[task].counted or task == CLASSES:
        return Trial(form, opened, scores, meaning)
    try:
        counted = counted_form(task, opened, scores, kind, Listener())
        return Trial(form, opened, scores, meaning, counted)
    except OpenError as error:
        warnings.append(said(error))
        return Trial(form, opened, scores, meaning, left_open=error)


def _other(model: Model, read: ReadOutputs) -> OutputMeaning:
    """What outputs are whose numbers are taken as they are, or those of a detector."""
    if model.head is not None:
        return OutputMeaning(OTHER, model.head.words)
    shapes = [" x ".join(map(str, shape)) or "1" for shape in model.score_shapes]
    if len(shapes) > 1:
        words = f"{' and '.join(shapes)} numbers an image in several outputs"
    else:
        words = f"{shapes[0]} numbers an image{f'; {read.hint}' if read.hint else ''}"
    return OutputMeaning(OTHER, words)
