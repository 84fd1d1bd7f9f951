"""The settings that determine a value table: the same table on every machine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .errors import UsageError
from .mathematics.absence import ABSENCES
from .mathematics.bands import NORMS
from .mathematics.shapley import MAX_PLAYERS

OUTPUT_MAPS = ("real", "magnitude")


@dataclass(frozen=True)
class Settings:
    """Everything that determines the value table; the same on every machine.

    The attributes are the options of ``iaside analyze`` of the same names; None is settled from
    the file, its metadata and the images.

    Attributes
    ----------
    bands : int
        Number of bands M.
    separate_dc : bool
        DC is a player of its own.
    norm : {"linf", "l2", "l1"}
        How the two axis frequencies make a radius.
    absence : {"gaussian", "replace", "mean", "zero"}
        What stands for an absent band.
    samples : int
        Images to draw; 0 takes all.
    seed : int
        Of the sample and the noise; not negative.
    preprocess : str or None
        A preset's name, or the path of a TOML recipe.
    size : tuple of int or None
        Height and width of the input where the file leaves them free.
    input, output : str or None
        Names of the image input and the score output.
    layout : {"nchw", "nhwc"} or None
        Of the input.
    output_kind : {"logits", "probabilities"} or None
        What the output holds.
    label_offset : int or None
        Added to the labels of the data.
    temperature : float or "auto"
        T of softmax(z / T), positive; "auto" fits it on the sample.
    output_map : {"real", "magnitude"}
        How a coalition image is read; "magnitude" is the authors' reading.
    estimator : {"exact"}
        How Shapley values are found.
    """

    bands: int = 8
    separate_dc: bool = False
    norm: str = "linf"
    absence: str = "gaussian"
    samples: int = 200
    seed: int = 0
    preprocess: str | None = None
    size: tuple[int, int] | None = None
    input: str | None = None
    output: str | None = None
    layout: str | None = None
    output_kind: str | None = None
    label_offset: int | None = None
    temperature: float | str = 1.0
    output_map: str = "real"
    estimator: str = "exact"

    @property
    def players(self) -> int:
        """Number of players: the bands, and DC where it is separate."""
        return self.bands + int(self.separate_dc)

    def check(self) -> None:
        """Refuse values that cannot be used, before any work is done.

        Raises
        ------
        UsageError
        """
        for option, value, allowed in (
            ("--norm", self.norm, NORMS),
            ("--absence", self.absence, ABSENCES),
            ("--output-map", self.output_map, OUTPUT_MAPS),
            ("--estimator", self.estimator, ("exact",)),
            ("--layout", self.layout, (None, "nchw", "nhwc")),
        ):
            if value not in allowed:
                names = ", ".join(name for name in allowed if name)
                raise UsageError(f"{option} {value}: choose one of {names}")
        if self.bands < 1 or self.players > MAX_PLAYERS:
            raise UsageError(
                f"--bands {self.bands}: the exact estimator takes 1 to {MAX_PLAYERS} players"
            )
        if self.seed < 0:
            raise UsageError(f"--seed {self.seed}: must not be negative")
        if self.temperature != "auto":
            good = isinstance(self.temperature, int | float) and 0 < self.temperature < np.inf
            if not good:
                raise UsageError(
                    f"--temperature {self.temperature}: give 'auto' or a positive number"
                )
