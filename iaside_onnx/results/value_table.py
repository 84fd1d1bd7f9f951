"""The value table of an audit with its provenance, and every number that follows from it.

`ValueTable.table` is the one result; Shapley values, distribution, score, intervals and
interactions are pure functions of it and of three view settings (value, beta, confidence).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ..checks import one_of
from ..errors import InvalidOption, ReportError, UsageError
from ..mathematics import score, shapley
from ..mathematics.bands import band_names
from ..mathematics.coalitions import members
from ..mathematics.estimators import image_values
from ..mathematics.intervals import METHODS, Intervals, bootstrap_intervals
from ..spelling import option
from ..storage import value_rules as rules
from ..storage.schema import IMAGE, ROUNDING, Field, Schema
from ..tasks import CLASSES, VALUES, TaskKind
from .banded import check_partition
from .coalition_table import OF_IMAGES, check_columns, name_of_class, players_of
from .places import look, reading
from .precondition import Precondition, class_count, gain_alone, precondition
from .result import ModelResult
from .spread import check_confidence
from .tally import check_tally

if TYPE_CHECKING:
    from ..mathematics.profiles import ClassProfiles
    from .class_findings import ClassGains

FORMAT = "iaside-report"
# Versions of reports of all coalitions, and of drawn ones.
_EXACT, _DRAWN = 1, 2
# Of either kind, with the model's own answers in place of labels, or of another task than classes.
_NEWEST = 3
# Of any kind, with bands that are not of equal width.
_SPACED = 4
_OTHER_VALUES = VALUES
# With fewer images than this a class's own profile is mostly noise.
FEW_IMAGES = 20
ONLY_EXACT = (
    "curves and interactions need the values of all coalitions, and this report holds drawn ones: "
    f"iaside analyze with {option('estimator', 'exact')} has them"
)
_MOST_PIXELS = 1 << 24
SCHEMA = Schema(
    format=FORMAT,
    versions=(_EXACT, _DRAWN, _NEWEST, _SPACED),
    header={name: rules.OF_ALL[name] for name in (
        "provider", "iaside_version", "created", "settings", "model", "data", "run",
    )},
    inside={
        "settings": {
            "bands": rules.whole(1, 64),
            "separate_dc": rules.is_truth,
            "norm": rules.is_norm,
            "absence": rules.is_name,
            "estimator": rules.is_name,
            "output_map": rules.is_name,
            "seed": rules.is_seed,
            "temperature": rules.is_positive,
            "value": lambda value: value in (*shapley.VALUES, *_OTHER_VALUES),
            "beta": rules.is_share,
            "confidence": rules.is_share,
        },
        **rules.INSIDE,
    },
    attributes=True,
    copies={"model_sha256": ("model", "sha256"), "data_digest": ("data", "digest")},
    fields=(
        Field("log_prob", (IMAGE, "coalition"), "float32",
              "log-probability of the true class with the coalition's bands",
              "game/log_prob", high=0, slack=ROUNDING, finite=False, versions=(_EXACT, _DRAWN),
              allowed=(_NEWEST, _SPACED), by_rows=True),
        Field("value", (IMAGE, "coalition"), "float32",
              "what the image is worth with the coalition's bands, of tasks without classes",
              "game/value", versions=(), allowed=(_NEWEST, _SPACED), by_rows=True),
        Field("distances", (IMAGE, "coalition", "output"), "float32",
              "squared distance of each output from that of the clean image, over what two images "
              "of the sample are apart, where there are several outputs",
              "game/distances", low=0, versions=(), allowed=(_NEWEST, _SPACED)),
        Field("coalitions", (IMAGE, "coalition"), "uint64",
              "the coalition of each value, where they were drawn (always in version 2)",
              "game/coalitions", versions=(_DRAWN,), allowed=(_NEWEST, _SPACED),
              coordinate="coalition"),
        *OF_IMAGES,
        Field("tally", (IMAGE, "number", "class"), "float32",
              "of several labels log-odds, then 1 for a label the image has; of maps the pixels in "
              "which answer and mask meet, those of the answer, and those of the mask",
              "clean/tally", optional=True, finite=False, versions=(), allowed=(_NEWEST, _SPACED)),
        Field("example", ("height", "width", "channel"), "uint8",
              "one image at the model's size, for pictures; 1 or 3 channels",
              "data/example", optional=True),
    ),
    derived=tuple(
        Field(name, dims, "float64", words, place, checksum=not place.startswith("srs/"))
        for name, dims, words, place in (
            ("shapley_per_image", (IMAGE, "band"), "in the view of the file", "shapley/per_image"),
            ("shapley", ("band",), "mean over images", "shapley/mean"),
            ("shapley_stderr", ("band",), "standard errors over images", "shapley/stderr"),
            ("interactions", ("band", "band"), "pairwise indices, where no coalitions were drawn",
             "shapley/interactions"),
            ("sid", ("band",), "spectral importance distribution", "sid/values"),
            ("sid_low", ("band",), "lower ends", "sid/low"),
            ("sid_high", ("band",), "upper ends", "sid/high"),
            ("srs", (), "score", "srs/value"),
            ("srs_interval", (2,), "its interval", "srs/interval"),
            ("srs_signed", (), "score with its sign", "srs/signed"),
            ("srs_signed_interval", (2,), "its interval", "srs/signed_interval"),
            ("srs_range", (2,), "ends of the signed score", "srs/range"),
            ("beta", (), "decay of the weights", "srs/beta"),
        )
    ),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ValueTable(ModelResult):
    """The values of one audit.

    What it shares with others is at `ModelResult`.

    Attributes
    ----------
    log_prob : ndarray of float32, shape (K, 2**M), or (K, C) for drawn coalitions, or None
        V[n, S]: log-probability of image n's true class when only the bands in S are present.
        The first column is that of no band, the last that of all. None where the `task` has no
        classes.
    value : ndarray of float32, of the same shape, or None
        The same of other tasks, in what ``settings["value"]`` says.
    distances : ndarray of float32, shape (K, columns, outputs), or None
        Where the model has several outputs: the squared distance of each from that of the clean
        image, over what two images of the sample are apart, in the order of ``settings["output"]``.
    settings : dict
        All that determines the table, and the view settings ``value``, ``beta``,
        ``confidence``.
    class_names : list of str or None
        In label order; None where neither data nor file name the classes.
    example : ndarray of uint8, shape (H, W, C), or None
        One image of the sample as the model's input size has it, for pictures.
    coalitions : ndarray of uint64, shape (K, C), or None
        The coalition of each value where they were drawn; None where all 2**M are there in order.
    tally : ndarray of float32, shape (K, numbers, classes), or None
        What the clean images are judged by together, of several labels and of maps.
    """

    SCHEMA: ClassVar[Schema] = SCHEMA

    log_prob: NDArray[np.float32] | None = None
    value: NDArray[np.float32] | None = None
    distances: NDArray[np.float32] | None = field(default=None, repr=False)
    class_names: list[str] | None = None
    example: NDArray[np.uint8] | None = field(default=None, repr=False)
    coalitions: NDArray[np.uint64] | None = field(default=None, repr=False)
    tally: NDArray[np.float32] | None = field(default=None, repr=False)

    def view(
        self,
        *,
        value: str | None = None,
        beta: float | None = None,
        confidence: float | None = None,
    ) -> Self:
        """The same table in another view; None keeps the present one.

        Raises
        ------
        UsageError
            A value that does not exist, or a beta or a confidence outside (0, 1).
        """
        if value is not None:
            value_of(self.task, value)
        viewed = self._viewed(value=value, beta=beta, confidence=confidence)
        if beta is not None:
            score.score_weights(self.players, viewed.beta)
        return viewed

    @property
    def table(self) -> NDArray[np.float32]:
        """V[n, S] in what the task counts, shape (K, C): `log_prob`, or `value`."""
        table = self.log_prob if self.of_classes else self.value
        assert table is not None
        return table

    @property
    def every_number(self) -> NDArray[np.float32]:
        """The table, and after it the distances of each output, as one run fills them in a row."""
        if self.distances is None:
            return self.table
        return np.concatenate([self.table, *np.moveaxis(self.distances, 2, 0)], axis=1)

    @property
    def players(self) -> int:
        """Number of bands M (one more with DC as a player of its own)."""
        if self.coalitions is None:
            return shapley.player_count(self.table)
        return players_of(self.settings)

    @property
    def floor_share(self) -> float | None:
        """Share of the table at the floor under the model's probabilities; None: it has no floor.

        A probability that its type cannot tell from 0 counts as the least that it can.
        """
        floor = self.settings.get("floor")
        if floor is None:
            return None
        temperature, classes = float(self.settings["temperature"]), int(self.data["classes"])
        return shapley.share_at_floor(self.table, float(floor), temperature, classes)

    @property
    def exact(self) -> bool:
        """Whether all coalitions of every image were evaluated."""
        return self.coalitions is None

    @property
    def format_version(self) -> int:
        """Version of the file format that holds this report."""
        if self.settings.get("edges") is not None:
            return _SPACED
        if self.of_own_answers or not self.of_classes:
            return _NEWEST
        return _EXACT if self.exact else _DRAWN

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images, as the model sees them.

        Raises
        ------
        ReportError
            The report does not say; nor need it.
        """
        size = self.settings.get("size")
        if size is None:
            raise ReportError("the report does not say what size its images have; audit again")
        return int(size[0]), int(size[1])

    @property
    def band_names(self) -> list[str]:
        """Short names of the players, lowest first."""
        dc = bool(self.settings.get("separate_dc"))
        return band_names(self.players - dc, separate_dc=dc)

    @property
    def beta(self) -> float:
        """Decay of the score's weights."""
        return float(self.settings["beta"])

    @cached_property
    def _solved(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Shapley values per image, and mean of each column, in one pass over blocks of rows."""
        table = self.table
        rows, columns = table.shape
        if self.coalitions is not None:
            game = self._finite(table)
            psi = image_values(self.settings["estimator"], game, self.coalitions, self.players)
            return psi, game.mean(axis=0)
        psi = np.empty((rows, self.players))
        total = np.zeros(columns)
        step = max(1, (1 << 20) // columns)
        for start in range(0, rows, step):
            block = self._finite(table[start : start + step])
            psi[start : start + step] = shapley.shapley_values(block)
            total += block.sum(axis=0)
        return psi, total / rows

    def _finite(self, table: NDArray[np.float32]) -> NDArray[np.float64]:
        game = game_of(table, self.settings["value"])
        if not np.isfinite(game).all():
            raise UsageError(
                "the table holds probabilities of 0, whose logarithm is no value of a game: "
                f"choose {option('value', 'prob', 'log-prob-clipped')}"
            )
        return game

    @property
    def shapley_per_image(self) -> NDArray[np.float64]:
        """Shapley values of every image, shape (K, M): exact, or unbiased over the draws."""
        return self._solved[0]

    @property
    def coalition_values(self) -> NDArray[np.float64]:
        """v(S): mean of the game over images, shape (2**M,).

        Raises
        ------
        UsageError
            The report holds drawn coalitions.
        """
        if not self.exact:
            raise UsageError(ONLY_EXACT)
        return self._solved[1]

    @property
    def value_none(self) -> float:
        """v(none): mean of the game with every band absent."""
        return float(self._solved[1][0])

    @property
    def value_all(self) -> float:
        """v(all): mean of the game with every band present."""
        return float(self._solved[1][-1])

    @property
    def shapley(self) -> NDArray[np.float64]:
        """Shapley values of the mean game, shape (M,)."""
        return np.asarray(self.shapley_per_image.mean(axis=0))

    @property
    def shapley_stderr(self) -> NDArray[np.float64]:
        """Standard errors of `shapley` over images, shape (M,); 0 for a single image."""
        psi = self.shapley_per_image
        if len(psi) < 2:
            return np.zeros(self.players)
        return np.asarray(psi.std(axis=0, ddof=1) / np.sqrt(len(psi)))

    @property
    def sid(self) -> NDArray[np.float64]:
        """Spectral importance distribution, shape (M,)."""
        return score.spectral_importance(self.shapley)

    @property
    def uniform(self) -> bool:
        """True when all Shapley values are equal: the model prefers no band."""
        return bool(score.is_uniform(self.shapley))

    @property
    def srs(self) -> float:
        """Spectral robustness score as published (absolute value)."""
        return float(score.spectral_robustness_score(self.sid, self.beta))

    @property
    def srs_signed(self) -> float:
        """The score with its sign: positive means that low frequencies carry the weight."""
        return float(score.signed_score(self.sid, self.beta))

    @property
    def srs_range(self) -> tuple[float, float]:
        """Ends of the signed score: all mass on the highest, on the lowest band."""
        return score.score_range(self.players, self.beta)

    @cached_property
    def intervals(self) -> Intervals:
        """Intervals of SID and score over images."""
        return self.intervals_by("intersection")

    def intervals_by(self, method: str) -> Intervals:
        """Intervals over images by one of `mathematics.intervals.METHODS`."""
        psi = self.shapley_per_image[self._resampling_order]
        seed = int(self.settings["seed"])
        return bootstrap_intervals(psi, self.beta, self.confidence, seed, method=method)

    @property
    def _resampling_order(self) -> NDArray[np.intp]:
        """Images as the resampling counts them: by their values, so that no name matters.

        Reports whose draws go by name keep the order of their table, and so their intervals.
        """
        psi = self.shapley_per_image
        by_values = self.settings.get("draws", "name") == "pixels"
        return score.in_order(psi) if by_values else np.arange(len(psi))

    @property
    def interactions(self) -> NDArray[np.float64]:
        """Pairwise Shapley interaction indices, shape (M, M), zero diagonal; exact reports only."""
        return shapley.shapley_interactions(self.coalition_values)

    @property
    def mean_log_prob(self) -> float | None:
        """Mean log-probability of the true class with every band present; None without classes."""
        return self.mean_value if self.of_classes else None

    @property
    def mean_value(self) -> float:
        """Mean of the table with every band present, in what the task counts."""
        return float(self.table[:, -1].mean(dtype=np.float64))

    @property
    def efficiency_residual(self) -> float:
        """|sum psi - (v(all) - v(none))|: rounding only."""
        return float(abs(self.shapley.sum() - (self.value_all - self.value_none)))

    def positions_of(self, image: int) -> dict[int, int]:
        """Column of each coalition that was evaluated for an image."""
        if self.coalitions is None:
            return {number: number for number in range(self.table.shape[1])}
        return {int(coalition): at for at, coalition in enumerate(self.coalitions[image])}

    def class_name(self, label: int) -> str:
        """Name of a class, or its number where no names are known."""
        return name_of_class(self.class_names, label)

    @cached_property
    def class_profiles(self) -> ClassProfiles:
        """Profiles of the classes as arrays, with intervals and credibility estimates."""
        from ..mathematics.profiles import class_profiles  # loads scipy, which is slow

        seed, order = int(self.settings["seed"]), self._resampling_order
        psi, labels = self.shapley_per_image[order], self.labels[order]
        return class_profiles(psi, labels, self.beta, self.confidence, seed, few=FEW_IMAGES)

    @cached_property
    def class_gains(self) -> ClassGains:
        """What all bands give each class over none, whatever the value of the view."""
        return self.class_gains_of(np.arange(len(self.labels)))

    def class_gains_of(self, rows: NDArray[np.intp]) -> ClassGains:
        """`class_gains` of some of the images alone."""
        from .class_findings import class_gains  # loads scipy, which is slow

        answers = None if self.of_own_answers else self.predicted
        classes = class_count(self.data.get("classes"), self.labels, answers)
        ends = self.table[:, [0, -1]][rows].astype(np.float64)
        return class_gains(self.labels[rows], ends, classes, few=FEW_IMAGES)

    @cached_property
    def precondition(self) -> Precondition:
        """Whether shares and scores may be read at all: an accurate model, a gain to share."""
        ends = self.table[:, [0, -1]].astype(np.float64)
        if not self.of_classes:
            return gain_alone(ends, self.task)
        predicted = None if self.of_own_answers else self.predicted
        command = look(reading(self.data, self.run))
        return precondition(self.labels, predicted, ends, self.data.get("classes"), command)

    def _derived(self) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        kind = {"confidence": self.confidence, "interval": METHODS[0]}
        return self.derived(METHODS[0]), {"sid": kind, "srs": kind}

    def derived(self, method: str) -> dict[str, Any]:
        """What files hold that follows from the table, by place; intervals by a method."""
        ends = self.intervals_by(method)
        values = {
            "sid_low": ends.sid_low,
            "sid_high": ends.sid_high,
            "srs_interval": ends.srs,
            "srs_signed_interval": ends.srs_signed,
        }
        return {
            each.where: values[each.name] if each.name in values else getattr(self, each.name)
            for each in self.SCHEMA.derived
            if self.exact or each.name != "interactions"
        }

    def coordinates(self) -> dict[str, Any]:
        """Names of the bands, and which are present in each coalition; see `Result`."""
        numbers: Any = np.arange(self.table.shape[1], dtype=np.uint64)
        axes: tuple[str, ...] = ("coalition",)
        names: dict[str, Any] = {"band": self.band_names}
        if self.coalitions is None:
            names["coalition"] = numbers.astype(np.int64)
        else:
            axes, numbers = ("image", "draw"), self.coalitions
        return {**names, "present": ((*axes, "band"), members(numbers, self.players))}

    def variables(self) -> dict[str, Any]:
        """Shapley values and distribution; see `Result`."""
        words = f"Shapley value of the band ({self.settings['value']})"
        return {
            "shapley": (("image", "band"), self.shapley_per_image, {"long_name": words}),
            "sid": ("band", self.sid, {"long_name": "spectral importance distribution"}),
        }

    @property
    def scores(self) -> dict[str, float]:
        """Accuracy and signed score; see `Result`."""
        accuracy = {} if self.accuracy is None else {"accuracy": self.accuracy}
        return {**accuracy, "srs_signed": self.srs_signed}

    @property
    def axis_names(self) -> dict[str, str]:
        """Where each image has coalitions of its own they are draws; see `Result`."""
        return {} if self.exact else {"coalition": "draw"}

    def check(self) -> None:
        """Refuse a report that no audit can have written; see `Result.check`."""
        fits = (self.log_prob is not None) == self.of_classes == (self.value is None)
        rules.need(fits, "its table is not that of its task")
        value = self.settings["value"]
        known = shapley.VALUES if self.of_classes else (self.task.value,)
        rules.need(value in known, f"a value {value} is none of its task")
        if not self.of_classes:
            ends = self.task.low, self.task.high
            low, high = float(self.table.min()), float(self.table.max())
            fits = (ends[0] is None or low >= ends[0] - ROUNDING) and (
                ends[1] is None or high <= ends[1] + ROUNDING
            )
            rules.need(fits, f"'game/value' holds values that no {self.task.quantity} has")
            if self.tally is not None:
                rules.need(self.task.tallied, "'clean/tally' is none of its task")
                check_tally(self.tally, self.task.name, self.data["classes"])
        check_columns(self.settings, self.table.shape[1], self.coalitions)
        self.check_own_answers()
        names, offset = self.class_names, int(self.settings.get("label_offset", 0))
        fits = names is None or len(names) + offset <= self.data.get("classes", 0)
        rules.need(fits, "there are more class names than classes")
        sizes = [self.settings.get("size")]
        if self.example is not None:
            height, width, channels = self.example.shape
            sizes.append([height, width])
            rules.need(
                channels in (1, 3) and height * width <= _MOST_PIXELS,
                f"an example image of shape {self.example.shape} is none",
            )
        check_partition(self.settings, sizes)


def game_of(table: NDArray[Any], value: str) -> NDArray[np.float64]:
    """What a game is played in, from its table: a function of log-probabilities, else the table."""
    if value in shapley.VALUES:
        return shapley.game_values(table, value)
    return np.asarray(table, dtype=np.float64)


def value_of(kind: TaskKind, value: str | None) -> str:
    """The value of a kind of model: the one asked for, if it has it, else its usual one."""
    known = shapley.VALUES if kind.name == CLASSES else (kind.value,)
    if value is not None and value not in known:
        raise InvalidOption("value", value, f"{kind.what} is valued in {' or '.join(known)}")
    return value or kind.value


def check_view(value: str, beta: float, confidence: float) -> None:
    """Refuse view settings that cannot be used, before any work is done."""
    if value not in (*shapley.VALUES, *_OTHER_VALUES):
        raise UsageError(f"unknown value '{value}': {one_of(value, shapley.VALUES)}")
    score.signed_score(np.full(2, 0.5), beta)
    check_confidence(confidence)
