"""What all kinds of result share: parts joined to the whole, rows, one `load`, named axes."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import fields, replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import InvalidOption, ReportError, UsageError
from iaside_onnx.results.kinds import load
from iaside_onnx.results.part import part_of
from iaside_onnx.storage.opening import MADE_BY

from .conftest import ROOT

KINDS = ["report", "drawn", "robustness", "unattacked", "heatmap", "snr", "damage", "split"]


def tool(folder, name):
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


@pytest.fixture(scope="module")
def sound():
    sound_files = tool(ROOT / "tools" / "fuzz", "sound_files")
    made = {
        "report": sound_files.sound_report(0),
        "drawn": sound_files.sound_report(3),
        "robustness": sound_files.sound_robustness(0),
        "unattacked": sound_files.sound_robustness(1),
        "heatmap": sound_files.sound_heatmap(1),
        "snr": sound_files.sound_snr(1),
        "damage": sound_files.sound_damage(0),
        "split": sound_files.sound_damage(1),
        "stand-ins": sound_files.sound_stand_ins(1),
    }
    proven = {name: sound_files.proven(result) for name, result in made.items()}
    return SimpleNamespace(wholes=proven, part=partial(sound_files.part, of=3))


def same(one, other):
    """All but how the runs went is equal, bit for bit."""
    for each in fields(one):
        if each.name not in ("run", "created"):
            assert np.array_equal(getattr(one, each.name), getattr(other, each.name)), each.name


def as_one_run_writes(result):
    return replace(result, **{f.name: None for f in result.SCHEMA.rows if f.part_only})


@pytest.mark.parametrize("kind", KINDS)
def test_parts_of_any_kind_join_into_what_one_run_writes(sound, kind, tmp_path, iaside):
    whole = sound.wholes[kind]
    paths = [tmp_path / f"{number}.h5" for number in (1, 2, 3)]
    for number, path in enumerate(paths, 1):
        sound.part(whole, number).save(path)
    parts = [load(path) for path in paths]
    assert [part_of(part).part.numbers for part in parts] == [(1,), (2,), (3,)]
    joined = ia.merge([paths[2], paths[0], parts[1]])
    same(joined, as_one_run_writes(whole))
    assert "shard" not in joined.run
    assert [part["shard"] for part in joined.run["parts"]] == ["1/3", "2/3", "3/3"]
    assert joined.run["seconds"] == 3 * whole.run["seconds"]
    some = type(whole).join([parts[2], parts[0]], allow_missing=True)
    same(some, sound.part(whole, 1, 3))
    same(ia.merge([some, parts[1]]), joined)
    target = tmp_path / "whole.h5"
    done = iaside("merge", *paths, "-o", target)
    assert done.exit_code == 0, done.stderr
    assert f"Report: {target}" in done.stdout
    same(load(target), joined)
    for command in ("show", "verify"):
        shown = iaside(command, paths[1])
        assert shown.exit_code == 0, shown.stderr
        assert "A part: shard 2 of 3, 4 of the sample's 12 images; iaside merge" in shown.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_parts_that_do_not_belong_together_are_refused_by_name(sound, kind):
    whole = sound.wholes[kind]
    first, second, third = (sound.part(whole, number) for number in (1, 2, 3))

    def refused(words, *parts):
        with pytest.raises(ReportError, match=words):
            ia.merge(parts)

    refused("shard 3 of 3 missing", first, second)
    refused("report 3: holds shard 2 of 3, which report 2 holds too", first, second, second)
    refused("holds a whole sample", first, whole)
    seeded = replace(second, settings={**second.settings, "seed": 8})
    refused("report 2: was made with seed 8, but report 1 with 7", first, seeded, third)
    swapped = replace(second, image_ids=second.image_ids[::-1])
    refused("one of them was altered", first, swapped, third)
    refused("no digests", *(replace(each, image_digests=None) for each in (first, second, third)))
    other = sound.part(sound.wholes["heatmap" if kind != "heatmap" else "snr"], 2)
    refused("report 2: is a file of iaside", first, other, third)


def test_view_settings_of_another_kind_are_refused_in_a_merge(sound):
    parts = [sound.part(sound.wholes["snr"], number) for number in (1, 2, 3)]
    assert ia.merge(parts, confidence=0.5).confidence == 0.5
    with pytest.raises(UsageError, match="beta"):
        ia.merge(parts, beta=0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_those_of_a_sample_of_these_images(sound, kind):
    whole = sound.wholes[kind]
    some = whole.rows([5, 0, 7])
    assert some.image_ids == [whole.image_ids[place] for place in (5, 0, 7)]
    assert some.data["samples"] == 3
    assert some.data["digest"] == some.computed_digest() != whole.data["digest"]
    some.summary()
    bare = as_one_run_writes(replace(whole, image_digests=None))
    first, again, other = (bare.rows(rows) for rows in ([0, 1], [0, 1], [1, 0]))
    assert first.data["digest"] == again.data["digest"] != other.data["digest"]
    for wrong in ([], [-1], [12]):
        with pytest.raises(UsageError, match="positions from 0 to 11"):
            whole.rows(wrong)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_take_a_mask_and_nothing_that_is_no_position(sound, kind):
    whole = sound.wholes[kind]
    mask = np.arange(12) % 3 == 0
    same(whole.rows(mask), whole.rows([0, 3, 6, 9]))
    same(whole.rows(mask.tolist()), whole.rows(np.array([0, 3, 6, 9], np.uint8)))
    wrong = (
        mask[:5],
        ~mask & mask,
        [0.0, 1.0],
        ["1"],
        "1",
        [True, 2],
        [[0], [1]],
        3,
        [None],
        [[0], 1],
    )
    for positions in wrong:
        with pytest.raises(UsageError, match="or a mask with a truth for each of the 12 images"):
            whole.rows(positions)


def test_rows_leave_out_attacks_that_were_run_on_none_of_them(sound, tmp_path):
    whole = sound.wholes["robustness"]
    queries = whole.attack_queries.copy()
    queries[:4, 0] = -1
    wrong, change = whole.attack_wrong.copy(), whole.attack_change.copy()
    wrong[:4, 0], change[:4, 0] = False, 0
    whole = replace(whole, attack_queries=queries, attack_wrong=wrong, attack_change=change)
    some = whole.rows(range(4))
    assert some.attacks == whole.attacks[1:]
    assert np.array_equal(some.attack_queries, queries[:4, 1:])
    some.save(tmp_path / "r.h5")
    same(load(tmp_path / "r.h5"), some)


UNREADABLE = {
    "settings": lambda result: {"settings": {**result.settings, "confidence": "0.9"}},
    "no number": lambda result: {"run": {**result.run, "seconds": float("nan")}},
    "too deep": lambda result: {"run": {**result.run, "x": json.loads("[" * 20 + "]" * 20)}},
    "no JSON": lambda result: {"run": {**result.run, "x": ROOT}},
    "images": lambda result: {"image_ids": result.image_ids[1:]},
    "header": lambda _: {"created": "yesterday"},
    "array": lambda result: {
        each.name: np.full_like(getattr(result, each.name), np.nan)
        for each in result.own_rows()
        if each.name in ("log_prob", "change", "noise")
    },
    "axes": lambda result: {
        each.name: getattr(result, each.name)[..., 0]
        for each in result.own_rows()
        if each.name in ("log_prob", "change", "noise")
    },
    "missing": lambda _: {"image_ids": None},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", UNREADABLE)
def test_nothing_is_written_that_could_not_be_read_again(sound, kind, how, tmp_path):
    whole, path = sound.wholes[kind], tmp_path / "r.h5"
    whole.save(path)
    before = path.read_bytes()
    with pytest.raises(UsageError, match=r"r\.h5: is not written, for nothing could read it"):
        replace(whole, **UNREADABLE[how](whole)).save(path, overwrite=True)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("report", "beta", "0.5"),
        ("report", "beta", True),
        ("report", "beta", 1.0),
        ("report", "beta", 1 - 1e-15),
        ("report", "value", "logit"),
        ("report", "confidence", "0.5"),
        ("robustness", "confidence", 1),
        ("snr", "separate_dc", "x"),
        ("snr", "separate_dc", 1),
        ("heatmap", "bands", True),
        ("heatmap", "bands", 2.0),
        ("heatmap", "norm", "l7"),
        ("damage", "value", "prob"),
    ],
)
def test_views_are_refused_at_the_door_by_the_name_of_the_setting(sound, kind, name, value):
    with pytest.raises(InvalidOption, match=f"{name}=") as caught:
        sound.wholes[kind].view(**{name: value})
    assert caught.value.parameter == name


def test_numbers_of_numpy_are_numbers_of_a_view(sound, tmp_path):
    seen = sound.wholes["report"].view(beta=np.float32(0.5), confidence=np.float64(0.9))
    seen.save(tmp_path / "r.h5")
    assert load(tmp_path / "r.h5").settings == seen.settings
    assert sound.wholes["heatmap"].view(bands=np.int64(2)).settings["bands"] == 2


MODELS = [kind for kind in KINDS if kind != "snr"]


@pytest.mark.parametrize("kind", MODELS)
def test_parts_that_count_other_classes_or_too_much_are_refused(sound, kind):
    whole = sound.wholes[kind]
    first, second, third = (sound.part(whole, number) for number in (1, 2, 3))

    def refused(words, **changed):
        other = replace(second, **changed)
        with pytest.raises(ReportError, match=words):
            ia.merge([first, other, third])

    refused(
        "report 2: was made with a number of classes of 7, but report 1 with 4",
        data={**second.data, "classes": 7},
        predicted=np.full_like(second.predicted, 6),
    )
    for key, value in (("seconds", 1e308), ("forward_passes", (1 << 62) - 1)):
        with pytest.raises(ReportError, match=f"report [123]: its '{key}' is no number"):
            ia.merge(
                [replace(each, run={**each.run, key: value}) for each in (first, second, third)]
            )
    if kind == "report":
        skipped = [{"id": "other.png", "reason": "truncated"}]
        refused(
            "report 2: was made with pictures left out", data={**second.data, "skipped": skipped}
        )


def test_a_merge_that_cannot_be_read_leaves_an_older_file_alone(sound, tmp_path, iaside):
    whole, target = sound.wholes["robustness"], tmp_path / "whole.h5"
    whole.save(target)
    before = target.read_bytes()
    paths = [tmp_path / f"{number}.h5" for number in (1, 2, 3)]
    for number, path in enumerate(paths, 1):
        part = sound.part(whole, number)
        deep = json.loads("[" * 14 + str(number) + "]" * 14)
        replace(part, run={**part.run, "x": deep}).save(path)
    done = iaside("merge", *paths, "-o", target, "--overwrite")
    assert done.exit_code == 2
    assert done.stderr.startswith(f"Error: {target}: is not written")
    assert target.read_bytes() == before


@pytest.mark.parametrize("kind", KINDS)
def test_one_function_reads_all_kinds_and_each_class_its_own(sound, kind, tmp_path):
    whole, path = sound.wholes[kind], tmp_path / "r.h5"
    whole.save(path)
    same(ia.load(path), whole)
    assert type(ia.load(path)) is type(whole) is type(type(whole).load(path))
    other = ia.SnrReport if kind != "snr" else ia.Report
    for wrong in (path, whole):
        with pytest.raises(ReportError, match=r"is needed here; iaside show"):
            other.load(wrong)


@pytest.mark.parametrize("kind", KINDS)
def test_named_axes_hold_the_values(sound, kind):
    pytest.importorskip("xarray", reason="xarray is not installed")
    whole = sound.wholes[kind]
    table = whole.to_xarray()
    assert table["image"].values.tolist() == whole.image_ids
    assert json.loads(table.attrs["settings"]) == whole.settings
    for each in whole.SCHEMA.rows:
        if each.name in table.data_vars:
            assert table[each.name].dims[each.dims.index("image")] == "image"
            np.testing.assert_array_equal(table[each.name], getattr(whole, each.name))
    main = {"report": "log_prob", "drawn": "log_prob", "heatmap": "change", "snr": "noise"}
    main |= {"damage": "damage", "split": "damage", "stand-ins": "change"}
    assert main.get(kind, "corrupted_log_prob") in table.data_vars
    if kind == "robustness":
        fog = table["wrong"].sel(perturbation="fog", severity=3).mean("image")
        assert float(fog) == whole.errors[1, 1]
        assert table["attack_queries"].dims == ("image", "attack")
    if kind == "heatmap":
        assert table["frequency"].dims == ("wave", "axis")


def test_the_page_of_the_format_has_the_tables_of_the_schemas():
    tables = tool(ROOT / "tools", "format_tables")
    text = tables.PAGE.read_text(encoding="utf-8")
    assert text.count("<!-- datasets of ") == len(MADE_BY)
    assert tables.page(text) == text
