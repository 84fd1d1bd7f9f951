"""What an artifact is, for people and machines (``iaside inspect``)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

from ..checks import several
from ..errors import IasideError
from ..listener import Listener
from ..onnx_file.artifact import Artifact
from ..onnx_file.bounds import shortened
from ..onnx_file.declared import Declared
from ..onnx_file.tensors import SCORE_TYPES, Tensor
from ..spelling import on_command_line, option, path_word, recorded_path
from ..spelling import words as typed
from ..tasks import CLASSES, kind_of
from .choosing import active_providers, runtime_clash
from .class_scores import plain_kind, settled_kind
from .detection import DetectionHead
from .ends import image_input, of_images, settled_layout
from .fixed_inputs import examples, fixed_inputs
from .map_meaning import Told
from .ort_format import describe
from .other_outputs import first_output
from .session import Runtime
from .steadiness import randomness_of, unsteadiness
from .trials import ALLOW, Asked, Ready, Trial, Warnings

# Outputs of a file that are looked at one by one.
_MOST_OUTPUTS = 8
_NOTHING = Told()
_LISTS = ("output", "set", "ort_extension")
# What stands for the labels that an audit of a task asks for.
_LABELS = {"several-labels": "FILE.csv", "dense": "MASKS"}


class Choice(TypedDict):
    """One of several ways to audit a file that does not say what it is."""

    task: str | None
    meaning: str | None
    command: list[str]


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
    choices: list[Choice]
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
    told: Told = _NOTHING,
    naming: Mapping[str, Any] | None = None,
    settled: bool = False,
) -> Inspection:
    """Describe an artifact as plain JSON values.

    The file is read, a session is made for each provider to see which really become active, and
    random images are put through it as an audit would, to see which batches it takes and what its
    output is. Where a file leaves open what it is, ``task`` and ``command`` are None, and
    ``choices`` are the ways to audit it.

    Parameters
    ----------
    input, output, layout, set, size, task, head
        Settle what the file leaves open, as for `analyze`.
    told : Told
        What labels and names that are given say of its classes.
    naming : mapping, optional
        The options that give these.
    settled : bool
        Refuse a file that leaves open which of several tasks it is for.

    Raises
    ------
    ArtifactError
        Not an ONNX model, or no such input or output. What merely cannot be audited is listed
        under ``warnings``.
    OpenError
        A file that has to be `settled` is not.
    """
    runtime = Runtime(extensions=tuple(ort_extension))
    artifact = describe(path, runtime)
    declared, warnings = Declared(path, artifact.metadata), Warnings()
    if clash := runtime_clash():
        warnings.append(clash)
    options = {
        "input": input, "output": output, "layout": layout, "size": size, "task": task,
        "head": head, "set": set, "ort_extension": ort_extension, **(naming or {}),
    }  # fmt: skip
    command = _Command.of(path, declared)
    wanted = layout or warnings.read(declared.layout)
    image = warnings.read(
        lambda: image_input(artifact, input),
        strict=input is not None,
        about="cannot be audited: ",
    )
    layout, beside = None, None
    if image is not None:
        layout = warnings.read(partial(settled_layout, artifact, image, wanted))
    named = tuple(filter(None, several("output", output) or (declared.output(),)))
    asked = Asked(named, task, head, told)
    first = warnings.read(partial(first_output, artifact, named, asked.read_as, head),
                          strict=output is not None)  # fmt: skip
    scores = None if first is None else first[0]
    declared_kind = warnings.read(partial(declared.kind_of, named))
    tail = artifact.kind_of(scores.name) if scores else "unknown"
    classes = _declared_class_count(scores)
    kind = declared_kind or plain_kind(tail, classes)
    providers, provider_names = _active(path, runtime, warnings)
    if image and scores and (why := unsteadiness(artifact, randomness_of(artifact, scores.name))):
        warnings.append(f"analyze refuses it unless {ALLOW} is given: {why}")
    if image is not None:
        values = partial(fixed_inputs, artifact, image, set, Listener())
        beside = warnings.read(values, strict=bool(set))
    batch = image.shape[0] if image is not None and image.shape else None
    given, trial, before, meaning = None, None, None, None
    choices: list[Choice] = []
    if image and scores and layout and beside is not None:
        given = size or warnings.read(declared.size)
        ready = Ready(artifact, runtime, declared, image, layout, beside, given)
        trial = ready.trial(asked, warnings)
        trial.confirm(settled=settled)
        choices = _choices(command, ready, asked, trial, options)
        meaning = trial.meaning
        if meaning is not None and meaning.task != CLASSES:
            # Of the last layer of an embedding, which class scores have too, the kind says nothing.
            classes, kind = None, "unknown" if meaning.task == "embedding" else kind
    elif image and scores and layout:
        words = [*set, *examples(artifact, image, set)]
        choices = _to_be_set(command, artifact, asked, options, words)
    if trial is not None and trial.opened is not None and trial.scores is not None:
        batch = trial.opened.batch or batch
        before, of_classes = trial.opened.head, meaning is None or meaning.task == CLASSES
        classes = trial.scores.shape[1] if of_classes else None
        judged = settled_kind(trial.scores, tail)
        if trial.counted is not None:
            scores_are, map_form = trial.counted
            classes = trial.scores.shape[1] if map_form is None else map_form.channels
            classes = 2 if scores_are.binary else classes
            kind = scores_are.kind
        if before is not None:
            kind = "probabilities"
        elif of_classes and declared_kind is None and judged != kind:
            looks = "does not tell the output's kind" if kind == "unknown" else f"looks like {kind}"
            kind, values_are = judged, "one number in [0, 1]" if judged == "unknown" else judged
            warnings.append(f"the graph's tail {looks}; random images give {values_are}")
    elif batch is not None:
        warnings.append(f"the batch is fixed at {batch}; analyze tries to free it in a copy")
    detector = None if trial is None else _head_of(trial)
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
        path=recorded_path(path),
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
        command=command.words(options, trial.task, detector)
        if trial and trial.task and not choices
        else None,
        choices=choices,
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


@dataclass(frozen=True)
class _Command:
    """The command that audits a file: what was given, and placeholders for what an audit asks for.

    `stated` says whether the file or one beside it tells its preprocessing.
    """

    path: Path
    stated: bool

    @classmethod
    def of(cls, path: Path, declared: Declared) -> _Command:
        """Of a file that says this of itself."""
        try:
            recipes = declared.preprocess(), declared.preprocess_beside()
        except IasideError:  # an audit refuses it, too
            return cls(path, stated=False)
        return cls(path, stated=any(recipe is not None for recipe in recipes))

    def words(self, given: Mapping[str, Any], task: str | None, head: Any) -> list[str]:
        """Its words, for the output of a task."""
        lists = {
            name: several(name, given.get(name)) for name in ("output", "set", "ort_extension")
        }
        asked = {**given, **lists}
        if task not in (None, CLASSES):
            kind = kind_of(task, head)
            if kind.labelled and asked.get("labels") is None:
                asked["labels"] = _LABELS[task]
            if not self.stated:
                asked["preprocess"] = "NAME"
        words = [word for name, value in asked.items() for word in typed(name, value)]
        return ["iaside", "audit", path_word(self.path), "IMAGES", *words]


def _choices(
    command: _Command, ready: Ready, asked: Asked, trial: Trial, given: Mapping[str, Any]
) -> list[Choice]:
    """The ways to audit a file that leaves open what it is; what cannot be read is none."""
    found = []
    for answer in trial.left_open.answers if trial.left_open else ():
        both = {**given, **answer}
        if "output_kind" in answer:  # what values are is looked at in an audit
            task = trial.task or "dense"
            words = command.words(both, task, answer.get("head", asked.head))
            found.append(Choice(task=task, meaning=None, command=words))
            continue
        names = (answer["output"],) if "output" in answer else asked.names
        closer = replace(
            asked, names=names, task=answer.get("task", asked.task),
            head=answer.get("head", asked.head),
        )  # fmt: skip
        try:
            tried = ready.trial(closer, Warnings())
        except IasideError:
            continue
        if tried.left_open is not None:
            found += _choices(command, ready, closer, tried, both)
        elif tried.task is not None and tried.meaning is not None:
            meaning = on_command_line(tried.meaning.words)
            words = command.words(both, tried.task, _head_of(tried))
            found.append(Choice(task=tried.task, meaning=meaning, command=words))
    return found


def _head_of(trial: Trial) -> DetectionHead | None:
    """The form of a detector's outputs, where they are of one."""
    return None if trial.opened is None else trial.opened.model.head


def _to_be_set(
    command: _Command, artifact: Artifact, asked: Asked, given: Mapping[str, Any], values: list[str]
) -> list[Choice]:
    """The ways to audit a file whose other inputs still need these values."""
    numbers = [each for each in artifact.outputs if each.elem_type in SCORE_TYPES]
    names = [each.name for each in of_images(artifact, numbers)]
    several_open = not asked.names and asked.task is None and len(names) > 1
    with_values = {**given, "set": values}
    ways = [{"output": name} for name in names[:_MOST_OUTPUTS]] if several_open else [{}]
    return [
        Choice(
            task=asked.task,
            meaning=None,
            command=command.words({**with_values, **way}, asked.task, asked.head),
        )
        for way in ways
    ]


def _active(path: Path, runtime: Runtime, warnings: Warnings) -> tuple[list[str], list[str]]:
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
    """Where a free size is from: the option, "imgsz" or "usual"; None where the file fixes it."""
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
