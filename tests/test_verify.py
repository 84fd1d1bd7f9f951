"""Whether a file is whole, follows from its table, and can be repeated; and who signed it."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace

import h5py
import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import UsageError
from iaside_onnx.measure.verification import verify
from iaside_onnx.storage.seal import seal

from . import graphs
from .conftest import ROOT
from .small_audits import six_images

DATA = ROOT / "tests" / "data"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model, images, and files of the four kinds; in s and z no model was measured."""
    folder = tmp_path_factory.mktemp("verify")
    model, images = graphs.small_network(folder / "m.onnx"), six_images(folder)
    ia.analyze(model, images, folder / "a.h5", bands=3, samples=5)
    ia.analyze(model, images, folder / "d.h5", bands=3, estimator="permutation", passes=8)
    ia.measure_heatmap(model, images, folder / "h.h5", bands=2, grid=3)
    ia.measure_heatmap(model, images, folder / "p.h5", bands=2, grid=3, shard="2/2")
    ia.measure_robustness(
        model,
        images,
        folder / "r.h5",
        corruption=["fog"],
        severity=[1, 2],
        queries=20,
        attack=["square-linf", "square-l2"],
        attack_samples=3,
    )
    ia.measure_snr(images, folder / "s.h5", corruption=["fog"], severity=[1], bands=2)
    ia.measure_snr(
        images,
        folder / "z.h5",
        corruption=["snow"],
        severity=[1],
        bands=2,
        size=(12, 10),
        separate_dc=True,
        shard="1/2",
    )
    ia.measure_snr(
        images,
        folder / "t.h5",
        attack="square-l2",  # with rings of the other norm
        model=model,
        epsilon=0.5,
        queries=10,
        severity=[1, 3],
        bands=2,
        corruption=["fog"],
    )
    ia.explain(model, images, folder / "e.h5", corruption="fog", bands=3, separate_dc=True)
    attack = {"attack": "square-linf", "queries": 20, "epsilon": 0.1}
    ia.explain(model, images, folder / "w.h5", **attack, bands=3, split=True,
               estimator="permutation", passes=22, shard="2/2")  # fmt: skip
    return folder


def checks(found):
    return {check.name: check.holds for check in found.checks}


@pytest.mark.parametrize("name", ["a", "d", "h", "p", "r", "s", "z", "t", "e", "w"])
def test_rows_done_again_are_the_same_bit_for_bit(iaside, made, name):
    model = [] if name in ("s", "z") else ["--model", made / "m.onnx"]
    done = iaside("verify", made / f"{name}.h5", *model, "--images",
                  made / "d.npz", "--redo", 3, "--json")  # fmt: skip
    assert done.exit_code == 0, done.stdout
    found = json.loads(done.stdout)
    assert found["holds"]
    rows = next(check for check in found["checks"] if check["name"] == "rows")
    assert "3 of" in rows["text"]
    assert "the same bit for bit" in rows["text"]
    assert found["not_shown"] == ["who made the file: a seal can be computed again by anyone"]


@pytest.mark.parametrize("name", ["a", "d", "h", "r", "s", "e"])
def test_every_kind_of_file_is_held_against_its_images(made, name, tmp_path):
    assert verify(made / f"{name}.h5", images=made / "d.npz").holds
    other = np.load(made / "d.npz")
    changed = other["images"].copy()
    changed[:, 0, 0, 0] += 1
    for images, labels in ((changed, other["labels"]), (other["images"], 3 - other["labels"])):
        np.savez(tmp_path / "d.npz", images=images, labels=labels)
        found = verify(made / f"{name}.h5", images=tmp_path / "d.npz")
        assert (found.holds, checks(found)["images"]) == (False, False)


def test_a_value_altered_and_sealed_again_is_found_by_doing_it_again(made, tmp_path):
    report = ia.load(made / "a.h5")
    table = report.log_prob.copy()
    table[2, 1] -= 0.5
    target = tmp_path / "a.h5"
    replace(report, log_prob=table).save(target)
    assert verify(target).holds
    operands = {"model": made / "m.onnx", "images": made / "d.npz"}
    found = verify(target, **operands, redo=5)
    assert checks(found)["rows"] is False
    answers = replace(report, predicted=(report.predicted + 1) % 4)
    answers.save(target, overwrite=True)
    assert checks(verify(target, **operands, redo=1))["rows"] is False
    other = replace(report, settings={**report.settings, "seed": 9})
    other.save(target, overwrite=True)
    assert not verify(target, **operands, redo=1).holds


@pytest.mark.parametrize(("name", "column"), [("s", 0), ("t", -1)])
def test_sums_of_spectra_altered_are_found_by_making_them_again(made, tmp_path, name, column):
    report, target = ia.load(made / f"{name}.h5"), tmp_path / "s.h5"
    operands = {"images": made / "d.npz"}
    if name == "t":
        with pytest.raises(UsageError, match="redo needs model and images"):
            verify(made / "t.h5", **operands, redo=1)
        operands["model"] = made / "m.onnx"
    noise = report.noise.copy()
    noise[1, :, column, 0, 2] *= 1.5
    replace(report, noise=noise).save(target)
    assert checks(verify(target, **operands, redo=5))["rows"] is False
    replace(report, settings={**report.settings, "seed": 9}).save(target, overwrite=True)
    assert checks(verify(target, **operands, redo=1))["rows"] is False


def flip(dataset, factor=1):
    """Values in reversed order, times a factor."""
    dataset[...] = dataset[()][::-1] * factor


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda f: flip(f["sid/values"]), "numbers"),
        (lambda f: f["srs/value"].write_direct(np.array(0.9)), "numbers"),
        (lambda f: flip(f["shapley/interactions"], np.nan), "numbers"),
        (lambda f: f.pop("srs/interval"), "numbers"),
        (lambda f: f.attrs.__setitem__("model_sha256", "0" * 64), "names"),
        (lambda f: flip(f["game/labels"]), "names"),
        (lambda f: flip(f["game/log_prob"], -1),
         "content"),
    ],
)  # fmt: skip
def test_what_does_not_follow_from_the_table_is_exit_code_1(iaside, tmp_path, change, name):
    target = tmp_path / "a.h5"
    shutil.copy(DATA / "analysis-v1.h5", target)
    with h5py.File(target, "r+") as file:
        change(file)
    unsealed = iaside("verify", target)
    assert (unsealed.exit_code, "seal:      DOES NOT HOLD" in unsealed.stdout) == (1, True)
    seal(target)
    done = iaside("verify", target)
    assert done.exit_code == 1
    assert f"{name + ':':<11}DOES NOT HOLD" in done.stdout


def test_what_cannot_be_asked_is_exit_code_2(iaside, made, tmp_path):
    other = tmp_path / "x.h5"
    other.write_text("x")
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        file.attrs["format"] = "something"
    for arguments in (
        [tmp_path / "none.h5"],
        [other],
        [made / "a.h5", "--redo", 2],
        [made / "a.h5", "--redo", -1],
        [made / "a.h5", "--model", other],
        [made / "a.h5", "--images", tmp_path / "none"],
        [made / "s.h5", "--model", made / "m.onnx"],
        [made / "s.h5", "--redo", 1],
        [made / "t.h5", "--images", made / "d.npz", "--redo", 1],
        [made / "a.h5", "--identity", "me"],
        [made / "a.h5", "--allowed-signers", tmp_path / "none"],
    ):
        done = iaside("verify", *arguments)
        assert done.exit_code == 2, arguments
        assert done.stderr.startswith("Error: ")
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "name", ["analysis-v1", "analysis-v2", "report-v1", "heatmap-v1", "snr-v1"]
)
def test_released_files_hold(name):
    found = verify(DATA / f"{name}.h5")
    assert found.holds
    assert checks(found)["seal"] is (None if name == "report-v1" else True)


def test_a_file_without_a_seal_is_said_to_have_none(iaside):
    path = DATA / "report-v1.h5"
    for command in (["show", path], ["gate", path, "--min-score", -0.2, "--point"]):
        assert "has no seal" in iaside(*command).stderr


@pytest.fixture
def keys(tmp_path):
    """Two keys, and a file of allowed signers that trusts the first."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("there is no ssh-keygen")
    for name in ("mine", "other"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)]
        subprocess.run(command, check=True)
    public = (tmp_path / "mine.pub").read_text()
    (tmp_path / "signers").write_text(f"audits@example.org {public}")
    return tmp_path


def sign(keys, name, path, space="iaside-report"):
    path.with_name(path.name + ".sig").unlink(missing_ok=True)
    command = ["ssh-keygen", "-Y", "sign", "-n", space, "-f", str(keys / name), str(path)]
    subprocess.run(command, check=True, capture_output=True)


def test_a_signature_is_demanded_by_verify_and_by_gate(iaside, keys):
    report = keys / "r.h5"
    shutil.copy(DATA / "analysis-v1.h5", report)
    asked = [report, "--allowed-signers", keys / "signers"]

    def codes(*more):
        gated = ["gate", *asked, *more, "--min-score", -0.2, "--point"]
        return iaside("verify", *asked, *more).exit_code, iaside(*gated).exit_code

    assert codes() == (1, 2)  # there is none
    sign(keys, "other", report)
    assert codes() == (1, 2)
    sign(keys, "mine", report, space="file")
    assert codes() == (1, 2)
    sign(keys, "mine", report)
    assert codes() == (0, 0)
    assert codes("--identity", "audits@example.org") == (0, 0)
    assert codes("--identity", "somebody@example.org") == (1, 2)
    shutil.move(f"{report}.sig", keys / "elsewhere")
    assert codes("--signature", keys / "elsewhere") == (0, 0)
    found = json.loads(iaside("verify", *asked, "--signature", keys / "elsewhere", "--json").stdout)
    assert not any("who made" in text for text in found["not_shown"])
    report.write_bytes(report.read_bytes()[:-1])
    assert codes("--signature", keys / "elsewhere") == (1, 2)


def test_rows_are_done_again_through_the_recipe_that_the_report_holds(iaside, made, tmp_path):
    recipe = tmp_path / "mine.toml"
    recipe.write_text("scale = 2\nmean = [0.1, 0.2, 0.3]\n")
    operands = made / "m.onnx", made / "d.npz"
    target = tmp_path / "r.h5"
    asked = "analyze", *operands, "-o", target, "--bands", 2, "--preprocess", recipe
    assert iaside(*asked).exit_code == 0
    recipe.unlink()
    done = iaside("verify", target, "--model", operands[0], "--images", operands[1], "--redo", 2)
    assert done.exit_code == 0, done.stdout
    assert "the same bit for bit" in done.stdout


def test_rows_of_files_that_drew_by_name_cannot_be_asked_for(iaside):
    operands = ROOT / "models" / "demo-plain.onnx", ROOT / "demo" / "test"
    asked = "--model", operands[0], "--images", operands[1], "--redo", 1
    done = iaside("verify", DATA / "analysis-v1.h5", *asked)
    assert done.exit_code == 2
    assert "by its file name" in done.stderr


def test_images_in_named_folders_keep_the_numbers_that_the_model_gives_them(
    tmp_path, photographs, iaside
):
    model = graphs.small_network(tmp_path / "m.onnx")
    names = tmp_path / "names.txt"
    names.write_text("class2\nclass0\nclass3\nclass1\n")
    asked = {"class_names": names, "bands": 2, "preprocess": "unit"}
    ia.analyze(model, photographs, tmp_path / "r.h5", **asked)
    measured = {"corruption": "fog", "severity": 1, "attack": "none", "preprocess": "unit"}
    ia.measure_robustness(model, photographs, tmp_path / "m.h5", class_names=names, **measured)
    for name in ("r.h5", "m.h5"):
        report = tmp_path / name
        done = iaside("verify", report, "--model", model, "--images", photographs,
                      "--class-names", names, "--redo", 2)  # fmt: skip
        assert done.exit_code == 0, done.stdout
        assert "with the same contents, labelled by names" in done.stdout
    # Images that changed their folders have other labels.
    pair = [photographs / each / "0.png" for each in ("class0", "class1")]
    content = [each.read_bytes() for each in pair]
    for each, by in zip(pair, reversed(content), strict=True):
        each.write_bytes(by)
    assert not verify(tmp_path / "r.h5", images=photographs).holds
    report = ia.load(tmp_path / "r.h5")
    turned = replace(report, labels=(report.labels + 1) % 4)
    held = replace(turned, data={**turned.data, "digest": turned.computed_digest()})
    held.save(tmp_path / "t.h5")
    for each, by in zip(pair, content, strict=True):
        each.write_bytes(by)
    assert checks(verify(tmp_path / "r.h5", images=photographs))["images"]
    assert not checks(verify(tmp_path / "t.h5", images=photographs))["images"]
