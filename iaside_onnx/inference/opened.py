"""A file opened so that it gives one row of scores an image: as its own bytes, or as a copy.

Copies of the graph are made where its own bytes cannot serve: to free a fixed batch, to read a
tensor that is no output, or to turn an output round. Each is held against the untouched file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from ..errors import ArtifactError
from ..listener import Listener
from ..onnx_file.artifact import Artifact, load_graph
from ..onnx_file.edits import ROWS, transposed, with_batch_axis, with_output, with_rows
from ..onnx_file.free_batch import free_batch, likely_batches
from ..onnx_file.heads import Head, head_of
from ..onnx_file.randomness import STEADY, Randomness
from ..onnx_file.tensors import SCORE_TYPES, Tensor
from .class_scores import look_like_probabilities
from .fixed_inputs import FixedInputs
from .input_form import InputForm
from .model import Affine, Model, OutOfMemoryError
from .ort_format import tensor_of
from .output_meaning import NoClassScoresError, output_meaning
from .session import Runtime
from .steadiness import check_steady, randomness_of

Edit = Callable[[onnx.ModelProto], onnx.ModelProto]
Pixels = NDArray[np.float32]
Shape = tuple[int, ...]

# Largest relative difference between an edited copy and the untouched file.
_COPY_TOLERANCE = {"float16": 1e-2, "float32": 1e-3, "float64": 1e-6}
# Largest difference between an output and the probabilities of what stands before its head.
_HEAD_TOLERANCE = {"float16": 4e-3, "float32": 1e-5, "float64": 1e-6}
# Largest share by which a small probability may be off, and what 1 - p is known to in float32.
_HEAD_RATIO = 1e-2
_NEAR_ONE = 2e-7


@dataclass(frozen=True)
class Opened:
    """A file ready to score images.

    Attributes
    ----------
    model : Model
    output : Tensor
        The tensor that is read.
    mode : str
        "file" (any batch), "freed" (a copy with a free batch) or "fixed" (one batch alone).
    head : Head or None
        The final operator before which it is read.
    randomness : Randomness
        Nodes that make the scores random, or dependent on the batch.
    random : bool
        They are so, and that is allowed.
    batch : int or None
        The one batch that the file itself takes; None: any.
    """

    model: Model
    output: Tensor
    mode: str
    head: Head | None = None
    randomness: Randomness = STEADY
    random: bool = False
    batch: int | None = None


@dataclass(frozen=True)
class _Source:
    """A file, or an edited copy of its graph."""

    artifact: Artifact
    runtime: Runtime
    form: InputForm
    affine: Affine
    output: str
    fixed: FixedInputs
    edits: tuple[Edit, ...] = ()

    def edited(self, edit: Edit, output: str | None = None) -> _Source:
        if self.artifact.model is None:
            raise ArtifactError("a .ort file cannot be edited")
        return replace(self, edits=(*self.edits, edit), output=output or self.output)

    def open(self) -> Model:
        session = self._session()
        return Model(self.runtime, session, self.form, self.output, self.affine, self.fixed)

    def _session(self) -> ort.InferenceSession:
        path = self.artifact.path
        if not self.edits:
            return self.runtime.open(path)
        graph = load_graph(path)
        for edit in self.edits:
            graph = edit(graph)
        return self.runtime.open(graph.SerializeToString(), folder=path.parent)


def open_model(
    artifact: Artifact,
    runtime: Runtime,
    form: InputForm,
    output: Tensor,
    affine: Affine,
    probe: Pixels,
    tell: Listener,
    *,
    beside: FixedInputs | None = None,
    unbatched: bool = False,
    before_head: bool = False,
    allow_random: bool = False,
    wide: Pixels | None = None,
) -> Opened:
    """Open a file for one row of scores an image, and check the copies that this takes.

    Parameters
    ----------
    output : Tensor
        An output, or any other tensor of the graph.
    probe : ndarray of float32, shape (n, C, H, W)
        Images to try it on, at least two.
    beside : FixedInputs, optional
        Values of the inputs that take no images.
    unbatched : bool
        The input is one image, without a batch axis.
    before_head : bool
        Read the logits before a final Sigmoid or Softmax, where the graph has them.
    allow_random : bool
        Open it even if its scores are random, or depend on the batch.
    wide : ndarray of float32, optional
        More images, to hold a head against; by default `probe`.

    Raises
    ------
    ArtifactError
        The model fails, is random, or gives something else than one row of scores an image.
    """
    source = _Source(artifact, runtime, form, affine, output.name, beside or FixedInputs())
    if unbatched:
        source = source.edited(lambda graph: with_batch_axis(graph, form.name))
    if output.name not in {each.name for each in artifact.outputs}:
        source = source.edited(lambda graph: with_output(graph, output.name))
    source, model = _settled(source, probe, tell)
    declared = form.fixed_batch is not None
    output = _typed(model, output)
    found = randomness_of(artifact, output.name)
    coarse = output.dtype == "float16" or runtime.execution.coarse
    random = check_steady(artifact, found, model, probe, tell, coarse=coarse, allow=allow_random)
    head = head_of(artifact.graph, output.name) if before_head else None
    if head is not None:
        seen = probe if wide is None else wide
        source, model, output, head = _before(source, model, output, head, seen, len(probe), tell)
    fixed = source.form.fixed_batch
    mode = "file"
    if fixed is not None:
        mode, model = _free(source, model, output, fixed, probe, tell, declared=declared)
    return Opened(model, output, mode, head, found, random, fixed)


def scores_of(model: Model, images: Pixels, batch: int) -> NDArray[np.float32]:
    """Scores of images, run so many at a time."""
    starts = range(0, len(images), batch)
    return np.concatenate([model.scores(images[start : start + batch]) for start in starts])


def _typed(model: Model, output: Tensor) -> Tensor:
    """The tensor with the type that the runtime gives it.

    Raises
    ------
    ArtifactError
        It cannot hold scores.
    """
    if output.elem_type:
        return output
    outputs = {each.name: each for each in model.session.get_outputs()}
    found = tensor_of(outputs[output.name])
    if found.elem_type not in SCORE_TYPES:
        raise ArtifactError(
            f"tensor '{output.name}' is {found.dtype}; class scores are float16, float32 or float64"
        )
    return found


def _settled(source: _Source, probe: Pixels, tell: Listener) -> tuple[_Source, Model]:
    """The source with the batch that it runs at, and its output turned into rows.

    A file that declares a free batch is tried at one image and at several.
    """
    model = source.open()
    if fixed := source.form.fixed_batch:
        return _in_rows(source, model, fixed, model.raw(probe[:fixed]).shape, tell)
    several = len(probe)
    results: dict[int, NDArray[Any]] = {}
    failure: ArtifactError | None = None
    for size in (several, 1):
        try:
            results[size] = model.raw(probe[:size])
        except OutOfMemoryError:
            raise
        except ArtifactError as error:
            failure = failure or error
    many, one = (results[size].shape if size in results else () for size in (several, 1))
    if many[:1] == (several,):
        if not one or (len(one) == len(many) and one[0] == 1):
            return source, model
        if len(one) < len(many):  # a batch of 1 loses its axis
            return _in_rows(source, model, 1, one, tell)
    if len(many) == 2 and one[1:] == (1,) and many == (one[0], several):
        name = source.output
        tell.note(f"output '{name}': {list(many)} for {several} images, so its axes are exchanged")
        source = source.edited(lambda graph: transposed(graph, name), ROWS)
        return source, source.open()
    for size in (1, *likely_batches(source.artifact.model)):
        fixed_source = replace(source, form=replace(source.form, fixed_batch=size))
        fixed_model = model.at(fixed_source.form)
        try:
            shape = fixed_model.raw(probe[:size]).shape
        except ArtifactError:
            continue
        if size == 1 or shape[:1] == (size,):
            return _in_rows(fixed_source, fixed_model, size, shape, tell)
    if failure is None:
        raise NoClassScoresError(source.output, output_meaning(results[several], several))
    raise failure


def _in_rows(
    source: _Source, model: Model, batch: int, shape: Shape, tell: Listener
) -> tuple[_Source, Model]:
    """The output for one image as a row, where it has lost the axis of the batch."""
    alone = batch == 1 and shape and shape[0] > 1 and shape[1:] in ((), (1,))
    if not alone:
        return source, model
    name, classes = source.output, shape[0]
    (tell.warning if shape[1:] else tell.note)(
        f"output '{name}': {list(shape)} for one image, taken for its {classes} class scores"
    )
    source = source.edited(lambda graph: with_rows(graph, name, classes), ROWS)
    return source, source.open()


def _before(
    source: _Source,
    model: Model,
    output: Tensor,
    head: Head,
    probe: Pixels,
    batch: int,
    tell: Listener,
) -> tuple[_Source, Model, Tensor, Head | None]:
    """Read the logits before the head instead, if the output is what the head makes of them.

    A Sigmoid over several classes is left: it is no distribution over them.
    """
    kept = source, model, output, None
    answer = scores_of(model, probe, batch)
    if head.operator == "Softmax" and answer.shape[1] == 1:
        return kept  # 1 whatever stands before it
    try:
        copy = source.edited(lambda graph: with_output(graph, head.logits), head.logits)
        inner = copy.open()
        logits = _typed(inner, Tensor(head.logits, None, 0))
        scores = scores_of(inner, probe, batch)
    except OutOfMemoryError:
        raise
    except ArtifactError:
        return kept
    if head.operator == "Sigmoid" and scores.shape[1] != 1:
        return kept
    step = source.artifact.step_of(output.name)
    with np.errstate(over="ignore"):
        expected = head.probabilities(scores, answer.shape[1])
    several = answer.shape[1] > 1
    if expected.shape != answer.shape or (several and not look_like_probabilities(answer, step)):
        return kept
    apart = np.abs(expected - answer)
    worst = float(apart.max())
    # On a GPU the copy may run other kernels than the file.
    exact = "float16" if source.runtime.execution.coarse else output.dtype
    if not worst <= _HEAD_TOLERANCE[exact] + step:
        return kept
    if exact != "float16" and not np.all(apart <= _HEAD_RATIO * expected + _NEAR_ONE + step):
        return kept
    tell.note(
        f"output '{output.name}': read before its final {head.operator}, at '{logits.name}', where "
        f"nothing is rounded to 0 or 1 (they agree within {worst:.0e} on {len(probe)} images)"
    )
    return copy, inner, logits, head


def _free(
    source: _Source,
    model: Model,
    output: Tensor,
    fixed: int,
    probe: Pixels,
    tell: Listener,
    *,
    declared: bool,
) -> tuple[str, Model]:
    """Make a fixed batch free in a copy and hold the copy against the untouched file."""
    name, shape, expected = source.form.name, source.form.shape, model.scores(probe)
    say, cause = tell.note, f"batch: fixed at {fixed} in the file"
    if not declared:
        say = tell.warning
        cause = (
            f"batch: the file declares it free but runs only at {fixed}, the example batch of its "
            "export (PyTorch: export it again with an example batch of 2 and dynamic_shapes)"
        )
    try:
        free_form = replace(source.form, fixed_batch=None)
        freed = replace(source, form=free_form)
        freed = freed.edited(lambda graph: free_batch(graph, name, fixed, shape))
        copy = freed.open()
        found = [copy.scores(probe[:1]), copy.scores(np.concatenate([probe, probe]))]
        wanted = np.concatenate([expected[:1], expected, expected])
        gap = np.abs(np.concatenate(found) - wanted).max() / max(np.abs(wanted).max(), 1e-12)
        if gap <= _COPY_TOLERANCE[output.dtype]:
            say(
                f"{cause}; made free in a copy of the graph (largest relative difference to the "
                f"file on {len(probe)} images: {gap:.1e})"
            )
            return "freed", copy
        why = f"the copy differs from the file by {gap:.1e}"
    except (ArtifactError, ValueError) as error:
        why = str(error)
    many = "one by one" if fixed == 1 else f"{fixed} at a time"
    tell.warning(
        f"{cause}, and could not be made free ({why}); the model runs its images {many}, which is "
        "slower than a free batch would be"
    )
    return "fixed", model
