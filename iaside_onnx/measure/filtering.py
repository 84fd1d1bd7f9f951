"""Looks for a linear filter in front of a model that takes a perturbation's damage away."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..checks import check_kind, check_share, check_truth, is_whole, plain, several
from ..corruptions.corrupt import corrupt, generator
from ..corruptions.severity import check_severity, chosen
from ..errors import ArtifactError, DataError, InvalidOption, UsageError, said
from ..images.pairs import Pairs
from ..images.sample import stratified
from ..inference.classifier import Classifier, open_classifier
from ..listener import Listener
from ..mathematics.wiener import LARGEST, Kernel, Spectra, filtered, kernel_of_size, smallest_kernel
from ..plurals import counted
from ..results.filtering import MOST_CLEAN_LOSS, ROUNDING, FilterResult, Tried, told_gain
from ..results.spread import check_confidence
from ..spelling import option
from ..storage.output_file import check_folder, check_free, check_no_input, whole_file
from .batch_size import batch_size
from .clean_pass import CleanPass, clean_pass
from .filter_copy import copy_with_filter
from .in_memory import GivenImages, GivenModel
from .perturbed import Wanted
from .request import LabelledOptions, Request, with_options
from .scorer import Scorer
from .subject import Subject, draw_key, open_subject, refuse_other_tasks, refuse_own_answers

STRENGTHS = (0.25, 0.5, 0.75, 1.0)
_USUAL_SEVERITY = 3
_LONGEST_NUMBER = 9  # digits
_LEAST_IMAGES, _LEAST_SIDE = 8, 8
_ENDING = ".onnx"
# Options of measurements that fill a table, which this one does not.
_OF_TABLES = ("shard", "dask", "time_budget", "resume")
_AT_ONCE = 16

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Target:
    """A perturbation to filter against: its name, and an image's perturbed form by position."""

    name: str
    perturb: Callable[[int], Pixels]


@with_options(LabelledOptions)
def fit_filter(
    model: GivenModel,
    images: GivenImages,
    target: str | Path | None = None,
    *,
    against: str | Sequence[str] = (),
    perturbed: str | Path | Sequence[str | Path] = (),
    kernel: int | None = None,
    max_clean_loss: float = MOST_CLEAN_LOSS,
    confidence: float = 0.95,
    force: bool = False,
    **options: Unpack[LabelledOptions],
) -> FilterResult:
    """Find a filter that helps a model against perturbations without training, if there is one.

    One half of the images, drawn by class and seed, builds the filter and chooses its strength; the
    other half says what it gains and costs. The filter is one convolution in front of the model's
    image input, the same for every channel.

    Parameters
    ----------
    model, images
        As for `analyze`.
    target : path, optional
        Where a copy of the model with the filter goes, a name that ends in ``.onnx``. It is written
        only if the filter helps: the interval of the gain lies above 0 and the clean accuracy falls
        by no more than `max_clean_loss`, both on the half that had no part in it.
    against : str or sequence of str
        Corruptions, each with a severity if it is not to be 3: "gaussian_noise:2".
    perturbed : path or sequence of paths
        Folders of the user's own perturbed pictures, as for `measure_robustness`.
    kernel : int, optional
        Weights along a side of the kernel: odd, from 3 to 15. Otherwise the smallest that makes all
        but a hundredth of the change that is wanted.
    max_clean_loss : float
        Of the accuracy on clean images, in (0, 1).
    confidence : float
        Coverage of the intervals, in (0, 1).
    force : bool
        Write the file even if the filter does not help.
    **options
        As for `analyze`, and so are the errors that are raised; without ``shard``, ``dask``,
        ``time_budget`` and ``resume``.

    Returns
    -------
    FilterResult
    """
    request = Request.of(LabelledOptions, options, model, images, target)
    corruptions = _asked(against)
    wanted = Wanted.asked(perturbed, (), ())
    kernel, max_clean_loss, force = plain(kernel), plain(max_clean_loss), plain(force)
    confidence = plain(confidence)
    if not corruptions and not wanted.perturbed:
        raise UsageError(
            f"nothing to filter against: give {option('against', like='CORRUPTION')} or "
            f"{option('perturbed', like='FOLDER')}"
        )
    for name in _OF_TABLES:
        if options.get(name):
            raise UsageError(f"{option(name)} does not go with a filter, which is quick")
    check_confidence(confidence)
    check_share("max_clean_loss", max_clean_loss)
    check_truth("force", force)
    if kernel is not None and not (is_whole(kernel) and kernel in range(3, LARGEST + 1, 2)):
        raise InvalidOption("kernel", kernel, f"give an odd number from 3 to {LARGEST}")
    refuse_own_answers(request, "whether a filter helps is judged by true labels")
    _check_target(request, wanted)
    subject = open_subject(request)
    refuse_other_tasks(subject.classifier, "whether a filter helps is judged by right answers")
    _check_subject(subject)
    keys = [draw_key(subject.sample, position) for position in range(len(subject.sample))]
    subject = replace(subject, keys=keys)
    targets = _targets(subject, corruptions, wanted)
    trial = _Trial(subject, targets, kernel, max_clean_loss)
    result = trial.run(float(confidence))
    if request.target is None or not (result.helps or force):
        return result
    content = trial.content(result)
    with whole_file(request.target) as scratch:
        scratch.write_bytes(content)
    return replace(result, written=str(request.target))


def _asked(against: str | Sequence[str]) -> list[tuple[str, int]]:
    """Corruptions and severities, in the order given."""
    found: list[tuple[str, int]] = []
    for each in several("against", against):
        check_kind("against", each, str, "names of corruptions, such as 'gaussian_noise:3'")
        name, colon, text = each.partition(":")
        if colon and not (text.isascii() and text.isdecimal()):
            raise InvalidOption("against", each, "give CORRUPTION or CORRUPTION:SEVERITY")
        severity = int(text[:_LONGEST_NUMBER]) if colon else _USUAL_SEVERITY
        try:
            check_severity(severity)
            names = chosen([name])
        except InvalidOption as error:
            raise InvalidOption("against", each, error.reason) from error
        for one in names:
            if (one, severity) in found:
                raise InvalidOption("against", each, "it is named twice")
            found.append((one, severity))
    return found


def _check_target(request: Request, wanted: Wanted) -> None:
    """Refuse a name that cannot be written, before any work is done."""
    target = request.target
    if target is None:
        return
    if target.suffix.lower() != _ENDING:
        raise InvalidOption("target", target, f"give a name that ends in {_ENDING}")
    check_folder(target)
    check_no_input(target, [*request.inputs, *wanted.perturbed], use="measured")
    check_free(target, overwrite=request.overwrite)


def _check_subject(subject: Subject) -> None:
    """Refuse what a filter cannot be built for."""
    classifier, images = subject.classifier, len(subject.sample)
    path, form = classifier.artifact.path, classifier.form
    if classifier.artifact.model is None:
        raise ArtifactError(
            f"{path}: is in onnxruntime's own format, which cannot be edited; give the .onnx file"
        )
    if min(form.height, form.width) < _LEAST_SIDE:
        raise ArtifactError(
            f"{path}: its input of {form.height} x {form.width} pixels is too small for a filter"
        )
    if images < _LEAST_IMAGES:
        raise DataError(
            f"{subject.request.reading.images}: {images} images are too few: one half builds the "
            f"filter, the other measures it; give at least {_LEAST_IMAGES}"
        )


def _targets(subject: Subject, corruptions: list[tuple[str, int]], wanted: Wanted) -> list[Target]:
    """What to filter against, ready to be drawn."""

    def corrupted(name: str, severity: int) -> Callable[[int], Pixels]:
        def perturb(position: int) -> Pixels:
            rng = generator(subject.seed, subject.keys[position], name, severity)
            return corrupt(subject.pixels(position), name, severity, rng)

        return perturb

    targets = [Target(f"{name}:{level}", corrupted(name, level)) for name, level in corruptions]

    def own_pictures(pairs: Pairs) -> Callable[[int], Pixels]:
        return lambda position: subject.classifier.pixels(pairs.picture(position))

    if not wanted.perturbed:
        return targets
    _, levels, own = wanted.settled(subject)
    for each in own:
        for level, pairs in zip(levels, each.pairs, strict=False):
            name = f"{each.name}:{level}" if each.has_severities else each.name
            targets.append(Target(name, own_pictures(pairs)))
    return targets


class _Trial:
    """Builds a filter on one half of the images, and measures it on the other."""

    def __init__(
        self, subject: Subject, targets: list[Target], size: int | None, max_clean_loss: float
    ) -> None:
        self.subject, self.targets = subject, targets
        self._size, self._bound = size, max_clean_loss
        labels = subject.sample.labels
        first = stratified(labels, (len(labels) + 1) // 2, subject.seed)
        self.choosing = first.tolist()
        self.held_out = sorted(set(range(len(labels))) - set(self.choosing))
        self.passes = 0

    def run(self, confidence: float) -> FilterResult:
        """All of it but the writing."""
        subject, listener = self.subject, self.subject.listener
        kinds, many, few = len(self.targets), len(self.choosing), len(self.held_out)
        tried = len(STRENGTHS)
        total = many * (kinds + tried * (kinds + 1)) + few * (2 * kinds + 1)
        listener.note(
            f"cost: {many} images x ({counted(kinds, 'perturbation')} + {tried} strengths x "
            f"{kinds + 1}) to choose + {few} images x {2 * kinds + 1} to measure = {total:,} "
            "forward passes"
        )
        clean = clean_pass(subject, whole_sample=False)
        subject = self.subject = replace(subject, temperature=clean.temperature)
        right = clean.predicted == subject.targets
        asked = subject.request.batch or (1 if clean.one_by_one else None)
        began = time.monotonic()
        listener.start(0, total)
        try:
            kernel, gain = self._built()
            own = Scorer(
                subject.classifier, subject.task(), batch_size(subject.classifier, asked, many)
            )
            table = self._choose(own, kernel, clean)
            strength = self._strongest(table)
            weights = kernel.at(strength)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "filtered.onnx"
                path.write_bytes(self._copy(weights, strength))
                try:
                    other = self._opened(path)
                    size = batch_size(other, asked, few)
                    there = Scorer(other, other.task(subject.temperature), size)
                    outcome = self._measure(own, there)
                except ArtifactError as error:
                    name = f"{subject.classifier.artifact.path} with a filter"
                    raise ArtifactError(said(error).replace(str(path), name)) from error
        finally:
            listener.stop()
        return FilterResult(
            model=subject.description,
            data=subject.data(subject.sample),
            settings={
                **subject.settings(),
                "against": [each.name for each in self.targets],
                "max_clean_loss": self._bound,
                "confidence": confidence,
            },
            provider=subject.provider,
            against=[each.name for each in self.targets],
            weights=weights,
            missed=kernel.missed,
            gain=told_gain(gain),
            tried=table,
            strength=strength,
            choosing=many,
            clean=np.stack([right[self.held_out], outcome[0]]),
            perturbed=outcome[1],
            written=None,
            run={
                "iaside_version": __version__,
                "forward_passes": total,
                "seconds": round(time.monotonic() - began, 3),
                "warnings": subject.warnings,
            },
        )

    def content(self, result: FilterResult) -> bytes:
        """The bytes of the model with the filter of a result."""
        return self._copy(result.weights, result.strength)

    def _copy(self, weights: NDArray[np.float64], strength: float) -> bytes:
        against = [each.name for each in self.targets]
        return copy_with_filter(self.subject.classifier, weights, strength, against)

    def _built(self) -> tuple[Kernel, NDArray[np.float64]]:
        """The kernel, and the gain that it stands for."""
        form = self.subject.classifier.form
        spectra = Spectra(form.height, form.width)
        for position in self.choosing:
            clean = self.subject.pixels(position)
            for target in self.targets:
                spectra.add(clean, target.perturb(position))
        gain, power = spectra.gain(), spectra.power
        if self._size is not None:
            return kernel_of_size(gain, power, self._size), gain
        return smallest_kernel(gain, power), gain

    def _choose(self, score: Scorer, kernel: Kernel, clean: CleanPass) -> list[Tried]:
        """What the choosing half says without a filter and at each strength."""
        positions, images = self.choosing, len(self.choosing)
        untouched, perturbed = np.zeros((2, 2, len(STRENGTHS) + 1))
        right = clean.predicted[positions] == self.subject.targets[positions]
        untouched[:, 0] = right.sum(), np.exp(clean.clean[positions]).sum()
        for group in _groups(positions):
            pixels = np.stack([self.subject.pixels(position) for position in group])
            untouched[:, 1:] += self._at_strengths(score, pixels, kernel, group)
            for target in self.targets:
                pixels = np.stack([target.perturb(position) for position in group])
                perturbed[:, 0] += self._answers(score, pixels, group).sum(axis=1)
                perturbed[:, 1:] += self._at_strengths(score, pixels, kernel, group)
        shares = [*(untouched / images), perturbed[0] / (images * len(self.targets))]
        rows = np.array([(0.0, *STRENGTHS), *shares]).T.tolist()
        return [Tried(*row) for row in rows]

    def _at_strengths(
        self, score: Scorer, images: Pixels, kernel: Kernel, positions: list[int]
    ) -> NDArray[np.float64]:
        """Sums of `_answers` at each strength, shape (2, strengths); filtering is linear."""
        changed = filtered(images, kernel.weights) - images
        sums = [
            self._answers(score, images + np.float32(strength) * changed, positions).sum(axis=1)
            for strength in STRENGTHS
        ]
        return np.array(sums).T

    def _strongest(self, table: list[Tried]) -> float:
        """The strength with most right answers to clean and perturbed images together.

        Of those that keep the clean ones: neither right answers nor the probability of the true
        class, which varies less from sample to sample, may fall by more than may be lost. The
        weaker of two that are equal; where none keeps them, the one that costs least.
        """
        without, *tried = table
        kept = [each for each in tried if each.loss(without) <= self._bound + ROUNDING]
        if not kept:
            return min(tried, key=lambda each: (each.loss(without), each.strength)).strength
        # Rounded, so that equal sums of shares are equal.
        best = max(kept, key=lambda each: (round(each.clean + each.perturbed, 9), -each.strength))
        return best.strength

    def _measure(self, own: Scorer, other: Scorer) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Right answers to the held-out half.

        To clean images with the filter, and to perturbed ones without and with it.
        """
        clean = np.zeros(len(self.held_out), bool)
        perturbed = np.zeros((2, len(self.held_out), len(self.targets)), bool)
        done = 0
        for positions in _groups(self.held_out):
            rows = slice(done, done + len(positions))
            done += len(positions)
            untouched = np.stack([self.subject.pixels(position) for position in positions])
            clean[rows] = self._answers(other, untouched, positions)[0] > 0
            for column, target in enumerate(self.targets):
                images = np.stack([target.perturb(position) for position in positions])
                for number, score in enumerate((own, other)):
                    right = self._answers(score, images, positions)[0] > 0
                    perturbed[number, rows, column] = right
        return clean, perturbed

    def _answers(self, score: Scorer, images: Pixels, positions: list[int]) -> NDArray[np.float64]:
        """Whether each answer is right, and the probability of the true class, shape (2, n)."""
        logs = score(images)
        if np.isnan(logs).any():
            path = self.subject.classifier.artifact.path
            raise ArtifactError(f"{path}: returns NaN for perturbed or filtered images")
        self.subject.listener.advance(len(images))
        targets = self.subject.targets[positions]
        true = logs[np.arange(len(images)), targets]
        return np.array([score.task.right(logs, targets), np.exp(true)])

    def _opened(self, path: Path) -> Classifier:
        """The copy, opened as a user will open it."""
        subject, quiet = self.subject, Listener()
        settings = subject.request.settings
        other = open_classifier(path, subject.runtime, settings, subject.sample, quiet)
        before, after = subject.classifier.preprocess, other.preprocess
        if replace(before, name="") != replace(after, name=""):
            raise ArtifactError(
                f"{subject.classifier.artifact.path}: a copy of it is read with other "
                f"preprocessing; name it with {option('preprocess')}"
            )
        return other


def _groups(positions: list[int]) -> Iterator[list[int]]:
    """Positions, a few at once."""
    for start in range(0, len(positions), _AT_ONCE):
        yield positions[start : start + _AT_ONCE]
