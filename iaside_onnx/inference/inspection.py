"""What an artifact is, for people and machines (``iaside inspect``)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, TypeVar

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from ..checks import several
from ..errors import ArtifactError, IasideError, ProviderError, said
from ..listener import Listener
from ..onnx_file.bounds import shortened
from ..onnx_file.declared import Declared
from ..onnx_file.tensors import Tensor
from ..spelling import on_command_line, option, path_word
from ..spelling import words as typed
from ..tasks import CLASSES, TASKS
from .choosing import active_providers, runtime_clash
from .class_scores import ScoreForm, plain_kind, settled_kind
from .ends import image_input, settled_layout
from .fixed_inputs import fixed_inputs
from .input_form import InputForm, form_of
from .map_form import MapForm
from .model import Affine, Model
from .opened import Opened, Source, open_source
from .ort_format import describe
from .other_outputs import ReadOutputs, first_output, settled_outputs
from .output_meaning import NoClassScoresError, OutputMeaning, task_of
from .score_forms import counted_form, meaning_of
from .session import Runtime
from .steadiness import randomness_of, unsteadiness

_ALLOW = option("allow_random", True)
_SIZE = option("size", like="HxW")
# Where a file leaves its size free: the usual one, then those of lines of text.
_PROBE_SIZES = ((224, 224), (48, 192), (32, 128))
_RANDOM_IMAGES = 3
# Numbers in the random images; larger inputs are described without being run.
_MOST_NUMBERS = 1 << 25
T = TypeVar("T")
_Find = Callable[[Source, NDArray[np.float32]], ReadOutputs | None]


class Inspection(TypedDict):
    """What `inspect` says of a file: JSON values, None where something is not known."""

    path: str
    sha256: str
    bytes: int
    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]
    size: list[int | None] | None
    size_tried: list[int] | None
    size_from: str | None
    batch: int | str
    classes: int | None
    task: str | None
    meaning: str | None
    command: list[str] | None
    head: str | None
    class_names: list[str] | None
    range_hint: str | None
    pixel_range: dict[str, Any] | None
    opset: int
    opsets: dict[str, int]
    ir_version: int
    producer: str
    parameters: int | None
    external_data: list[str]
    declared: dict[str, str]
    preprocess_beside: dict[str, Any] | None
    metadata: dict[str, str]
    read_before: dict[str, str] | None
    providers: list[str]
    provider_names: list[str]
    warnings: list[str]


class _Warnings(list[str]):
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


class _Trial(NamedTuple):
    """How far random images came."""

    form: InputForm
    opened: Opened | None = None
    scores: NDArray[np.float32] | None = None
    meaning: OutputMeaning | None = None
    counted: tuple[ScoreForm, MapForm | None] | None = None

    @property
    def task(self) -> str | None:
        """The task that an audit takes; None where the output settles none, or failed."""
        return self.meaning.task if self.meaning is not None and self.opened else None


def inspect(
    path: Path,
    *,
    input: str | None = None,
    output: str | Sequence[str] | None = None,
    layout: str | None = None,
    ort_extension: Sequence[Path] = (),
    set: Sequence[str] = (),
    size: tuple[int, int] | None = None,
    task: str | None = None,
    head: str | None = None,
) -> Inspection:
    """Describe an artifact as plain JSON values.

    The file is read, a session is made for each provider to see which really become active, and
    random images are put through it as an audit would, to see which batches it takes and what its
    output is.

    Parameters
    ----------
    input, output, layout, set, size, task, head
        Settle what the file leaves open, as for `analyze`.

    Raises
    ------
    ArtifactError
        Not an ONNX model, or no such input or output. What merely cannot be audited is listed
        under ``warnings``.
    """
    read_as = task if task == "other" else None  # which alone changes what is read
    runtime = Runtime(extensions=tuple(ort_extension))
    artifact = describe(path, runtime)
    declared, warnings = Declared(path, artifact.metadata), _Warnings()
    if clash := runtime_clash():
        warnings.append(clash)
    asked = layout or warnings.read(declared.layout)
    image = warnings.read(
        lambda: image_input(artifact, input),
        strict=input is not None,
        about="cannot be audited: ",
    )
    layout, beside = None, None
    if image is not None:
        layout = warnings.read(partial(settled_layout, artifact, image, asked))
    named = tuple(filter(None, several("output", output) or (declared.output(),)))
    first = warnings.read(
        lambda: first_output(artifact, named, read_as, head), strict=output is not None
    )
    scores, fault = (None, None) if first is None else first
    declared_kind = warnings.read(partial(declared.kind_of, named))
    tail = artifact.kind_of(scores.name) if scores else "unknown"
    classes = _declared_class_count(scores)
    kind = declared_kind or plain_kind(tail, classes)
    providers, provider_names = _active(path, runtime, warnings)
    if image and scores and (why := unsteadiness(artifact, randomness_of(artifact, scores.name))):
        warnings.append(f"analyze refuses it unless {_ALLOW} is given: {why}")
    if image is not None:
        values = partial(fixed_inputs, artifact, image, set, Listener())
        beside = warnings.read(values, strict=bool(set))
    batch = image.shape[0] if image is not None and image.shape else None
    given, trial, before, meaning = None, None, None, None
    if image and scores and layout and beside is not None:
        given = size or warnings.read(declared.size)
        sizes = [given] if given else _PROBE_SIZES[: None if _is_free(image) else 1]
        sources = [
            Source(artifact, runtime, form, _plain(form), scores, beside, any_shape=True)
            for form in (form_of(image, layout, sides) for sides in sizes)
        ]
        find = partial(
            settled_outputs, declared=declared, names=named, task=read_as, head=head, fault=fault
        )
        trial = _tried(sources, declared_kind, warnings, find, free=_is_free(image), asked=task)
        meaning = trial.meaning
        if meaning is not None and meaning.task != "classes":
            classes = None
        if meaning is not None and meaning.task == "embedding":
            kind = "unknown"  # of the last layer, which class scores have too
    if trial is not None and trial.opened is not None and trial.scores is not None:
        batch = trial.opened.batch or batch
        before, of_classes = trial.opened.head, meaning is None or meaning.task == CLASSES
        classes = trial.scores.shape[1] if of_classes else None
        settled = settled_kind(trial.scores, tail)
        if trial.counted is not None:
            scores_are, map_form = trial.counted
            classes = trial.scores.shape[1] if map_form is None else map_form.channels
            classes = 2 if scores_are.binary else classes
            kind = scores_are.kind
        if before is not None:
            kind = "probabilities"
        elif of_classes and declared_kind is None and settled != kind:
            looks = "does not tell the output's kind" if kind == "unknown" else f"looks like {kind}"
            kind, values_are = settled, "one number in [0, 1]" if settled == "unknown" else settled
            warnings.append(f"the graph's tail {looks}; random images give {values_are}")
    elif batch is not None:
        warnings.append(f"the batch is fixed at {batch}; analyze tries to free it in a copy")
    detector = trial.opened.model.head if trial is not None and trial.opened else None
    artifact.confirm()
    if classes == 1:
        warnings.append("one score per image: read as class 1 against class 0")
        classes = 2
    warnings.read(declared.preprocess)
    offset = warnings.read(declared.label_offset) or 0
    recipe = warnings.read(declared.preprocess_beside)
    pixels = artifact.pixel_ranges.get(image.name) if image else None
    layouts = {image.name: layout} if image else {}
    kinds = {scores.name: kind} if scores else {}
    sized = image is not None and image.shape and layout not in (None, "flat")
    return Inspection(
        path=path.name if path.is_absolute() else path.as_posix(),
        sha256=artifact.sha256,
        bytes=path.stat().st_size + sum(file.stat().st_size for file in artifact.external),
        inputs=[
            {**_shown(tensor), "layout": layouts.get(tensor.name)} for tensor in artifact.inputs
        ],
        outputs=[
            {
                **_shown(tensor),
                "kind": kinds.get(tensor.name) or plain_kind(artifact.kind_of(tensor.name), None),
            }
            for tensor in artifact.outputs
        ],
        size=list(image.block(layout)[1:]) if image and sized else None,
        size_tried=[trial.form.height, trial.form.width] if trial and layout != "flat" else None,
        size_from=_size_from(image, layout, size, given),
        batch=batch if batch is not None else "dynamic",
        classes=classes,
        task=trial.task if trial else None,
        meaning=on_command_line(meaning.words) if meaning else None,
        command=_command(
            path, trial, meaning, {"output": output, "task": task, "head": head, "set": set}
        ),
        head=detector.form if detector else None,
        class_names=declared.classes(classes, offset) if classes else None,
        range_hint=pixels.text if pixels else None,
        pixel_range=None
        if pixels is None
        else {"low": pixels.low, "high": pixels.high, "known": pixels.known, "text": pixels.text},
        opset=artifact.opsets.get("", 0),
        opsets=artifact.opsets,
        ir_version=artifact.ir_version,
        producer=artifact.producer,
        parameters=artifact.parameters,
        external_data=[file.name for file in artifact.external],
        declared=declared.shown(),
        preprocess_beside=None
        if recipe is None
        else {"file": recipe.name, "recipe": recipe.settings()},
        metadata={key: shortened(text) for key, text in artifact.metadata.items()},
        read_before=None
        if before is None
        else {"operator": before.operator, "tensor": before.logits},
        providers=providers,
        provider_names=provider_names,
        warnings=list(map(on_command_line, warnings)),
    )


def _command(
    path: Path,
    trial: _Trial | None,
    meaning: OutputMeaning | None,
    asked: dict[str, Any],
) -> list[str] | None:
    """The words of the command that audits the file; None where it cannot be audited as it is."""
    if trial is None or trial.opened is None or meaning is None:
        return None
    given = {name: several(name, each) for name, each in asked.items()}
    words = [word for name, each in given.items() for value in each for word in typed(name, value)]
    return ["iaside", "audit", path_word(path), "IMAGES", *words]


def _is_free(image: Tensor) -> bool:
    """Whether the file leaves the size of its input open."""
    return image.shape is None or None in image.shape[1:]


def _plain(form: InputForm) -> Affine:
    """Pixels as a file is likely to take them: in [0, 1], bytes from 0 to 255."""
    gain = np.full(form.channels, 255 if form.elem_type == TensorProto.UINT8 else 1, np.float32)
    return Affine(list(range(form.channels)), gain, np.zeros_like(gain))


def _tried(
    sources: Sequence[Source], declared_kind: str | None, warnings: _Warnings, find: _Find, *,
    free: bool, asked: str | None,
) -> _Trial:  # fmt: skip
    """Random images put through the first of the sources that runs, as an audit would open it."""
    try:
        for source in sources:
            if (result := _run(source, declared_kind, warnings, find, free=free)) is not None:
                if result[0].model.beside or result[0].model.head is not None:
                    return _Trial(source.form, *result, _other(result[0].model))
                name = source.output.name
                meaning = meaning_of(*result, declared_kind)
                shape = (len(result[1]), *result[0].model.score_shapes[0])
                task = task_of(name, meaning, shape, asked)  # whether it can be audited
                if asked is not None and task != meaning.task:
                    meaning = OutputMeaning(task, f"{TASKS[task].what}, as asked")
                form = None
                if TASKS[task].counted and task != CLASSES:
                    form = warnings.read(
                        partial(counted_form, task, *result, declared_kind, Listener())
                    )
                return _Trial(source.form, *result, meaning, form)
    except NoClassScoresError as error:
        warnings.append(said(error))
        return _Trial(sources[0].form, meaning=error.meaning)
    return _Trial(sources[0].form)


def _run(
    source: Source, declared_kind: str | None, warnings: _Warnings, find: _Find, *, free: bool
) -> tuple[Opened, NDArray[np.float32]] | None:
    form, listener = source.form, Listener()
    if max(_RANDOM_IMAGES, form.fixed_batch or 1) * form.features > _MOST_NUMBERS:
        warnings.append("the input is too large to try random images on")
        return None
    shape = _RANDOM_IMAGES, form.channels, form.height, form.width
    pixels = np.random.default_rng(0).random(shape, dtype=np.float32)
    try:
        read = find(source, pixels)
        source = source if read is None else read.source(source)
        opened = open_source(
            source, pixels, listener, before_head=read is None and declared_kind != "logits",
            several=declared_kind is None, allow_random=True,
        )  # fmt: skip
        opened.model.head = None if read is None else read.detector
        scores = opened.model.scores(pixels)
    except NoClassScoresError:
        raise
    except (ArtifactError, ProviderError) as error:
        advice = f"; the model may be made for another size: {_SIZE}" if free else ""
        place = f"random images of {form.height} x {form.width}"
        warnings.append(f"{place}: {said(error)}{advice}")
        return None
    allowed = on_command_line(_ALLOW)
    warnings.extend(text for text in listener.warnings if allowed not in text)
    if opened.mode == "freed" and form.fixed_batch is not None:
        warnings.append(
            f"the batch is fixed at {form.fixed_batch}; analyze makes it free in a copy of the "
            "graph and checks the copy against the file, which works on random images"
        )
    return opened, scores


def _other(model: Model) -> OutputMeaning:
    """What several outputs are, or those of a detector."""
    if model.head is not None:
        return OutputMeaning("other", model.head.words)
    shapes = (" x ".join(map(str, shape)) or "1" for shape in model.score_shapes)
    return OutputMeaning("other", f"{' and '.join(shapes)} numbers an image in several outputs")


def _active(path: Path, runtime: Runtime, warnings: _Warnings) -> tuple[list[str], list[str]]:
    """The execution providers that sessions really have, and what may be asked for here."""
    providers: list[str] = []
    names: list[str] = []
    for name in reversed(active_providers()):
        session = warnings.read(partial(replace(runtime, provider=name).open, path))
        if session is not None:
            providers += [each for each in session.get_providers() if each not in providers]
            names.insert(0, name)
    return providers, names


def _declared_class_count(output: Tensor | None) -> int | None:
    shape = output.shape if output is not None else None
    if shape == (None,):
        return 1
    if shape is None or len(shape) < 2 or None in shape[1:]:
        return None
    lengths = [size for size in shape[1:] if size is not None]
    return max(lengths) if math.prod(lengths) == max(lengths) else None


def _size_from(
    image: Tensor | None, layout: str | None, asked: Any, given: tuple[int, int] | None
) -> str | None:
    """Whence a free size: the option, "imgsz" or "usual"; None where the file fixes it."""
    if image is None or not image.size_is_free(layout):
        return None
    return on_command_line(option("size")) if asked else "imgsz" if given else "usual"


def _shown(tensor: Tensor) -> dict[str, Any]:
    """Name, shape and type, with the graph's own names for free dimensions ("?": it has none)."""
    shape: list[int | str] | None = None
    if tensor.shape is not None:
        sizes = zip(tensor.shape, tensor.symbols, strict=True)
        shape = [size if size is not None else (symbol or "?") for size, symbol in sizes]
    return {"name": tensor.name, "shape": shape, "dtype": tensor.dtype}
