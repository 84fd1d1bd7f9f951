"""The table of one damage game with its provenance, and every number that follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidOption, UsageError
from ..mathematics.band_sums import Run, largest_run, mean_ends
from ..mathematics.bands import band_names
from ..mathematics.damage import MOST_SPLIT, are_split, owen_values, whole_bands
from ..mathematics.estimators import image_values
from ..mathematics.proportion import wilson
from ..mathematics.shapley import shapley_interactions
from ..spelling import option
from ..storage import value_rules as rules
from ..storage.schema import BOOLEAN, IMAGE, ROUNDING, Field, Schema
from ..tasks import VALUED
from .banded import check_partition
from .coalition_table import OF_IMAGES, check_columns, check_counts, name_of_class, players_of
from .result import ModelResult
from .spread import Spread

# What the game may be played in, and what one of it is called.
UNITS = {
    "right": "points of accuracy",
    "same-answer": "points of the same answer",
    "log-prob": "nats of log-probability",
    **{each.value: each.unit for each in VALUED},
}
# Those that are counted in points, of 0 or 100 an image.
_POINTS = ("right", "same-answer")
# With fewer images no band is named, nor is a class judged.
FEW_IMAGES = 20
_MOST_PIXELS = 1 << 24
_MOST_EPSILON = 1e6
_PERTURBATIONS: dict[str, dict[str, rules.Rule]] = {
    "corruption": {"name": rules.is_name, "severity": rules.whole(1, 5)},
    "attack": {
        "name": rules.is_name,
        "epsilon": rules.between(0, _MOST_EPSILON),
        "queries": rules.whole(1, rules.MOST_CLASSES),
    },
    "folder": {"name": rules.is_place, "digest": rules.is_digest},
}


def is_perturbation(value: Any) -> bool:
    """A perturbation as settings name it: its kind, and what that kind needs."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("kind"), str)
        and value["kind"] in _PERTURBATIONS
        and all(
            key in value and rule(value[key]) for key, rule in _PERTURBATIONS[value["kind"]].items()
        )
    )


SCHEMA = Schema(
    format="iaside-damage",
    versions=(1, 2, 3),
    header={name: rules.OF_ALL[name] for name in (
        "provider", "iaside_version", "created", "settings", "model", "data", "run",
    )},
    inside={
        "settings": {
            "bands": rules.whole(1, 64),
            "separate_dc": rules.is_truth,
            "norm": rules.is_norm,
            "estimator": rules.is_name,
            "seed": rules.is_seed,
            "temperature": rules.is_positive,
            "perturbation": is_perturbation,
            "split": rules.is_truth,
            "value": lambda value: isinstance(value, str) and value in UNITS,
            "confidence": rules.is_share,
        },
        **rules.INSIDE,
    },
    attributes=True,
    copies={"model_sha256": ("model", "sha256"), "data_digest": ("data", "digest")},
    fields=(
        Field("log_prob", (IMAGE, "coalition"), "float32",
              "log-probability of the true class with the coalition's bands clean, the others "
              "perturbed", "game/log_prob", high=0, slack=ROUNDING, finite=False, versions=(1,),
              allowed=(3,), optional=True, by_rows=True),
        Field("worth", (IMAGE, "coalition"), "float32",
              "what that image is worth, of other tasks than classes", "game/value", versions=(2,),
              allowed=(3,), optional=True, by_rows=True),
        Field("right", (IMAGE, "coalition"), BOOLEAN,
              "true where the answer to that image is the true class", "game/right", optional=True),
        Field("answers", (IMAGE, "coalition"), "int32", "class given to that image",
              "game/answers", optional=True),
        Field("coalitions", (IMAGE, "coalition"), "uint64",
              "the coalition of each value, where they were drawn or the game is split",
              "game/coalitions", optional=True, coordinate="coalition"),
        *OF_IMAGES,
        Field("example", ("height", "width", "channel"), "uint8",
              "one image at the model's size, for pictures: that which `data` names as `example`",
              "data/example", optional=True),
        Field("example_perturbed", ("height", "width", "channel"), "uint8",
              "the same image perturbed", "data/example_perturbed", optional=True),
    ),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class DamageNumbers(ModelResult):
    """One perturbation of K images, by M bands, as numbers.

    What it shares with others is at `ModelResult`.

    Attributes
    ----------
    log_prob : ndarray of float32, shape (K, C), or None
        V[n, S]: log-probability of image n's true class when the bands in S are clean and the
        others perturbed. Column S is coalition S, and C is 2**M, where `coalitions` is None. The
        first column is that of the perturbed image, the last that of the clean one. None of other
        tasks than classes.
    worth : ndarray of float32, shape (K, C), or None
        The same of other tasks, in what ``settings["value"]`` says.
    right : ndarray of bool, shape (K, C), or None
        Whether the answer there is the true class; None where no answer is right.
    answers : ndarray of int32, shape (K, C), or None
        The class that the model gives there, as labels count; None where it gives none.
    coalitions : ndarray of uint64, shape (K, C), or None
        Drawn, or of a split game (see `mathematics.damage`): bit i is band i clean, or its gain
        restored; bit M + i its residual removed.
    settings : dict
        All that determines the table, ``perturbation`` and ``split`` among them, and the view
        settings ``value`` (a key of `UNITS`) and ``confidence``. With ``labels`` "model" the true
        class is the model's own clean answer.
    class_names : list of str or None
        In label order.
    example, example_perturbed : ndarray of uint8, shape (H, W, C), or None
        One image of the sample, which ``data["example"]`` names, for pictures.
    """

    SCHEMA: ClassVar[Schema] = SCHEMA
    OF_TASKS: ClassVar[int | None] = 2

    log_prob: NDArray[np.float32] | None = None
    worth: NDArray[np.float32] | None = None
    right: NDArray[np.bool_] | None = None
    answers: NDArray[np.int32] | None = field(default=None, repr=False)
    coalitions: NDArray[np.uint64] | None = field(default=None, repr=False)
    class_names: list[str] | None = None
    example: NDArray[np.uint8] | None = field(default=None, repr=False)
    example_perturbed: NDArray[np.uint8] | None = field(default=None, repr=False)

    def view(self, *, value: str | None = None, confidence: float | None = None) -> Self:
        """The same table in another view; None keeps the present one.

        Raises
        ------
        UsageError
            A value that does not exist or that the table does not hold, or a confidence outside
            (0, 1).
        """
        if value is not None:
            check_value(value, self.values)
        return self._viewed(value=value, confidence=confidence)

    @property
    def values(self) -> list[str]:
        """Keys of `UNITS` that the report can be counted in."""
        if not self.of_classes:
            return [self.task.value]
        return held_values(
            rightness=self.right is not None,
            own=self.of_own_answers,
            answered=self.answers is not None,
        )

    @property
    def value(self) -> str:
        """What the game is played in, a key of `UNITS`."""
        return str(self.settings["value"])

    @property
    def in_points(self) -> bool:
        """Whether an image counts 0 or 100 points."""
        return self.value in _POINTS

    @property
    def table(self) -> NDArray[np.float32]:
        """V[n, S] in what the task counts, shape (K, C): `log_prob`, or `worth`."""
        table = self.log_prob if self.of_classes else self.worth
        assert table is not None
        return table

    @property
    def unit(self) -> str:
        """What damage is counted in."""
        return UNITS[self.value]

    @property
    def players(self) -> int:
        """Number of bands M (one more with DC as a player of its own)."""
        return players_of(self.settings)

    @property
    def split(self) -> bool:
        """Whether each band's gain and residual are players of their own."""
        return bool(self.settings["split"])

    @property
    def exact(self) -> bool:
        """Whether all coalitions of bands were evaluated for every image."""
        return str(self.settings["estimator"]) == "exact"

    @property
    def band_names(self) -> list[str]:
        """Short names of the players, lowest first."""
        dc = bool(self.settings["separate_dc"])
        return band_names(self.players - dc, separate_dc=dc)

    def game(self, value: str | None = None) -> NDArray[np.float64]:
        """The table as the game is played: shape (K, C), in points (0 or 100) or in nats."""
        if (value or self.value) not in _POINTS:
            table = self.table.astype(np.float64)
            if not np.isfinite(table).all():
                raise UsageError(
                    "the table holds probabilities of 0, whose logarithm is no value of a game: "
                    f"choose {option('value', 'right')}"
                )
            return table
        right = self.right
        if (value or self.value) == "same-answer" and self.answers is not None:
            right = self.answers == self.predicted[:, None]
        if right is None:
            raise UsageError("the report does not hold which answers are right")
        return np.asarray(right * 100.0, np.float64)

    def shares(self, value: str | None = None) -> NDArray[np.float64]:
        """Damage of each image by band, shape (K, M); split: by gain, then by residual, (K, 2 M).

        Parameters
        ----------
        value : str, optional
            A key of `UNITS`; by default the report's own.
        """
        game, estimator = self.game(value), str(self.settings["estimator"])
        if self.split:
            assert self.coalitions is not None
            return owen_values(estimator, game, self.coalitions, self.players)
        return image_values(estimator, game, self.coalitions, self.players)

    @cached_property
    def per_image(self) -> NDArray[np.float64]:
        """Damage of each image by band, shape (K, M), in the report's unit."""
        shares = self.shares()
        return np.asarray(shares.reshape(len(shares), -1, self.players).sum(axis=1))

    @property
    def efficiency_residual(self) -> float:
        """|sum of the shares - (v(all) - v(none))|: rounding only."""
        game = self.game()
        lost = game[:, -1].mean() - game[:, 0].mean()
        return float(abs(self.per_image.mean(axis=0).sum() - lost))

    @property
    def band_columns(self) -> NDArray[np.intp]:
        """Column of each coalition of whole bands, shape (2**M,), where all were evaluated."""
        if self.split:
            return whole_bands(self.players)
        return np.arange(1 << self.players)

    @property
    def bands_game(self) -> NDArray[np.float64] | None:
        """The table at all coalitions of whole bands, shape (K, 2**M); None where drawn."""
        if not self.exact:
            return None
        game = self.game()
        return game[:, self.band_columns] if self.split else game

    @property
    def interactions(self) -> NDArray[np.float64] | None:
        """``-I_ij`` of Shapley interactions, shape (M, M); None where coalitions were drawn.

        Positive: the damage needs both bands perturbed; negative: either alone does it.
        """
        game = self.bands_game
        return None if game is None else 0.0 - shapley_interactions(game.mean(axis=0))

    @cached_property
    def lost(self) -> NDArray[np.float64]:
        """Damage of each image, shape (K,), in the report's unit: clean less perturbed."""
        game = self.game()
        return np.asarray(game[:, -1] - game[:, 0])

    @property
    def clean(self) -> Spread:
        """v(all), of the clean images, shape (); in the report's unit.

        The interval of a share of right answers is Wilson's; what is so by definition has none.
        """
        spread = self._end(-1)
        return Spread(*[spread.value] * 3) if self.clean_is_settled else spread

    @property
    def clean_is_settled(self) -> bool:
        """See `ModelResult`; so it is of own answers that are counted as such, too."""
        return super().clean_is_settled or (self.in_points and self.of_own_answers)

    @property
    def perturbed(self) -> Spread:
        """v(none), of the perturbed images, shape (); as `clean`."""
        return self._end(0)

    def _end(self, column: int) -> Spread:
        values = self.game()[:, column]
        if not self.in_points:
            return self.spread_of(values[:, None])[0]
        low, high = wilson((values > 0).sum(), len(values), self.confidence)
        return Spread(np.asarray(values.mean()), 100.0 * low, 100.0 * high)

    @cached_property
    def damage(self) -> Spread:
        """What the perturbation costs, shape (): clean less perturbed, image by image.

        The interval of a difference of right answers is that of Tango's score test, see
        `mathematics.paired.right_answers`; it leaves out 0 where that test does.
        """
        return self.damage_of(np.ones(len(self.labels), bool))

    def damage_of(self, chosen: NDArray[np.bool_]) -> Spread:
        """The same of some of the images."""
        game = self.game()[chosen]
        if not self.in_points:
            return self.spread_of((game[:, -1] - game[:, 0])[:, None])[0]
        from ..mathematics.paired import right_answers  # loads scipy, which is slow

        of = right_answers(game[:, 0] > 0, game[:, -1] > 0, self.confidence)
        return Spread(*(np.asarray(100.0 * end) for end in (of.difference, of.low, of.high)))

    @property
    def attainable(self) -> float:
        """The most that one image counts, in the report's unit, with either sign."""
        return 100.0 if self.in_points else np.inf

    def spread_of(self, rows: NDArray[np.float64]) -> Spread:
        """Column means of a row an image, shape (k,), with bootstrap intervals over images."""
        ends = mean_ends(rows, self.confidence, int(self.settings["seed"]), self.attainable)
        return Spread(rows.mean(axis=0), *ends)

    @cached_property
    def bands(self) -> Spread:
        """What of the damage comes in through each band, shape (M,); images are resampled."""
        return self.spread_of(self.per_image)

    @cached_property
    def parts(self) -> Spread | None:
        """`bands` by what was taken away (gain) and added (residual), shape (2, M + 1).

        The last column is the sum over bands. None where the game is not split.
        """
        if not self.split:
            return None
        shares = self.shares().reshape(len(self.labels), 2, self.players)
        rows = np.concatenate([shares, shares.sum(axis=2, keepdims=True)], axis=2)
        spread = self.spread_of(rows.reshape(len(rows), -1))
        shape = 2, self.players + 1
        return Spread(*(each.reshape(shape) for each in (spread.value, spread.low, spread.high)))

    @property
    def only(self) -> NDArray[np.float64] | None:
        """Damage of each band perturbed alone, shape (M,); None where coalitions were drawn."""
        game = self.bands_game
        if game is None:
            return None
        grand = (1 << self.players) - 1
        without = game[:, [grand ^ bit for bit in self.bits]].mean(axis=0)
        return np.asarray(game[:, -1].mean() - without)

    @property
    def alone(self) -> NDArray[np.float64] | None:
        """What each band made clean alone gives back, shape (M,); None where drawn."""
        game = self.bands_game
        if game is None:
            return None
        return np.asarray(game[:, self.bits].mean(axis=0) - game[:, 0].mean())

    @property
    def bits(self) -> list[int]:
        """The coalition of each band alone."""
        return [1 << band for band in range(self.players)]

    @cached_property
    def per_image_log_prob(self) -> NDArray[np.float64] | None:
        """As `per_image`, in log-probability; None where one is 0, or there are none."""
        if self.log_prob is None or not np.isfinite(self.log_prob).all():
            return None
        shares = self.shares("log-prob")
        return np.asarray(shares.reshape(len(shares), -1, self.players).sum(axis=1))

    @cached_property
    def largest_run(self) -> Run | None:
        """The few neighbouring bands that hold most of the damage; see `mathematics.band_sums`.

        None where the damage is spread over more, where it cannot be told apart from none, where
        the images are few, or where there is but one band.
        """
        few = len(self.labels) < FEW_IMAGES or self.players < 2
        if few or not self.damage.low > 0:
            return None
        seed = int(self.settings["seed"])
        return largest_run(self.per_image, self.confidence, seed, self.attainable)

    @property
    def named(self) -> Run | None:
        """`largest_run` where its own sum is told apart from none: the bands that are named."""
        run = self.largest_run
        return run if run is not None and run.low > 0 else None

    def class_name(self, label: int) -> str:
        """Name of a class, or its number where no names are known."""
        return name_of_class(self.class_names, label)

    def coordinates(self) -> dict[str, Any]:
        """Names of the bands; see `Result`."""
        names: dict[str, Any] = {"band": self.band_names}
        if self.coalitions is None:
            names["coalition"] = np.arange(self.table.shape[1], dtype=np.int64)
        return names

    def variables(self) -> dict[str, Any]:
        """Damage by band of each image; see `Result`."""
        words = f"damage that comes in through the band, {self.unit}"
        return {"damage": (("image", "band"), self.per_image, {"long_name": words})}

    @property
    def scores(self) -> dict[str, float]:
        """Clean and perturbed value; see `Result`."""
        return {"clean": float(self.clean.value), "perturbed": float(self.perturbed.value)}

    @property
    def axis_names(self) -> dict[str, str]:
        """Where coalitions are listed image by image they are draws; see `Result`."""
        return {} if self.coalitions is None else {"coalition": "draw"}

    def check(self) -> None:
        """Refuse a report that no run can have written; see `Result.check`."""
        fits = (self.log_prob is not None) == self.of_classes == (self.worth is None)
        rules.need(fits, "its table is not that of its task")
        settings, columns = self.settings, self.table.shape[1]
        if self.split:
            estimator, players = str(settings["estimator"]), self.players
            most = MOST_SPLIT if estimator == "exact" else 32
            rules.need(
                self.coalitions is not None
                and estimator in ("exact", "permutation")
                and players <= most
                and are_split(estimator, players, self.coalitions),
                "its coalitions are not those of a split game",
            )
            check_counts(settings, columns, 2 * players)
        else:
            check_columns(settings, columns, self.coalitions)
        answers = self.answers
        rules.need(self.value in self.values, f"it holds no values in '{self.value}'")
        if answers is not None:
            fits = bool((answers[:, -1] == self.predicted).all())
            rules.need(fits, "its answers to the clean images are not those of the game")
        if answers is not None and self.right is not None:
            fits = bool((self.right == (answers == self.labels[:, None])).all())
            rules.need(fits, "which answers are right does not follow from its answers")
        if self.right is not None:
            fits = bool((self.right[:, -1] == (self.predicted == self.labels)).all())
            rules.need(fits, "which clean images are right does not follow from the classes")
        names, offset = self.class_names, int(settings.get("label_offset", 0))
        fits = names is None or len(names) + offset <= self.data.get("classes", 0)
        rules.need(fits, "there are more class names than classes")
        self._check_pictures()

    def _check_pictures(self) -> None:
        pair = self.example, self.example_perturbed
        rules.need((pair[0] is None) == (pair[1] is None), "it holds half of an example")
        sizes = [self.settings.get("size")]
        if self.example is not None:
            height, width, channels = self.example.shape
            sizes.append([height, width])
            rules.need(
                channels in (1, 3) and height * width <= _MOST_PIXELS,
                f"an example image of shape {self.example.shape} is none",
            )
        check_partition(self.settings, sizes)


def held_values(*, rightness: bool, own: bool, answered: bool = False) -> list[str]:
    """Keys of `UNITS` that a table can be counted in; the first is that of no other wish.

    `rightness` says that the table holds which answers are right, `own` that the model's own clean
    answers stand for labels, `answered` that it holds the answers themselves.
    """
    held = ["right"] * (rightness and not own)
    held += ["same-answer"] * (answered or (rightness and own))
    return [*held, "log-prob"]


def check_value(value: str, held: Sequence[str]) -> None:
    """Refuse a value that a table does not hold; see `held_values`."""
    known = isinstance(value, str) and value in UNITS
    if known and value in held:
        return
    why = "this report holds no such values; " if known else ""
    raise InvalidOption("value", value, f"{why}choose one of {', '.join(held)}")
