"""Holds a file against the model and the images that it names, and does some of its rows again.

Rows are done again by the jobs themselves: a partial file gets all rows of the report but some, and
the job goes on with it. So a row done again is made exactly as it was the first time, and whatever
determines the table is compared on the way.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..checks import check_number
from ..digest import data_digest
from ..errors import IasideError, ReportError, UsageError, said
from ..images.sample import Reading, Sample
from ..inference.providers import PROVIDERS
from ..inference.session import is_active
from ..listener import Listener
from ..onnx_file.artifact import file_digest, is_ort_format, read_artifact
from ..preprocessing.preprocess import PRESETS, preprocess_from
from ..preprocessing.recipe_keys import RECIPE_KEYS
from ..results.heatmap import HeatmapReport
from ..results.part import part_of
from ..results.report import Report
from ..results.robustness import RobustnessReport
from ..results.verification import Check, Verification, verify_file
from ..settings import MOST_COUNT, Settings
from ..spelling import on_command_line, option
from ..storage.partial import WHOLE_ROWS, Columns, create_partial
from ..storage.value_rules import is_name, is_text
from .analysis import analyze
from .attacked import NO_ATTACK
from .heatmap import measure_heatmap
from .model_names import NO_NAMES
from .robustness import measure_robustness, settings_of_answers, table_of, table_parts
from .run import identity_of
from .subject import DRAWS, as_json

# Values that kernels of another machine may round to: of the CPU, and of GPUs, which keep 11 bits.
_ASKED = option("redo")
_TOLERANCE, _TOLERANCE_11_BITS = 1e-3, 1e-2
# Answers that rounding may turn where kernels keep 11 bits.
_TURNED = 0.01
_LAYOUTS = ("nchw", "nhwc")


class _Redo(NamedTuple):
    """How the rows of one kind of file are done again: by which job, with which options."""

    job: Callable[..., Any]
    options: dict[str, Any]
    # The rows of a result, as the job's partial file holds them.
    table_of: Callable[[Any], NDArray[np.float32]]
    # Of those that determined the table.
    settings: dict[str, Any]
    parts: Sequence[Columns] = WHOLE_ROWS


def verify(
    path: str | Path,
    *,
    model: str | Path | None = None,
    images: str | Path | None = None,
    labels: str | Path | None = None,
    class_names: str | Path | None = None,
    redo: int = 0,
    seed: int = 0,
    signed: Check | None = None,
    listener: Listener | None = None,
    **running: Any,
) -> Verification:
    """Ask whether a file is whole, follows from its table, and can be repeated.

    Parameters
    ----------
    path : path
        A file of ``analyze``, ``robustness``, ``heatmap`` or ``snr``.
    model, images : path, optional
        Whether they are the ones that the file names.
    labels, class_names : path, optional
        As for `analyze`.
    redo : int
        Rows of the table that the model evaluates again; needs `model` and `images`. For files of
        ``analyze``, ``robustness`` and ``heatmap``.
    seed : int
        Which rows.
    signed : Check, optional
        What `storage.signature` found, to stand with the others.
    listener : Listener, optional
    **running
        threads, batch and ort_extension, as for `analyze`.

    Returns
    -------
    Verification
        ``holds``, and ``checks``, each with what was found.

    Raises
    ------
    IasideError
        The file is none of iaside, or model or images cannot be read.
    """
    check_number("redo", redo, 0, MOST_COUNT, "a number of rows")
    if redo and (model is None or images is None):
        raise UsageError(f"{_ASKED} needs {option('model')} and {option('images')}")
    found = verify_file(Path(path))
    result = found.result
    checks = [*found.checks, *([signed] if signed is not None else [])]
    if result is None:
        return replace(found, checks=checks)
    if model is not None:
        checks.append(_same_model(result, Path(model)))
    if images is not None:
        place = Reading.asked(images, labels, **_reading(result, class_names))
        checks.append(_same_images(result, place))
    if redo and all(check.holds is not False for check in checks):
        assert model is not None
        assert images is not None
        options = {**running, "labels": labels, **_reading(result, class_names)}
        checks.append(_redone(result, model, images, redo, seed, options, listener))
    return replace(found, checks=checks)


def _reading(result: Any, class_names: str | Path | None) -> dict[str, Any]:
    """How the images of a file were read, as arguments of its job."""
    names = ("columns", "image_column", "label_column", "label_order")
    kept = {name: result.data.get(name) for name in names}
    usable = {name: value if is_text(value) else None for name, value in kept.items()}
    if class_names is None and result.data.get("class_names") == NO_NAMES:
        class_names = NO_NAMES
    return {**usable, "class_names": class_names}


def _same_model(result: Any, path: Path) -> Check:
    named = getattr(result, "model", None) or result.settings.get("attack") or {}
    if "sha256" not in named:
        raise UsageError(f"{option('model')}: the file names none; it was measured without")
    digest = file_digest(path) if is_ort_format(path) else read_artifact(path).sha256
    same = digest == named["sha256"]
    return Check("model", same, f"{path} is {'the' if same else 'another'} model")


def _same_images(result: Any, reading: Reading) -> Check:
    """Whether the images that the file names lie there, with the same labels and contents."""
    source = reading.open()
    place = {name: index for index, name in enumerate(source.ids)}
    missing = next((name for name in result.image_ids if name not in place), None)
    if missing is not None:
        return Check("images", False, f"{reading.images} holds no image {missing}")
    sample = Sample(source, np.array([place[name] for name in result.image_ids], np.intp))
    if sample.digest() == result.data["digest"]:
        return Check("images", True, f"all {len(sample)} are there, with the same contents")
    stored = getattr(result, "labels", None)
    labels = sample.labels if stored is None else stored
    if data_digest(sample.ids, labels, sample.image_digests) == result.data["digest"]:
        return Check("images", False, "the images are the same, but their labels are not")
    digests = getattr(result, "image_digests", None)
    if digests is None:
        return Check("images", False, "their contents, or their labels, are not the same")
    changed = np.flatnonzero((digests != sample.image_digests).any(axis=1))
    name = result.image_ids[int(changed[0])] if changed.size else "none"
    return Check("images", False, f"{changed.size} have other contents, the first is {name}")


def _redo_of(result: Any) -> _Redo:
    """How to do rows of a result again.

    Raises
    ------
    UsageError
        Its kind, or what it is a part of, does not allow it.
    """
    how = next((how for kind, how in _REDO.items() if isinstance(result, kind)), None)
    if how is None:
        raise UsageError(f"{_ASKED} is for files of iaside analyze, robustness and heatmap")
    if result.settings.get("draws") != DRAWS:
        raise UsageError(
            f"{_ASKED}: what was drawn for an image went by its file name in the version that "
            "made this file, and goes by its pixels now: its rows cannot be made again here"
        )
    whole = part_of(result)
    if whole is not None and len(whole.part.numbers) > 1:
        raise UsageError(f"{_ASKED}: give the report of one shard, or of all, not of several")
    if result.run.get("sample", len(result.image_ids)) != len(result.image_ids):
        limits = f"{option('target_stderr')} and {option('time_budget')}"
        raise UsageError(
            f"{_ASKED}: the report stopped before the end of its sample; verify one that was made "
            f"without {limits}"
        )
    redo = how(result)
    shard = None if whole is None else whole.part.option
    redo.options.update(shard=shard, tf32=result.settings.get("tf32", True))
    return redo


def _of_report(report: Report) -> _Redo:
    return _Redo(analyze, {}, lambda one: np.asarray(one.log_prob, np.float32), report.settings)


def _of_heatmap(report: HeatmapReport) -> _Redo:
    settings = report.settings
    options = {
        "grid": "full" if settings["grid"] is None else settings["grid"],
        "strength": settings["strength"],
        "clip": settings["clip"],
    }

    def rows_of(one: HeatmapReport) -> NDArray[np.float32]:
        return np.concatenate([one.wrong, one.change], axis=1, dtype=np.float32)

    return _Redo(measure_heatmap, options, rows_of, settings)


def _of_robustness(report: RobustnessReport) -> _Redo:
    attacks, settings = report.attacks, report.settings
    options = {
        "corruption": report.perturbations,
        "severity": report.severities,
        "attack": [attack["name"] for attack in attacks] or [NO_ATTACK],
        "epsilon": [attack["epsilon"] for attack in attacks],
        "queries": attacks[0]["queries"] if attacks else 1,
        "attack_samples": settings.get("attack_samples") or 0,
    }
    parts = table_parts(len(report.perturbations) * len(report.severities), len(attacks))
    return _Redo(measure_robustness, options, table_of, settings_of_answers(report), parts)


_REDO: dict[type, Callable[[Any], _Redo]] = {
    Report: _of_report,
    HeatmapReport: _of_heatmap,
    RobustnessReport: _of_robustness,
}


def _redone(
    result: Any,
    model: str | Path,
    images: str | Path,
    count: int,
    seed: int,
    running: dict[str, Any],
    listener: Listener | None,
) -> Check:
    """Have some rows done again, and say how far they lie from those of the file."""
    redo, provider = _redo_of(result), str(result.provider)
    if not is_active(provider):
        raise UsageError(f"{_ASKED}: the file was made with {provider}, which is not active here")
    table, identity = redo.table_of(result), as_json(identity_of(result, redo.settings))
    rows = np.sort(np.random.default_rng(seed).permutation(len(table))[:count])
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "again.h5"
        options = {
            **redo.options, **_settings(result, Path(folder)), **running,
            "provider": provider, "skip_bad": bool(result.data.get("skip_bad")),
        }  # fmt: skip
        recipe = options["preprocess"]
        if recipe is not None and recipe not in PRESETS:
            # The recipe is the file's; only the name of the file it stands in for now is ours.
            identity["settings"]["preprocess"]["name"] = Path(recipe).name
        partial = create_partial(target, identity, len(table), table.shape[1], redo.parts)
        for position in np.setdiff1d(np.arange(len(table)), rows).tolist():
            for part, columns in enumerate(redo.parts):
                partial.store(position, table[position, columns], part)
        partial.table.flush()
        partial.sums.flush()
        told = listener or Listener()
        quiet = Listener(note=told.note, words=told.words)
        try:
            again = redo.job(model, images, target, resume=True, listener=quiet, **options)
        except ReportError as error:
            text = (
                on_command_line(said(error))
                .replace(f"{target}.partial: ", "")
                .partition("; use ")[0]
            )
            return Check("rows", False, f"the job comes to something else: {text}")
    worst = _distance(table[rows], redo.table_of(again)[rows])
    coarse = PROVIDERS[provider].coarse
    limit = _TOLERANCE_11_BITS if coarse else _TOLERANCE
    many = f"{len(rows)} of {len(table)} rows done again with {provider}"
    turned = int((again.predicted != result.predicted).sum())
    if turned > (_TURNED * len(table) if coarse else 0):
        return Check("rows", False, f"{turned} untouched images are put into another class")
    if worst == 0:
        return Check("rows", True, f"{many}: the same bit for bit")
    text = f"{many}: they differ by up to {worst:.3g}, at most {limit:g} is rounding"
    return Check("rows", bool(worst <= limit), text)


def _distance(old: NDArray[np.float32], new: NDArray[np.float32]) -> float:
    """Largest difference, relative to values above 1."""
    if np.array_equal(old, new):
        return 0.0
    with np.errstate(invalid="ignore"):
        apart = np.abs(old.astype(np.float64) - new) / np.maximum(1.0, np.abs(old))
    return float(np.where(np.isnan(apart), np.inf, np.where(old == new, 0.0, apart)).max())


def _settings(result: Any, folder: Path) -> dict[str, Any]:
    """Settings of a result as its job takes them."""
    held = result.settings
    names = {each.name for each in fields(Settings)} - {"preprocess", "layout", "size"}
    if not isinstance(result, Report):
        names -= {"estimator", "passes", "absence", "output_map", "separate_dc"}
    found = {name: held[name] for name in sorted(names) if name in held}
    if isinstance(held.get("set"), dict):
        found["set"] = tuple(f"{name}={value}" for name, value in held["set"].items())
    if held.get("estimator") == "exact":
        found.pop("passes", None)
    if held.get("layout") in _LAYOUTS:
        found["layout"] = held["layout"]
    if isinstance(held.get("size"), list):
        found["size"] = tuple(held["size"])
    return {**found, "preprocess": _preprocess(held.get("preprocess"), folder)}


def _preprocess(held: Any, folder: Path) -> str | None:
    """``preprocess``: a preset, a file made for it, or None where the model declares it."""
    if not isinstance(held, dict) or held.get("name") == "declared":
        return None
    name = held.get("name")
    if name in PRESETS:
        return str(name)
    if not is_name(name):
        raise UsageError(f"{_ASKED}: the file does not say how pictures were preprocessed")
    kept = {key: held[key] for key in RECIPE_KEYS if held.get(key) is not None}
    try:
        text = preprocess_from(kept, "the file").toml()
    except (IasideError, TypeError, ValueError) as error:
        raise UsageError(
            f"{_ASKED}: the preprocessing cannot be repeated: {said(error)}"
        ) from error
    file = folder / "recipe-of-the-report.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)
