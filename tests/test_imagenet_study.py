"""The study of ImageNet networks: its halves, variants and intervals, and what is quoted."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from tools.studies.imagenet import table
from tools.studies.imagenet.gather import FILE
from tools.studies.imagenet.photographs import BUILDING, REPORTING, half_of, write_halves
from tools.studies.imagenet.statistics import apart, effective_number, spearman_of_families
from tools.studies.imagenet.variants import pruned, weights_of


def pictures(folder, names, seed=0):
    rng = np.random.default_rng(seed)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)).save(folder / name)


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_halves_hang_on_pixels_alone_and_share_no_photograph(tmp_path):
    names = [f"n{place % 3:08}/{place}.png" for place in range(20)]
    pictures(tmp_path / "folders", names)
    pictures(tmp_path / "flat", [f"other-{place}.png" for place in range(20)])
    lines = [f"other-{place}.png,{place % 3}" for place in range(20)]
    (tmp_path / "flat" / "labels.csv").write_text("\n".join(["file,label", *lines]) + "\n")
    found = {}
    for kind in ("folders", "flat"):
        out = tmp_path / f"{kind}-out"
        out.mkdir()
        tables = write_halves(tmp_path / kind, out)
        halves = {half: rows(tables[half]) for half in (BUILDING, REPORTING)}
        assert all(halves.values())
        assert sum(map(len, halves.values())) == 20
        stems = [{Path(row["file"]).stem.split("-")[-1] for row in halves[half]} for half in halves]
        assert not stems[0] & stems[1]
        found[kind] = stems
        assert {row["label"][-1] for half in halves.values() for row in half} == set("012")
    assert found["folders"] == found["flat"]


def test_the_rule_of_the_halves_is_the_published_one():
    # The first byte of SHA-256 is 5f for b"0", 6b for b"1" and d4 for b"2".
    assert [half_of(each) for each in (b"0", b"1")] == [REPORTING, REPORTING]
    assert half_of(b"2") == BUILDING


def test_pruning_takes_the_smallest_weights_of_wide_layers_alone(tmp_path):
    rng = np.random.default_rng(0)
    wide, depthwise, few = (rng.normal(size=s).astype(np.float32) for s in
                            ((40, 30, 1, 1), (300, 1, 3, 3), (4, 40, 1, 1)))  # fmt: skip
    held = [("wide", wide), ("depthwise", depthwise), ("few", few)]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", name], [f"y-{name}"]) for name, _ in held], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("y-wide", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(values, name) for name, values in held],
    )  # fmt: skip
    onnx.save(helper.make_model(graph), tmp_path / "net.onnx")
    pruned(tmp_path / "net.onnx", tmp_path / "less.onnx", 0.7)
    left = weights_of(onnx.load(tmp_path / "less.onnx"))
    assert np.mean(left["wide"] == 0) == pytest.approx(0.7, abs=1e-3)
    kept = np.abs(wide) >= np.quantile(np.abs(wide), 0.7)
    np.testing.assert_array_equal(left["wide"], np.where(kept, wide, 0))
    np.testing.assert_array_equal(left["depthwise"], depthwise)
    np.testing.assert_array_equal(left["few"], few)


def test_correlations_rest_on_families_and_are_not_claimed_of_few():
    rng = np.random.default_rng(1)
    first = rng.normal(size=9)
    second = -first + rng.normal(size=9)
    names = [f"family-{place}" for place in range(9)]
    assert spearman_of_families(first[:7], second[:7], names[:7]) is None
    single = spearman_of_families(first, second, names)
    # Twins of every network say nothing new: value and interval stay as they are.
    twins = spearman_of_families(np.tile(first, 3), np.tile(second, 3), names * 3)
    assert single is not None
    np.testing.assert_allclose(twins, single, atol=1e-12)
    assert single[1] < single[0] < single[2]


def test_orders_are_told_only_where_both_differences_are():
    assert apart((0.2, 0.1, 0.3)) == 1
    assert apart((-0.2, -0.3, -0.1)) == -1
    assert apart((0.2, -0.1, 0.3)) == 0
    less, more, unsure = (-0.2, -0.3, -0.1), (0.2, 0.1, 0.3), (0.1, -0.1, 0.3)
    assert table.order(more, less) == table.order(less, more) == "agrees"
    assert table.order(more, more) == table.order(less, less) == "opposes"
    assert table.order(unsure, less) == table.order(less, unsure) == "undecided"


def test_a_distribution_is_worth_as_many_bands_as_hold_it_evenly():
    np.testing.assert_allclose(
        effective_number(np.array([[0.25] * 4 + [0.0] * 4, [1.0] + [0.0] * 7])), [4, 1]
    )


@pytest.fixture(scope="module")
def study():
    with np.load(FILE) as measured:
        return table.Study(dict(measured))


def held(name):
    with (FILE.parent / f"{name}.csv").open(newline="") as file:
        return list(csv.reader(file))


def test_tables_follow_from_what_was_measured(study):
    for name in ("networks", "variants", "settings", "absences", "damage", "attack"):
        assert getattr(table, name)(study) == held(name), name
    # Of all pairs, which take half a minute, some.
    pairs = {(row[0], row[1]): row for row in held("pairs")[1:]}
    assert len(pairs) == len(study.names) * (len(study.names) - 1) / 2
    for one, two in ((0, 1), (0, 3), (3, len(study.names) - 1)):
        row = table.pair_row(study, one, two)
        assert pairs[study.names[one], study.names[two]] == row
