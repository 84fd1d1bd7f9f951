"""Which preprocessing an unknown artifact wants, found out on a few labelled images.

Candidates are a product of three axes: values (scale, mean and deviation, channel order), geometry
(resize, crop, interpolation) and label offset. All values are tried with one geometry, then all
geometries with the best values; label offsets cost nothing, because they only read the scores
differently. Among candidates that cannot be told apart the most plausible one counts as the best.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ..errors import ArtifactError, ChangedModelError, said
from ..images.sample import Sample
from ..inference.classifier import Classifier
from ..inference.ends import image_input
from ..inference.input_form import common_size
from ..inference.model import Affine
from ..inference.ort_format import describe
from ..inference.session import Runtime
from ..listener import Listener
from ..mathematics.temperature import log_softmax
from ..measure.labelling import class_targets, settle_labels
from ..measure.request import ModelOptions, Request
from ..measure.subject import open_model, open_sample, refuse_other_tasks, refuse_own_answers
from ..onnx_file.declared import Declared
from ..plurals import counted
from ..preprocessing.preprocess import PRESETS, Preprocess
from ..settings import Settings
from ..spelling import on_command_line, option
from ..storage.output_file import check_no_input
from .axes import Given, geometry_axis, joined, values_axis
from .candidate import NEGLIGIBLE, Candidate
from .findings import findings, other_order
from .fitting import MOST_EVALUATIONS, fitted_values
from .found_labels import check_files, write_found_labels
from .plausible import most_plausible_first, source_of

# Of how images and labels are read, what `analyze` has to be given as well.
_READING = ("columns", "class_names", "label_order", "image_column", "label_column")
_OFFSETS = (0, 1, -1)
_FINALISTS = 3
_GROUP = 16
# Fitting scale and offset: images used, images needed for one of each and for one a channel.
_FITTED_IMAGES, _LEAST_FITTED, _LEAST_APART = 32, 16, 48
_MOST_FITTED = 1 << 25
_GROUP_NUMBERS = 1 << 22
_MANY_CLASSES = 20
_WORST_LOG_PROB = float(np.log(np.finfo(np.float32).tiny))


def search_recipes(
    model: Path,
    images: Path,
    *,
    labels_file: Path | None = None,
    sha256: str | None = None,
    seconds: float = math.inf,
    **options: Unpack[ModelOptions],
) -> dict[str, Any]:
    """Try preprocessing recipes on a few labelled images; plain JSON values, best first.

    Parameters
    ----------
    model, images
        As for `analyze`.
    labels_file : Path, optional
        Where the labels go that were found for all pictures of the folder.
    sha256 : str, optional
        Of the file as it was described before; another one is refused.
    seconds : float
        After which nothing more is tried: neither more images than a first group, nor geometries
        and fitting that would take longer; a warning says so.
    **options
        How labels are found, which images are drawn, how the model is read, and where it runs: see
        `RunOptions` and `Settings`.

    Returns
    -------
    dict
        ``candidates``: list, best first; ``search``: number of images, the finding in words, the
        parameters of `analyze` for the best (None where it needs none), and its recipe as TOML
        text.

    Raises
    ------
    IasideError
        Anything wrong with the file or the images.
    """
    request = Request.of(ModelOptions, options, model, images, None)
    listener, settings, reading = request.listener, request.settings, request.reading
    if labels_file is not None:
        check_no_input(labels_file, request.inputs)
    refuse_own_answers(
        request,
        f"preprocessings are compared by true labels; give {option('preprocess', like='NAME')}",
    )
    sample, _ = open_sample(request)
    if labels_file is not None:
        check_files(sample)
    given = given_recipes(model, request.extensions, listener)
    first = next(iter(given.values()), None)
    size = common_size(sample)
    # Recipes that resize make a free input 224 pixels, others take the pictures' own size.
    opening = replace(
        settings,
        preprocess="inception" if size is None else "unit",
        size=settings.size or ((first.crop or first.size) if first else None),
    )
    classifier = open_model(replace(request, settings=opening), sample, check_range=False)
    if sha256 is not None and classifier.artifact.sha256 != sha256:
        raise ChangedModelError(model)
    refuse_other_tasks(
        classifier,
        f"preprocessings are compared by right answers; give {option('preprocess', like='NAME')}",
    )
    sample, classifier = settle_labels(sample, classifier, reading, listener)
    search = _Search(classifier, sample, size, given, listener, seconds)
    candidates = most_plausible_first(search.run(), given, classifier.label_offset)
    best, fit = candidates[0], None
    if best.above_chance(len(candidates)) and source_of(best, given) is None:
        fit = search.fitted(best)
    if fit is not None:
        best, candidates = fit, [fit, *candidates]
    rows = [_row(candidate, best) for candidate in candidates]
    order = other_order(candidates)
    if labels_file is not None:
        write_found_labels(sample, labels_file, order, classifier.label_offset, listener)
    preset = best.recipe.name if best.recipe.name in PRESETS else None
    return {
        "candidates": rows,
        "search": {
            "images": search.count,
            "above_chance": best.above_chance(len(candidates)),
            "class_order": order,
            "findings": list(map(on_command_line, findings(candidates, rows, order, given))),
            "preset": preset,
            "source": source_of(best, given),
            "fitted": fit is not None,
            "input_range": list(Affine(*best.recipe.affine(classifier.form.channels)).ends),
            "toml": best.recipe.toml(),
            "options": {
                **_options(best, classifier, settings),
                **{name: getattr(reading, name) for name in _READING},
                "ort_extension": list(request.extensions),
            },
        },
    }


def given_recipes(
    model: Path, extensions: tuple[Path, ...], listener: Listener
) -> dict[str, Preprocess]:
    """The recipes that the file declares and that lie beside it, as far as they can be used."""
    declared = Declared(model, describe(model, Runtime(extensions=extensions)).metadata)
    recipes = {}
    for name, read in (("declared", declared.preprocess), ("beside", declared.preprocess_beside)):
        try:
            recipe = read()
        except ArtifactError as error:
            listener.warning(said(error))
            continue
        if recipe is not None:
            recipes[name] = recipe
    return recipes


class _Search:
    """Scores recipes on a sample, each picture decoded once a stage."""

    def __init__(
        self,
        classifier: Classifier,
        sample: Sample,
        size: tuple[int, int] | None,
        given: Given,
        listener: Listener,
        seconds: float = math.inf,
    ) -> None:
        self.classifier = classifier
        self.sample = sample
        self.listener = listener
        self.count = len(sample)  # images that recipes are tried on
        self._began, self._seconds = time.monotonic(), seconds
        self._passes = 0
        self.targets = _targets(sample, classifier, listener)
        self.values = list(values_axis(classifier.form, given))
        self.geometries = list(geometry_axis(classifier.form, size, given))

    def run(self) -> list[Candidate]:
        """All candidates, best first."""
        first, *others = self.geometries
        finalists = min(_FINALISTS, len(self.values))
        count = len(self.values) + finalists * len(others)
        total = count * self.count
        recipes = counted(count, "recipe")
        cost = f"{counted(self.count, 'image')} x {recipes} = {total:,} forward passes"
        self.listener.note(f"cost: {cost}")
        self.listener.title(f"trying {cost}; {option('preprocess', like='NAME')} leaves them out")
        self.listener.start(0, total)
        try:
            scored = self._scored(((values, first) for values in self.values), may_stop=True)
            if others and not self._has_time_for(finalists * len(others) * self.count):
                self.listener.warning(
                    f"{counted(len(others), 'further way', 'further ways')} to resize and crop "
                    f"were not tried, for lack of time: {first.name} is taken"
                )
                others = []
            leading: list[str] = list(dict.fromkeys(item.values for item in scored))[:finalists]
            best = [values for values in self.values if values.name in leading]
            scored += self._scored((values, other) for other in others for values in best)
        finally:
            self.listener.stop()
        return sorted(scored, key=lambda item: item.rank, reverse=True)

    def fitted(self, best: Candidate) -> Candidate | None:
        """The best candidate with values fitted to half of the images, if they do better.

        Whether they do is judged on the other half.
        """
        form, count = self.classifier.form, self.count
        half = np.arange(0, count, 2)[:_FITTED_IMAGES]
        if count < _LEAST_FITTED or len(half) * form.features > _MOST_FITTED:
            return None
        if -best.log_prob.mean() < NEGLIGIBLE:  # nothing is left to gain
            return None
        most = MOST_EVALUATIONS * len(half)
        if not self._has_time_for(most):
            self.listener.warning(
                f"scale and offset were not fitted, which takes up to {most:,} forward passes, "
                "for lack of time"
            )
            return None
        text = f"fitting scale and offset: at most {most:,} forward passes"
        self.listener.note(text)
        self.listener.title(text)
        self.listener.start(0, most)
        try:
            return self._fitted(best, half)
        finally:
            self.listener.stop()

    def _has_time_for(self, passes: int) -> bool:
        """Whether so many more passes fit into the time that is left, at the pace so far."""
        spent = time.monotonic() - self._began
        return spent + passes * spent / max(1, self._passes) <= self._seconds

    def _advance(self, passes: int) -> None:
        self._passes += passes
        self.listener.advance(passes)

    def _fitted(self, best: Candidate, half: NDArray[np.intp]) -> Candidate | None:
        form, count = self.classifier.form, self.count
        pixels = np.stack(
            [best.recipe.pixels(self.sample.picture(int(each)), form.channels) for each in half]
        )
        targets = best.targets[half]
        geometry = replace(best.recipe, name=best.geometry)
        others = np.setdiff1d(np.arange(count), half)
        better: Candidate | None = None
        for apart in (False, True) if count >= _LEAST_APART and form.channels > 1 else (False,):
            start = better or best
            values = fitted_values(self.classifier, pixels, targets, start.recipe, apart=apart,
                                   advance=self._advance)  # fmt: skip
            tried = next(
                item
                for item in self._scored([(values, geometry)])
                if item.label_offset == best.label_offset
            )
            if tried.on(others).clearly_better_than(start.on(others)):
                better = tried
        return better

    def _scored(
        self, pairs: Iterable[tuple[Preprocess, Preprocess]], *, may_stop: bool = False
    ) -> list[Candidate]:
        """Candidates for pairs of values and geometry, best first.

        Where it `may_stop` it leaves out images for which there is no time.
        """
        form = self.classifier.form
        recipes = [(values, geometry, joined(values, geometry, form)) for values, geometry in pairs]
        parts: list[list[Candidate]] = []  # for each group of images, of all candidates
        group = max(1, min(_GROUP, _GROUP_NUMBERS // form.features))
        for start in range(0, self.count, group):
            if may_stop and start >= _GROUP and not self._has_time_for(group * len(recipes)):
                self.listener.warning(
                    f"preprocessings were tried on {start} of {counted(self.count, 'image')}, "
                    "for lack of time"
                )
                self.count = start
                break
            positions = np.arange(start, min(start + group, self.count))
            pictures = [self.sample.picture(int(position)) for position in positions]
            prepared: dict[str, NDArray[np.float32]] = {}
            parts.append([])
            for values, geometry, recipe in recipes:
                if geometry.name not in prepared:
                    pixels = [recipe.pixels(picture, form.channels) for picture in pictures]
                    prepared = {geometry.name: np.stack(pixels)}
                affine = Affine(*recipe.affine(form.channels))
                model = replace(self.classifier.model, affine=affine)
                raw = model.scores(prepared[geometry.name])
                parts[-1] += self._read(values.name, geometry.name, recipe, raw, positions)
                self._advance(len(pictures))
        candidates = [Candidate.joined(same) for same in zip(*parts, strict=True)]
        return sorted(candidates, key=lambda item: item.rank, reverse=True)

    def _read(
        self,
        values: str,
        geometry: str,
        recipe: Preprocess,
        raw: NDArray[np.float32],
        positions: NDArray[np.intp],
    ) -> Iterable[Candidate]:
        """Scores of some images as one candidate for each label offset."""
        finite = np.asarray(np.isfinite(raw).all(axis=1))
        if finite.any():
            self.classifier.confirm_kind(raw[finite])
        raw = np.where(finite[:, None], raw, 0.0).astype(np.float32)
        logits = self.classifier.logits(raw)
        log_prob = log_softmax(logits)
        rows = np.arange(len(raw))
        for offset, all_targets in self.targets.items():
            targets = all_targets[positions]
            own = logits[rows, targets]
            known = np.maximum(log_prob[rows, targets], _WORST_LOG_PROB)
            yield Candidate(
                values,
                geometry,
                recipe,
                offset,
                logits.shape[1],
                predicted=self.classifier.task().answers(logits),
                targets=targets,
                right5=finite & ((logits >= own[:, None]).sum(axis=1) <= 5),
                log_prob=np.where(finite, known, _WORST_LOG_PROB),
                finite=finite,
            )


def _targets(
    sample: Sample, classifier: Classifier, listener: Listener
) -> dict[int, NDArray[np.int64]]:
    """Index of each image's class in the model's output, for each offset that is possible."""
    names, classes = sample.class_names, classifier.classes
    targets = {
        offset: sample.labels + offset
        for offset in _OFFSETS
        if sample.labels.min() + offset >= 0
        and sample.labels.max() + offset < classes
        and (names is None or 0 <= offset <= classes - len(names))
    }
    # Its errors and warnings are those of an audit.
    class_targets(sample, replace(classifier, label_offset=next(iter(targets), 0)), listener)
    return targets


def _options(best: Candidate, classifier: Classifier, settings: Settings) -> dict[str, Any]:
    """Parameters of `analyze` besides the preprocessing."""
    form = classifier.form
    needed = best.label_offset != 0 or "iaside.label_offset" in classifier.artifact.metadata
    free = None in (image_input(classifier.artifact, settings.input).shape or ())[1:]
    return {
        "size": (form.height, form.width) if free else None,
        "input": settings.input,
        "output": settings.output,
        "layout": settings.layout,
        "label_offset": best.label_offset if needed else None,
        "allow_random": settings.allow_random or None,
        "output_kind": settings.output_kind,
    }


def _row(candidate: Candidate, best: Candidate) -> dict[str, Any]:
    """A candidate as JSON values."""
    right, count = int(candidate.right.sum()), len(candidate.right)
    interval = stats.binomtest(right, count).proportion_ci(method="wilson")
    recipe = candidate.recipe
    return {
        "values": candidate.values,
        "geometry": candidate.geometry,
        "label_offset": candidate.label_offset,
        "preprocess": recipe.name if recipe.name in PRESETS else recipe.recipe(),
        "accuracy": right / count,
        "accuracy_low": interval.low,
        "accuracy_high": interval.high,
        "top5": float(candidate.right5.mean()) if candidate.classes > _MANY_CLASSES else None,
        "mean_log_prob": float(candidate.log_prob.mean()),
        "without_scores": int((~candidate.finite).sum()),
        "p_value": best.better_than(candidate),
        "told_apart": best.clearly_better_than(candidate),
    }
