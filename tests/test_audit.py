"""The audit's work: what it finds of the input, its looks, its time, and going on after any end."""

from __future__ import annotations

import ast
import csv
import json
import os
import re
import shlex
import shutil
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from onnx import helper
from PIL import Image

import iaside_onnx as ia
from iaside_onnx import interrupts
from iaside_onnx.auditing import plan
from iaside_onnx.auditing.folder import AuditFolder
from iaside_onnx.auditing.stages import Stages
from iaside_onnx.auditing.work import Work
from iaside_onnx.errors import IasideError, ReportError
from iaside_onnx.results.audit import ANALYSIS, Audit
from iaside_onnx.results.group_verdict import SEVERITIES, verdicts
from iaside_onnx.views import audit_progress

from . import graphs
from .conftest import ROOT, write_npz
from .dying import dies
from .robustness_reports import made_up

REPORTS = ("robustness.h5", "analysis.h5")
WIDTH = 1 + 19 * len(SEVERITIES)


def brightness(path):
    """Class 1 is what is bright, for an input of 0..255 that nothing declares."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["level"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Reshape", ["level", "column"], ["one"]),
        helper.make_node("Gemm", ["one", "gains", "shift"], ["scores"]),
    ]
    constants = {
        "column": np.array([-1, 1], np.int64),
        "gains": np.array([[-0.1, 0.1]], np.float32),
        "shift": np.array([12.8, -12.8], np.float32),
    }
    return graphs.save(
        path, nodes, constants, input_shape=["n", 3, 16, 16], output_shape=["n", 2]
    )  # fmt: skip


def pictures(root, folders):
    """Twelve pictures, dark and light by turns, in a folder for each class or in one."""
    rng = np.random.default_rng(0)
    for number in range(12):
        light = number % 2
        place = root / ("light" if light else "dark") if folders else root
        place.mkdir(parents=True, exist_ok=True)
        level = rng.integers(165, 215) if light else rng.integers(40, 90)
        pixels = np.clip(rng.normal(level, 20, (16, 16, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(place / f"{number:02}.png")
    return root


def write_labels(root):
    with (root / "labels.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["file", "label"])
        rows.writerows([f"{number:02}.png", number % 2] for number in range(12))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A random network, and six random images with any labels."""
    folder = tmp_path_factory.mktemp("audit")
    pixels = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    data = write_npz(folder / "d.npz", pixels, np.arange(6) % 4)
    return graphs.small_network(folder / "m.onnx"), data


@pytest.fixture(scope="module")
def whole(made, tmp_path_factory):
    """The folder of an audit that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole") / "audit"
    ia.audit(*made, folder, preprocess="unit", time=None)
    return folder


@pytest.fixture(scope="module")
def quick(made, tmp_path_factory):
    """The folder of a quick audit."""
    folder = tmp_path_factory.mktemp("quick") / "audit"
    ia.audit(*made, folder, preprocess="unit", quick=True)
    return folder


def same(one, other):
    """Whether the reports of two folders hold the same numbers."""
    names = sorted(path.relative_to(one).as_posix() for path in one.rglob("*.h5"))
    assert len(names) == 6
    for name in names:
        first, second = ia.load(one / name), ia.load(other / name)
        assert first.settings == second.settings
        assert first.image_ids == second.image_ids
        for field in first.own_rows():
            a, b = (getattr(each, field.name) for each in (first, second))
            if isinstance(a, np.ndarray):
                np.testing.assert_allclose(a, b, atol=1e-5, err_msg=field.name)


def test_a_long_part_without_a_bar_says_now_and_then_how_far_it_is(monkeypatch):
    said, now = [], [0.0]
    monkeypatch.setattr(audit_progress.time, "monotonic", lambda: now[0])
    pulse = audit_progress.Pulse(said.append)
    pulse.start(100, 1100)
    for second in range(1, 51):
        now[0] = float(second)
        pulse.advance(20)
    assert said == [
        "      500 of 1,100 forward passes, about 30 s left",
        "      900 of 1,100 forward passes, about 10 s left",
    ]


def test_it_finds_preprocessing_and_labels_and_leaves_ordinary_files(tmp_path, iaside):
    model, photos = brightness(tmp_path / "m.onnx"), pictures(tmp_path / "photos", folders=False)
    write_labels(photos)
    folder = tmp_path / "answer"
    done = iaside("audit", model, photos, "-o", folder, "--json")
    assert done.exit_code == 0, done.stderr
    lines = done.stderr.splitlines()
    assert lines[0] == "[1/4] model     2 classes, 16x16, any batch, float32"
    (found,) = (line for line in lines if "1.00 right" in line)
    doubt = " on 12 photos, which cannot be told apart from "
    assert found.startswith(f"[2/4] input     raw (RGB, 1.00 right{doubt}")
    assert found.endswith(f"); labels: 2 of 2 classes, by {photos}/labels.csv")
    assert "[3/4] measure   12 photos x 19 corruptions x severities 1, 3, 5" in lines
    assert "[4/4] explain   12 photos x 256 passes: evidence" in lines
    told = re.findall(r"explain   (\d+) photos x (\d+) passes: (\w+)", done.stderr)[1:]
    held = [ia.load(path).run["forward_passes"] for path in sorted((folder / "damage").iterdir())]
    assert sorted(int(images) * int(passes) for images, passes, _ in told) == sorted(held)
    summary = json.loads((folder / "summary.json").read_text())
    assert json.loads(done.stdout) == summary
    assert summary["accuracy"]["right"] == 1.0
    assert set(summary["verdict"].values()) == {"undecided"}  # of 12 images
    for name in REPORTS:
        assert iaside("show", folder / name).exit_code == 0
        assert ia.load(folder / name).settings["preprocess"]["name"] == "raw"
    # The same folder again.
    again = iaside("audit", model, photos, "-o", folder)
    assert again.exit_code == 2
    assert "continue it with --resume, or discard it with --overwrite" in again.stderr
    before = [(folder / name).read_bytes() for name in REPORTS]
    assert iaside("audit", model, photos, "-o", folder, "--resume").exit_code == 0
    assert before == [(folder / name).read_bytes() for name in REPORTS]
    other = iaside("audit", model, photos, "-o", folder, "--resume", "--seed", "1")
    assert (other.exit_code, "was begun without --seed" in other.stderr) == (2, True)


def test_class_folders_count_where_a_table_beside_them_lists_no_pictures(tmp_path, iaside):
    model, photos = brightness(tmp_path / "m.onnx"), pictures(tmp_path / "photos", folders=True)
    (photos / "labels.csv").write_text("label,meaning\n0,dark\n1,light\n")
    done = iaside("audit", model, photos, "-o", tmp_path / "answer", "--quick")
    assert done.exit_code == 0, done.stderr
    assert "it is not used, the class folders are the classes" in done.stderr
    assert "labels: 2 of 2 classes, by class folders" in done.stderr
    assert not (tmp_path / "answer" / "analysis.h5").exists()


def test_images_without_labels_are_refused_with_what_to_do(tmp_path, iaside):
    model, photos = brightness(tmp_path / "m.onnx"), pictures(tmp_path / "photos", folders=False)
    done = iaside("audit", model, photos, "-o", tmp_path / "answer")
    assert done.exit_code == 2
    assert "make one sub-folder per class or give --labels FILE.csv" in done.stderr


def test_pictures_that_the_labels_leave_out_are_told(tmp_path):
    model, root = brightness(tmp_path / "m.onnx"), pictures(tmp_path / "photos", folders=False)
    (root / "labels.csv").write_text(
        "file,label\n" + "".join(f"{n:02}.png,{n % 2}\n" for n in range(9))
    )
    seen = []
    listener = ia.Listener(warn=seen.append)
    with pytest.raises(IasideError, match="or a time such as"):
        ia.audit(model, root, time="soon")
    audit = ia.audit(model, root, time="10m", quick=True, preprocess="raw", listener=listener)
    assert any(
        line.endswith(f"lists 9 photos of {root}; the 3 others are left out") for line in seen
    )
    assert audit.commands == {}


@pytest.mark.skipif(sys.platform != "linux", reason="names are Unicode there")
def test_names_that_are_no_text(tmp_path, iaside, monkeypatch, made):
    monkeypatch.chdir(tmp_path)
    model, data, folder = (os.fsdecode(name) for name in (b"m\xff.onnx", b"p\xff", b"a\xff"))
    shutil.copy(made[0], model)
    pictures(tmp_path / data, folders=True)
    network = brightness(tmp_path / "n.onnx")
    for command in ("audit", "analyze"):
        done = iaside(command, model, made[1], "-o", folder)
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error:")]
        assert "its path is no UTF-8, so onnxruntime cannot open it; rename" in line
    done = iaside("audit", network, data, "-o", folder, "--quick", "--preprocess", "raw")
    assert done.exit_code == 0, done.stderr
    assert "Page            $'a\\377/index.html'" in done.stdout
    assert "Go on" not in done.stdout  # the name of the photographs is not kept


def test_a_folder_within_the_images_is_refused_since_it_would_be_a_class(tmp_path, iaside):
    model, root = brightness(tmp_path / "m.onnx"), pictures(tmp_path / "photos", folders=True)
    done = iaside("audit", model, root, "-o", root / "answer")
    assert done.exit_code == 2
    assert "where it would count as a class" in done.stderr
    assert sorted(path.name for path in root.iterdir()) == ["dark", "light"]


def test_a_preprocessing_that_cannot_be_told_is_refused(made, tmp_path, iaside):
    done = iaside("audit", *made, "-o", tmp_path / "answer")
    assert done.exit_code == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error:")]
    assert "which preprocessing it wants is not clear from 6 of these images" in line
    assert "--preprocess" in line
    assert not (tmp_path / "answer").exists()


# In the first look, in the evidence, and in the damage.
@pytest.mark.parametrize("after", [60, 6 * WIDTH + 700, 6 * (WIDTH + 256) + 200])
def test_a_killed_audit_goes_on_and_comes_to_the_same(made, whole, tmp_path, after):
    folder = tmp_path / "audit"
    assert dies(
        "audit", *made, folder, after=after, pause=0.001, preprocess="unit", time=None, batch=2
    )
    assert not (folder / "summary.json").exists()
    with pytest.raises(IasideError, match="already; continue it with resume=True"):
        ia.audit(*made, folder)
    ia.audit(*made, folder, resume=True, time=None)
    same(folder, whole)
    assert sorted(path.name for path in folder.rglob("*")) == sorted(
        path.name for path in whole.rglob("*")
    )


def test_a_search_that_was_killed_begins_anew(tmp_path):
    model, photos = brightness(tmp_path / "m.onnx"), pictures(tmp_path / "photos", folders=True)
    folder = tmp_path / "audit"
    assert dies("audit", model, photos, folder, after=20, pause=0.001)
    assert ia.audit(model, photos, folder, resume=True, quick=True).available == 12


def test_looks_are_parts_of_each_other_and_equal_a_direct_measurement(made, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "_LOOKS", (2, 4))
    seen = []
    listener = ia.Listener(title=seen.append)
    audit = ia.audit(*made, tmp_path / "audit", preprocess="unit", listener=listener)
    assert [line.split()[2] for line in seen if "corruptions" in line] == ["2", "4", "6"]
    direct = ia.measure_robustness(
        *made, severity=SEVERITIES, attack="none", preprocess="unit", samples=6, sampling="nested"
    )
    assert audit.robustness.settings == direct.settings
    np.testing.assert_array_equal(audit.robustness.wrong, direct.wrong)
    np.testing.assert_allclose(audit.robustness.change, direct.change, atol=1e-5)
    assert audit.about["stopped_by"] == "images"


def test_attacks_and_pictures_of_ones_own_are_measured_too(made, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "_LOOKS", (3,))
    monkeypatch.setattr("iaside_onnx.auditing.work.QUERIES", 5)
    camera = tmp_path / "camera.npz"
    np.savez(camera, images=np.load(made[1])["images"][:, ::-1])
    audit = ia.audit(
        *made, tmp_path / "audit", preprocess="unit", perturbed=camera, attack="square-linf"
    )
    direct = ia.measure_robustness(
        *made, severity=SEVERITIES, attack="none", preprocess="unit", samples=6, sampling="nested",
        perturbed=camera, corruption="imagenet-c",
    )  # fmt: skip
    assert audit.robustness.settings == direct.settings
    np.testing.assert_array_equal(audit.robustness.wrong, direct.wrong)
    kinds = [each.settings["perturbation"]["kind"] for each in audit.damages]
    assert (kinds.count("attack"), kinds.count("folder")) == (1, 1)
    assert audit.not_measured == []


def test_pictures_of_ones_own_are_explained_whatever_their_folder_is_called(tmp_path):
    # The classes of a network that answers by brightness, and pictures that turn them round.
    model, photos = brightness(tmp_path / "m.onnx"), pictures(tmp_path / "photos", folders=False)
    write_labels(photos)
    places = [tmp_path / name for name in ("my photos", "a/dusk", "b/dusk", "fog-3", "x")]
    for worst, row, file in [
        (0, "my_photos", "my_photos.h5"), (1, "a-dusk", "a-dusk.h5"), (3, "fog-3", "own-fog-3.h5"),
    ]:  # fmt: skip
        for each in places:
            shutil.rmtree(each, ignore_errors=True)
            shutil.copytree(photos, each)
        for picture in places[worst].glob("*.png"):
            Image.fromarray(255 - np.asarray(Image.open(picture))).save(picture)
        folder = tmp_path / f"audit{worst}"
        (folder / "damage").mkdir(parents=True)
        (folder / "damage" / "fog-3.h5").write_bytes(b"of the corruption")
        work = Work(
            model, photos, AuditFolder(folder), Stages(ia.Listener()),
            {"perturbed": list(map(str, places))}, {},
        )  # fmt: skip
        work._options = {"preprocess": "raw", "labels": str(photos / "labels.csv")}
        report = ia.measure_robustness(
            model, photos, perturbed=places, corruption="gaussian_noise", severity=[1, 3, 5],
            attack=[], preprocess="raw", labels=photos / "labels.csv",
        )  # fmt: skip
        assert row in report.own
        work._explain(report, 12)
        report.save(folder / "robustness.h5")
        (folder / "damage" / "fog-3.h5").unlink()
        assert (folder / "damage" / file).is_file()
        (own,) = Audit.load(folder).damages_of("own")
        assert own.damage.value == 100


def test_time_ends_it_at_an_images_end_and_more_time_goes_on(made, whole, tmp_path):
    folder = tmp_path / "audit"
    audit = ia.audit(*made, folder, preprocess="unit", time=0.01)
    assert audit.about["stopped_by"] == "time"
    assert 2 <= len(audit.robustness.image_ids) < 6
    assert set(audit.summary()["verdict"].values()) == {"undecided"}
    ia.audit(*made, folder, resume=True, time=None)
    same(folder, whole)


@pytest.mark.parametrize("by", ["time", "interruption"])
def test_a_look_that_was_ended_is_gone_on_with(made, whole, tmp_path, monkeypatch, by):
    monkeypatch.setattr(plan, "_LOOKS", (2, 4))
    monkeypatch.setattr(Work, "_explain", lambda *_: None)
    begun = tmp_path / "begun"

    def affordable(_left, _spent, _evaluated, images):
        if by == "interruption" and images == 3:
            raise KeyboardInterrupt
        return int(images < 3)

    with monkeypatch.context() as there, suppress(KeyboardInterrupt):
        there.setattr("iaside_onnx.measure.stopping._affordable", affordable)
        ia.audit(*made, begun, preprocess="unit", time=1e6, samples=4)
    left = {"time": 3, "interruption": 2}
    assert Audit.load(begun).verdicts.clean.n == left[by]
    for samples, images in ((0, 6), (5, 5), (3, 3)):
        folder = tmp_path / str(samples)
        shutil.copytree(begun, folder)
        found = ia.audit(*made, folder, resume=True, time=None, samples=samples)
        assert (found.about["stopped_by"], found.verdicts.clean.n) == ("images", images)
        if samples == 0:
            there = ia.load(whole / "robustness.h5")
            assert found.robustness.settings == there.settings
            np.testing.assert_allclose(found.robustness.change, there.change, atol=1e-5)


def test_an_audit_that_could_measure_more_says_so_with_the_command(
    made, quick, tmp_path, iaside, monkeypatch
):
    shutil.copytree(quick, tmp_path / "-a")
    shutil.copy(made[0], tmp_path / "-m.onnx")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plan, "_LOOKS", (4,))
    about = json.loads((tmp_path / "-a" / "audit.json").read_text())
    del about["asked"]["quick"]
    report = ia.load(quick / "robustness.h5").rows([0, 1, 2, 3])
    report = replace(report, settings={**report.settings, "samples": 4})
    report.save(tmp_path / "-a" / "robustness.h5", overwrite=True)
    for stopped, words, more in (
        ("quick", "a quick look, with 4 of the 6 images", ["--resume"]),
        ("time", "by its time limit, with 4 of the 6 images", ["--resume", "--time", "10m"]),
    ):
        about |= {"model": "-m.onnx", "images": str(made[1]), "stopped_by": stopped}
        (tmp_path / "-a" / "audit.json").write_text(json.dumps(about))
        text = iaside("show", "./-a").stdout
        assert words in " ".join(text.split())
        assert "why noise" in text
        assert "where the evidence lies: --resume" in text
        command = next(line for line in text.splitlines() if line.startswith("  Go on"))
        command = command.removeprefix("  Go on").strip()
        start = shlex.join(["iaside", "audit", "./-m.onnx", str(made[1]), "-o", "./-a"])
        assert command == " ".join([start, *more])
    monkeypatch.setattr("iaside_onnx.auditing.work.is_enough", lambda _: True)
    monkeypatch.setattr(Work, "_explain", lambda *_: None)
    monkeypatch.setattr(Work, "_check_images", lambda *_: None)  # these are the first, not drawn
    monkeypatch.setattr(Work, "_measure", lambda _, look, known: seen.append(look) or known)
    for stopped, samples, looks in (("enough", [], [4]), ("enough", ["--samples", "6"], [4, 6])):
        seen = []
        (tmp_path / "-a" / "audit.json").write_text(json.dumps({**about, "stopped_by": stopped}))
        done = iaside(*shlex.split(command)[1:], *samples)
        assert done.exit_code == 0, done.stderr
        assert seen == looks


def test_an_interruption_leaves_the_answer_of_what_is_there(made, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "_LOOKS", (2, 4))
    done = 0

    def advance(passes):
        nonlocal done
        done += passes
        if done > 2 * WIDTH + 10 and (tmp_path / "audit" / "analysis.h5").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ia.audit(
            *made, tmp_path / "audit", preprocess="unit", listener=ia.Listener(advance=advance)
        )
    assert json.loads((tmp_path / "audit" / "summary.json").read_text())["accuracy"]["n"] == 2
    found = Audit.load(tmp_path / "audit")
    recipe = {**found.analysis.settings["preprocess"], "mean": [0.5]}
    settings = {**found.analysis.settings, "preprocess": recipe}
    replace(found.analysis, settings=settings).save(tmp_path / "audit" / ANALYSIS, overwrite=True)
    with pytest.raises(ReportError, match="measured with another preprocessing than"):
        Audit.load(tmp_path / "audit")


def test_an_interruption_names_the_command_that_goes_on(made, tmp_path, iaside, monkeypatch):
    monkeypatch.setattr(interrupts, "_further", [])

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("iaside_onnx.auditing.work.inspect", stop)
    said = [
        "--time", "90", "--attack", "square-linf", "--attack", "spsa-l2", "--samples", "5",
        "--labels", "a b.csv", "--size", "20x30", "--skip-bad", "--no-tf32", "--logits",
    ]  # fmt: skip
    done = iaside("audit", *made, "-o", tmp_path / "a folder", *said)
    assert done.exit_code == 130
    (line,) = [each for each in done.stderr.splitlines() if "go on with" in each]
    words = shlex.split(line.partition("go on with ")[2])
    model, data = made
    start = ["iaside", "audit", str(model), str(data), "-o", f"{tmp_path}/a folder"]
    assert (words[:6], words[-1]) == (start, "--resume")
    monkeypatch.setattr("iaside_onnx.auditing.audit.audit", lambda *_, **given: asked.append(given))
    asked = []
    for each in ([*start[1:], *said], words[1:]):
        with suppress(SystemExit):
            iaside(*each, "--quiet")
    first, again = ({**each, "listener": 0, "resume": 0} for each in asked)
    assert first == again
    assert first["time"] == 90
    assert iaside("audit", *made, "--sampling", "nested").exit_code == 2
    assert "--sampling" not in iaside("audit", "--help-all").stdout


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a place that nobody may fill")
def test_a_folder_that_cannot_be_made_is_said_with_what_to_do(made, iaside):
    done = iaside("audit", *made, "-o", "/proc/a", "--quick")
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: /proc/a: cannot be made: ")
    assert done.stderr.endswith("; give a folder elsewhere with -o\n")


def test_folders_that_are_no_audit_of_this_model_are_left_alone(made, whole, tmp_path):
    other = graphs.small_network(tmp_path / "other.onnx", seed=1)
    with pytest.raises(IasideError, match="audit of another model"):
        ia.audit(other, made[1], whole, resume=True)
    pixels = np.random.default_rng(1).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    (tmp_path / "new").mkdir()
    data = write_npz(tmp_path / "new" / "d.npz", pixels, np.arange(6) % 4)
    shutil.copytree(whole, tmp_path / "begun")
    report = ia.load(whole / "robustness.h5").rows([0, 1, 2])
    report = replace(report, run={**report.run, "stopped_by": "time"})
    report.save(tmp_path / "begun" / "robustness.h5", overwrite=True)
    with pytest.raises(IasideError, match="was measured on other images than those of"):
        ia.audit(made[0], data, tmp_path / "begun", resume=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    for options in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(IasideError, match="holds other files"):
            ia.audit(*made, tmp_path / "mine", **options)
    with pytest.raises(IasideError, match="is a file"):
        ia.audit(*made, tmp_path / "other.onnx")
    copy = tmp_path / "copy"
    shutil.copytree(whole, copy)
    (copy / "notes.txt").write_text("x")
    ia.audit(*made, copy, overwrite=True, quick=True, preprocess="unit")
    assert not (copy / "analysis.h5").exists()
    assert (copy / "notes.txt").read_text() == "x"


def test_a_trial_that_was_read_in_another_way_costs_nothing_but_its_images(
    made, quick, tmp_path, monkeypatch
):
    """What few images make of a file, more may not; a new folder ends in no error for that."""
    measured = Work._robustness

    def robustness(work, images, **given):
        return measured(
            work, images, **({} if "target" in given else {"temperature": 2.0}), **given
        )

    monkeypatch.setattr(Work, "_robustness", robustness)
    audit = ia.audit(*made, tmp_path / "audit", preprocess="unit", quick=True)
    expected = ia.load(quick / "robustness.h5")
    assert audit.robustness.settings == expected.settings
    np.testing.assert_array_equal(audit.robustness.wrong, expected.wrong)


def test_what_differs_is_said_where_a_folder_cannot_be_gone_on_with(made, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "begun")
    all_of_it = ia.load(whole / "robustness.h5")
    run = {"stopped_by": "time", "sample_digest": all_of_it.data["digest"]}
    report = all_of_it.rows([0, 1, 2])
    report = replace(report, run=report.run | run)
    for settings, provider, words in (
        ({"output": "before"}, "cpu", "now: output before against scores; go on with"),
        ({"temperature": 2.0}, "cpu", "now: temperature 2.0 against 1.0; go on with"),
        ({}, "cuda", "now: provider cuda against cpu; go on with"),
    ):
        other = replace(report, settings=report.settings | settings, provider=provider)
        other.save(tmp_path / "begun" / "robustness.h5", overwrite=True)
        with pytest.raises(IasideError, match=words):
            ia.audit(*made, tmp_path / "begun", resume=True)


def files(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_audit_is_replaced_only_by_one_that_has_measured_something(made, whole, tmp_path):
    folder = tmp_path / "audit"
    shutil.copytree(whole, folder)
    before = files(folder)
    np.savez(tmp_path / "small.npz", images=np.zeros((6, 8, 8, 3), np.uint8))
    model, data = made
    for wrong, given in [
        ((tmp_path / "typo.onnx", data), {}),
        ((model, tmp_path / "nowhere"), {}),
        ((model, data), {"preprocess": "no such"}),
        ((model, data), {"preprocess": "unit", "perturbed": tmp_path / "small.npz"}),
    ]:
        with pytest.raises(IasideError):
            ia.audit(*wrong, folder, overwrite=True, **given)
        assert files(folder) == before
    ia.audit(model, data, folder, overwrite=True, preprocess="raw", quick=True)
    assert sorted(path.name for path in folder.iterdir()) == [
        "audit.json", "index.html", "robustness.h5", "summary.json",
    ]  # fmt: skip
    assert ia.load(folder / "robustness.h5").settings["preprocess"]["name"] == "raw"


def test_going_on_with_other_images_or_labels_is_refused(tmp_path):
    model, photos = brightness(tmp_path / "m.onnx"), pictures(tmp_path / "photos", folders=False)
    write_labels(photos)
    folder = tmp_path / "audit"
    ia.audit(model, photos, folder, quick=True, preprocess="raw")
    before = files(folder)
    other = tmp_path / "other"
    shutil.copytree(photos, other)
    # The same pictures at another place.
    assert ia.audit(model, other, folder, quick=True, resume=True).robustness.data["samples"] == 12
    for changed in ("picture", "label", "one more", "gone"):
        shutil.rmtree(other)
        shutil.copytree(photos, other)
        if changed == "picture":
            picture = np.asarray(Image.open(other / "03.png"))
            Image.fromarray(255 - picture).save(other / "03.png")
        elif changed == "label":
            text = (other / "labels.csv").read_text()
            (other / "labels.csv").write_text(text.replace("03.png,1", "03.png,0"))
        elif changed == "one more":
            shutil.copy(other / "03.png", other / "12.png")
            with (other / "labels.csv").open("a") as stream:
                stream.write("12.png,1\n")
        else:
            shutil.rmtree(other)
        for given in ({"quick": True}, {"quick": False, "samples": 8}):
            with pytest.raises(IasideError, match="no such file" if changed == "gone" else "other"):
                ia.audit(model, other, folder, resume=True, **given)
        assert files(folder).keys() == before.keys()
        assert files(folder)["audit.json"] == before["audit.json"]


@pytest.mark.parametrize("altered", [
    {"recipe": 7}, {"available": "x"}, {"available": 0}, {"found": 5}, {"asked": [1]},
    {"asked": {"keep": "x"}}, {"asked": {"samples": [2]}}, {"asked": {"attack": 5}},
    {"found": {"labels": 5}}, {"found": {"size": ["a", 1]}}, {"asked": {"seed": "x"}},
    {"asked": {"set": "x"}}, {"asked": {"input": 5}}, {"asked": {"size": 3}},
    {"keep": True}, {"sha256": None}, {"found": {"x": {}}}, {"found": {"no_option": 1}},
    {"format": "x"}, {"format_version": 2}, {"format_version": [2], "iaside_version": ["a\nb"]},
    {"asked": {"label_offset": "x"}}, {"asked": {"layout": 3}}, {"asked": {"output_kind": 3}},
])  # fmt: skip
def test_an_altered_record_of_what_was_asked_is_refused(made, quick, iaside, altered):
    about = json.loads((quick / "audit.json").read_text())
    (quick / "audit.json").write_text(json.dumps({**about, **altered}))
    try:
        done = iaside("audit", *made, "-o", quick, "--resume", "--quick")
        assert done.exit_code == 2, done.stderr
        assert sum(line.startswith("Error:") for line in done.stderr.splitlines()) == 1
        if set(altered) & {"recipe", "available", "keep", "sha256", "format", "format_version"}:
            with pytest.raises(IasideError, match=r"holds no usable|another"):
                ia.load(quick)
    finally:
        (quick / "audit.json").write_text(json.dumps(about))


def test_reports_of_one_folder_are_of_the_same_images(made, whole, tmp_path):
    data = np.load(made[1])
    other = write_npz(tmp_path / "d.npz", data["images"] // 2, data["labels"])
    mixed = tmp_path / "mixed"
    shutil.copytree(whole, mixed)
    (mixed / "analysis.h5").unlink()
    ia.analyze(
        made[0], other, mixed / "analysis.h5", preprocess="unit", bands=2, samples=3,
        sampling="nested",
    )  # fmt: skip
    for opened in (ia.load, ia.gate):
        given = {} if opened is ia.load else {"min_accuracy": 0.1}
        with pytest.raises(IasideError, match="other contents"):
            opened(mixed, **given)
    # As an earlier version wrote it.
    old = replace(ia.load(whole / "robustness.h5"), image_digests=None)
    old.save(mixed / "robustness.h5", overwrite=True)
    for path in (mixed / "damage").glob("*.h5"):
        path.unlink()
    Audit.load(mixed)  # of three of six images nothing is known
    (mixed / "analysis.h5").unlink()
    ia.analyze(made[0], other, mixed / "analysis.h5", preprocess="unit", bands=2, samples=6,
               sampling="nested")  # fmt: skip
    with pytest.raises(IasideError, match="their contents differ"):
        Audit.load(mixed)


def test_without_a_folder_nothing_is_left(made, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    audit = ia.audit(*made, quick=True, preprocess="unit")
    assert list(tmp_path.iterdir()) == []
    assert set(audit.summary()["verdict"]) == {"noise", "blur", "weather", "digital"}
    with pytest.raises(IasideError, match="no option 'shard'"):
        ia.audit(*made, quick=True, shard="1/2")


def test_a_quick_audit_is_gone_on_with_in_full(made, whole, tmp_path):
    folder = tmp_path / "audit"
    with pytest.raises(IasideError, match="quick=True goes without attack"):
        ia.audit(*made, folder, quick=True, attack="square-linf")
    ia.audit(*made, folder, quick=True, preprocess="unit")
    assert not (folder / "analysis.h5").exists()
    ia.audit(*made, folder, resume=True)
    same(folder, whole)


def test_nothing_is_left_of_an_audit_that_could_measure_nothing(made, tmp_path):
    with pytest.raises(IasideError, match="no such file or folder"):
        ia.audit(*made, tmp_path / "a", preprocess="unit", perturbed=tmp_path / "nowhere")
    np.savez(tmp_path / "small.npz", images=np.zeros((6, 8, 8, 3), np.uint8))
    with pytest.raises(IasideError):
        ia.audit(*made, tmp_path / "a", preprocess="unit", perturbed=tmp_path / "small.npz")
    assert not (tmp_path / "a").exists()


def test_plans():
    assert list(plan.looks(39)) == [39]
    assert list(plan.looks(60)) == [40, 60]
    assert list(plan.looks(50_000))[-3:] == [10_000, 25_000, 50_000]
    assert plan.game(64, 64, 3) == {"bands": 8, "estimator": "exact"}
    assert plan.game(224, 224, 3) == {"bands": 8, "estimator": "permutation", "passes": 29}


@pytest.mark.parametrize(
    ("shares", "severity"),
    [((0.3, 0.6, 0.9), 3), ((0.0, 0.3, 0.4), 5), ((0.8, 0.9, 1.0), 1), ((0.0, 0.0, 0.0), None)],
)
def test_damage_is_explained_where_it_is_large_and_where_the_model_is_weak(shares, severity):
    wrong = np.stack([np.arange(200) < 200 * share for share in shares], axis=1)[:, None]
    classes = {"source": "photos", "digest": "cd" * 32, "samples": 200, "classes": 100}
    report = made_up(
        np.zeros(200, bool), wrong, severities=[1, 3, 5], data=classes,
        labels=np.arange(200) % 100, predicted=np.arange(200) % 100,
    )  # fmt: skip
    spots = plan.weak_spots(report, verdicts(report))
    assert [spot.severity for spot in spots] == ([] if severity is None else [severity])


class Anything:
    """Stands in for a base class of a framework."""


@pytest.fixture
def callback(monkeypatch):
    """Gives a callback of the guide, with stand-ins for the frameworks that it imports."""
    torch, lightning, keras = map(ModuleType, ("torch", "lightning", "keras"))
    torch.zeros = lambda *shape, **_: np.zeros(shape)
    lightning.Callback = Anything
    keras.callbacks = SimpleNamespace(Callback=Anything)
    text = (ROOT / "docs" / "training.md").read_text()
    tree = ast.parse("\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL)))

    def of(name):
        kept = ast.Import, ast.ImportFrom, ast.ClassDef
        tree.body = [
            node
            for node in tree.body
            if isinstance(node, kept) and getattr(node, "name", name) == name
        ]
        with monkeypatch.context() as there:  # others must not take them for the real ones
            for module in (torch, lightning, keras):
                there.setitem(sys.modules, module.__name__, module)
            exec(compile(tree, "training.md", "exec"), names := {})
        return names[name], torch

    return of


def test_the_callback_for_lightning_logs_what_is_right(made, callback):
    logged, data = {}, np.load(made[1])
    kind, torch = callback("Audit")
    torch.onnx = SimpleNamespace(export=lambda _, __, file, **___: file.write(made[0].read_bytes()))
    audit = kind(data["images"], data["labels"], every=2)
    module = SimpleNamespace(device="cpu", log=lambda name, value: logged.update({name: value}))
    for epoch, sanity in ((1, True), (0, False)):
        trainer = SimpleNamespace(current_epoch=epoch, sanity_checking=sanity)
        audit.on_validation_epoch_end(trainer, module)
    assert logged == {}
    audit.on_validation_epoch_end(SimpleNamespace(current_epoch=1, sanity_checking=False), module)
    assert set(logged) == {"right/noise", "right/blur", "right/weather", "right/digital"}
    assert all(0 <= value <= 1 for value in logged.values())


def test_the_callback_for_keras_logs_what_is_right(made, callback, tmp_path):
    logs, data = {}, np.load(made[1])
    network = graphs.small_network(tmp_path / "k.onnx", layout="nhwc")
    audit = callback("KerasAudit")[0](data["images"], data["labels"], every=1)
    audit.model = SimpleNamespace(export=lambda file, **_: file.write_bytes(network.read_bytes()))
    audit.on_epoch_end(0, logs)
    assert set(logs) == {"right/noise", "right/blur", "right/weather", "right/digital"}
