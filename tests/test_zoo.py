"""The bundled networks that differ in robustness, and the tool that trains them."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import onnxruntime as ort
import pytest
from PIL import Image

import iaside_onnx as ia
from tools.zoo.table import read_card, write_table

from .conftest import ROOT
from .exporters import Exporter, python_with

ZOO = ROOT / "models" / "zoo"
NETWORKS = sorted(ZOO.glob("*.onnx"))
MEGABYTE = 10**6


@pytest.fixture
def bundled():
    if not ZOO.is_dir():
        pytest.skip("models/zoo is not here (a source distribution leaves it out)")
    assert len(NETWORKS) >= 16
    return NETWORKS


def test_cards_belong_to_the_files_and_all_are_small(bundled):
    names = {path.stem for path in bundled}
    assert names == {path.stem for path in ZOO.glob("*.md")} - {"README"}
    for path in bundled:
        facts = read_card(path.with_suffix(".md"))
        assert facts["sha256"] == f"`{hashlib.sha256(path.read_bytes()).hexdigest()}`"
        assert facts["file size"] == f"{path.stat().st_size} bytes"
    files = [path for path in (ROOT / "models").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 15 * MEGABYTE


def test_the_table_is_what_the_cards_say(bundled, tmp_path):
    table = (ZOO / "README.md").read_text(encoding="utf-8")
    order = [line.split("[")[1].split("]")[0] for line in table.splitlines() if "| [" in line]
    assert sorted(order) == sorted(path.stem for path in bundled)
    for path in bundled:
        (tmp_path / f"{path.stem}.md").write_bytes(path.with_suffix(".md").read_bytes())
    write_table(tmp_path, order)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == table


@pytest.mark.usefixtures("bundled")
@pytest.mark.parametrize("name", ["resnet-plain", "vit-noise"])
def test_clean_accuracy_is_what_onnxruntime_gives(name):
    session = ort.InferenceSession(ZOO / f"{name}.onnx", providers=["CPUExecutionProvider"])
    classes = json.loads(session.get_modelmeta().custom_metadata_map["iaside.classes"])
    paths = sorted((ROOT / "demo" / "test").glob("*/*.png"))
    pixels = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])
    scores = session.run(None, {"image": np.float32(pixels.transpose(0, 3, 1, 2)) / 255})[0]
    right = [path.parent.name for path in paths] == np.array(classes)[scores.argmax(axis=1)]
    assert f"{right.mean():.3f}" == read_card(ZOO / f"{name}.md")["clean"]


@pytest.mark.usefixtures("bundled")
def test_a_network_is_audited_without_any_option(iaside, tmp_path):
    report = tmp_path / "report.h5"
    small = ("-o", report, "--samples", 12, "--bands", 2)
    done = iaside("analyze", ZOO / "mixer-plain.onnx", ROOT / "demo" / "test", *small)
    assert done.exit_code == 0, done.output
    assert ia.load(report).accuracy > 0.5


@pytest.fixture
def stripes(tmp_path):
    """Two classes of six pictures: stripes that lie, and stripes that stand."""
    rng = np.random.default_rng(0)
    rows = np.arange(80)
    for place in range(6):
        wave = 128 + 60 * np.sin(rows * rng.uniform(0.5, 0.9) + rng.uniform(0, 6))
        lying = np.repeat(wave[:, None], 90, axis=1) + rng.normal(0, 5, (80, 90))
        for name, pixels in (("lying", lying), ("standing", lying.T)):
            folder = tmp_path / "photographs" / name
            folder.mkdir(parents=True, exist_ok=True)
            picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
            picture.save(folder / f"{place}.png")
    return tmp_path / "photographs"


def test_a_network_learns_any_folder_of_classes(stripes, iaside, tmp_path):
    tool = Exporter(python_with("pytorch"), "", ROOT)
    asked = ("--only", "vit-plain", "--images", stripes, "--steps", 25, "--out", tmp_path)
    done = tool.run("-m", "tools.zoo", *asked)
    assert done.returncode == 0, done.stderr
    facts = read_card(tmp_path / "vit-plain.md")
    blob = (tmp_path / "vit-plain.onnx").read_bytes()
    assert facts["sha256"] == f"`{hashlib.sha256(blob).hexdigest()}`"
    assert facts["data"] == "a folder of photographs: 10 training pictures, 2 test crops"
    assert facts["classes"] == "lying, standing"
    assert facts["clean"] == "1.000"
    assert "[vit-plain](vit-plain.md)" in (tmp_path / "README.md").read_text(encoding="utf-8")
    assert iaside("inspect", tmp_path / "vit-plain.onnx").exit_code == 0


def test_a_folder_without_classes_is_refused(stripes):
    tool = Exporter(python_with("pytorch"), "", ROOT)
    done = tool.run("-m", "tools.zoo", "--images", stripes / "lying")
    assert done.returncode == 2
    assert "needs a sub-folder for each of two classes or more" in done.stderr
