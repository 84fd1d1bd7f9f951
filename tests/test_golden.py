"""Files written by the software of their time, and what it said of them: they stay readable.

`tests/data/README.md` has the commands that made them. Tables are held bit for bit, numbers that
follow from them to the last digits that another BLAS may turn, words not at all. Intervals of
analyses and of errors are held as percentile intervals, which they were.
"""

from __future__ import annotations

import json
import math

import h5py
import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.mathematics.intervals import bootstrap_intervals
from iaside_onnx.mathematics.score import resampled_means
from iaside_onnx.results.spread import RESAMPLES, Spread

from .conftest import ROOT

DATA = ROOT / "tests" / "data"
KINDS = ("analysis-v1", "analysis-v2", "robustness-v1", "heatmap-v1", "snr-v1")
# Sentences, which later versions may word otherwise.
WORDS = {"interpretation"}
SIDES = ((0, "low"), (1, "high"))


def differences(golden, now, place=""):
    """Places where a JSON value lacks what the golden one has, or holds another number."""
    if isinstance(golden, dict):
        if not isinstance(now, dict):
            return [place]
        lost = [f"{place}.{key}" for key in golden.keys() - now.keys()]
        kept = [key for key in golden if key in now and key not in WORDS]
        return lost + [
            found for key in kept for found in differences(golden[key], now[key], f"{place}.{key}")
        ]
    if isinstance(golden, list):
        if not isinstance(now, list) or len(now) != len(golden):
            return [place]
        pairs = enumerate(zip(golden, now, strict=True))
        return [found for at, pair in pairs for found in differences(*pair, f"{place}[{at}]")]
    if isinstance(golden, float):
        close = isinstance(now, int | float) and math.isclose(
            now, golden, rel_tol=1e-9, abs_tol=1e-12
        )
        return [] if close else [place]
    return [] if golden == now else [place]


@pytest.mark.parametrize("kind", KINDS)
def test_show_says_of_an_old_file_what_it_said_then(iaside, kind):
    options = ["--per-class"] if kind == "analysis-v1" else []
    result = iaside("show", DATA / f"{kind}.h5", "--json", *options)
    assert result.exit_code == 0, result.stderr
    golden = json.loads((DATA / f"{kind}.json").read_text(encoding="utf-8"))
    now = json.loads(result.stdout)
    if kind.startswith("analysis"):
        now |= percentile_ends(ia.load(DATA / f"{kind}.h5"))
    if kind.startswith("robustness"):
        with_percentiles(ia.load(DATA / f"{kind}.h5"), now)
    assert differences(golden, now) == []


def with_percentiles(report, now):
    """The same for the errors of a measurement of robustness, in place of those that it has now."""
    rows = report.wrong.reshape(len(report.labels), -1).astype(float)
    drawn = resampled_means(rows, int(report.settings["seed"]), RESAMPLES)
    drawn = np.concatenate([rows.mean(axis=0)[None], drawn]).reshape(-1, *report.errors.shape)
    cells, means, whole = (
        Spread.of(values, report.confidence).json()
        for values in (drawn, drawn.mean(axis=2), drawn.mean(axis=(1, 2)))
    )
    now["mean_error"] = whole
    for place, row in enumerate(now["corruptions"]):
        row["error"] = {name: values[place] for name, values in means.items()}
        row["errors"] = {name: values[place] for name, values in cells.items()}


def percentile_ends(report):
    """Ends of intervals as versions up to 0.1.0 took them."""
    ends = bootstrap_intervals(
        report.shapley_per_image, report.beta, report.confidence, method="percentile"
    )
    named = {"srs": ends.srs, "srs_signed": ends.srs_signed}
    pairs = {f"{name}_{side}": ends[at] for name, ends in named.items() for at, side in SIDES}
    return pairs | {"sid_low": ends.sid_low.tolist(), "sid_high": ends.sid_high.tolist()}


def test_a_changed_number_or_a_lost_key_would_be_seen():
    golden = {"srs": [0.5, 1.0], "n": 3, "interpretation": "a"}
    assert differences(golden, {"srs": [0.5, 1.0], "n": 3, "interpretation": "b", "new": 1}) == []
    assert differences(golden, {"srs": [0.5, 1.0 + 1e-6], "interpretation": "a"}) == [
        ".n",
        ".srs[1]",
    ]


@pytest.mark.parametrize(
    ("kind", "load", "tables"),
    [
        ("report-v1", ia.load, {"log_prob": "game/log_prob", "labels": "game/labels"}),
        ("analysis-v1", ia.load, {"log_prob": "game/log_prob", "predicted": "game/predicted"}),
        ("analysis-v2", ia.load, {"log_prob": "game/log_prob", "coalitions": "game/coalitions"}),
        ("robustness-v1", ia.load_robustness, {}),
        ("heatmap-v1", ia.load_heatmap, {}),
        ("snr-v1", ia.load_snr, {}),
    ],
)
def test_tables_of_old_files_are_read_bit_for_bit(kind, load, tables):
    result = load(DATA / f"{kind}.h5")
    with h5py.File(DATA / f"{kind}.h5") as file:
        if not tables:  # measurements hold their tables at the root, by the names of the fields
            tables = {name: name for name in file if hasattr(result, name)}
            assert len(tables) >= 3, list(file)
        for name, place in tables.items():
            stored = file[place]
            held = stored.asstr()[()] if h5py.check_string_dtype(stored.dtype) else stored[()]
            np.testing.assert_array_equal(getattr(result, name), held, err_msg=name, strict=False)
