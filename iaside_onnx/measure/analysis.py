"""The main job: artifact and labelled images in, report out (method, sections 2 to 4)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from ..checks import plain
from ..defaults import BETA
from ..errors import UsageError
from ..inference.engine import Engine
from ..mathematics.absence import ABSENCES, Baselines, SampleStatistics
from ..mathematics.coalitions import default_passes, draw_coalitions
from ..mathematics.estimators import image_values
from ..mathematics.intervals import score_stderr
from ..mathematics.score import in_order
from ..plurals import counted
from ..results.example import row_to_show
from ..results.report import Report, check_view
from ..results.value_table import game_of, value_of
from ..settings import Settings
from ..spelling import option
from ..tasks import CLASSES
from .banding import Banding
from .batch_size import BatchSize
from .clean_check import CleanCheck
from .clean_pass import CleanPass, shown_pixels
from .contract import Advance, Filled, Measurement, Rows, Store
from .game import BandRows, play, preparing_threads
from .in_memory import GivenImages, GivenModel
from .request import GameOptions, Request, with_options
from .run import measure
from .subject import Subject

# A target is for the score, so who gives one hears of an estimator with so many times fewer passes.
_FEWER = 4


@with_options(GameOptions)
def analyze(
    model: GivenModel,
    images: GivenImages,
    target: str | Path | None = None,
    *,
    target_stderr: float | None = None,
    value: str | None = None,
    beta: float = BETA,
    confidence: float = 0.95,
    **options: Unpack[GameOptions],
) -> Report:
    """Audit an ONNX classifier on labelled images.

    Parameters
    ----------
    model : path, bytes or onnx.ModelProto
        The ``.onnx`` file, its content, or a graph object.
    images : path, or (images, labels)
        A folder, an ``.npz`` or ``.h5``, tar shards or Parquet files; or arrays as such files hold
        them, such as uint8 of shape (n, H, W, C) or (n, C, H, W).
    target : path, optional
        Where the report goes, written as the work proceeds. None: keep it in memory only.
    target_stderr : float, optional
        Stop when the standard error of the signed score is this small; the sample is then the most
        images that are evaluated, in a seeded order. Not with the regression estimator.
    value : {"log-prob", "log-prob-clipped", "prob"}, optional
        What the game is played in, for models of classes ("log-prob" unless given); other tasks
        have one value each. Like `beta` and `confidence` it belongs to the view, so a
        finished report can change it without the model.
    beta : float
        Decay of the score's weights, in (0, 1).
    confidence : float
        Coverage of the intervals, in (0, 1).
    **options
        How labels are found, and how and where the audit runs: see `RunOptions`. What the game is,
        which images are drawn and how the model is read: the fields of `Settings`.

    Returns
    -------
    Report
        The value table with its provenance, and everything that follows from it.

    Raises
    ------
    IasideError
        Anything wrong with the arguments, the file, the images or the provider.
    """
    request = Request.of(GameOptions, options, model, images, target, target_stderr=target_stderr)
    asked = request.settings
    value, beta, confidence = map(plain, (value, beta, confidence))
    check_view(value or "log-prob", beta, confidence)
    if asked.estimator == "regression" and target_stderr is not None:
        raise UsageError(
            f"{option('target_stderr')} goes without {option('estimator', 'regression')}, whose "
            "intervals are too narrow where it stops: use "
            f"{option('estimator', 'permutation')}"
        )

    def settle(subject: Subject) -> Game:
        form, estimator, players = subject.classifier.form, asked.chosen_estimator, asked.players
        banding = Banding.of(asked)
        banding.check(form.height, form.width)
        if asked.estimator is None and estimator != "exact":
            subject.listener.note(
                f"estimator: {estimator}, since {players} players have {1 << players:,} "
                f"coalitions; {option('estimator')} settles it"
            )
        elif asked.estimator is None and target_stderr is not None:
            drawn = default_passes("permutation", players)
            if _FEWER * drawn <= 1 << players:
                subject.listener.note(
                    f"estimator: {estimator}, {1 << players} passes an image; where the score is "
                    f"all that is asked for, {option('estimator', 'permutation')} takes {drawn} "
                    "and comes to the same error sooner"
                )
        value_of(subject.classifier.kind, value)  # refuses another before the work
        return Game(asked, banding, outputs=subject.classifier.task().columns - 1)

    return measure(request, settle, {"value": value, "beta": beta, "confidence": confidence})


@dataclass(frozen=True)
class Game(Measurement[Report]):
    """The game: a row holds the value of each coalition, such as a log-probability.

    Where a model has several outputs, after the values of all coalitions follow the distances of
    each output under all coalitions.

    Attributes
    ----------
    statistics : SampleStatistics
        Of the whole sample.
    drawn : ndarray of uint64, shape (n, columns), or None
        The coalitions of each row; None where all rows hold all coalitions.
    clean : ndarray of float32, shape (n,)
        The value of the grand coalition of each row, as the clean pass found it.
    outputs : int
        Of which distances are kept.
    check : CleanCheck or None
        None where the grand coalition is not the clean image.
    """

    asked: Settings
    banding: Banding
    statistics: SampleStatistics = field(default_factory=SampleStatistics)
    drawn: NDArray[np.uint64] | None = None
    clean: NDArray[np.float32] | None = None
    check: CleanCheck | None = None
    outputs: int = 0

    kind = Report

    @property
    def of_whole_sample(self) -> bool:
        """Where what stands for absent bands, or the bands themselves, follow from all images."""
        return ABSENCES[self.asked.absence].of_sample or self.banding.of_sample

    @property
    def columns(self) -> int:
        """See `Measurement`."""
        return (1 + self.outputs) * self.asked.coalitions

    @property
    def grand_is_known(self) -> bool:
        """Whether the last column is that of the clean image, which the clean pass scored."""
        return self.asked.chosen_estimator != "exact" and self.asked.output_map == "real"

    @property
    def _played(self) -> int:
        return self.asked.coalitions - self.grand_is_known

    @property
    def checking(self) -> int:
        """See `Measurement`."""
        return int(self.grand_is_known and self.check is not None)

    def cost(self, images: int) -> str:
        """See `Measurement`."""
        cost = images * self._played
        coalitions = counted(self._played, "coalition")
        return f"{counted(images, 'image')} x {coalitions} = {cost:,} forward passes"

    def work(self, positions: list[int]) -> list[int]:
        """A pass for each coalition."""
        return [len(positions) * self._played]

    def settled(self, subject: Subject, clean: CleanPass) -> Game:
        """See `Measurement`."""
        asked, drawn = self.asked, None
        if asked.chosen_estimator != "exact":
            what = asked.chosen_estimator, asked.players, asked.coalitions, asked.seed
            keys = [subject.keys[position] for position in subject.positions]
            drawn = np.stack([draw_coalitions(*what, key) for key in keys])
        known = clean.clean if self.grand_is_known else None
        check = CleanCheck.of(subject, clean) if asked.output_map == "real" else None
        return replace(
            self, statistics=clean.statistics, drawn=drawn, clean=known, check=check,
            banding=self.banding.settled(clean.statistics),
        )  # fmt: skip

    def settings(self, subject: Subject) -> dict[str, Any]:
        """See `Measurement`."""
        return {
            **self.banding.settings,
            **{name: getattr(self.asked, name) for name in ("absence", "output_map")},
            "estimator": self.asked.chosen_estimator,
            "passes": None if self.drawn is None else self.asked.coalitions - 1,
            "players": self.asked.players,
            **subject.settings(),
        }

    def viewed(self, subject: Subject, view: dict[str, Any]) -> dict[str, Any]:
        """See `Measurement`."""
        return {**view, "value": value_of(subject.classifier.kind, view["value"])}

    def rows(self, subject: Subject, size: BatchSize) -> list[Rows]:
        """See `Measurement`."""
        asked, classifier, sample = self.asked, subject.classifier, subject.sample
        form, clean = classifier.form, self.clean
        coalitions = asked.every_coalition
        if self.drawn is not None:
            # A row for each image of the sample, whichever of them are measured.
            coalitions = np.zeros((len(sample), self._played), np.uint64)
            coalitions[subject.positions] = self.drawn[:, : self._played]
        task, shared = subject.task(), self.drawn is None
        engine = Engine(
            classifier.model, asked.players, task, asked.output_map, coalitions if shared else None
        )
        baselines = Baselines(
            asked.absence, asked.seed, subject.keys, self.statistics, subject.pixels
        )
        index = self.banding.index(form.height, form.width)
        affine = asked.output_map == "real"
        bands = BandRows(subject.pixels, baselines.image, index, engine, affine=affine)
        threads = preparing_threads(subject.runtime)
        row_of = {position: row for row, position in enumerate(subject.positions)}

        def fill(positions: list[int], store: Store, advance: Advance) -> None:
            def keep(position: int, values: NDArray[np.float32]) -> None:
                table = values.reshape(1 + self.outputs, -1)
                if clean is not None:  # at no distance from itself
                    grand = np.zeros((len(table), 1), np.float32)
                    grand[0] = clean[row_of[position]]
                    table = np.hstack([table, grand])
                store(position, table.ravel())

            play(
                engine, bands, coalitions, subject.targets, positions, size, keep, advance,
                lambda position: sample.ids[position], threads=threads, check=self.check,
            )  # fmt: skip

        return [fill]

    def stderr(self, table: NDArray[Any], used: NDArray[np.intp], view: dict[str, Any]) -> float:
        """Of the signed score."""
        game = game_of(table[:, : self.asked.coalitions], view["value"])
        drawn = None if self.drawn is None else self.drawn[used]
        psi = image_values(self.asked.chosen_estimator, game, drawn, self.asked.players)
        return score_stderr(psi[in_order(psi)], view["beta"], self.asked.seed)

    def result(self, filled: Filled) -> Report:
        """See `Measurement`."""
        sample, subject, clean = filled.sample, filled.subject, filled.clean
        listener = subject.listener
        assert clean is not None
        classes = subject.classifier.kind.name == CLASSES
        table, *distances = np.split(filled.table, 1 + self.outputs, axis=1)
        report = Report(
            log_prob=table if classes else None,
            value=None if classes else table,
            distances=np.stack(distances, axis=2) if distances else None,
            tally=None if clean.tally is None else clean.tally[filled.used],
            coalitions=None if self.drawn is None else self.drawn[filled.used],
            labels=filled.labels,
            predicted=filled.predicted,
            settings=filled.all_settings,
            class_names=sample.class_names or subject.classifier.class_names,
            **{**filled.origin(), "image_digests": sample.image_digests},
        )
        row = row_to_show(report)
        report = replace(
            report,
            example=shown_pixels(subject.pixels(filled.position_of(row))),
            data={**report.data, "example": report.image_ids[row]},
        )
        if not report.floor_share:
            return report
        listener.warning(
            f"{report.floor_share:.1%} of the values stand at log-probability "
            f"{np.log(report.settings['floor']):.2f}, the floor under this output's probabilities: "
            "what bands do below it is not seen, which distorts Shapley values; audit the logits "
            f"instead, if the graph has them ({option('output')} takes any tensor)"
        )
        return replace(report, run={**report.run, "warnings": filled.subject.warnings})
