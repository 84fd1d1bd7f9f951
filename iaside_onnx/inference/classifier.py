"""An artifact made ready to run: session, input form, preprocessing, and what its output means."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError, DataError, UsageError, said
from ..images.sample import Picture, Sample
from ..listener import Listener
from ..onnx_file.artifact import Artifact
from ..onnx_file.declared import Declared
from ..onnx_file.heads import class_labels
from ..preprocessing.preprocess import Preprocess, load_preprocess
from ..settings import Settings
from ..spelling import option
from ..tasks import CLASSES, DETECTOR, TASKS, TaskKind
from .class_head import class_head
from .class_scores import ScoreForm
from .ends import image_input
from .fixed_inputs import fixed_inputs
from .input_form import InputForm, settle_input
from .map_form import MapForm, axes_of, by_length
from .map_meaning import Told
from .model import Affine, RunError
from .opened import Opened, Source, open_source, scores_of
from .ort_format import describe
from .other_outputs import first_output, say_channels, settled_outputs
from .output_meaning import check_options, check_temperature, task_of
from .placement import Placement
from .score_forms import counted_form, form_of_classes, meaning_of
from .session import Runtime
from .task import OneLabel, Task
from .task_agreement import agreement_of
from .task_boxes import CONFIDENCE, MatchedBoxes
from .task_dense import Dense
from .task_embedding import Embedding
from .task_several_labels import DEFAULT_THRESHOLD, SeveralLabels

_SIZE = option("size", like="HxW")
_LOGITS = option("output_kind", "logits")
_NOTHING = Told()
# Images on which batches are tried, and on which scores are looked at.
_PROBE_IMAGES = 3
_WIDE_PROBE_IMAGES = 8
# Fewer of them where outputs are large.
_PROBE_NUMBERS = 1 << 23


@dataclass(frozen=True, kw_only=True)
class Classifier(Opened):
    """A model that images can be put through.

    Attributes
    ----------
    scores : ScoreForm
        What the output holds.
    classes : int
        Columns of the scores; no number of classes where the kind has none.
    kind : TaskKind
        What kind of model it is.
    label_offset : int
        Added to labels: as asked, else as declared in the file.
    preprocess : Preprocess
        Settled for the input's size.
    class_names : list of str or None
        As declared in the file's metadata, in order of labels (before the offset), or as the
        graph's nodes call them.
    placement : Placement or None
        Which nodes the provider leaves to others; None for one that leaves none.
    threshold : float
        Least confidence of an object, of detectors.
    thresholds : ndarray of float64, shape (classes,), or None
        Of several labels: probabilities above which a label is given; None: 0.5.
    map_form : MapForm or None
        How a map of classes lies.
    mask_size : (height, width) or None
        Of the masks that maps are compared with; None: that of the map itself.
    """

    scores: ScoreForm
    classes: int
    label_offset: int
    preprocess: Preprocess
    kind: TaskKind = TASKS[CLASSES]
    class_names: list[str] | None = None
    placement: Placement | None = None
    threshold: float = CONFIDENCE
    thresholds: NDArray[np.float64] | None = None
    map_form: MapForm | None = None
    mask_size: tuple[int, int] | None = None

    @property
    def form(self) -> InputForm:
        """The model's image input."""
        return self.model.form

    @property
    def settled(self) -> dict[str, Any]:
        """How the file and its images are read, as settings of a report: JSON values."""
        form, scores, head = self.form, self.scores, self.model.head
        names = self.model.outputs
        return {
            "preprocess": self.preprocess.settings(),
            "size": [form.height, form.width],
            "input": form.name,
            "output": self.output.name if len(names) == 1 else list(names),
            **({} if scores.head is None else scores.head.record),
            "layout": form.layout,
            **({} if self.kind.name == CLASSES else {"task": self.kind.name}),
            **({} if head is None else {"head": head.form, "threshold": self.threshold}),
            **({"output_kind": scores.kind} if self.kind.counted else {}),
            **({"floor": scores.floor} if scores.kind == "probabilities" else {}),
            **({"allow_random": True} if self.random else {}),
            **({"channel_axes": axes} if (axes := self._axes(new=True)) else {}),
            **({} if self.thresholds is None else {"threshold": _alike(self.thresholds)}),
        }

    @property
    def how(self) -> dict[str, Any]:
        """What a report's ``run`` says about how the file was opened."""
        before = {} if self.head is None else {"read_before": self.head.operator}
        placed = {} if self.placement is None else {"placement": self.placement.record}
        axes = {"channel_axes": axes} if (axes := self._axes()) else {}
        return {"batch_mode": self.mode, **before, **placed, **axes}

    def _axes(self, *, new: bool = False) -> list[int | None]:
        """Of the channels of each output that is valued by agreement; `new`: if lengths say other.

        Empty where there are none.
        """
        shapes, form = self.model.score_shapes, self.form
        if self.kind is not TASKS["other"] or (new and by_length(shapes, form)):
            return []
        return axes_of(shapes, form)

    def pixels(self, picture: Picture) -> NDArray[np.float32]:
        """A decoded picture in pixel space, shape (C, H, W)."""
        return self.preprocess.pixels(picture, self.form.channels)

    def task(self, temperature: float = 1.0, *, answered: bool = False) -> Task:
        """What its scores mean, at a temperature T of softmax(z / T).

        Where it is `answered`, the tail gives the model's own answer beside the value, if that is a
        class.
        """
        if self.kind.name == "embedding":
            return Embedding(self.output.elem_type, self.classes)
        if self.kind is DETECTOR:
            return MatchedBoxes(self.threshold)
        if self.kind.name == "other":
            return agreement_of(self.model)
        if self.kind.name == "several-labels":
            thresholds = self.thresholds
            usual = np.full(self.classes, DEFAULT_THRESHOLD)
            return SeveralLabels(self.scores, usual if thresholds is None else thresholds)
        if self.map_form is not None:
            return Dense(self.scores, self.map_form, self.mask_size or self.map_form.size)
        return OneLabel(self.scores, temperature, answered)

    def logits(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Raw scores as logits, shape (n, classes): probabilities become their logarithm."""
        return self.scores.logits(scores)

    def confirm_kind(self, scores: NDArray[np.float32]) -> None:
        """Check on data that scores are what they are taken for.

        Raises
        ------
        ArtifactError
            "probabilities" that are none, or an embedding without a direction.
        """
        if self.kind.name == "embedding" or self.scores.head is not None:
            if not np.isfinite(scores).all():
                raise ArtifactError(
                    f"{self.artifact.path}: output '{self.output.name}' holds infinite numbers for "
                    "an image, an embedding without a direction; check the preprocessing"
                )
            if not np.abs(scores).max(axis=1).all():
                raise ArtifactError(
                    f"{self.artifact.path}: output '{self.output.name}' is all zeros for an image, "
                    "an embedding without a direction"
                )
            return
        if self.kind.name == "other":
            if self.model.head is not None:
                self.model.head.confirm(scores)
            elif not np.isfinite(scores).all():
                raise ArtifactError(
                    f"{self.artifact.path}: the outputs hold infinite numbers for an image, which "
                    "agree with none; check the preprocessing, or read another output "
                    f"({option('output', like='NAME')})"
                )
            return
        if self.kind.name == "several-labels":  # each a probability of its own
            plausible = replace(self.scores, binary=True).plausible(scores)
        elif self.map_form is not None:
            plausible = self.scores.plausible(self.map_form.pixels(scores))
        else:
            plausible = self.scores.plausible(scores)
        if not plausible:
            raise ArtifactError(
                f"{self.artifact.path}: output '{self.output.name}' was taken for probabilities, "
                f"but its rows sum to {scores.sum(axis=1)[0]:.4g} and range from "
                f"{scores.min():.4g} to {scores.max():.4g}; if these are logits use {_LOGITS}"
            )


def open_classifier(
    path: Path,
    runtime: Runtime,
    settings: Settings,
    sample: Sample,
    listener: Listener,
    told: Told = _NOTHING,
) -> Classifier:
    """Open an artifact for a sample of images, settling everything that was left open.

    Parameters
    ----------
    settings : Settings
        What was asked for; None is found out from the file, else an error names the option.
    sample : Sample
        Its first images confirm the output's kind, and a batch made free.
    listener : Listener
    told : Told
        What labels and names that are given say of the model's classes.

    Raises
    ------
    ArtifactError, DataError, ProviderError, UsageError
    """
    artifact = describe(path, runtime)
    declared = Declared(path, artifact.metadata)
    tensor = image_input(artifact, settings.input)
    classed = settings.given_classes is not None
    named = settings.outputs or tuple(filter(None, [declared.output()]))
    output, fault = first_output(artifact, named, settings.task, settings.head)
    recipe = _recipe(declared, settings, listener)
    form = settle_input(
        artifact,
        tensor,
        recipe,
        sample,
        layout=settings.layout or recipe.layout or declared.layout(),
        size=settings.size or (None if recipe.crop else declared.size()),
    )
    free = tensor.size_is_free(form.layout)
    if free and declared.size() and not (settings.size or recipe.crop):
        listener.note(
            f"input size: {form.height} x {form.width}, as imgsz in the file's metadata says"
        )
    if form.assumed:
        listener.note(
            f"input size: left free by the file, so {form.height} x {form.width} is taken; if the "
            f"model was made for another, give {_SIZE}"
        )
    offset = settings.label_offset
    if offset is None:
        offset = declared.label_offset()
    preprocess = recipe.for_size(form.height, form.width)
    wide = _probe(_tried(sample, settings), preprocess, form.channels)
    asked = settings.output_kind or declared.kind_of(named)
    try:
        beside = fixed_inputs(artifact, tensor, settings.set, listener)
        affine = Affine(*preprocess.affine(form.channels))
        source = Source(artifact, runtime, form, affine, output, beside, any_shape=True)
        read = settled_outputs(
            source, wide, declared, names=named, task=settings.task, head=settings.head,
            fault=fault,
        )  # fmt: skip
        opened = open_source(
            source if read is None else read.source(source),
            wide[:_PROBE_IMAGES],
            listener,
            before_head=not classed
            and read is None
            and asked != "logits"
            and settings.task != "embedding",
            several=settings.task == "several-labels"
            or (not classed and (settings.task or asked) is None),
            allow_random=settings.allow_random,
            wide=wide,
        )
        opened.model.confirm_file = artifact.watch()
        opened.model.head = None if read is None else read.detector
        placement = placement_of(opened, listener)
        few = max(_PROBE_IMAGES, _PROBE_NUMBERS // opened.model.output_numbers)
        scores = scores_of(opened.model, wide[:few], _PROBE_IMAGES)
    except RunError as error:
        if not free or settings.size or declared.size():
            raise
        raise RunError(
            f"{said(error)}; its input size is free, and {form.height} x {form.width} was taken: "
            f"give {_SIZE}"
        ) from error
    if classed:
        return _with_head(opened, preprocess, placement, scores, settings, sample, listener)
    if read is not None:
        kind = read.kind(settings.task, opened.model, listener)
    else:
        kind = _task(opened, output.name, scores, settings, asked, listener, told)
    check_options(settings, kind)
    if kind is TASKS["other"]:
        say_channels(opened.model, listener)
    if not kind.counted:
        return Classifier(
            **vars(opened), scores=ScoreForm("logits", opened.output.elem_type),
            classes=scores.shape[1], kind=kind, label_offset=0, preprocess=preprocess,
            placement=placement,
        )  # fmt: skip
    map_form = None
    if kind.name == CLASSES:
        score_form = form_of_classes(artifact, asked, opened, scores, listener)
    else:
        score_form, map_form = counted_form(kind.name, opened, scores, asked, listener)
    columns = scores.shape[1] if map_form is None else map_form.channels
    classes = 2 if score_form.binary else columns
    check_temperature(settings, score_form, classes)
    names = declared.classes(classes, offset) or _graph_names(artifact, classes, listener)
    return Classifier(
        **vars(opened), scores=score_form, classes=classes, label_offset=offset, kind=kind,
        preprocess=preprocess, class_names=names, placement=placement, map_form=map_form,
    )  # fmt: skip


def _with_head(
    opened: Opened,
    preprocess: Preprocess,
    placement: Placement | None,
    scores: NDArray[np.float32],
    settings: Settings,
    sample: Sample,
    listener: Listener,
) -> Classifier:
    """A model that gives embeddings, as a classifier."""
    shape = (len(scores), *opened.model.score_shapes[0])
    task_of(opened.output.name, meaning_of(opened, scores, None), shape, "embedding")
    if settings.output_kind is not None:
        kind = option("output_kind", settings.output_kind)
        raise UsageError(f"{kind} does not go with classes that are given for embeddings")
    channels = opened.model.form.channels
    head = class_head(
        opened.artifact, settings, scores.shape[1], sample, opened.model.scores,
        lambda picture: preprocess.pixels(picture, channels), listener,
    )  # fmt: skip
    form = ScoreForm("logits", opened.output.elem_type, head=head)
    return Classifier(
        **vars(opened), scores=form, classes=len(head.classes),
        label_offset=settings.label_offset or 0, preprocess=preprocess, class_names=head.names,
        placement=placement,
    )  # fmt: skip


def placement_of(opened: Opened, listener: Listener) -> Placement | None:
    """Which nodes the provider leaves to others, said in a note.

    Raises
    ------
    ProviderError
        It leaves them most of the work.
    """
    model, artifact = opened.model, opened.artifact
    placement = Placement.of(model.session, model.runtime.execution, artifact.model)
    if placement is not None:
        placement.check(artifact.path)
        if placement.words:
            listener.note(placement.words)
    return placement


def _tried(sample: Sample, settings: Settings) -> Sample:
    """The images that a model is tried on.

    Of a sample that others are parts of, those that all of them begin with, however many follow: a
    file is then read in one way in all of them.
    """
    if settings.sampling != "nested":
        return sample
    beginning = sample.beginning(_WIDE_PROBE_IMAGES, settings.seed)
    readable = []
    for position, index in enumerate(beginning.chosen):
        with suppress(DataError):
            if index not in sample.chosen:  # which nobody asked for
                beginning.picture(position)
            readable.append(position)
    return beginning.part(np.array(readable, np.intp)) if readable else sample


def _probe(sample: Sample, preprocess: Preprocess, channels: int) -> NDArray[np.float32]:
    """The first images, which are often of one class, and some spread over the sample."""
    positions = list(range(max(2, min(_PROBE_IMAGES, len(sample)))))
    spread = np.linspace(0, len(sample) - 1, _WIDE_PROBE_IMAGES).astype(int).tolist()
    positions += sorted(set(spread) - set(positions))[len(positions) - _WIDE_PROBE_IMAGES :]
    pictures = (sample.picture(position % len(sample)) for position in positions)
    return np.stack([preprocess.pixels(picture, channels) for picture in pictures])


def _task(
    opened: Opened,
    output: str,
    scores: NDArray[np.float32],
    settings: Settings,
    asked: str | None,
    listener: Listener,
    told: Told,
) -> TaskKind:
    """The kind of model, said in a note where it was found out."""
    kind = asked if settings.task in (None, CLASSES) else None
    of_classes = settings.label_offset is not None
    meaning = meaning_of(opened, scores, kind, of_classes=of_classes, told=told)
    shape = (len(scores), *opened.model.score_shapes[0])
    task = task_of(output, meaning, shape, settings.task)
    if settings.task is None and task != CLASSES and not meaning.asks:
        listener.note(
            f"task: {task}, since output '{output}' is {meaning.words} ({option('task')} settles "
            "it)"
        )
    return TASKS[task]


def _alike(thresholds: NDArray[np.float64]) -> float | list[float]:
    """One number where all are the same."""
    numbers: list[float] = thresholds.tolist()
    return numbers[0] if len(set(numbers)) == 1 else numbers


def _recipe(declared: Declared, settings: Settings, listener: Listener) -> Preprocess:
    """The recipe asked for, else the one the file declares, else the plainest."""
    if settings.preprocess is not None:
        return load_preprocess(settings.preprocess)
    recipe = declared.preprocess()
    if recipe is not None:
        listener.note(f"preprocessing: {recipe.name}, as the file's metadata declares")
        return recipe
    recipe = declared.preprocess_beside()
    if recipe is not None:
        asked = option("preprocess")
        listener.note(f"preprocessing: {recipe.name}, found beside the model ({asked} overrides)")
        return recipe
    listener.note("preprocessing: none given, so 'unit' (RGB in [0, 1])")
    return load_preprocess(None)


def _graph_names(artifact: Artifact, classes: int, listener: Listener) -> list[str] | None:
    """Names that the graph's own nodes give the columns of its scores."""
    names = class_labels(artifact.graph)
    if len(names) != classes:
        return None
    if all(name.lstrip("-").isdigit() for name in names):
        listener.warning(
            f"the graph calls the classes of its scores {', '.join(names[:8])}"
            f"{', ...' if classes > 8 else ''}: labels must count them from 0, in this order"
        )
    return names
