"""Measurements as input from strangers, and files of one kind given where another is needed."""

from __future__ import annotations

import json
import sys
import tracemalloc
from dataclasses import replace
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from iaside_onnx.comparisons.prediction import predict_damage
from iaside_onnx.errors import ReportError, UsageError
from iaside_onnx.mathematics.bands import MOST_BANDS, band_index
from iaside_onnx.page.page import page
from iaside_onnx.results.heatmap import load_heatmap
from iaside_onnx.results.robustness import load_robustness
from iaside_onnx.results.snr import load_snr
from iaside_onnx.storage.seal import seal

from .conftest import ROOT
from .made_reports import save_unchecked

LOAD = {
    "robustness": load_robustness,
    "heatmap": load_heatmap,
    "snr": load_snr,
}


@pytest.fixture(scope="module")
def sound():
    sys.path.insert(0, str(ROOT / "tools" / "fuzz"))
    try:
        import sound_files
    finally:
        sys.path.pop(0)
    return sound_files


@pytest.fixture(scope="module")
def files(sound, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    found = {name: folder / f"{name}.h5" for name in ("report", *LOAD)}
    sound.sound_report(0).save(found["report"])
    for name in LOAD:
        getattr(sound, f"sound_{name}")().save(found[name])
    return SimpleNamespace(**found)


def altered(source, target, **changed):
    """The file with values of its header replaced; "settings__bands" names one inside another."""
    target.write_bytes(source.read_bytes())
    with h5py.File(target, "r+") as file:
        header = json.loads(file["header"][()].tobytes())
        for key, value in changed.items():
            *outer, last = key.split("__")
            held = header
            for step in outer:
                held = held[int(step)] if step.isdigit() else held[step]
            if value is None:
                del held[last]
            else:
                held[last] = value
        del file["header"]
        file["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    seal(target)
    return target


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    ("kind", "changed", "message"),
    [
        ("snr", {"settings__channels": None}, "no usable 'channels'"),
        ("snr", {"settings__channels": 0}, "no usable 'channels'"),
        ("snr", {"settings__norm": "l7"}, "no usable 'norm'"),
        ("snr", {"settings__rings": MOST_BANDS + 4}, "no usable 'rings'"),
        (
            "snr",
            {"settings__height": 2, "settings__width": 2},
            "=4 is too many for images of 2 x 2",
        ),
        ("snr", {"run__warnings": 3}, "no usable 'warnings'"),
        ("snr", {"severities": list(range(1, 22))}, "no usable 'severities'"),
        ("robustness", {"perturbations": [f"c{n}" for n in range(65)]}, "'perturbations'"),
        ("robustness", {"attacks__0__epsilon": 10**400}, "finite"),
        ("robustness", {"run__warnings": ["x", None]}, "no usable 'warnings'"),
        ("robustness", {"model__path": "x" * 5000}, "no usable 'path'"),
        ("heatmap", {"settings__strength": 10**400}, "finite"),
        ("heatmap", {"settings__bands": MOST_BANDS + 1}, "no usable 'bands'"),
        ("heatmap", {"data__source": "x" * 5000}, "no usable 'source'"),
    ],
)
def test_what_a_later_command_would_trip_over_is_refused(files, tmp_path, kind, changed, message):
    path = altered(getattr(files, kind), tmp_path / "case.h5", **changed)
    with pytest.raises(ReportError, match=message) as error:
        LOAD[kind](path)
    assert "case.h5" in str(error.value)


def test_more_bands_than_anything_has_a_use_for_are_refused_at_once():
    with pytest.raises(UsageError, match=f"at most {MOST_BANDS}"):
        band_index(1 << 20, 1 << 20, 10**18)


def test_resamples_of_a_long_measurement_take_little_memory(sound):
    """A file of one image has few numbers, of which there are 1000 resamples."""
    report = sound.sound_snr()
    rng = np.random.default_rng(0)
    long = replace(
        report,
        severities=list(range(1, 21)),
        perturbations=["fog"],
        signal=rng.exponential(size=(2, 1, MOST_BANDS + 1)),
        noise=rng.exponential(size=(3, 1, 1, 20, MOST_BANDS + 1)),
        image_ids=["a"],
    )
    tracemalloc.start()
    assert len(long.curves[0]) == 20
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 200 << 20


@pytest.mark.usefixtures("in_process")
def test_sums_and_ratios_out_of_this_world_do_not_break_a_page(sound, tmp_path):
    report = sound.sound_snr()
    signal, noise = np.array(report.signal), np.array(report.noise)
    signal[0], noise[0] = 1.5, 1e-308
    replace(report, signal=signal, noise=noise).save(tmp_path / "tiny.h5")
    assert "1.5e+308" in page([sound.sound_report(0)], snr=LOAD["snr"](tmp_path / "tiny.h5"))
    noise[0] = 1e300
    save_unchecked(replace(report, noise=noise), tmp_path / "large.h5")
    with pytest.raises(ReportError, match=r"1e\+300"):
        LOAD["snr"](tmp_path / "large.h5")


def test_a_report_that_says_no_size_is_not_foretold_from(sound):
    report = sound.sound_report(0)
    settings = {key: value for key, value in report.settings.items() if key != "size"}
    with pytest.raises(ReportError, match="does not say what size"):
        predict_damage(replace(report, settings=settings), sound.sound_snr())


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("show {robustness} --per-class", "--per-class does not apply"),
        ("show {robustness} --baseline {report}", "a file of iaside analyze, and one of"),
        ("compare {report} {robustness}", "a file of iaside robustness, and one of iaside analyze"),
        ("compare {robustness} {report}", "and one of iaside analyze or explain is needed"),
        ("gate {heatmap} --min-score 0", "a file of iaside heatmap, and one of iaside analyze is"),
        ("gate {heatmap} --min-accuracy 0.1", "and one of iaside analyze or robustness is needed"),
        ("gate {heatmap} --max-error noise=0.3", "and one of iaside robustness is needed here"),
        ("html {snr} -o x.html", "a file of iaside snr; a page is of files of iaside analyze"),
        ("html {report} {heatmap} -o x.html", "iaside plot draws it"),
        ("merge {robustness} -o m.h5", "holds a whole sample, not a part of one"),
        ("predict {robustness} --snr {report}", "a file of iaside robustness, and one of"),
        ("predict {report} --snr {robustness}", "a file of iaside robustness, and one of iaside s"),
        ("correlate {report}", "at least 4"),
        ("correlate {snr}", "a file of iaside snr"),
        ("plot {robustness} {report} -o p.png", "a file of iaside analyze, and one of"),
    ],
)
def test_a_file_of_another_kind_is_called_by_its_name(iaside, files, command, message):
    result = iaside(*(word.format(**vars(files)) for word in command.split()))
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
