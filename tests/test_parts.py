"""Parts of one sample: disjoint, complete, and joined bit for bit into what one run writes."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.cli import main
from iaside_onnx.errors import ReportError, UsageError
from iaside_onnx.page.repeat import model_and_images
from iaside_onnx.results.part import Part, part_of
from iaside_onnx.storage.output_file import sole_writer

from . import graphs
from .conftest import ROOT, write_npz
from .made_reports import save_unchecked

OPTIONS = {"bands": 3, "batch": 8, "samples": 11, "seed": 5}


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    images = np.random.default_rng(2).integers(0, 256, (14, 16, 16, 3), dtype=np.uint8)
    data = write_npz(folder / "d.npz", images, np.repeat([0, 1], 7))
    return graphs.small_network(folder / "m.onnx"), data


@pytest.fixture(scope="module")
def parts(case, tmp_path_factory):
    """Report files of three shards."""
    folder = tmp_path_factory.mktemp("reports")
    paths = [folder / f"part{number}.h5" for number in (1, 2, 3)]
    for number, path in enumerate(paths, 1):
        ia.analyze(*case, path, shard=f"{number}/3", **OPTIONS)
    return paths


def same(report, reference):
    for name in ("log_prob", "labels", "predicted", "image_ids", "image_digests", "example",
                 "settings", "model", "data", "provider", "class_names"):  # fmt: skip
        one, other = getattr(report, name), getattr(reference, name)
        assert np.array_equal(one, other), name
    volatile = ("created", "run", "seconds")
    one, other = report.summary(per_class=True), reference.summary(per_class=True)
    assert {**one, **dict.fromkeys(volatile)} == {**other, **dict.fromkeys(volatile)}
    assert report.run["warnings"] == reference.run["warnings"]


def test_ways_that_hold_for_all_parts_hold_for_the_whole(parts):
    ways = [
        {"model": "../m.onnx", "images": "../x/d.npz", "labels": "../l.csv"},
        {"model": "../m.onnx", "images": "../../x/d.npz"},
        {"model": "../m.onnx", "images": "../x/d.npz", "labels": "../l.csv"},
    ]
    loaded = [ia.load(path) for path in parts]
    given = [
        replace(each, run={**each.run, "paths": way})
        for each, way in zip(loaded, ways, strict=True)
    ]
    merged = ia.merge(given)
    assert merged.run["paths"] == {"model": "../m.onnx", "images": None}
    assert [each["paths"] for each in merged.run["parts"]] == ways
    assert model_and_images(merged) == ("../m.onnx", "FOLDER/d.npz")
    in_steps = ia.merge([ia.merge(given[:2], allow_missing=True), given[2]])
    assert in_steps.run["paths"] == merged.run["paths"]
    strange = [replace(each, run={**each.run, "paths": "x"}) for each in loaded]
    # A name alone is the way of a part that has none: in another folder it is another file.
    assert ia.merge([*strange[:2], given[2]]).run["paths"] == {"model": None, "images": None}
    up = [replace(each, model={**each.model, "path": "../m.onnx"}) for each in strange[:2]]
    merged = ia.merge([given[0], up[1], given[2]])
    assert model_and_images(merged) == ("../m.onnx", "FOLDER/d.npz")
    merged = ia.merge([up[0], strange[1], strange[2]])
    assert model_and_images(merged)[0] == "FOLDER/m.onnx"


@pytest.mark.parametrize(("images", "of"), [(1, 1), (7, 3), (12, 4), (5, 5)])
def test_shards_are_disjoint_complete_and_of_even_size(images, of):
    shards = [Part.asked(f"{number}/{of}").positions(images) for number in range(1, of + 1)]
    assert sorted(itertools.chain(*shards)) == list(range(images))
    assert max(map(len, shards)) - min(map(len, shards)) <= 1
    assert all(shard == sorted(shard) for shard in shards)
    assert Part((1, of), of).positions(images) == sorted({*shards[0], *shards[-1]})


@pytest.mark.parametrize(
    ("absence", "temperature"),
    [("gaussian", 1.0), ("gaussian", "auto"), ("mean", 1.0), ("replace", 1.0), ("zero", "auto")],
)
def test_merged_shards_are_what_one_run_writes(case, absence, temperature):
    options = {**OPTIONS, "absence": absence, "temperature": temperature}
    reference = ia.analyze(*case, **options)
    made = [ia.analyze(*case, shard=f"{number}/4", **options) for number in (3, 1, 4, 2)]
    assert sorted(len(part.image_ids) for part in made) == [2, 3, 3, 3]
    merged = ia.merge(made)
    same(merged, reference)
    assert merged.run["forward_passes"] == reference.run["forward_passes"]
    assert [part["shard"] for part in merged.run["parts"]] == ["1/4", "2/4", "3/4", "4/4"]
    assert "shard" not in merged.run


def test_merge_on_the_command_line_in_steps_and_any_order(case, parts, tmp_path, iaside):
    reference = ia.analyze(*case, **OPTIONS)
    whole, some = tmp_path / "whole.h5", tmp_path / "some.h5"
    assert iaside("merge", parts[2], parts[0], parts[1], "-o", whole, "--quiet").stdout == ""
    same(ia.load(whole), reference)

    result = iaside("merge", parts[2], parts[0], "-o", some)
    assert (result.exit_code, some.exists()) == (2, False)
    assert result.stderr == (
        "Error: shard 2 of 3 missing; add its report, or join what there is with --allow-missing\n"
    )
    result = iaside("merge", parts[2], parts[0], "-o", some, "--allow-missing", "--beta", "0.5")
    assert "A part: shards 1, 3 of 3, 7 of the sample's 11 images" in result.stdout
    held = ia.load(some)
    assert held.beta == 0.5
    assert part_of(held).part == Part((1, 3), 3)
    rows = [position for position in range(11) if position % 3 != 1]
    assert np.array_equal(held.log_prob, reference.log_prob[rows])
    summary = json.loads(
        iaside("merge", parts[1], some, "-o", whole, "--overwrite", "--beta", 0.75, "--json").stdout
    )
    assert summary["srs"] == reference.srs
    same(ia.load(whole), reference)
    assert len(ia.load(whole).run["parts"]) == 3


def test_a_part_is_a_report_that_says_so(case, parts, tmp_path, iaside):
    shown = iaside("show", parts[1])
    assert "A part: shard 2 of 3, 4 of the sample's 11 images; iaside merge" in shown.stdout
    page = tmp_path / "page.html"
    assert iaside("html", parts[1], "-o", page).exit_code == 0
    assert "A part: shard 2 of 3" in page.read_text()
    judged = iaside("gate", parts[1], "--min-accuracy", "0")
    assert "A part: shard 2 of 3" in judged.stdout + judged.stderr
    assert "<span>2/3</span>" in page.read_text()
    report = ia.load(parts[1])
    assert json.loads(iaside("show", parts[1], "--json").stdout)["run"]["shard"]["numbers"] == [2]
    reference = ia.analyze(*case, **OPTIONS)
    assert report.settings == reference.settings
    assert report.data["digest"] != reference.data["digest"]
    assert part_of(report).digest == reference.data["digest"]


def test_what_parts_say_of_their_clean_images_is_no_word_on_all(parts):
    said = [ia.load(path) for path in parts[:2]]
    for part in said:
        part.run["of_clean_images"] = "objects on 3 of 7"
    assert said[0].clean_note == "objects on 3 of 7"
    merged = ia.merge(said, allow_missing=True)
    assert "of_clean_images" not in merged.run
    assert merged.clean_note == "shard 1/3: objects on 3 of 7; shard 2/3: objects on 3 of 7"
    whole = ia.merge([merged, ia.load(parts[2])])
    assert whole.clean_note == merged.clean_note


def test_a_part_goes_on_as_the_same_part_only(case, parts, tmp_path):
    target = tmp_path / "part.h5"
    shutil.copy(parts[1], target)
    again = ia.analyze(*case, target, shard="2/3", resume=True, **OPTIONS)
    assert np.array_equal(again.log_prob, ia.load(parts[1]).log_prob)
    for shard, words in (("1/3", 'shard "2/3", not "1/3"'), (None, 'shard "2/3", not null')):
        with pytest.raises(ReportError, match=words):
            ia.analyze(*case, target, shard=shard, resume=True, **OPTIONS)


@pytest.mark.parametrize("asked", ["3/2", "0/2", "2", "-1/2", "1/0", "a/b", "1/2/3", ""])
def test_shards_that_are_none_are_refused(case, tmp_path, iaside, asked):
    result = iaside("analyze", *case, "-o", tmp_path / "r.h5", f"--shard={asked}")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert f"--shard {asked}" in result.stderr
    assert not list(tmp_path.iterdir())


def test_more_shards_than_images_are_refused(case):
    with pytest.raises(UsageError, match="the sample has 11 image"):
        ia.analyze(*case, shard="1/12", **OPTIONS)


def test_what_does_not_belong_together_is_refused_by_name(case, parts, tmp_path):
    model, data = case
    other_model = graphs.small_network(tmp_path / "other.onnx", seed=1)
    images = np.random.default_rng(3).integers(0, 256, (14, 16, 16, 3), dtype=np.uint8)
    other_data = write_npz(tmp_path / "other.npz", images, np.repeat([0, 1], 7))

    def refused(words, *given):
        with pytest.raises(ReportError, match=words) as caught:
            ia.merge(given)
        assert "\n" not in str(caught.value)

    def other(*places, shard="2/3", **changes):
        return ia.analyze(*(places or case), shard=shard, **{**OPTIONS, **changes})

    first = ia.load(parts[0])
    refused("part2.h5: holds shard 2 of 3, which .*part2.h5 holds too", parts[1], *parts)
    refused("holds a whole sample, not a part", first, ia.analyze(*case, **OPTIONS))
    refused("report 2: is of another model than report 1", first, other(other_model, data))
    refused("is of a sample of other images", first, other(model, other_data))
    refused("with absence zero, but report 1 with gaussian", first, other(absence="zero"))
    refused("with seed 6, but report 1 with 5", first, other(seed=6))
    refused("with beta 0.5, but", first, other(beta=0.5))
    refused("a number of shards of 2, but report 1 with 3", first, other(shard="2/2"))
    second = ia.load(parts[1])
    refused("with iaside 0.0.0, but", first, replace(second, iaside_version="0.0.0"))
    refused("with provider cuda, but", first, replace(second, provider="cuda"))
    refused("shards 2, 3 of 3 missing", first)
    changed = replace(second, labels=second.labels[::-1].copy())
    refused("one of them was altered", first, changed, parts[2])
    broken = tmp_path / "broken.h5"
    broken.write_bytes(parts[1].read_bytes()[:-100])
    refused("broken.h5: ", first, broken, parts[2])
    refused("none.h5: no such report file", first, tmp_path / "none.h5")


@pytest.mark.parametrize(
    "shard",
    [
        1,
        {"numbers": [4], "of": 3, "images": 11},
        {"numbers": [], "of": 3, "images": 11},
        {"numbers": [2], "of": 1 << 60, "images": 1 << 61},
        {"numbers": [2], "of": 3, "images": 11, "digest": "x"},
        {"numbers": [1, 2], "of": 3, "images": 11},
    ],
)
def test_a_report_that_lies_about_its_part_is_damaged(parts, tmp_path, iaside, shard):
    report = ia.load(parts[1])
    if isinstance(shard, dict):
        shard = {"digest": "0" * 64, **shard}
    path = tmp_path / "lie.h5"
    save_unchecked(replace(report, run={**report.run, "shard": shard}), path)
    result = iaside("show", path)
    assert result.exit_code == 2
    assert "is damaged: attribute run holds no usable 'shard'" in result.stderr


def hold(target, ready, free):
    with sole_writer(target):
        ready.set()
        free.wait(600)


def test_two_runs_do_not_write_one_report(case, tmp_path, iaside):
    target = tmp_path / "r.h5"
    spawn = multiprocessing.get_context("spawn")
    ready, free = spawn.Event(), spawn.Event()
    other = spawn.Process(target=hold, args=(target, ready, free))
    other.start()
    assert ready.wait(600)
    for options in ([], ["--overwrite"], ["--resume"]):
        result = iaside("analyze", *case, "-o", target, "--bands", 2, *options)
        assert result.exit_code == 2
        assert result.stderr.startswith(f"Error: {target}: another run is writing it")
    other.kill()  # no chance to clean up
    other.join()
    assert iaside("analyze", *case, "-o", target, "--bands", 2, "--quiet").exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["r.h5"]


def test_the_guides_scripts_deal_out_the_shards(tmp_path):
    yaml = pytest.importorskip("yaml")
    page = (ROOT / "docs" / "cluster.md").read_text()
    script = re.search(r"```bash\n(#!/bin/bash\n.*?)```", page, re.DOTALL)[1]
    job = yaml.safe_load(re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1])["spec"]
    assert job["completionMode"] == "Indexed"
    (container,) = job["template"]["spec"]["containers"]
    for name, body in (("iaside", 'echo "$@"'), ("srun", 'exec "$@"')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    options = {name for parameter in main.commands["analyze"].params for name in parameter.opts}
    count = job["completions"]
    for command, variable, number, target in (
        (["bash", "-c", script], "SLURM_ARRAY_TASK_ID", 3, "parts/003.h5"),
        ([*container["command"], *container["args"]], "JOB_COMPLETION_INDEX", 2, "parts/2.h5"),
    ):
        environment = {"PATH": path, variable: str(number)}
        words = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stdout.split()
        assert words[words.index("--shard") + 1] == f"3/{count}"
        assert words[words.index("-o") + 1].endswith(target)
        assert {word for word in words if word.startswith("-")} <= options
