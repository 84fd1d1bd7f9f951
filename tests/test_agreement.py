"""One rule for what may stand side by side, and every command that asks it."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.comparisons.agreement import grounds_apart
from iaside_onnx.comparisons.correlation import correlate
from iaside_onnx.comparisons.gate import gate
from iaside_onnx.errors import IasideError
from iaside_onnx.page.page import page
from iaside_onnx.setting_roles import SETTINGS, Belongs, identity_apart, settings_apart
from iaside_onnx.settings import Settings
from iaside_onnx.views.plots import figure

from . import graphs
from .conftest import write_npz
from .made_reports import made, profiles, shifted
from .robustness_reports import made_up

# Another value of every setting that a report can hold.
OTHERS = {
    "head": "yolo", "class_embeddings": "0" * 64, "fit_classes": "1" * 64, "logit_scale": 10.0,
    "bands": 3, "separate_dc": True, "norm": "l2", "spacing": "octave",
    "edges": [0.2, 0.4, 0.6], "absence": "zero", "output_map": "magnitude",
    "seed": 1, "labels": "model", "draws": "pixels",
    "preprocess": {"name": "raw", "scale": 255.0}, "input": "x",
    "output": "y", "layout": "nhwc", "output_kind": "probabilities", "label_offset": 1,
    "temperature": 2.0, "tf32": False, "size": [20, 20], "samples": 100, "sampling": "nested",
    "estimator": "permutation", "execution": "openvino:precision=FP16",
    "passes": 8, "players": 5, "value": "prob", "beta": 0.5, "confidence": 0.9,
    "floor": 1e-7, "set": {"flag": "true"}, "allow_random": True, "a_setting_to_come": 1,
    "threshold": 0.3, "ignore": 0, "channel_axes": [1],
}  # fmt: skip
GAME = {
    "head",
    "bands", "separate_dc", "norm", "spacing", "edges", "absence", "output_map", "seed", "draws",
    "labels", "ignore", "a_setting_to_come",
}  # fmt: skip
PSI = profiles(30)


def pair(setting, **shared):
    """Two reports that differ in one setting."""
    first = made(PSI, name="first", **shared)
    other = made(shifted(PSI), name="other", **shared)
    other = replace(other, settings={**other.settings, setting: OTHERS[setting]})
    return first, replace(other, model={**other.model, "sha256": "1" * 64})


def robustness(report):
    wrong = np.zeros((30, 1, 1), bool)
    return made_up(np.zeros(30, bool), wrong, model=report.model)


def correlated(first, other):
    """Correlate at four models, the last of which is the other."""
    models = [
        replace(first, model={**first.model, "sha256": str(number) * 64}) for number in (3, 4, 5)
    ]
    return correlate(*models, other, *(robustness(each) for each in [*models, other]))


def text_of(html):
    return html[html.index("Do not compare") :] if "Do not compare" in html else ""


def test_every_setting_is_declared_and_tried():
    assert {field.name for field in fields(Settings)} <= set(SETTINGS)
    # A table of another task is another kind of report.
    assert set(SETTINGS) - {"task"} | {"a_setting_to_come"} == set(OTHERS)


@pytest.mark.parametrize("setting", OTHERS)
def test_every_command_follows_the_one_rule(setting):
    first, other = pair(setting)
    asked = {
        "compare": lambda: ia.compare(first, other),
        "plot": lambda: figure([first, other]),
        "correlate": lambda: correlated(first, other),
        "gate": lambda: gate(other, baseline=first, max_drop=1),
    }
    if setting in GAME:
        for ask in asked.values():
            with pytest.raises(IasideError, match=f"different games: {setting} "):
                ask()
    if setting == "separate_dc":  # bands of other names find no room on one page
        with pytest.raises(IasideError, match="different numbers of bands"):
            page([first, other])
        return
    listed = text_of(page([first, other]))
    name = setting.replace("_", " ")
    if setting not in GAME:
        for ask in asked.values():
            ask()
        shown = setting in ("value", "beta")  # each report of a page is shown in its own view
        assert (f"differ in {name}: " in listed) == shown
        return
    assert f"differ in {name}: " in listed


@pytest.mark.parametrize("absence", ["zero", "mean"])
def test_the_seed_is_no_part_of_a_game_without_draws(absence):
    for setting in ("seed", "draws"):
        first, other = pair(setting, absence=absence)
        assert ia.compare(first, other).pairs[0].shared == 30
        assert figure([first, other])
        assert "Do not compare" not in page([first, other])


@pytest.mark.parametrize("setting", OTHERS)
def test_resuming_wants_identical_settings(setting):
    wanted = {**made(PSI).settings, "passes": None}
    for key in ("value", "beta", "confidence"):
        del wanted[key]
    held = {**wanted, "confidence": 0.9, "kinds": {}}  # the view, and what follows
    assert identity_apart(wanted, held) == []
    apart = identity_apart(wanted, {**held, setting: OTHERS[setting]})
    view = setting in ("value", "beta", "confidence")
    assert [each.setting for each in apart] == ([] if view else [setting])


def test_a_file_without_draws_drew_by_names():
    old, new = ({"seed": 0}, {"seed": 0, "draws": "name"})
    assert settings_apart(old, new) == []
    (apart,) = settings_apart(old, {**new, "draws": "pixels"})
    assert (apart.belongs, apart.first, apart.other) == (Belongs.GAME, "name", "pixels")


def test_nothing_is_said_of_rounding_where_there_is_none():
    """A report of the processor holds no "tf32"; one of a card that lacks it ran with it."""
    processor, card = {"bands": 4}, {"bands": 4, "execution": "cuda", "tf32": False}
    for pair in ((processor, card), (card, processor)):
        assert [each.setting for each in settings_apart(*pair)] == ["execution"]
    older = {"bands": 4, "execution": "cuda"}
    assert [str(each) for each in settings_apart(older, card)] == ["tf32 False against True"]
    rounded = {**card, "tf32": True, "execution": "tensorrt"}
    assert {each.setting for each in settings_apart(card, rounded)} == {"execution", "tf32"}


def test_correlate_tells_of_other_sizes_and_estimators():
    for setting, words in (("size", "Nyquist"), ("estimator", "permutation against exact")):
        assert any(words in warning for warning in correlated(*pair(setting)).warnings)
    assert not any("Nyquist" in warning for warning in correlated(*pair("samples")).warnings)


def test_other_images_are_one_matter_for_all():
    first = made(PSI, name="first")
    apart = made(PSI, name="other", ids=[f"x{number}" for number in range(30)], digest="e")
    for ask in (lambda: ia.compare(first, apart), lambda: figure([first, apart])):
        with pytest.raises(IasideError, match="share 0 image"):
            ask()
    assert "share 0 image" in text_of(page([first, apart]))
    some = made(PSI[:20], name="other", digest="e")
    html = page([first, some])
    assert "Do not compare" not in html
    assert "the samples differ and share 20 images" in html
    assert figure([first, some])


def test_measurements_of_robustness_follow_one_rule_too():
    wrong = np.zeros((4, 2, 2), bool)
    first = made_up([0] * 4, wrong)

    def refusals(**settings):
        other = replace(first, settings={**first.settings, **settings})
        return grounds_apart(first, other)

    assert refusals(seed=5) == (["another seed (5 against 0)"], [])
    assert refusals(draws="pixels")[0] == ["another seed (draws by pixels against draws by name)"]
    assert refusals(a_setting_to_come=1)[0] == ["another a_setting_to_come (1 against None)"]
    assert refusals(temperature=2.0, confidence=0.9) == ([], [])
    assert "severities mean other constants" in refusals(height=4)[1][0]


def test_models_of_other_sizes_are_compared_with_the_note(iaside, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (12, 24, 24, 3), dtype=np.uint8)
    data = write_npz(tmp_path / "d.npz", images, np.arange(12) % 4)
    paths = []
    for size in (16, 20):
        model = graphs.small_network(tmp_path / f"m{size}.onnx", size=size)
        paths.append(tmp_path / f"r{size}.h5")
        ia.analyze(model, data, paths[-1], bands=4, norm="linf", preprocess="unit")
    words = (
        "band 2 of 0 to 3 spans 5 to 7.5 cycles per picture at 20 x 20 and 4 to 6 at 16 x 16; "
        "in cycles per pixel it is the same, 0.25 to 0.375"
    )
    found = json.loads(iaside("compare", *paths, "--json").stdout)["pairs"][0]
    assert any(words in note for note in found["notes"])
    assert {"setting": "size", "reference": [16, 16], "other": [20, 20]} in found["settings"]
    gated = iaside("gate", paths[1], "--baseline", paths[0], "--max-accuracy-drop", 1)
    plotted = iaside("plot", *paths, "-o", tmp_path / "both.png")
    written = iaside("html", *paths, "-o", tmp_path / "both.html")
    for done in (gated, plotted, written):
        assert done.exit_code == 0, done.stderr
    html = (tmp_path / "both.html").read_text()
    assert words in gated.stdout + gated.stderr
    assert words in plotted.stderr
    assert words in html
    assert "Do not compare" not in html


def test_plot_refuses_what_compare_refuses(iaside, tmp_path):
    paths = [tmp_path / f"{name}.h5" for name in ("gaussian", "zero")]
    for path in paths:
        made(PSI, absence=path.stem).save(path)
    compared = iaside("compare", *paths)
    plotted = iaside("plot", *paths, "-o", tmp_path / "x.png")
    for done in (compared, plotted):
        assert done.exit_code == 2
        assert "play different games: absence zero against gaussian" in done.stderr
    assert not (tmp_path / "x.png").exists()
