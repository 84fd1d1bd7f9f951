"""A file opened so that it gives one row of scores an image: as its own bytes, or as a copy.

Copies of the graph are made where its own bytes cannot serve: to free a fixed batch, to read a
tensor that is no output, or to turn an output round. Each is compared with the file as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from ..errors import ArtifactError, said
from ..listener import Listener
from ..onnx_file.artifact import Artifact, load_graph
from ..onnx_file.edits import ROWS, transposed, with_batch_axis, with_output, with_rows
from ..onnx_file.free_batch import free_batch, likely_batches
from ..onnx_file.heads import Head, head_of
from ..onnx_file.randomness import STEADY, Randomness
from ..onnx_file.tensors import SCORE_TYPES, Tensor
from .class_scores import look_like_probabilities
from .detection import DetectionHead
from .engine_cache import engine_options
from .fixed_inputs import FixedInputs
from .head_rounding import rounding_of
from .input_form import InputForm
from .map_form import MapForm
from .model import Affine, Model, OutOfMemoryError
from .ort_format import tensor_of
from .output_meaning import NoClassScoresError, output_meaning
from .session import Runtime
from .steadiness import check_steady, difference, randomness_of

Edit = Callable[[onnx.ModelProto], onnx.ModelProto]
Pixels = NDArray[np.float32]
Shape = tuple[int, ...]

# Largest relative difference between an edited copy and the file as it is.
_COPY_TOLERANCE = {"float16": 1e-2, "float32": 1e-3, "float64": 1e-6}


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A file ready to score images.

    Attributes
    ----------
    artifact : Artifact
    model : Model
    output : Tensor
        The tensor that is read.
    mode : str
        "file" (any batch), "freed" (an edited copy with a free batch, verified against the file)
        or "fixed" (run at the one batch that it takes).
    head : Head or None
        The final Sigmoid or Softmax before which it is read.
    randomness : Randomness
        Nodes that make the scores random, or dependent on the batch.
    random : bool
        They are so, and that is allowed.
    batch : int or None
        The one batch that the file itself takes; None: any.
    """

    artifact: Artifact
    model: Model
    output: Tensor
    mode: str
    head: Head | None = None
    randomness: Randomness = STEADY
    random: bool = False
    batch: int | None = None


@dataclass
class Source:
    """A file, or an edited copy of its graph, that is opened when its model is asked for.

    Attributes
    ----------
    output : Tensor
        An output, or any other tensor of the graph.
    fixed : FixedInputs
        Values of the inputs that take no images.
    beside : tuple of str
        Further outputs that are read in the same run.
    any_shape : bool
        Outputs may be maps and tables.
    detector : DetectionHead or None
        What finds detections in the outputs, whose shape may follow what images show.
    """

    artifact: Artifact
    runtime: Runtime
    form: InputForm
    affine: Affine
    output: Tensor
    fixed: FixedInputs
    edits: tuple[Edit, ...] = ()
    rows: str = ""
    opened: Model | None = None
    beside: tuple[str, ...] = ()
    any_shape: bool = False
    detector: DetectionHead | None = None

    @property
    def read(self) -> str:
        """The tensor that is read: the output, or what an edit makes of it."""
        return self.rows or self.output.name

    @property
    def model(self) -> Model:
        """Ready to run."""
        if self.opened is None:
            session = self._session()
            self.opened = Model(
                self.runtime, session, self.form, self.read, self.affine, self.fixed,
                path=self.artifact.path, beside=self.beside, any_shape=self.any_shape,
                head=self.detector,
            )  # fmt: skip
        return self.opened

    def edited(self, edit: Edit, **changes: Any) -> Source:
        """With one more edit of its graph, and other attributes."""
        if self.artifact.model is None:
            raise ArtifactError("a .ort file cannot be edited")
        return replace(self, edits=(*self.edits, edit), opened=None, **changes)

    def at(self, batch: int | None) -> Source:
        """The same session, run at another batch."""
        form = replace(self.form, fixed_batch=batch)
        return replace(self, form=form, opened=replace(self.model, form=form))

    def typed(self) -> Source:
        """With the number type that the runtime gives its output.

        Raises
        ------
        ArtifactError
            It cannot hold scores.
        """
        if self.output.elem_type:
            return self
        outputs = {each.name: each for each in self.model.session.get_outputs()}
        output = tensor_of(outputs[self.output.name])
        if output.elem_type not in SCORE_TYPES:
            raise ArtifactError(
                f"tensor '{output.name}' is {output.dtype}; class scores are float16, float32 or "
                "float64"
            )
        return replace(self, output=output)

    def _session(self) -> ort.InferenceSession:
        path = self.artifact.path
        if not self.edits:
            return self.runtime.open(path, further=self._engines(b""))
        graph = load_graph(path)
        for edit in self.edits:
            graph = edit(graph)
        copy = graph.SerializeToString()
        return self.runtime.open(copy, folder=path.parent, further=self._engines(copy))

    def _engines(self, copy: bytes) -> dict[str, str]:
        """Options for a provider that builds engines; `copy` is what an edit made."""
        if not self.runtime.execution.engines:
            return {}
        content = f"{self.artifact.sha256} {hashlib.sha256(copy).hexdigest()}"
        return engine_options(self.form, self.fixed, self.runtime.batch, content)


def open_source(
    source: Source,
    probe: Pixels,
    listener: Listener,
    *,
    before_head: bool = False,
    several: bool = False,
    allow_random: bool = False,
    wide: Pixels | None = None,
) -> Opened:
    """Open a file for one row of scores an image, and check the copies that this takes.

    Parameters
    ----------
    probe : ndarray of float32, shape (n, C, H, W)
        Images to try it on, at least two.
    before_head : bool
        Read the logits before a final Sigmoid or Softmax, where the graph has them.
    several : bool
        Those before a Sigmoid over several classes as well.
    allow_random : bool
        Open it even if its scores are random, or depend on the batch.
    wide : ndarray of float32, optional
        More images, to try a head on; by default `probe`.

    Raises
    ------
    ArtifactError
        The model fails, is random, or gives something else than one row of scores an image.
    """
    artifact, form, name = source.artifact, source.form, source.output.name
    if form.unbatched:
        source = source.edited(lambda graph: with_batch_axis(graph, form.name))
    for each in (name, *source.beside):
        if each not in {output.name for output in artifact.outputs}:
            source = source.edited(partial(with_output, name=each))
    source = _settled(source, probe, listener).typed()
    noise = randomness_of(artifact, name)
    coarse = source.output.dtype == "float16" or source.runtime.execution.coarse
    is_random = check_steady(
        artifact, noise, source.model, probe, listener, coarse=coarse, allow=allow_random
    )
    head = head_of(artifact.graph, name) if before_head else None
    if head is not None:
        images = probe if wide is None else wide
        before = _before(source, head, images, len(probe), listener, several=several)
        source, head = (source, None) if before is None else (before, head)
    mode, model = "file", source.model
    if source.detector is not None and source.form.fixed_batch is not None:
        mode = "fixed"
    if source.form.fixed_batch is not None and source.detector is None:
        declared = form.fixed_batch is not None
        mode, model = _free(source, probe, listener, declared=declared)
    return Opened(
        artifact=artifact, model=model, output=source.output, mode=mode, head=head,
        randomness=noise, random=is_random, batch=source.form.fixed_batch,
    )  # fmt: skip


def scores_of(model: Model, images: Pixels, batch: int) -> NDArray[np.float32]:
    """Scores of images, run so many at a time."""
    starts = range(0, len(images), batch)
    return np.concatenate(
        [model.scores_in_halves(images[start : start + batch]) for start in starts]
    )


def _settled(source: Source, probe: Pixels, listener: Listener) -> Source:
    """The source with the batch that it runs at, and its output turned into rows.

    A file that declares a free batch is tried at one image and at several.
    """
    if source.detector is not None:
        return _told_apart(source, probe, listener)
    if fixed := source.form.fixed_batch:
        return _in_rows(source, source.model.raw(probe[:fixed]).shape, listener)
    several = len(probe)
    results: dict[int, NDArray[Any]] = {}
    failure: ArtifactError | None = None
    for size in (several, 1):
        try:
            results[size] = source.model.raw(probe[:size])
        except OutOfMemoryError:
            raise
        except ArtifactError as error:
            failure = failure or error
    many, one = (results[size].shape if size in results else () for size in (several, 1))
    if many[:1] == (several,):
        if not one or (len(one) == len(many) and one[0] == 1):
            return source
        if len(one) < len(many):  # a batch of 1 loses its axis
            return _in_rows(source, one, listener, alone=True)
    if len(many) == 2 and one[1:] == (1,) and many == (one[0], several):
        name = source.read
        listener.note(
            f"output '{name}': {list(many)} for {several} images, so its axes are exchanged"
        )
        return source.edited(lambda graph: transposed(graph, name), rows=ROWS)
    for size in (1, *likely_batches(source.artifact.model)):
        fixed_source = source.at(size)
        try:
            shape = fixed_source.model.raw(probe[:size]).shape
        except ArtifactError:
            continue
        if size == 1 or shape[:1] == (size,):
            return _in_rows(fixed_source, shape, listener)
    if failure is None:
        raise NoClassScoresError(source.read, output_meaning(results[several], several))
    raise failure


def _told_apart(source: Source, probe: Pixels, listener: Listener) -> Source:
    """A detector with the batch at which each image has the detections that it has alone."""
    if source.form.fixed_batch:
        return source
    alone = scores_of(source.model, probe, 1)
    try:
        together = source.model.scores(probe)
        if difference(alone, together) <= _COPY_TOLERANCE["float32"]:
            return source
    except OutOfMemoryError:
        raise
    except ArtifactError:
        pass
    listener.note("batch: 1, as detections of several images in one run cannot be told apart")
    return source.at(1)


def _in_rows(source: Source, shape: Shape, listener: Listener, *, alone: bool = False) -> Source:
    """The output for one image as a row, where it has lost the axis of the batch."""
    alone = alone or source.form.fixed_batch == 1
    if not (alone and shape and shape[0] > 1 and shape[1:] in ((), (1,))):
        return source
    name, classes = source.read, shape[0]
    (listener.warning if shape[1:] else listener.note)(
        f"output '{name}': {list(shape)} for one image, taken for its {classes} class scores"
    )
    return source.edited(lambda graph: with_rows(graph, name, classes), rows=ROWS)


def _by_pixel(model: Model, scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of scores; of a map those of each pixel."""
    (shape, *_) = model.score_shapes
    if len(shape) != 3 or max(shape) == scores.shape[1]:
        return scores
    return np.asarray(MapForm.of(shape, model.form).pixels(scores))


def _before(
    source: Source, head: Head, probe: Pixels, batch: int, listener: Listener, *, several: bool
) -> Source | None:
    """The logits before the head, if the output is what the head makes of them.

    A Sigmoid over `several` classes is left where these exclude each other: it is no distribution
    over them.
    """
    output = source.output
    answer = _by_pixel(source.model, scores_of(source.model, probe, batch))
    if head.operator == "Softmax" and answer.shape[1] == 1:
        return None  # 1 whatever stands before it
    try:
        copy = source.edited(
            lambda graph: with_output(graph, head.logits),
            output=Tensor(head.logits, None, 0),
            rows="",
        ).typed()
        scores = _by_pixel(copy.model, scores_of(copy.model, probe, batch))
    except OutOfMemoryError:
        raise
    except ArtifactError:
        return None
    labels = head.operator == "Sigmoid" and scores.shape[1] != 1
    if labels and not (several and len(source.model.score_shapes[0]) == 1):
        return None
    step = source.artifact.step_of(output.name)
    with np.errstate(over="ignore"):
        expected = head.probabilities(scores, answer.shape[1])
    shared = answer.shape[1] > 1 and not labels
    if expected.shape != answer.shape or (shared and not look_like_probabilities(answer, step)):
        return None
    apart = np.abs(expected - answer)
    exact = "float16" if "float16" in (output.dtype, copy.output.dtype) else output.dtype
    coarse = source.runtime.execution.coarse
    if not np.all(apart <= rounding_of(head, scores, expected, exact, coarse=coarse) + step):
        return None
    listener.note(
        f"output '{output.name}': read before its final {head.operator}, at '{head.logits}', where "
        f"nothing is rounded to 0 or 1 (they agree within {apart.max():.0e} on {len(probe)} images)"
    )
    return copy


def _free(
    source: Source, probe: Pixels, listener: Listener, *, declared: bool
) -> tuple[str, Model]:
    """Make a fixed batch free in a copy and compare the copy with the file as it is."""
    form, model = source.form, source.model
    expected, fixed = model.scores(probe), form.fixed_batch or 1
    say, cause = listener.note, f"batch: fixed at {fixed} in the file"
    if not declared:
        say = listener.warning
        cause = (
            f"batch: the file declares it free but runs only at {fixed}, the example batch of its "
            "export (PyTorch: export it again with an example batch of 2 and dynamic_shapes)"
        )
    try:
        freed = source.at(None).edited(
            lambda graph: free_batch(graph, form.name, fixed, form.shape)
        )
        copy = freed.model
        scores = [copy.scores(probe[:1]), copy.scores(np.concatenate([probe, probe]))]
        gap = difference(np.concatenate([expected[:1], expected, expected]), np.concatenate(scores))
        # On a GPU other batches may run other kernels.
        coarse = source.runtime.execution.coarse
        if gap <= _COPY_TOLERANCE["float16" if coarse else source.output.dtype]:
            say(
                f"{cause}; made free in a copy of the graph (largest relative difference to the "
                f"file on {len(probe)} images: {gap:.1e})"
            )
            return "freed", copy
        why = f"the copy differs from the file by {gap:.1e}"
    except NoClassScoresError as error:
        why = f"output '{error.output}' of the copy is {error.meaning.words}"
    except (ArtifactError, ValueError) as error:
        why = said(error)
    many = "one by one" if fixed == 1 else f"{fixed} at a time"
    listener.warning(
        f"{cause}, and could not be made free ({why}); the model runs its images {many}, which is "
        "slower than a free batch would be"
    )
    return "fixed", model
