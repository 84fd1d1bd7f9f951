"""Opens what is measured: a sample of images, and the model that they are put through.

All measurements, and their workers, come this way, so the same options give the same images and
the same model to each of them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, IasideError, InvalidOption, ProviderError, UsageError, said
from ..images.folders import PhotoFiles
from ..images.sample import OWN_ANSWERS, Sample, draw_sample, leave_out_bad
from ..inference.choosing import choose_runtime, runtime_clash, runtime_details
from ..inference.classifier import Classifier, open_classifier
from ..inference.map_meaning import Told
from ..inference.plugin_loading import load_plugins
from ..inference.providers import AUTO, automatic
from ..inference.range_check import check_pixel_range
from ..inference.session import Runtime
from ..inference.task import Task
from ..listener import Listener
from ..spelling import option
from ..tasks import CLASSES, TASKS, TaskKind
from .labelling import class_targets, settle_labels
from .own_outputs import OwnOutputs
from .places import place, recorded, without_roots
from .request import Request
from .truths import settled_truths, with_thresholds, without_truths

# As ``settings["draws"]`` of a result has it. Files without that key drew by file name.
DRAWS = "pixels"


@dataclass(frozen=True)
class Subject:
    """What is measured, opened.

    Attributes
    ----------
    sample : Sample
        The whole one, whichever shard of it is measured.
    positions : list of int
        Images that are measured, ascending; row n of a table is that of image positions[n].
    targets : ndarray, shape (n, ...)
        What the task compares each image of the whole sample with: classes in the model's output,
        all 0 where no labels are needed. Where the model's own answers are taken, those of the
        positions, as the clean pass found them.
    model : Classifier or None
        None where nothing of a model is measured.
    source : dict
        Where the images came from and which were left out, as a result's ``data`` has it.
    temperature : float
        T of softmax(z / T), as set or as the clean pass fitted it.
    keys : list of str
        What each image of the sample is called where something is drawn for it; empty where
        nothing depends on it.
    learned : Task or None
        What the clean pass made of the task; None where there was none, or nothing to learn.
    """

    request: Request
    sample: Sample
    positions: list[int]
    targets: NDArray[Any]
    model: Classifier | None
    source: dict[str, Any] = field(default_factory=dict)
    temperature: float = 1.0
    keys: list[str] = field(default_factory=list)
    learned: Task | None = None

    def __post_init__(self) -> None:
        if isinstance(self.targets, OwnOutputs) and self.model is not None:
            self.targets.bind(self.model.model, self.pixels)

    def task(self, *, answered: bool = False) -> Task:
        """What the model's scores mean; see `Classifier.task`."""
        if self.learned is not None:
            return self.learned
        return self.classifier.task(self.temperature, answered=answered)

    @property
    def classifier(self) -> Classifier:
        """The model, of measurements that have one."""
        assert self.model is not None
        return self.model

    @property
    def runtime(self) -> Runtime:
        """Where the model runs."""
        return self.classifier.model.runtime

    @property
    def provider(self) -> str:
        """The execution provider; empty where nothing of a model is measured."""
        return "" if self.model is None else self.runtime.provider

    @property
    def asked(self) -> str:
        """The execution provider with its options; empty where nothing of a model is measured."""
        return "" if self.model is None else self.runtime.asked

    @property
    def sha256(self) -> str:
        """Digest of the model; empty where nothing of a model is measured."""
        return "" if self.model is None else self.model.artifact.sha256

    @property
    def own_answers(self) -> bool:
        """Whether the model's own clean answers stand for labels."""
        return self.request.reading.own_answers

    @property
    def seed(self) -> int:
        """Of all random numbers."""
        return self.request.settings.seed

    @property
    def listener(self) -> Listener:
        """Who gets notes and warnings."""
        return self.request.listener

    def pixels(self, position: int) -> NDArray[np.float32]:
        """An image of the sample in pixel space at the model's size, shape (C, H, W)."""
        return self.classifier.pixels(self.sample.picture(position))

    @property
    def drawn(self) -> dict[str, Any]:
        """Which images were drawn, and from what all draws were made: JSON values."""
        asked = self.request.settings
        # A setting that is not written down is the only one there was.
        nested = {} if asked.sampling == "stratified" else {"sampling": asked.sampling}
        own = {"labels": OWN_ANSWERS} if self.own_answers else {}
        return {"samples": asked.samples, **nested, "seed": asked.seed, "draws": DRAWS, **own}

    def settings(self) -> dict[str, Any]:
        """Which images were drawn and how the model was read, settled: JSON values."""
        if self.model is None:
            return self.drawn
        fixed, ignore = self.model.model.fixed.said, self.request.settings.ignore
        return as_json(
            {
                **self.drawn,
                **self.model.settled,
                "label_offset": self.model.label_offset,
                "temperature": self.temperature,
                **self.runtime.settings,
                **({"set": fixed} if fixed else {}),
                **({} if ignore is None else {"ignore": ignore}),
            }
        )

    def identity(self, settings: dict[str, Any]) -> dict[str, Any]:
        """What determines the rows of a measurement, beside its own kind: JSON values."""
        shard = self.request.shard
        return as_json(
            {
                "settings": settings,
                "model_sha256": self.sha256,
                "data_digest": self.sample.digest(),
                "provider": self.provider,
                "shard": None if shard is None else shard.option,
                # What all draws of the images came from.
                "pixels": hashlib.sha256("\n".join(self.keys).encode()).hexdigest(),
            }
        )

    @property
    def description(self) -> dict[str, Any]:
        """A result's ``model``; empty where nothing of one is measured."""
        if self.model is None:
            return {}
        artifact = self.model.artifact
        return {
            "path": recorded(artifact.path),
            "sha256": artifact.sha256,
            "producer": artifact.producer,
            "parameters": artifact.parameters,
        }

    def data(self, sample: Sample) -> dict[str, Any]:
        """A result's ``data``, for those images of the sample that it holds."""
        counted = self.model is not None and self.model.kind.counted
        classes = {"classes": self.model.classes} if counted and self.model else {}
        return {**self.source, "digest": sample.digest(), "samples": len(sample), **classes}

    @property
    def warnings(self) -> list[str]:
        """All warnings so far, as a result carries them."""
        return without_roots(self.request.listener.warnings, self.request)

    def environment(self) -> dict[str, Any]:
        """What a result's ``run`` says about how the model was opened and by what it was run."""
        if self.model is None:
            return {}
        return {
            **self.model.how,
            **runtime_details(self.runtime),
            "ort_extensions": self.runtime.extension_digests,
        }


def open_subject(request: Request, *, labelled: bool = True) -> Subject:
    """Draw the sample and open the model.

    Where the measurement needs no true classes, so is not `labelled`, labels are compared with
    names of classes only if those are given.
    """
    asked = request.settings.task
    if asked is not None and not TASKS[asked].labelled:
        request = without_labels(request)
    request = _with_sets(request, asked)
    try:
        sample, source = open_sample(request, labelled=labelled)
    except DataError:
        # Which labels are needed follows from the kind of model.
        kind = _kind_of(request, labelled=labelled)
        other = None if kind is None else _with_sets(request, kind.name)
        if kind is not None and not kind.labelled:
            other = without_labels(request)
        if other is None or other is request:
            raise
        request = other
        sample, source = open_sample(request, labelled=labelled)
    model = None if request.model is None else open_model(request, sample)
    if model is not None:
        other = _with_sets(request, model.kind.name)
        if not model.kind.labelled and not request.reading.own_answers:
            other = without_labels(request)
        if other is not request:
            request = other
            sample, source = open_sample(request, labelled=labelled)
    images, shard = len(sample), request.shard
    positions = list(range(images)) if shard is None else shard.positions(images)
    reading = request.reading
    targets: NDArray[Any] = np.zeros(len(sample), np.int64)
    if model is not None and model.kind.name != CLASSES:
        # Own answers are found by the clean pass.
        if not reading.own_answers:
            model, targets = settled_truths(sample, positions, model, request)
    elif model is not None and labelled:
        sample, model = settle_labels(sample, model, reading, request.listener)
        if not reading.own_answers:  # which the clean pass will give
            targets = class_targets(sample, model, request.listener)
    elif model is not None and (reading.class_names or reading.label_order) is not None:
        settle_labels(sample, model, reading, request.listener)
    return Subject(request, sample, positions, targets, model, source)


def without_labels(request: Request) -> Request:
    """A request that compares images with the model's own answers; refused where labels are given.

    Raises
    ------
    UsageError
    """
    reading = request.reading
    for name in ("labels", "columns", "label_column", "label_order", "class_names"):
        if (value := getattr(reading, name)) is not None:
            given = str(value) if isinstance(value, Path) else value
            raise UsageError(
                f"{option(name, given)} goes with classes, and this model is audited without "
                "labels: each image is compared with the model's own answer to it; leave it out"
            )
    return replace(request, reading=replace(reading, own_answers=True))


def _with_sets(request: Request, kind: str | None) -> Request:
    """The request with its table of labels read as sets, where the model is of several labels."""
    reading = request.reading if kind is None else request.reading.of_task(kind)
    return request if reading == request.reading else replace(request, reading=reading)


def _kind_of(request: Request, *, labelled: bool) -> TaskKind | None:
    """The kind of the model, where labels cannot be read; None where images cannot be either.

    Raises
    ------
    IasideError
        The model asks for labels of another form; or it cannot be opened as it is asked for, so
        that nothing is known of the labels.
    """
    reading = request.reading
    if request.model is None or reading.own_answers:
        return None
    # Nothing that goes with labels, which are not looked at here.
    bare = replace(reading, labels=None, columns=None, label_order=None, own_answers=True)
    settings = request.settings
    if settings.temperature == "auto":
        settings = replace(settings, temperature=1.0)
    quiet = replace(request, reading=bare, settings=settings, listener=Listener())
    try:
        sample, _ = open_sample(quiet, labelled=labelled)
    except IasideError:
        return None
    classifier = open_model(
        quiet, sample, check_range=False, told=Told.by(reading.labels, reading.class_names)
    )
    if why := without_truths(classifier.kind, reading):
        raise DataError(why)
    return classifier.kind


def refuse_own_answers(request: Request, why: str) -> None:
    """Refuse the model's own answers as labels, where they would tell nothing."""
    if request.reading.own_answers:
        raise UsageError(f"{option('labels', OWN_ANSWERS)} does not serve here: {why}")


def refuse_other_tasks(classifier: Classifier, why: str) -> None:
    """Refuse a model that gives no single class an image, where accuracy is what counts."""
    if classifier.kind.name != CLASSES:
        raise UsageError(
            f"{classifier.artifact.path}: is audited as {classifier.kind.what}, and {why}"
        )


def open_sample(request: Request, *, labelled: bool = True) -> tuple[Sample, dict[str, Any]]:
    """Draw the sample; it, and where it came from as a result's ``data`` has it."""
    if request.settings.temperature == "auto":
        fit = option("temperature", "auto")
        refuse_own_answers(request, f"{fit} is fitted by true labels; give a number")
    source = request.reading.open(request.listener)
    unnamed = not labelled and request.reading.class_names is None
    if unnamed and isinstance(source, PhotoFiles) and source.doubt:
        raise DataError(source.doubt)
    asked = request.settings
    sample = draw_sample(source, asked.samples, asked.seed, sampling=asked.sampling)
    skipped: list[dict[str, str]] = []
    if request.skip_bad:
        sample, skipped = leave_out_bad(sample, request.listener)
    return sample, {**place(request.reading), "skip_bad": request.skip_bad, "skipped": skipped}


def open_model(
    request: Request, sample: Sample, *, check_range: bool = True, told: Told | None = None
) -> Classifier:
    """Open the model for a sample of images.

    With `check_range` the preprocessing is compared with the pixel values that the graph seems
    made for. What is `told` of its classes follows from labels and names, where it is not given.
    """
    assert request.model is not None
    if clash := runtime_clash():
        request.listener.warning(clash)
    settings = request.settings

    def opened(provider: str) -> Classifier:
        assert request.model is not None
        load_plugins(request.ep_libraries)
        runtime = choose_runtime(provider, request.threads, request.extensions, tf32=request.tf32)
        if runtime.execution.engines and request.batch is None:
            why = f"{runtime.provider} builds its engine for one number of passes; give one"
            raise InvalidOption("batch", "auto", why)
        runtime = replace(runtime, batch=request.batch)
        given = Told.by(request.reading.labels, request.reading.class_names)
        return open_classifier(
            request.model, runtime, settings, sample, request.listener, told or given
        )

    try:
        classifier = opened(request.provider)
    except ProviderError as error:
        if request.provider != AUTO:
            raise
        *_, last = automatic()
        request.listener.warning(f"{said(error)}: so it runs on {last}")
        classifier = opened(last)
    if why := without_truths(classifier.kind, request.reading):
        raise DataError(why)
    classifier = with_thresholds(classifier, request)
    if check_range:
        chosen = settings.preprocess is not None
        labelled = not request.reading.own_answers and classifier.kind.name == CLASSES
        check_pixel_range(classifier, sample, request.listener, asked=chosen, labelled=labelled)
    return classifier


def draw_key(sample: Sample, position: int) -> str:
    """What an image is called where something is drawn for it: the digest of its pixels.

    Baselines, partners, coalitions, corruptions, attacks and waves all go by it, so the same pixels
    get the same draws in any file, under any name and at any place of the sample.
    """
    return sample.pixel_digest(position).hex()


def as_json(values: dict[str, Any]) -> dict[str, Any]:
    """The values as JSON gives them back, so that they compare equal to what a file holds."""
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain
