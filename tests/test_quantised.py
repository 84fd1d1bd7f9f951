"""A model and quantised versions of it, compared."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

import iaside_onnx as ia
from iaside_onnx.cli import main
from iaside_onnx.measure.quantized import KINDS, _in_batches, model_inputs

from . import graphs
from .conftest import ROOT


@pytest.fixture(scope="module")
def quantised(tmp_path_factory):
    """Reports of the plain demo model and of four quantised versions of it."""
    folder = tmp_path_factory.mktemp("quantised") / "made"
    model, images = ROOT / "models" / "demo-plain.onnx", ROOT / "demo" / "test"
    fed = model_inputs(model, images, None, 24, seed=1)
    assert sum(len(batch["image"]) for batch in fed) == 24
    done = CliRunner().invoke(
        main, ["quantize", *map(str, (model, images, "-o", folder)), "--samples", "24"]
    )
    assert done.exit_code == 0, done.stderr
    reports = {"float": ia.analyze(model, images, bands=3, samples=36)}
    for kind in KINDS:
        target = folder / f"demo-plain-{kind}.onnx"
        assert str(target) in done.stdout
        reports[kind] = ia.analyze(target, images, bands=3, samples=36)
    return reports


def test_quantised_artifacts_are_read_right_and_keep_the_profile(quantised):
    reference = quantised.pop("float")
    pairs = ia.compare(reference, *quantised.values()).pairs
    for pair, report in zip(pairs, quantised.values(), strict=True):
        assert report.settings["output_kind"] == "logits"
        # Scales taken from the whole batch make an image's scores depend on the others in it.
        assert ("one by one" in str(report.run["warnings"])) == ("dynamic" in pair.report)
        assert (report.run["batch"] == 1) == ("dynamic" in pair.report)
        assert report.class_names == reference.class_names
        assert pair.contents == "equal"
        assert not pair.identical
        assert abs(pair.accuracy.difference) <= 0.1
        assert abs(pair.srs_signed.difference) < 0.06
        # Pairing takes away what both versions have in common, which is nearly everything.
        unpaired = np.hypot(*(np.ptp(each.intervals.srs_signed) for each in (reference, report)))
        assert pair.srs_signed.high - pair.srs_signed.low < 0.6 * unpaired
    half = pairs[-1].srs_signed
    assert half.high - half.low < 0.002


@pytest.mark.parametrize(("images", "size"), [(5, 16), (20, 16), (8, 3)])
def test_a_fixed_batch_takes_all_images(tmp_path, images, size):
    proto = onnx.load(graphs.small_network(tmp_path / "net.onnx"))
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = size
    name = proto.graph.input[0].name
    rows = np.arange(images)[:, None]
    fed = [{name: rows[start : start + 8]} for start in range(0, images, 8)]
    made = _in_batches(fed, proto)
    assert {len(batch[name]) for batch in made} == {size}
    assert {int(row[0]) for batch in made for row in batch[name]} == set(range(images))
    assert len(made) == -(-images // size)


def test_what_cannot_be_quantised_is_said_and_a_fixed_batch_is_kept(iaside, tmp_path, photographs):
    model = graphs.small_network(tmp_path / "net.onnx")
    proto = onnx.load(model)
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    onnx.save(proto, model)
    few = (photographs, "--samples", 3, "-o", tmp_path / "made")
    kinds = "--kind", "qdq", "--kind", "float16", "--preprocess", "unit", "--labels", "model"
    done = iaside("quantize", model, *few, *kinds)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.rstrip().endswith(f"{photographs} --labels model --preprocess unit")
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == [
        "net-float16.onnx",
        "net-qdq.onnx",
    ]
    again = iaside("quantize", model, *few)
    assert "net-qdq.onnx: exists already; use --overwrite" in again.stderr
    half = iaside("quantize", tmp_path / "made" / "net-float16.onnx", *few)
    assert half.exit_code == 2
    assert "give the float32 file" in half.stderr
