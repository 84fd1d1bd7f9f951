"""Fourier heat maps: what each perturbation did to each image, and everything derived from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..checks import check_choice, check_kind
from ..errors import UsageError
from ..mathematics.bands import MOST_BANDS, band_names, check_edges
from ..mathematics.fourier_basis import FrequencyGrid
from ..mathematics.score import resampled_means
from ..mathematics.spacing import LINEAR, OCTAVE, SPACINGS, check_asked, octave_edges
from ..setting_roles import HEATMAP_FIT, settings_apart
from ..spelling import option
from ..storage import value_rules as rules
from ..storage.schema import IMAGE, ROUNDING, TRUTH, Field, Schema
from .banded import OF_SPACING, check_partition, edges_summary, partition_of, spacing_of
from .finding import no_finding
from .report import Report
from .result import CHANGE, DIGESTS, IDS, LABELS, PREDICTED, ModelResult
from .spread import Spread

# Bands whose ranks say anything about a correlation.
_LEAST_RANKED = 5
_RESAMPLES = 1000
_MOST_SIDE = 1 << 12  # of images; all their frequencies are laid out to know the bands
# The version of tasks that give no single class.
_OF_TASKS = 3
# And that of bands that are not of equal width.
_SPACED = 4
SCHEMA = Schema(
    format="iaside-heatmap",
    versions=(1, 2, _OF_TASKS, _SPACED),
    header=rules.OF_ALL,
    inside={
        "settings": {
            "size": rules.sides(_MOST_SIDE),
            "grid": rules.or_none(rules.whole(1, 2 * _MOST_SIDE)),
            "strength": rules.is_positive,
            "clip": rules.is_truth,
            "seed": rules.is_seed,
            "bands": rules.whole(1, MOST_BANDS),
            "norm": rules.is_norm,
            "separate_dc": rules.is_truth,
            "confidence": rules.is_share,
        },
        **rules.INSIDE,
    },
    fields=(
        IDS,
        LABELS,
        PREDICTED,
        Field("frequencies", ("wave", "axis"), "int64",
              "cycles per image down the rows and along the columns, those of the grid",
              coordinate="frequency"),
        Field("wrong", (IMAGE, "wave"), TRUTH, "1 where the answer under the wave is wrong"),
        Field("share", (IMAGE, "wave"), "float32",
              "of other tasks, the share of the answer under the wave that is right",
              low=0, high=1, slack=ROUNDING, versions=(_OF_TASKS,), allowed=(_SPACED,),
              optional=True),
        replace(CHANGE, dims=(IMAGE, "wave")),
        DIGESTS,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class BandDamage:
    """What perturbations within each band do, lowest band first.

    Attributes
    ----------
    coefficients : ndarray of int, shape (bands,)
        Coefficients of the DFT that were measured; 0 where the grid is too coarse for a band.
    error, mpe : Spread of shape (bands,)
        Means over a band's measured coefficients and over images; NaN where there are none.
    """

    coefficients: NDArray[np.int64]
    error: Spread
    mpe: Spread


@dataclass(frozen=True, kw_only=True)
class HeatmapReport(ModelResult):
    """Result of ``iaside heatmap``: each image under each real Fourier basis vector.

    What it shares with others is at `ModelResult`.

    Attributes
    ----------
    wrong : ndarray of bool, shape (n, V)
        Whether the answer is wrong under each vector of `grid`: the first class is not the true
        one; of other tasks too little of the answer is right.
    share : ndarray of float32 or None, shape (n, V)
        How much of the answer is right, of other tasks than classes.
    change : ndarray of float32, shape (n, V)
        ``||Q(. | x') - Q(. | x)||_1``, in [0, 2] (method, section 7); of other tasks how far the
        answer lies from that to the clean image.
    settings : dict
        size (height and width), grid (lines an axis; None: all), strength (l2 norm in each
        channel), clip, samples, seed, how the file is read; and the view: bands, norm,
        separate_dc, confidence.
    """

    SCHEMA: ClassVar[Schema] = SCHEMA
    OF_OWN_ANSWERS: ClassVar[int] = 2
    OF_TASKS: ClassVar[int | None] = _OF_TASKS

    wrong: NDArray[np.bool_]
    change: NDArray[np.float32]
    share: NDArray[np.float32] | None = None

    def view(
        self,
        *,
        bands: int | None = None,
        norm: str | None = None,
        separate_dc: bool | None = None,
        spacing: str | None = None,
        edges: Sequence[float] | None = None,
        confidence: float | None = None,
    ) -> HeatmapReport:
        """The same measurement with other bands or another coverage; None keeps the present one.

        Bands of equal energy follow from images, which are not here: with that `spacing` give the
        `edges` that a report of it has.

        Raises
        ------
        UsageError
            Bands that images of this size do not have, or a confidence outside (0, 1).
        """
        changed = {"bands": bands, "norm": norm, "separate_dc": separate_dc}
        viewed = self._viewed(**changed, confidence=confidence)
        if spacing is not None or edges is not None or (bands, norm) != (None, None):
            viewed = viewed._spaced(spacing or spacing_of(self.settings), edges, self.settings)
        viewed.band_of  # noqa: B018 (refuses bands that cannot be)
        return viewed

    def _spaced(self, spacing: str, edges: Any, before: Mapping[str, Any]) -> HeatmapReport:
        """The same with a spacing of the bands, which had the settings `before`."""
        settings = {key: value for key, value in self.settings.items() if key not in OF_SPACING}
        check_choice("spacing", spacing, SPACINGS)
        if spacing == LINEAR:
            if edges is not None:
                check_asked(spacing, edges, int(settings["bands"]))
            return replace(self, settings=settings)
        if spacing == OCTAVE:
            edges = octave_edges(int(settings["bands"]))
        same = all(settings[name] == before[name] for name in ("bands", "norm"))
        if edges is None and same and spacing == spacing_of(before):
            edges = before["edges"]
        if edges is None:
            raise UsageError(
                f"{option('spacing', spacing)} needs {option('edges')}: the file holds no images "
                "that they could follow from"
            )
        check_edges(edges, int(settings["bands"]))
        settings |= {"spacing": spacing, "edges": [float(edge) for edge in edges]}
        return replace(self, settings=settings)

    def seen_as(self, report: Report) -> HeatmapReport:
        """The same measurement in the bands of an analysis of the same model.

        Raises
        ------
        UsageError
            The analysis is of another model, or of other image sizes, or none.
        """
        check_kind("report", report, Report, "a Report of iaside analyze")
        if report.model["sha256"] != self.model["sha256"]:
            raise UsageError(
                f"the analysis is of {report.model['path']}, the heat map of "
                f"{self.model['path']}: the model files differ"
            )
        if report.task != self.task:
            raise UsageError(
                f"the analysis is of {report.task.what}, the heat map of {self.task.what}; measure "
                "both alike"
            )
        if report.of_own_answers != self.of_own_answers:
            own, given = ("analysis", "heat map")[:: 1 if report.of_own_answers else -1]
            raise UsageError(
                f"the {own} has the model's own answers as labels, the {given} true ones; measure "
                "both alike"
            )
        size = {"size": list(self.settings["size"])}
        if settings_apart({"size": list(report.size)}, size, only=HEATMAP_FIT):
            raise UsageError("the analysis and the heat map are of images of different sizes")
        return self.view(**partition_of(report.settings), spacing=spacing_of(report.settings))

    @cached_property
    def grid(self) -> FrequencyGrid:
        """The frequencies: which were measured, and where they stand on the map."""
        height, width = self.settings["size"]
        return FrequencyGrid(height, width, self.settings["grid"])

    @property
    def frequencies(self) -> NDArray[np.int64]:
        """Cycles of each vector down the rows and along the columns, shape (V, 2)."""
        return self.grid.vectors

    def check(self) -> None:
        """Refuse a grid that the file cannot hold; see `Result.check`."""
        self.check_own_answers()
        self.check_changes(self.change)
        height, width = self.settings["size"]
        # Before the grid is laid out: a file that claims a large one must hold one.
        waves = self.wrong.shape[1]
        fits = waves >= self.grid.least_vectors
        rules.need(fits, "the frequencies are not those of its grid")
        check_partition(self.settings, [(height, width)])
        rules.need(len(self.band_of) == waves, "the bands do not fit the images")
        fits = self.of_classes == (self.share is None)
        rules.need(fits, "its shares are not those of its task")
        if self.share is not None:
            follows = bool((self.wrong == self.task.wrong(self.share)).all())
            rules.need(follows, "what is wrong does not follow from shares")

    @property
    def every_number(self) -> NDArray[np.float32]:
        """The table that it was made of: `share`, of classes `wrong`, and `change` beside it."""
        first = self.wrong if self.share is None else self.share
        return np.concatenate([first, self.change], axis=1, dtype=np.float32)

    @property
    def lost_shares(self) -> NDArray[np.float64]:
        """How much of each answer is not right, shape (n, V); of classes all or nothing."""
        if self.share is None:
            return self.wrong.astype(np.float64)
        return 1.0 - self.share.astype(np.float64)

    @property
    def error(self) -> NDArray[np.float64]:
        """Error rate under each vector, shape (V,); with own answers the flip rate.

        Of other tasks the mean share of an answer that is not right.
        """
        return np.asarray(self.lost_shares.mean(axis=0))

    @property
    def mpe(self) -> NDArray[np.float64]:
        """Mean prediction error under each vector, shape (V,), in [0, 2]."""
        return np.asarray(self.change.mean(axis=0, dtype=np.float64))

    @property
    def error_map(self) -> NDArray[np.float64]:
        """Error rate over the plane, shape (A, B); lines are ``grid.rows``, ``grid.columns``."""
        return self.error[self.grid.place]

    @property
    def mpe_map(self) -> NDArray[np.float64]:
        """Mean prediction error over the plane, shape (A, B)."""
        return self.mpe[self.grid.place]

    @property
    def band_names(self) -> list[str]:
        """Names of the bands, lowest first; "DC" where it stands apart."""
        return band_names(self.settings["bands"], separate_dc=self.settings["separate_dc"])

    @cached_property
    def band_of(self) -> NDArray[np.intp]:
        """Band of each vector, shape (V,)."""
        return self.grid.bands(**partition_of(self.settings))

    @cached_property
    def band_damage(self) -> BandDamage:
        """Error and mean prediction error by band, with bootstrap intervals over images."""
        bands, weights = len(self.band_names), self.grid.weights
        counts = np.bincount(self.band_of, weights, bands)
        known = counts > 0
        import scipy.sparse  # slow to load, and not needed to read a file

        # Sparse, for a fine grid has many vectors, and each is in one band.
        member = scipy.sparse.csr_array(
            (weights / counts[self.band_of], (np.arange(len(weights)), self.band_of)),
            shape=(len(weights), bands),
        )
        per_image = np.hstack(
            [(part @ member)[:, known] for part in (self.lost_shares, self.change)]
        )
        drawn = resampled_means(per_image, int(self.settings["seed"]), _RESAMPLES)
        rows = np.full((1 + _RESAMPLES, 2, bands), np.nan)
        rows[:, :, known] = np.vstack([per_image.mean(axis=0), drawn]).reshape(len(rows), 2, -1)
        error, mpe = (Spread.of(rows[:, kind], self.confidence) for kind in (0, 1))
        return BandDamage(counts.astype(np.int64), error, mpe)

    def rank_correlation(self, report: Report) -> dict[str, float | None]:
        """Spearman's correlation over bands of an analysis's SID with this model's sensitivity.

        Parameters
        ----------
        report : Report
            Of the same model; its bands are taken.

        Returns
        -------
        dict
            "error" and "mpe", in [-1, 1]; None where one side is the same in all bands, or the grid
            reaches fewer than 5 of them.

        Raises
        ------
        UsageError
            As for `seen_as`.
        """
        damage = self.seen_as(report).band_damage
        if np.count_nonzero(damage.coefficients) < _LEAST_RANKED:
            return {"error": None, "mpe": None}
        sides = {"error": damage.error, "mpe": damage.mpe}
        return {name: _spearman(report.sid, side.value) for name, side in sides.items()}

    def summary(self, analysis: Report | None = None) -> dict[str, Any]:
        """The result as plain JSON values; with an analysis, its SID and the correlation."""
        if analysis is not None:
            ranks = self.rank_correlation(analysis)
            beside = {
                "sid": analysis.sid.tolist(),
                "spearman": {
                    **self.as_errors("error", "flip_rate", ranks["error"]),
                    "mpe": ranks["mpe"],
                },
                "no_finding": no_finding(analysis),
            }
            return {**self.seen_as(analysis).summary(), "analysis": beside}
        damage = self.band_damage
        return {
            **self.provenance,
            "accuracy": self.accuracy,
            "clean_error": self.clean_error,
            "rows": self.grid.rows.tolist(),
            "columns": self.grid.columns.tolist(),
            **self.as_errors("error", "flip_rate", self.error_map.tolist()),
            "mpe": self.mpe_map.tolist(),
            "band_names": self.band_names,
            "band_edges": edges_summary(self.settings),
            "band_coefficients": damage.coefficients.tolist(),
            **self.as_errors("band_error", "band_flip_rate", damage.error.json()),
            "band_mpe": damage.mpe.json(),
        }


load_heatmap = HeatmapReport.load


def _spearman(importance: NDArray[np.float64], damage: NDArray[np.float64]) -> float | None:
    known = np.isfinite(damage)
    a, b = importance[known], damage[known]
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    import scipy.stats

    return float(scipy.stats.spearmanr(a, b).statistic)
