"""Measures a Fourier heat map: a model under each real Fourier basis vector (Yin et al., 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Unpack

import numpy as np
from numpy.typing import NDArray

from ..checks import check_kind, check_number, check_truth, check_whole, plain
from ..corruptions.corrupt import generator
from ..defaults import BANDS, NORM, SPACING
from ..errors import UsageError
from ..mathematics.bands import band_names
from ..mathematics.fourier_basis import (
    FrequencyGrid,
    basis_vectors,
    check_lines,
    default_strength,
    finest,
)
from ..plurals import counted
from ..results.audit_words import band_words
from ..results.banded import partition_of, spacing_of
from ..results.heatmap import HeatmapReport
from ..results.report import Report
from ..results.spread import check_confidence
from ..spelling import option
from ..tasks import CLASSES
from .banding import Banding
from .batch_size import BatchSize
from .clean_pass import CleanPass
from .contract import Advance, Filled, Measurement, Rows, Store
from .in_memory import GivenImages, GivenModel
from .no_numbers import refuse_infinite, refuse_nan
from .request import LabelledOptions, Request, with_options
from .run import measure
from .scorer import Scorer
from .subject import Subject

# Beyond these single precision shows nothing of the perturbation, or nothing of the image.
_STRENGTHS = (1e-6, 1e6)


@with_options(LabelledOptions)
def measure_heatmap(
    model: GivenModel,
    images: GivenImages,
    target: str | Path | None = None,
    *,
    grid: int | Literal["full"] | None = None,
    strength: float | None = None,
    clip: bool = False,
    bands: int = BANDS,
    norm: str = NORM,
    spacing: str = SPACING,
    edges: Sequence[float] | None = None,
    as_published: bool = False,  # noqa: ARG001 (`with_options` takes it)
    analysis: str | Path | Report | None = None,
    confidence: float = 0.95,
    **options: Unpack[LabelledOptions],
) -> HeatmapReport:
    """Error rate and mean prediction error of a model under each Fourier basis vector.

    ``x' = x + r v U`` with U a real basis vector of norm 1 (`mathematics.fourier_basis`), v the
    strength, and r in {-1, 1} drawn for each image, frequency and channel (Yin et al., NeurIPS
    2019, section 3). As in the paper x' is not cut to [0, 1] unless `clip` is set.

    Parameters
    ----------
    model, images, target
        As for `analyze`.
    grid : int, "full" or None
        Frequencies an axis, odd, or all of them; None: 2 M + 1, so that each of M bands of equal
        width has its middle. Bands of another spacing may hold none of them; the listener is told,
        with a grid that reaches each.
    strength : float, optional
        l2 norm of the perturbation of each channel, for pixels in [0, 1]; None: the paper's, for
        the size of the images (`default_strength`).
    clip : bool
        Cut perturbed images to [0, 1].
    bands, norm, spacing, edges, confidence
        Of the summary by band; a finished report can change them.
    as_published : bool
        Bands as in `defaults.PUBLISHED`.
    analysis : path or Report, optional
        Of the same model: its bands are taken, and another model's is refused before the work.
    **options
        As for `analyze`, and so are the errors that are raised.

    Returns
    -------
    HeatmapReport
    """
    grid, strength, clip = map(plain, (grid, strength, clip))
    bands, norm, confidence = map(plain, (bands, norm, confidence))
    banding = Banding.asked(bands, norm, spacing, edges)
    check_truth("clip", clip)
    if grid is not None and grid != "full":
        check_whole("grid", grid)
        check_lines(grid)
    request = Request.of(LabelledOptions, options, model, images, target, bands=1, norm=norm)
    if isinstance(analysis, str | Path):
        analysis = Report.load(analysis)
    if analysis is not None:
        check_kind("analysis", analysis, Report, "a Report, or the path of one")
        banding = Banding(**partition_of(analysis.settings), spacing=spacing_of(analysis.settings))
    check_confidence(confidence)
    if strength is not None:
        check_number("strength", strength, *_STRENGTHS, "auto or a positive number")

    def settle(subject: Subject) -> Heatmap:
        artifact, form = subject.classifier.artifact, subject.classifier.form
        if analysis is not None and analysis.model["sha256"] != artifact.sha256:
            raise UsageError(f"the analysis is of {analysis.model['path']}, which is another model")
        size = form.height, form.width
        banding.check(*size)
        lines = None if grid == "full" else grid
        if grid is None and 2 * banding.bands + 1 <= finest(*size):
            lines = 2 * banding.bands + 1
        l2_norm = default_strength(*size) if strength is None else float(strength)
        subject.listener.note(
            f"perturbation: l2 norm {l2_norm:.4g} in each channel, which is a root mean square of "
            f"{l2_norm / np.sqrt(form.height * form.width):.3f} where pixels go from 0 to 1"
        )
        return Heatmap(FrequencyGrid(*size, lines), float(l2_norm), clip, banding)

    return measure(request, settle, {"confidence": float(confidence)})


@dataclass(frozen=True)
class Heatmap(Measurement[HeatmapReport]):
    """Images with waves added: a row holds `wrong` (0 or 1) of each vector, then `change`.

    Of other tasks than classes the share of the answer that is right stands in place of `wrong`.
    `strength` is the l2 norm of a wave in each channel; `clip` cuts images to [0, 1]; `banding` is
    of the view alone.
    """

    grid: FrequencyGrid
    strength: float
    clip: bool
    banding: Banding

    kind = HeatmapReport

    @property
    def of_whole_sample(self) -> bool:
        """Where the bands follow from all images, unless an analysis has found them."""
        return self.banding.of_sample and self.banding.edges is None

    def settled(self, subject: Subject, clean: CleanPass) -> Heatmap:
        """See `Measurement`."""
        found = self
        if self.banding.edges is None:
            found = replace(self, banding=self.banding.settled(clean.statistics))
        found._say_missed(subject)
        return found

    def _say_missed(self, subject: Subject) -> None:
        """Before the work, which bands will have no number, and what would give them one."""
        grid = self.grid
        index = self.banding.index(grid.height, grid.width)
        missed = grid.missed(index)
        if not missed:
            return
        names = band_names(self.banding.bands, separate_dc=self.banding.separate_dc)
        lines = grid.least_finer(index)
        finer = FrequencyGrid(grid.height, grid.width, lines)
        asked = option("grid", "full" if lines is None else lines)
        subject.listener.note(
            f"the grid of {grid.lines} x {grid.lines} waves has none in "
            f"{band_words(missed, names)}, which will have no number; {asked} has one in each, "
            f"with {len(finer.vectors):,} vectors in place of {len(grid.vectors):,}"
        )

    def viewed(self, subject: Subject, view: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """See `Measurement`."""
        return {**self.banding.settings, **view}

    @property
    def columns(self) -> int:
        """Twice the vectors."""
        return 2 * len(self.grid.vectors)

    def cost(self, images: int) -> str:
        """See `Measurement`."""
        vectors = len(self.grid.vectors)
        return (
            f"{counted(images, 'image')} x ({vectors} Fourier basis vectors + the image itself) = "
            f"{images * (vectors + 1):,} forward passes"
        )

    def work(self, positions: list[int]) -> list[int]:
        """A pass for each vector, and one for the image itself."""
        return [len(positions) * (len(self.grid.vectors) + 1)]

    def settings(self, subject: Subject) -> dict[str, Any]:
        """See `Measurement`."""
        waves = {"grid": self.grid.lines, "strength": self.strength, "clip": self.clip}
        return {**subject.settings(), **waves}

    def rows(self, subject: Subject, size: BatchSize) -> list[Rows]:
        """See `Measurement`."""
        scorer = Scorer(subject.classifier, subject.task(), size)

        def fill(positions: list[int], store: Store, advance: Advance) -> None:
            for position in positions:
                store(position, self._row(subject, position, scorer, advance))

        return [fill]

    def _row(
        self, subject: Subject, position: int, scorer: Scorer, advance: Advance
    ) -> NDArray[np.float32]:
        """Of one image: whether the class is wrong, or the share, and the change, by vector."""
        vectors, target = len(self.grid.vectors), subject.targets[position]
        pixels = subject.pixels(position)
        signs = self._signs(subject, position, len(pixels))
        clean, task = scorer(pixels[None]), scorer.task
        advance(1)
        classes = subject.classifier.kind.name == CLASSES
        path, image = subject.classifier.artifact.path, subject.sample.ids[position]
        row = np.empty((2, vectors), np.float32)
        start = 0
        while start < vectors:
            part = slice(start, min(vectors, start + scorer.size.size))
            logs = scorer(self._added(pixels, signs, part))
            change = task.change(logs, np.broadcast_to(clean, logs.shape))
            bad = np.isnan(logs).reshape(len(logs), -1).any(axis=1) | ~np.isfinite(change)
            for place in np.flatnonzero(bad)[:1]:
                wave = self.grid.vectors[start + int(place)]
                where = f"{image} with the wave of {wave[1]} x {wave[0]} cycles added"
                refuse_nan(path, where, logs[place])
                refuse_infinite(path, where, change[[place]])
            truths = np.broadcast_to(target, (len(logs), *target.shape))
            row[0, part] = ~task.right(logs, truths) if classes else task.share(logs, truths)
            row[1, part] = change
            advance(part.stop - start)
            start = part.stop
        return row.ravel()

    def _signs(self, subject: Subject, position: int, channels: int) -> NDArray[np.int8]:
        """Signs r of each vector and channel, shape (V, C): the same on every grid."""
        rng = generator(subject.seed, subject.keys[position], "fourier heat map", 0)
        height, width = self.grid.height, self.grid.width
        drawn = 2 * rng.integers(0, 2, (height, width, channels), dtype=np.int8) - 1
        row, column = self.grid.vectors.T
        return np.asarray(drawn[row % height, column % width])

    def _added(
        self, pixels: NDArray[np.float32], signs: NDArray[np.int8], part: slice
    ) -> NDArray[np.float32]:
        """Copies of an image, each with one of the vectors in `part`, shape (n, C, H, W)."""
        basis = basis_vectors(self.grid.height, self.grid.width, self.grid.vectors[part])
        factors = signs[part].astype(np.float32) * np.float32(self.strength)
        copies = factors[:, :, None, None] * basis[:, None]
        copies += pixels
        return np.clip(copies, 0, 1, out=copies) if self.clip else copies

    def result(self, filled: Filled) -> HeatmapReport:
        """See `Measurement`."""
        first, change = np.split(filled.table, 2, axis=1)
        kind = filled.subject.classifier.kind
        classes = kind.name == CLASSES
        return HeatmapReport(
            wrong=first != 0 if classes else kind.wrong(first),
            change=np.array(change),
            share=None if classes else np.array(first),
            labels=filled.labels,
            predicted=filled.predicted,
            settings=filled.all_settings,
            **filled.origin(),
        )
