"""What perturbations cost a model through their spectra alone: answers to spectral stand-ins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..mathematics.bands import MOST_BANDS
from ..mathematics.score import resampled_means
from ..storage import value_rules as rules
from ..storage.schema import IMAGE, TRUTH, Field, Schema
from .result import CHANGE, DIGESTS, IDS, LABELS, PREDICTED, ModelResult
from .spread import Spread

RESAMPLES = 2000
# Where a perturbation's spectrum comes from: each image's own corrupted copy, the averages of a
# file of iaside snr, or tables of frequencies.
OWN, AVERAGE, TABLE = SOURCES = ("own", "average", "table")
_CELLS = (IMAGE, "perturbation", "severity")
SCHEMA = Schema(
    format="iaside-stand-ins",
    versions=(1, 2),
    header={**rules.PERTURBED, **rules.OF_ALL},
    inside={
        "settings": {
            "seed": rules.is_seed,
            "confidence": rules.is_share,
            "height": rules.whole(1, rules.MOST_SIDE),
            "width": rules.whole(1, rules.MOST_SIDE),
            "rings": rules.whole(1, MOST_BANDS),
            "norm": rules.is_norm,
            "spectra": lambda value: value in SOURCES,
            "placed": rules.is_truth,
            "kinds": rules.are_kinds,
        },
        **rules.INSIDE,
    },
    counts={"perturbation": "perturbations", "severity": "severities"},
    fields=(
        IDS,
        LABELS,
        PREDICTED,
        Field("wrong", _CELLS, TRUTH, "1 where the answer to the stand-in is wrong"),
        replace(CHANGE, dims=_CELLS),
        DIGESTS,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Foretold:
    """Damage predicted, with intervals over images.

    Attributes
    ----------
    drops, mpe : Spread of shape (P, S)
        Fall of the accuracy, and mean of ``||Q(.|x') - Q(.|x)||_1``, with x' the stand-in.
    corruption_drops, corruption_mpe : Spread of shape (P,)
        The same, mean over severities.
    mean_drop, mean_mpe : Spread of shape ()
        The same, mean over all.
    """

    drops: Spread
    mpe: Spread
    corruption_drops: Spread
    corruption_mpe: Spread
    mean_drop: Spread
    mean_mpe: Spread


@dataclass(frozen=True, kw_only=True)
class StandInReport(ModelResult):
    """Result of ``iaside predict --model``: n images, P perturbations, S severities.

    What it shares with others is at `ModelResult`.

    Attributes
    ----------
    perturbations : list of str
    severities : list of int
        1 where a perturbation is known by a table of its own.
    wrong : ndarray of bool, shape (n, P, S)
        The model's answer to the stand-in is not the true class.
    change : ndarray of float32, shape (n, P, S)
        ``||Q(.|x') - Q(.|x)||_1`` with x' the stand-in, in [0, 2].
    settings : dict
        rings, norm, spectra ("own", "average" or "table"; `spectra_digest` where they come from a
        file), placed (noise lies where the corruption has it), seed, samples, height, width,
        channels, confidence, kinds, and the other settings that determine the answers.
    """

    SCHEMA: ClassVar[Schema] = SCHEMA

    perturbations: list[str]
    severities: list[int]
    wrong: NDArray[np.bool_]
    change: NDArray[np.float32]

    def check(self) -> None:
        """Refuse perturbations without a kind; see `Result.check`."""
        known = set(self.perturbations) <= set(self.settings["kinds"])
        rules.need(known, "a perturbation has no kind")

    def only(self, perturbations: list[str], severities: list[int]) -> StandInReport:
        """The same of some of its perturbations and severities."""
        rows = [self.perturbations.index(name) for name in perturbations]
        columns = [self.severities.index(level) for level in severities]
        cells = np.ix_(range(len(self.labels)), rows, columns)
        return replace(
            self,
            perturbations=perturbations,
            severities=severities,
            wrong=self.wrong[cells],
            change=self.change[cells],
        )

    @property
    def fall(self) -> NDArray[np.float64]:
        """What each stand-in costs: wrong, less wrong when clean, in {-1, 0, 1}; (n, P, S)."""
        return self.wrong.astype(np.float64) - self.clean_wrong[:, None, None]

    @cached_property
    def foretold(self) -> Foretold:
        """Falls of accuracy and prediction changes with bootstrap intervals over images."""
        images, shape = len(self.labels), self.wrong.shape[1:]
        rows = np.stack([self.fall, self.change], axis=1).reshape(images, -1)
        drawn = resampled_means(rows, int(self.settings["seed"]), RESAMPLES)
        both = np.concatenate([rows.mean(axis=0)[None], drawn])
        pair = tuple(both.reshape(-1, 2, *shape).swapaxes(0, 1))
        means = *pair, *(part.mean(axis=axes) for axes in (2, (1, 2)) for part in pair)
        return Foretold(*(Spread.of(values, self.confidence) for values in means))

    def summary(self) -> dict[str, Any]:
        """All results as plain JSON values."""
        foretold = self.foretold
        return {
            **self.provenance,
            "severities": self.severities,
            "accuracy": self.accuracy,
            "forward_passes": self.run.get("forward_passes"),
            "mean_drop": foretold.mean_drop.json(),
            "mean_mpe": foretold.mean_mpe.json(),
            "perturbations": [
                {
                    "name": name,
                    "kind": self.settings["kinds"][name],
                    "drop": foretold.corruption_drops[row].json(),
                    "mpe": foretold.corruption_mpe[row].json(),
                    "severities": [
                        {
                            "severity": level,
                            "drop": foretold.drops[row, column].json(),
                            "mpe": foretold.mpe[row, column].json(),
                        }
                        for column, level in enumerate(self.severities)
                    ],
                }
                for row, name in enumerate(self.perturbations)
            ],
        }
