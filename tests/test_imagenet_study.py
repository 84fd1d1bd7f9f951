"""The study of ImageNet networks: its halves, variants and intervals, and what is quoted."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from tools.studies.imagenet import deep_compressed, predicting, table
from tools.studies.imagenet.gather import FILE
from tools.studies.imagenet.jobs import (
    AVERAGE,
    QUANTISED,
    RIVAL,
    SNR,
    STAND_INS,
    TABLE,
    Network,
    jobs,
)
from tools.studies.imagenet.make import PARENT
from tools.studies.imagenet.photographs import BUILDING, REPORTING, half_of, write_halves
from tools.studies.imagenet.rivals import contest, design
from tools.studies.imagenet.statistics import (
    apart,
    drawn_families,
    effective_number,
    ends,
    resampled_groups,
    resampled_spearman,
    spearman_of_families,
)
from tools.studies.imagenet.study import SHOWN, Study, order
from tools.studies.imagenet.variants import float_parent, is_deployed, pruned, weights_of

from .conftest import ROOT


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
    assert order(more, less) == order(less, more) == "agrees"
    assert order(more, more) == order(less, less) == "opposes"
    assert order(unsure, less) == order(less, unsure) == "undecided"


def test_a_distribution_is_worth_as_many_bands_as_hold_it_evenly():
    np.testing.assert_allclose(
        effective_number(np.array([[0.25] * 4 + [0.0] * 4, [1.0] + [0.0] * 7])), [4, 1]
    )


@pytest.fixture(scope="module")
def study():
    with np.load(FILE) as measured:
        return Study(dict(measured))


def held(name):
    with (FILE.parent / f"{name}.csv").open(newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize(
    "name",
    ["networks", "bands", "variants", "damage", "attack", "rivals"],
)
def test_tables_follow_from_what_was_measured(study, name):
    assert getattr(table, name)(study) == held(name)


def test_float_networks_are_measured_in_three_precisions(study):
    """But those that the guide names as without twins."""
    alone = {"resnet34", "vit-tiny", "deit-tiny"}
    floats = {study.families[at] for at in study.originals() if study.variants[at] == PARENT}
    twins = {family for family, kind in zip(study.families, study.variants, strict=True)
             if kind in QUANTISED}  # fmt: skip
    assert floats - twins == alone
    asked = [key for key in study.measured if key.startswith(("psi/gaussian-l", "damage/"))]
    asked = [key for key in asked if key.endswith(("-l2-linear", "-linf-linear", "-3"))]
    assert len(asked) == 5
    for key in (*asked, "attack/wrong"):
        there = {(study.families[at], study.variants[at]) for at in study.places(key)}
        for at in study.originals():
            if study.variants[at] == PARENT and study.families[at] not in alone:
                wanted = {(study.families[at], kind) for kind in (PARENT, *QUANTISED)}
                assert wanted <= there, key


def test_shares_of_damage_are_counted_in_the_guide_as_they_are():
    guide = " ".join((ROOT / "docs" / "evidence.md").read_text(encoding="utf-8").split())
    for kind, words in (
        ("int8", "Of {} shares {} are told apart"),
        ("float16", "of {} shares {} are told apart"),
    ):
        bands = [
            cell for row in held("damage") if row[2] and row[1].endswith(kind) for cell in row[4:]
        ]
        ends = [tuple(map(float, cell[cell.index("[") + 1 : -1].split(", "))) for cell in bands]
        seen = sum(low > 0 or high < 0 for low, high in ends)
        assert words.format(len(bands), seen or "none") in guide


def test_pairs_follow_from_what_was_measured_and_are_counted_as_they_are(study):
    # Of all pairs, which take a minute, some.
    found = {(row[0], row[1]): row for row in held("pairs")[1:]}
    assert len(found) == len(study.names) * (len(study.names) - 1) / 2
    for one, two in ((0, 1), (0, 3), (3, len(study.names) - 1)):
        assert found[study.names[one], study.names[two]] == table.pair_row(study, one, two)
    shared = {study.names[at] for at in study.shared()}
    counted = {row["game"]: row for row in rows(FILE.parent / "settings.csv")}
    pairs = [
        row for row in rows(FILE.parent / "pairs.csv") if {row["first"], row["second"]} <= shared
    ]
    for game in ("gaussian-l2-linear", "gaussian-linf-linear"):
        for family, kind in (("yes", "one family"), ("no", "two families")):
            orders = [row[f"order, {game}"] for row in pairs if row["one family"] == family]
            for word, column in (("agrees", "agree"), ("opposes", "oppose")):
                assert int(counted[game][f"{column}, {kind}"]) == orders.count(word)
        assert counted[game]["pairs told apart"].endswith(f" of {len(pairs)}")


def test_norms_by_absence_follow_and_are_signed_as_the_rivals_are(study):
    """The difference that the table of rivals has, of all networks, is made by the same rule."""
    norms = table.norms_by_absence(study)
    for row in rows(FILE.parent / "absences.csv"):
        found = {key.removeprefix("l2 less linf, "): row[key] for key in row if " less " in key}
        assert found == norms.get(row["game"], dict.fromkeys(found, ""))
    found = rows(FILE.parent / "rivals.csv")
    against = {row["by"]: row for row in found if "designs" not in row["networks"]}
    wanted = against["signed, gaussian-l2-linear less signed, gaussian-linf-linear"]
    assert len(norms) == 4
    found = contest(study, *SHOWN, study.originals())
    assert found == {what: wanted[what] for what in norms["gaussian-l2-linear"]}


def test_designs_are_resampled_with_all_their_networks():
    rng = np.random.default_rng(0)
    predictors, harms = rng.normal(size=(2, 12)), rng.normal(size=(3, 12))
    alone = resampled_groups(list(predictors), list(harms), [f"{at:02}" for at in range(12)])
    drawn = drawn_families(12)
    for one, predictor in enumerate(predictors):
        for two, harm in enumerate(harms):
            np.testing.assert_allclose(
                alone[:, one, two], resampled_spearman(predictor, harm, drawn), atol=1e-12
            )
    # Twins of three networks say no more than the three; one by one they seem to.
    three = np.repeat([[0.0, 1.0, 2.0]], 2, axis=0) + 0.01
    twins = np.concatenate([three, three, three, three], axis=1) + 1e-3 * rng.normal(size=(2, 12))
    groups = resampled_groups([twins[0]], [twins[1]], list("abcabcabcabc"))
    singly = resampled_spearman(*twins, drawn_families(12))
    assert ends(groups[:, 0, 0])[1] < 0.3 < ends(singly)[1]
    assert design("mobilenet1-25-128") == design("mobilenet1-75-192") == "MobileNet 1"
    assert design("resnet34") == "resnet34"


def test_a_study_of_one_family_has_its_tables():
    wanted = ("psi/gaussian-l2-linear", "psi/gaussian-linf-linear")
    with np.load(FILE) as file:
        few = [at for at, name in enumerate(file["network"]) if name in ("lite0", "lite0-int8")]
        measured = {
            name: file[name] if name in ("perturbation", "severity") else file[name][few]
            for name in file
            if name in wanted or name.startswith("attack/") or "/" not in name
        }
    found = table.tables(measured)
    assert [row[0] for row in found["networks"][1:]] == ["lite0", "lite0-int8"]
    # There is nothing to form mCE by, and no pair of networks that differ in more than rounding.
    assert [row[5:7] for row in found["networks"][1:]] == [["", ""]] * 2
    assert [len(found[name]) for name in ("settings", "rivals", "over-networks")] == [1, 1, 1]
    assert [row[:2] for row in found["attack"][1:]] == [
        ["lite0", ""], ["lite0-int8", ""], ["lite0-int8", "lite0"]
    ]  # fmt: skip


def test_what_tells_nothing_predicts_nothing_and_what_is_true_predicts_all():
    """Of a planted set of families: forms that are the truth, its opposite, and constant."""
    rng = np.random.default_rng(0)
    families, images, corruptions = 9, 40, 6
    damage = rng.permutation(np.linspace(0.1, 0.9, corruptions))
    harm = np.linspace(0.2, 1.0, families)
    change = np.broadcast_to(
        (harm[:, None] * damage)[:, None, :, None], (families, images, corruptions, 1)
    )
    nothing = np.zeros_like(change)
    names = np.array([f"f{at}" for at in range(families)])
    psi = np.zeros((families, images, 4))
    psi[:, :, 0] = 2 - harm[:, None]
    psi[:, :, 1:] = [0.5, 0.4, 0.0]
    study = Study(
        {
            "network": names, "family": names, "variant": np.array(["float32"] * families),
            "perturbation": np.array([f"c{at}" for at in range(corruptions)]),
            "severity": np.array([3]), "clean": np.zeros((families, images), np.uint8),
            "wrong": (change > 0.3).astype(np.uint8), "change": change,
            "psi/gaussian-l2-linear": psi, "predicted/table/fall": nothing,
            **{f"predicted/{form}/{key}": -change if form == "average" else change
               for form in ("stand-ins", "average", "rival") for key in ("change", "fall")},
        }
    )  # fmt: skip
    found = predicting.over_corruptions(study)
    mean = {row[1]: row[3] for row in found if (row[0], row[2]) == ("mean", "mPE")}
    exact, opposite, none = "1.00 [1.00, 1.00]", "-1.00 [-1.00, -1.00]", "0.00 [0.00, 0.00]"
    assert [mean[word] for word in predicting.WORDS.values()] == [none, exact, opposite, exact]
    less = [mean[predicting.less_words(form)] for form in ("table", "stand-ins", "average")]
    assert less == [exact, none, "2.00 [2.00, 2.00]"]
    head, *cells = predicting.over_networks(study)
    last = next(row for row in cells if row[:2] == ["mean", "mPE"])
    assert last[3:7] == [none, exact, opposite, exact]
    # The higher the harm, the lower the score; clean accuracy is the same for all.
    assert dict(zip(head[7:], last[7:], strict=True)) == {
        "signed score, l2, negated": exact, "clean accuracy, negated": none
    }  # fmt: skip


def test_integers_stay_integers_and_end_before_the_softmax(tmp_path):
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["bytes"]),
        helper.make_node("DequantizeLinear", ["bytes", "scale", "zero"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["shares"], axis=1),
        helper.make_node("QuantizeLinear", ["shares", "part", "zero"], ["rounded"]),
        helper.make_node("DequantizeLinear", ["rounded", "part", "zero"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["b", 4]) for name in "xy"]
    weights = {"scale": np.float32(0.5), "part": np.float32(1 / 256), "zero": np.uint8(10)}
    proto = helper.make_model(
        helper.make_graph(nodes, "g", ends[:1], ends[1:],
                          [numpy_helper.from_array(np.array(v), k) for k, v in weights.items()]),
        opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
    )  # fmt: skip
    helper.set_model_props(proto, {"iaside.output_kind": "probabilities"})
    onnx.save(proto, tmp_path / "net.onnx")
    float_parent(tmp_path / "net.onnx", tmp_path / "parent.onnx")
    made = onnx.load(tmp_path / "parent.onnx")
    assert [node.op_type for node in made.graph.node] == ["QuantizeLinear", "DequantizeLinear"]
    assert {each.value for each in made.metadata_props} == {"logits"}
    assert is_deployed(tmp_path / "parent.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "parent.onnx")
    given = np.array([[0.2, 0.6, -1.0, 500.0]], np.float32)
    np.testing.assert_array_equal(
        session.run(["y"], {"x": given})[0], [[0.0, 0.5, -1.0, (255 - 10) / 2]]
    )


def test_a_deep_compressed_file_is_read_code_by_code():
    book = np.arange(256, dtype=np.float32) / 4
    # Of 2 x 40 weights four are kept; between two of them lie more than 15 zeros, so one code is 0.
    places, codes = [0, 2, 18, 20, 79 - 43], [7, 3, 0, 255, 9]
    gaps = np.diff([-1, *places]) - 1
    assert gaps.max() == 15
    packed = np.append(gaps, 0).astype(np.uint8)
    content = (
        np.array([5], np.uint32).tobytes() + book.tobytes()
        + np.array([1, 2], np.float32).tobytes() + np.array(codes, np.uint8).tobytes()
        + (packed[::2] | packed[1::2] << 4).tobytes()
    )  # fmt: skip
    ((weights, bias),) = deep_compressed.decoded(io.BytesIO(content), [(2, 40, 1, 1)])
    expected = np.zeros(80, np.float32)
    expected[places] = np.array(codes) / 4
    np.testing.assert_array_equal(weights.ravel(), expected)
    np.testing.assert_array_equal(bias, [1, 2])


def test_predictions_see_the_half_that_is_not_reported_alone():
    kinds = {"a": "float32", "b": "deployed", "c": "int8", "d": "float16", "e": "pruned-30"}
    held = [Network(name, "b" if name == "b" else "a", kind) for name, kind in kinds.items()]
    found = list(jobs(held, attacked=1, queries=1))
    assert len({(each.folder, each.network.name) for each in found}) == len(found)
    building = {each.folder for each in found if each.half == BUILDING}
    assert building == {TABLE, SNR, STAND_INS, AVERAGE, RIVAL}
    assert {each.network.name for each in found if each.half == BUILDING} == {"a", "b"}
    for folder in ("attack", "gaussian_noise-3", "defocus_blur-3", "fog-3"):
        assert {each.network.name for each in found if each.folder == folder} == set("abcd")
