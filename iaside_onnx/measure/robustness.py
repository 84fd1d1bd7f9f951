"""Measures robustness: a model's answers to corrupted and attacked images (method, section 7)."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..comparisons.agreement import Ground
from ..comparisons.baseline import check_same_ground
from ..corruptions.severity import CATALOGUE
from ..images.sample import Reading, stratified
from ..listener import Listener
from ..results.robustness import RobustnessReport, load_robustness
from ..results.spread import check_confidence
from ..settings import MOST_COUNT, Settings, check_number
from ..storage.partial import Partial
from .attacked import check_attacks, settled_attacks
from .corrupted import wanted_corruptions
from .measuring import check_batch, identity_of, kept, open_subject, writing
from .robustness_table import Plan, fill
from .survey import survey_sample

_WHAT = ("perturbations", "severities", "attacks")


def measure_robustness(
    model: str | Path,
    images: str | Path,
    target: str | Path | None = None,
    *,
    labels: str | Path | None = None,
    columns: str | None = None,
    class_names: str | Path | None = None,
    label_order: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    skip_bad: bool = False,
    corruption: Sequence[str] = (),
    severity: Sequence[int] = (),
    attack: Sequence[str] = ("square-linf",),
    epsilon: Sequence[float] = (),
    queries: int = 500,
    attack_samples: int = 50,
    baseline: str | Path | RobustnessReport | None = None,
    confidence: float = 0.95,
    provider: str = "auto",
    threads: int = 0,
    tf32: bool = True,
    ort_extension: Sequence[str | Path] = (),
    batch: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    listener: Listener | None = None,
    **reading: Any,
) -> RobustnessReport:
    """Error and change of prediction of an ONNX classifier under corruptions and attacks.

    Parameters
    ----------
    model, images, labels, columns, class_names, label_order, image_column, label_column, skip_bad
        As for `analyze`: the same seed and number of samples draw the same images.
    target : path, optional
        Where the report goes, written as the work proceeds. None: keep it in memory only.
    corruption, severity : sequences
        Which corruptions and which of the severities 1 to 5; empty: those of ImageNet-C, and all
        severities. They are applied to
        images at the size of the model's input, in [0, 1], and are those of `measure_snr`.
    attack : sequence of str
        "square-linf", "square-l2", "spsa-linf", "spsa-l2"; empty, or "none", for no attack.
    epsilon : sequence of float
        Radius of the attacks in pixel space, where 1 is from black to white: one for each attack,
        or one for all. Empty: 4/255 for l-inf, and for l2 0.5 at 32 x 32 x 3, growing with the
        square root of the size.
    queries : int
        Most images that an attack may have scored for one image.
    attack_samples : int
        Images to attack, a stratified part of the sample; 0 takes all of it.
    baseline : path or RobustnessReport, optional
        A report that will be the baseline of this one: refused at once where it was made of other
        images, corruptions or severities.
    confidence : float
        Coverage of the intervals, in (0, 1).
    provider, threads, tf32, ort_extension, batch, resume, overwrite, listener
        As for `analyze`.
    **reading
        Fields of `Settings` that say which images are drawn and how the file is read: samples,
        seed, preprocess, size, input, output, layout, output_kind, label_offset, temperature.

    Returns
    -------
    RobustnessReport

    Raises
    ------
    IasideError
        Anything wrong with the arguments, the file, the images or the provider.
    """
    tell = listener or Listener()
    read = Reading.asked(
        images,
        labels,
        class_names,
        columns=columns,
        image_column=image_column,
        label_column=label_column,
        label_order=label_order,
    )
    wanted = Settings.asked(**reading)
    names, levels = wanted_corruptions(corruption, severity)
    attacks = check_attacks(attack, epsilon, queries)
    check_confidence(confidence)
    check_number(
        "--attack-samples", attack_samples, 0, MOST_COUNT, "0 for all, or a positive number"
    )
    check_batch(batch)
    path = None if target is None else Path(target)
    with writing(path, resume=resume, overwrite=overwrite):
        if isinstance(baseline, str | Path):
            baseline = load_robustness(baseline)
        subject = open_subject(
            model,
            read,
            wanted,
            tell,
            skip_bad=skip_bad,
            provider=provider,
            threads=threads,
            tf32=tf32,
            ort_extension=ort_extension,
        )
        sample, form = subject.sample, subject.classifier.form
        if baseline is not None:
            ground = Ground(sample.digest(), subject.settings(wanted), names, levels)
            check_same_ground(baseline, ground)
        chosen = stratified(sample.labels, attack_samples, wanted.seed)
        perturbations: dict[str, Any] = {
            "perturbations": names,
            "severities": levels,
            "attacks": settled_attacks(attacks, epsilon, queries, form.features),
        }
        plan = Plan(subject, **perturbations, chosen=chosen.tolist(), seed=wanted.seed)
        tell.note(plan.cost())
        everything = list(range(len(sample)))
        survey = survey_sample(
            sample, everything, subject.targets, subject.classifier, wanted, tell
        )
        determining = {
            **subject.settings(wanted),
            "temperature": survey.temperature,
            "attack_samples": attack_samples if attacks else None,
        }
        settings = {
            **determining,
            "height": form.height,
            "width": form.width,
            "channels": form.channels,
            "kinds": {name: CATALOGUE[name].kind for name in names},
            "confidence": float(confidence),
        }
        # Where images share their batch, only a batch of one gives an image's own scores.
        size = batch or (1 if survey.one_by_one else None)

        def finish(partial: Partial) -> RobustnessReport:
            run = fill(plan, partial, survey.temperature, size, tell)
            return _report(plan, survey.predicted, partial.table, settings, run, tell)

        report = kept(
            path,
            subject.identity({**perturbations, **determining}),
            (len(sample), plan.columns),
            finish,
            load_robustness,
            tell,
            resume=resume,
            parts=plan.parts,
            identity_of=identity_of_answers,
        )
        return report.view(confidence=float(confidence))


def identity_of_answers(report: RobustnessReport) -> dict[str, Any]:
    """What determined the table of a finished report."""
    what = {name: getattr(report, name) for name in _WHAT}
    return identity_of(report, {**report.settings, **what})


def table_of(report: RobustnessReport) -> NDArray[np.float32]:
    """The table that a report was made of."""
    rows = len(report.labels)
    columns = [report.log_prob, report.wrong, report.change, report.corrupted_log_prob]
    columns += [report.attack_wrong, report.attack_queries, report.attack_change]
    made = [np.asarray(column, np.float32).reshape(rows, -1) for column in columns]
    return np.concatenate(made, axis=1)


def _report(
    plan: Plan,
    predicted: NDArray[np.int64],
    table: NDArray[np.float32],
    settings: dict[str, Any],
    run: dict[str, Any],
    tell: Listener,
) -> RobustnessReport:
    subject, attacks = plan.subject, len(plan.attacks)
    shape = (len(table), len(plan.perturbations), len(plan.severities))
    ends = np.cumsum([1, *[plan.cells] * 3, *[attacks] * 3])[:-1]
    parts = [np.array(part) for part in np.split(table, ends, axis=1)]
    return RobustnessReport(
        perturbations=plan.perturbations,
        severities=plan.severities,
        labels=subject.sample.labels,
        predicted=predicted - subject.classifier.label_offset,
        log_prob=parts[0][:, 0],
        wrong=parts[1].reshape(shape) != 0,
        change=parts[2].reshape(shape),
        corrupted_log_prob=parts[3].reshape(shape),
        attacks=plan.attacks,
        attack_wrong=parts[4] != 0,
        attack_queries=parts[5].astype(np.int32),
        attack_change=parts[6],
        image_ids=subject.sample.ids,
        settings=settings,
        model=subject.model(),
        data=subject.data(),
        run={**run, "warnings": tell.warnings},
        provider=subject.runtime.provider,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        iaside_version=__version__,
    )
