"""The settings that determine a value table: the same table on every machine."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import defaults
from .checks import (
    check_choice,
    check_number,
    check_path,
    check_text,
    check_truth,
    check_whole,
    is_whole,
    plain,
    several,
)
from .errors import InvalidOption, UsageError
from .mathematics.absence import ABSENCES
from .mathematics.bands import NORMS
from .mathematics.coalitions import ESTIMATORS, PLAYERS, SEEDS, default_estimator, drawn_count
from .mathematics.spacing import check_asked
from .spelling import option
from .tasks import TASKS

LAYOUTS = ("nchw", "nhwc")
OUTPUT_MAPS = ("real", "magnitude")
# More than there is of anything that is counted, and less than what any library stumbles over.
MOST_COUNT = 1 << 31
MOST_OFFSET = 1_000_000
# What a pixel of a mask may hold, which is read as int32.
MASK_NUMBERS = -(1 << 31), (1 << 31) - 1
# Beyond these logits are all equal, or no numbers, in the single precision of the game.
TEMPERATURES = (1e-6, 1e6)
SAMPLINGS = ("stratified", "nested")


def check_samples(samples: int) -> None:
    """Refuse what is no number of images to draw."""
    check_number("samples", samples, 0, MOST_COUNT, "0 for all images or a positive number")


def check_seed(seed: int) -> None:
    """Refuse what is no seed with an `InvalidOption`."""
    check_whole("seed", seed)
    if seed < 0:
        raise InvalidOption("seed", seed, "must not be negative")
    if seed >= SEEDS:
        raise InvalidOption("seed", seed, "must be below 2^256")


def _check_outputs(names: tuple[Any, ...]) -> None:
    for each in names:
        check_text("output", each)
    if len(set(names)) < len(names):
        raise UsageError(f"{option('output')}: the same output is named twice")


def _check_size(size: Any) -> None:
    pair = isinstance(size, tuple | list) and len(size) == 2
    if not pair or not all(is_whole(side) and side > 0 for side in size):
        raise InvalidOption("size", size, "give height and width in pixels, such as (240, 320)")


@dataclass(frozen=True)
class Settings:
    """Everything that determines the value table.

    The attributes are the options of ``iaside analyze`` of the same names; None is settled from
    the file, its metadata and the images.

    Attributes
    ----------
    bands : int
        Number of bands M.
    separate_dc : bool
        DC is a player of its own.
    norm : {"linf", "l2", "l1"}
        How the two axis frequencies make a radius: rings are square, as published, round or
        diamonds.
    spacing : {"linear", "octave", "equal-energy", "given"}
        Where the edges of the bands lie: of equal width, each twice as far out as the one before,
        such that the bands hold equal shares of the sample's mean power spectrum
        (`mathematics.spacing`), or at `edges`.
    edges : tuple of float or None
        The M - 1 radii at which bands 1 to M - 1 begin, for the spacing "given".
    absence : str
        What stands for an absent band, a key of `mathematics.absence.ABSENCES`.
    samples : int
        Images to draw; 0 takes all.
    sampling : {"stratified", "nested"}
        How they are drawn: "nested" draws make a smaller sample a part of every larger one.
    seed : int
        Of all that is drawn: the sample, the noise, the coalitions. Not negative.
    preprocess : str or None
        What `preprocessing.preprocess.load_preprocess` takes: a name or the path of a file.
    size : tuple of int or None
        Height and width of the input where the file leaves them free.
    input, output : str or None
        Names of the image input and the score output.
    layout : {"nchw", "nhwc"} or None
        Of the input.
    output_kind : {"logits", "probabilities"} or None
        What the output holds.
    task : str or None
        What the model gives of an image, a key of `tasks.TASKS`: "classes", "several-labels",
        "embedding", "dense" or "other"; None is found out from its output.
    class_embeddings : str or None
        A ``.npy`` file with an embedding of each class, shape (C, D), which makes a classifier of a
        model that gives embeddings; its directions count.
    fit_classes : str or None
        Labelled images, the means of whose embeddings are the classes. None of them may be among
        those that are measured.
    logit_scale : float or None
        What cosines are multiplied by before the softmax; None: as the file has it, or fitted with
        the classes.
    label_offset : int or None
        Added to the labels of the data.
    temperature : float or "auto"
        T of softmax(z / T), positive; "auto" fits it on the sample.
    output_map : {"real", "magnitude"}
        How a coalition image is read; "magnitude" is the authors' reading.
    estimator : {"exact", "permutation", "regression"} or None
        How Shapley values are found: from all coalitions of every image, or from drawn ones. None
        is exact for up to 10 players and permutation for more.
    passes : int or None
        Forward passes an image of an estimator that draws, beside the one of the clean image.
    set : tuple of str
        ``NAME=VALUE`` or ``NAME=FILE.npy`` for each input of the graph that takes no images.
    allow_random : bool
        Take a model whose scores are random, or depend on the batch.
    head : str, optional
        The form of a detector's outputs, a key of `inference.detection.HEADS`, where they leave it
        open; "none" takes them as they are.
    threshold : float, str or None
        Of several labels: the probability above which one is given, or the path of a file with one
        a class; None: 0.5. Of detectors: the least confidence of an object; None: 0.25.
    ignore : int or None
        Of masks: pixels of this number do not count, beside those of 255.
    """

    bands: int = defaults.BANDS
    separate_dc: bool = False
    norm: str = defaults.NORM
    spacing: str = defaults.SPACING
    edges: tuple[float, ...] | None = None
    absence: str = defaults.ABSENCE
    samples: int = 200
    sampling: str = "stratified"
    seed: int = 0
    preprocess: str | None = None
    size: tuple[int, int] | None = None
    input: str | None = None
    output: str | tuple[str, ...] | None = None
    layout: str | None = None
    output_kind: str | None = None
    task: str | None = None
    class_embeddings: str | None = None
    fit_classes: str | None = None
    logit_scale: float | None = None
    label_offset: int | None = None
    temperature: float | str = 1.0
    output_map: str = "real"
    estimator: str | None = defaults.ESTIMATOR
    passes: int | None = None
    set: tuple[str, ...] = ()
    allow_random: bool = False
    head: str | None = None
    threshold: float | str | None = None
    ignore: int | None = None

    @classmethod
    def asked(cls, **given: Any) -> Settings:
        """Settings as a caller gives them, checked.

        Raises
        ------
        UsageError
            An unknown name, or a value that cannot be used.
        """
        if "set" in given:
            given["set"] = several("set", given["set"])
        if isinstance(edges := plain(given.get("edges")), list):
            given["edges"] = tuple(edges)
        if isinstance(given.get("threshold"), PathLike):
            given["threshold"] = fspath(given["threshold"])
        if isinstance(output := given.get("output"), list | tuple):
            names = several("output", output)
            if output == []:  # a command line without the option gives an empty tuple
                raise InvalidOption("output", output, "names no output of the model")
            given["output"] = names[0] if len(names) == 1 else names or None
        try:
            settings = cls(**{name: plain(value) for name, value in given.items()})
        except TypeError as error:
            raise UsageError(str(error)) from error
        settings.check()
        return settings

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs asked for by name."""
        if self.output is None or isinstance(self.output, str):
            return () if self.output is None else (self.output,)
        return self.output

    @property
    def players(self) -> int:
        """Number of players: the bands, and DC where it is separate."""
        return self.bands + int(self.separate_dc)

    @property
    def chosen_estimator(self) -> str:
        """The estimator asked for, or the one for this number of players."""
        return self.estimator or default_estimator(self.players)

    @property
    def every_coalition(self) -> NDArray[np.uint64]:
        """All coalitions, shape (2**M,): the columns of an exact table."""
        return np.arange(1 << self.players, dtype=np.uint64)

    @property
    def coalitions(self) -> int:
        """Coalitions in a row of the table."""
        return drawn_count(self.chosen_estimator, self.players, self.passes)

    @property
    def given_classes(self) -> str | None:
        """The field that gives classes for embeddings; None: the model has its own."""
        names = ("class_embeddings", "fit_classes")
        return next((name for name in names if getattr(self, name) is not None), None)

    def _check_classes(self) -> None:
        """Refuse classes for embeddings that are asked for in two ways."""
        given = self.given_classes
        if None not in (self.class_embeddings, self.fit_classes):
            raise UsageError(
                f"{option('class_embeddings')} and {option('fit_classes')} exclude each other"
            )
        if self.logit_scale is not None and given is None:
            raise UsageError(
                f"{option('logit_scale')} goes with {option('class_embeddings')} or "
                f"{option('fit_classes')}"
            )
        if given is not None and self.task not in (None, "classes"):
            raise UsageError(
                f"{option(given)} makes a classifier of the model: leave out "
                f"{option('task', self.task)}"
            )

    def _check_reading(self) -> None:
        """Refuse what cannot say how the model is read."""
        for name in ("input", "output_kind", "head"):
            check_text(name, getattr(self, name))
        _check_outputs(self.outputs)
        for name in ("preprocess", "class_embeddings", "fit_classes"):
            check_path(name, getattr(self, name))
        if self.logit_scale is not None:
            check_number("logit_scale", self.logit_scale, *TEMPERATURES, "a positive number")
        self._check_classes()
        for each in self.set:
            check_text("set", each)
        if isinstance(self.threshold, str):
            check_path("threshold", self.threshold)
        elif self.threshold is not None:
            check_number("threshold", self.threshold, 0.0, 1.0, "a probability, or a file")
        if self.ignore is not None:
            check_number("ignore", self.ignore, *MASK_NUMBERS, "a number of a mask")

    def check(self) -> None:
        """Refuse values that cannot be used with a `UsageError`, before any work is done."""
        check_choice("norm", self.norm, NORMS)
        check_choice("absence", self.absence, ABSENCES)
        check_choice("sampling", self.sampling, SAMPLINGS)
        check_choice("output_map", self.output_map, OUTPUT_MAPS)
        check_choice("estimator", self.estimator, (None, *ESTIMATORS))
        check_choice("layout", self.layout, (None, *LAYOUTS))
        check_choice("task", self.task, (None, *TASKS))
        for name in ("separate_dc", "allow_random"):
            check_truth(name, getattr(self, name))
        self._check_reading()
        for name in ("bands", "passes"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name))
        if self.size is not None:
            _check_size(self.size)
        estimator = self.chosen_estimator
        least, most = PLAYERS[estimator]
        if self.bands < 1 or not least <= self.players <= most:
            takes = f"the {estimator} estimator takes {least} to {most} players"
            raise InvalidOption("bands", self.bands, takes)
        check_asked(self.spacing, self.edges, self.bands)
        if estimator == "exact" and self.passes is not None:
            drawing = option("estimator", "permutation", "regression")
            raise UsageError(f"{option('passes')} goes with {drawing}; exact needs all 2^M")
        drawn_count(estimator, self.players, self.passes)
        check_seed(self.seed)
        check_samples(self.samples)
        if self.label_offset is not None:
            check_number("label_offset", self.label_offset, -MOST_OFFSET, MOST_OFFSET, "a number")
        if self.temperature != "auto":
            check_number(
                "temperature", self.temperature, *TEMPERATURES, "'auto' or a positive number"
            )
