"""iaside robustness: planted models whose errors are known, then the command, then real models."""

from __future__ import annotations

import json
import re
from dataclasses import fields

import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.corruptions.corrupt import corrupt, generator
from iaside_onnx.corruptions.severity import IMAGENET_C, parameters
from iaside_onnx.errors import IasideError, ReportError
from iaside_onnx.measure.corrupted import corrupted
from iaside_onnx.results.robustness import NOT_ATTACKED

from . import graphs
from .conftest import ROOT, write_npz
from .dying import dies

STRENGTH = 40.0
QUICK = {"severity": [1, 3], "corruption": ["gaussian_noise", "fog", "contrast"]}


def brightness_model(path, size=32, **options):
    """Class 1 where the mean is above 1/2: a logit of strength (2 mean - 1) against 0."""
    targets = np.array([[0.0] * 3, [1.0] * 3])
    return graphs.prototypes(path, targets, strength=STRENGTH / 3, size=size, **options)


def grey_images(path, levels, size=32):
    """One even grey image a level; class 1 from 1/2 on."""
    images = np.broadcast_to(
        np.array(levels, np.float32)[:, None, None, None], (len(levels), size, size, 3)
    )
    return write_npz(path, images, [int(level > 0.5) for level in levels])


@pytest.fixture
def planted(tmp_path):
    model = brightness_model(tmp_path / "mean.onnx")
    return model, grey_images(tmp_path / "grey.npz", [0.22, 0.33, 0.38, 0.48, 0.49, 0.6, 0.8, 0.9])


@pytest.fixture
def network(tmp_path):
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (9, 16, 16, 3), dtype=np.uint8)
    data = write_npz(tmp_path / "d.npz", images, np.arange(9) % 4)
    return graphs.small_network(tmp_path / "m.onnx"), data


def same(first, second):
    """Two reports hold the same results, whatever the time and the batch were."""
    for field in fields(first):
        if field.name in ("run", "created"):
            continue
        one, two = getattr(first, field.name), getattr(second, field.name)
        if isinstance(one, np.ndarray) and one.dtype.kind == "f":
            np.testing.assert_allclose(one, two, atol=2e-6, err_msg=field.name)
        else:
            np.testing.assert_array_equal(one, two, err_msg=field.name)
    assert first.run["forward_passes"] == second.run["forward_passes"]


def test_brightness_makes_the_errors_and_changes_computed_on_paper(planted):
    model, data = planted
    report = ia.measure_robustness(model, data, corruption=["brightness"], attack=[])
    levels = np.array([0.22, 0.33, 0.38, 0.48, 0.49, 0.6, 0.8, 0.9])
    shifts = [parameters("brightness", severity, 32, 32)["shift"] for severity in range(1, 6)]
    assert shifts == [0.05, 0.1, 0.15, 0.2, 0.3]
    after = np.minimum(levels[:, None] + shifts, 1)
    assert report.accuracy == 1
    np.testing.assert_array_equal(report.wrong[:, 0], (after > 0.5) & (levels < 0.5)[:, None])
    np.testing.assert_allclose(report.errors[0], np.array([2, 2, 3, 4, 5]) / 8)
    assert report.mean_error == 16 / 40
    # Q(1 | x) = 1 / (1 + exp(-z)); the two classes change by the same amount.
    before, now = (
        1 / (1 + np.exp(-STRENGTH * (2 * mean - 1))) for mean in (levels[:, None], after)
    )
    np.testing.assert_allclose(report.change[:, 0], 2 * np.abs(now - before), atol=1e-3)
    right = np.where(levels > 0.5, 1, -1)
    logs = -np.logaddexp(0, -STRENGTH * right * (2 * levels - 1))
    np.testing.assert_allclose(report.log_prob, logs, rtol=1e-3, atol=1e-6)
    # Of the true class too where another is the answer, and less likely by up to e^-16.
    corrupted = -np.logaddexp(0, -STRENGTH * right[:, None] * (2 * after - 1))
    assert corrupted[report.wrong[:, 0]].max() < -0.7
    np.testing.assert_allclose(report.corrupted_log_prob[:, 0], corrupted, rtol=1e-3, atol=1e-4)
    assert report.lost_log_prob.value == pytest.approx([(logs - corrupted.mean(1)).mean()], 1e-3)
    assert report.attacks == []


def test_what_a_model_does_not_look_at_costs_nothing(planted, tmp_path):
    data = planted[1]
    report = ia.measure_robustness(
        graphs.constant(tmp_path / "c.onnx", 32), data, severity=[5], attack=[]
    )
    assert report.perturbations == list(IMAGENET_C)
    assert report.mean_mpe == 0
    assert np.all(report.errors == report.clean_error)
    assert report.relative_mce(report) != report.relative_mce(report)  # 0 / 0


def test_attacks_reach_what_the_ball_reaches_and_no_more(tmp_path):
    # 0.48 and 0.49 lie within 0.05 of 1/2; the others do not, whatever is tried.
    model = brightness_model(tmp_path / "mean.onnx", 8)
    levels = [0.22, 0.33, 0.38, 0.48, 0.49, 0.6, 0.8, 0.9]
    data = grey_images(tmp_path / "grey.npz", levels, 8)
    report = ia.measure_robustness(
        model, data, corruption=["fog"], severity=[1], attack=["square-linf", "spsa-linf"],
        epsilon=[0.05], queries=400, attack_samples=0,
    )  # fmt: skip
    near = [False, False, False, True, True, False, False, False]
    for place in range(2):
        np.testing.assert_array_equal(report.attack_wrong[:, place], near)
    assert report.adversarial_errors.tolist() == [0.25, 0.25]
    assert np.all(report.attack_queries[~report.attack_wrong] == 400)
    assert np.all(report.attack_queries[report.attack_wrong] < 400)
    assert report.attacks[0] == {
        "name": "square-linf", "norm": "linf", "epsilon": 0.05, "queries": 400,
    }  # fmt: skip
    passes = 8 * 2 + report.attack_queries.sum()
    assert report.run["forward_passes"] == passes


def test_a_wrong_answer_needs_no_attack_and_the_rest_of_the_sample_none(network):
    model, data = network
    wanted = {"corruption": ["fog"], "severity": [1], "queries": 20, "epsilon": [0.1]}
    report = ia.measure_robustness(model, data, attack_samples=5, **wanted)
    attacked = report.attacked[:, 0]
    assert attacked.sum() == 5
    assert set(report.labels[attacked]) == set(range(4))  # stratified
    assert np.all(report.attack_queries[report.clean_wrong & attacked, 0] == 0)
    assert np.all(report.attack_wrong[report.clean_wrong & attacked, 0])
    assert np.all(report.attack_queries[~attacked] == NOT_ATTACKED)
    # An image fares the same in any company.
    everyone = ia.measure_robustness(model, data, attack_samples=0, **wanted)
    for part in ("attack_wrong", "attack_queries"):
        np.testing.assert_array_equal(
            getattr(report, part)[attacked], getattr(everyone, part)[attacked]
        )


def test_the_perturbations_are_those_of_snr_and_threads_do_not_matter(network):
    data = np.load(network[1])["images"]
    ids = [str(number) for number in range(len(data))]

    def pixels(position):
        return np.moveaxis(data[position], -1, 0).astype(np.float32) / 255

    def made(threads):
        names, levels = ["gaussian_noise", "contrast", "snow"], [2, 5]
        return list(
            corrupted(pixels, ids, [4, 1, 7], names, levels, 3, features=768, threads=threads)
        )

    one, many = made(1), made(6)
    assert [entry[:2] for entry in one] == [
        (position, column) for position in (4, 1, 7) for column in range(-1, 6)
    ]
    for (_, _, first), (_, _, second) in zip(one, many, strict=True):
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(one[0][2], pixels(4))
    wanted = corrupt(pixels(1), "snow", 5, generator(3, "1", "snow", 5))
    np.testing.assert_array_equal(one[7 + 6][2], wanted)


def test_the_report_does_not_hang_on_the_batch(network, monkeypatch):
    model, data = network
    wanted = {**QUICK, "attack": ["square-l2"], "epsilon": [1.0], "queries": 15}
    first = ia.measure_robustness(model, data, batch=1, **wanted)
    for batch in (4, 50, None):
        same(first, ia.measure_robustness(model, data, batch=batch, threads=1, **wanted))
    monkeypatch.setattr("iaside_onnx.measure.robustness.corruption_threads", lambda _: 5)
    same(first, ia.measure_robustness(model, data, **wanted))


@pytest.mark.parametrize("form", ["nhwc", "fixed", "probabilities", "uint8", "grey"])
def test_other_kinds_of_models_give_the_same_answers(tmp_path, form, network):
    data = network[1]
    if form == "grey":
        model = graphs.small_network(tmp_path / "o.onnx", channels=1)
        held = np.load(data)
        data = write_npz(tmp_path / "grey.npz", held["images"][..., :1], held["labels"])
        report = ia.measure_robustness(model, data, attack_samples=2, queries=5, **QUICK)
        assert report.settings["channels"] == 1
        return
    changed = {
        "nhwc": {"layout": "nhwc"}, "fixed": {"batch": 3},
        "probabilities": {"tail": "probabilities"}, "uint8": {"dtype": np.uint8},
    }[form]  # fmt: skip
    model = graphs.small_network(tmp_path / "o.onnx", **changed)
    recipe = {"preprocess": "raw"} if form == "uint8" else {}
    wanted = {**QUICK, "queries": 10, "epsilon": [0.2], "attack_samples": 3}
    found = ia.measure_robustness(model, data, **recipe, **wanted)
    plain = ia.measure_robustness(network[0], data, **wanted)
    # uint8 inputs round the corrupted image.
    tolerance = 0.05 if form == "uint8" else 1e-4
    np.testing.assert_allclose(found.change, plain.change, atol=tolerance)
    np.testing.assert_allclose(
        found.corrupted_log_prob, plain.corrupted_log_prob, atol=tolerance, rtol=tolerance
    )


def test_temperature_changes_confidence_and_no_answer(network):
    model, data = network
    cold = ia.measure_robustness(model, data, attack=[], **QUICK)
    warm = ia.measure_robustness(model, data, attack=[], temperature=4.0, **QUICK)
    np.testing.assert_array_equal(cold.wrong, warm.wrong)
    assert warm.mean_mpe < cold.mean_mpe
    assert warm.settings["temperature"] == 4.0


def test_killed_and_resumed_it_ends_in_the_same_report(tmp_path, network):
    model, data = network
    target, partial = tmp_path / "r.h5", tmp_path / "r.h5.partial"
    options = {"severity": [1, 5], "queries": 100, "epsilon": [0.001], "attack_samples": 0}
    # In the middle of the corruptions, 39 passes an image, and in the middle of the attack.
    for after, pause in ((30, 0.002), (9 * 39 + 50, 0.01)):
        assert dies("measure_robustness", model, data, target, after=after, pause=pause, batch=4,
                    **options)  # fmt: skip
        assert partial.exists() != target.exists()
    with pytest.raises(ReportError, match="resume=True or discard"):
        ia.measure_robustness(model, data, target, **options)
    for changed, what in (
        ({"seed": 1}, "seed"), ({"severity": [2]}, "severities"), ({"queries": 9}, "attacks"),
        ({"corruption": ["fog"]}, "perturbations"), ({"attack_samples": 3}, "attack_samples"),
    ):  # fmt: skip
        with pytest.raises(ReportError, match=f"was made with {what}|other images|shape"):
            ia.measure_robustness(model, data, target, resume=True, **{**options, **changed})
    report = ia.measure_robustness(model, data, target, resume=True, **options)
    assert report.run["resumed_after"] > 0
    same(report, ia.measure_robustness(model, data, **options))
    same(report, ia.load_robustness(target))
    assert not partial.exists()
    before = target.read_bytes()
    again = ia.measure_robustness(model, data, target, resume=True, confidence=0.5, **options)
    assert again.confidence == 0.5
    assert target.read_bytes() == before


def test_the_time_of_the_attack_that_is_made_by_default_is_said_with_how_to_leave_it_out(
    iaside, planted, tmp_path
):
    few = ["--corruption", "fog", "--severity", "1", "--queries", "4", "--attack-samples", "2"]
    said = iaside("robustness", *planted, "-o", tmp_path / "r.h5", *few).stderr
    (line,) = [line for line in said.splitlines() if line.startswith("time here")]
    assert re.search(
        r"passes/s: \d+ s for the corruptions, up to \d+ s for square-linf; --attack none leaves "
        "attacks out",
        line,
    )
    assert "8 images x (1 corruption x 1 severity + the image itself) = 16 forward passes" in said
    none = [*few, "--attack", "none"]
    assert "time here" not in iaside("robustness", *planted, "-o", tmp_path / "n.h5", *none).stderr


def test_the_command_with_a_baseline_prints_mce(iaside, planted, tmp_path):
    model, data = planted
    other = brightness_model(tmp_path / "other.onnx", through="Sqrt")
    wanted = ["--corruption", "brightness", "--corruption", "contrast", "--attack", "none"]
    base, target = tmp_path / "base.h5", tmp_path / "r.h5"
    plain = iaside("robustness", other, data, "-o", base, *wanted)
    assert "Mean error" in plain.stdout
    assert "mCE" not in plain.stdout
    assert plain.stderr.index("cost: 8 images") < plain.stderr.index("clean accuracy")
    result = iaside("robustness", model, data, "-o", target, *wanted, "--baseline", base)
    assert "mCE against other.onnx" in result.stdout
    shown = iaside("show", target, "--baseline", base)
    assert shown.stdout.partition("Made ")[0] in result.stdout
    first, second = ia.load_robustness(target), ia.load_robustness(base)
    held = json.loads(iaside("show", target, "--baseline", base, "--json").stdout)["baseline"]
    sums = first.errors.sum(axis=1) / second.errors.sum(axis=1)
    np.testing.assert_allclose([row["ce"]["value"] for row in held["corruptions"]], sums)
    assert held["mce"]["value"] == pytest.approx(sums.mean())
    # 0.22 is dark for either; the square root of the others but one is above 1/2.
    assert second.clean_error == 0.5
    picture = tmp_path / "both.png"
    assert iaside("plot", target, base, "-o", picture).exit_code == 0
    assert picture.stat().st_size > 10_000
    less = [*wanted, "--severity", 2, "--overwrite", "--baseline", base]
    refused = iaside("robustness", model, data, "-o", target, *less)
    assert refused.exit_code == 2
    assert "other severities (with 1, 3, 4, 5)" in refused.stderr
    assert target.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--corruption", "rain"], "--corruption rain: choose one of gaussian_noise"),
        (["--severity", 0], "--severity 0: choose one of 1 to 5"),
        (["--attack", "pgd"], "--attack pgd: choose one of square-linf"),
        (["--attack", "none", "--attack", "square-l2"], "goes with no other attack"),
        (["--attack", "none", "--epsilon", 1], "--epsilon goes with an attack"),
        (["--epsilon", "8/0"], "'8/0' is no number, such as 4/255"),
        (["--epsilon", -1], "give a positive number"),
        (["--epsilon", 1, "--epsilon", 2], "2 --epsilon for 1 attack"),
        (
            ["--attack", "square-linf", "--attack", "square-l2", "--epsilon", 0.1],
            "cannot serve attacks of two norms",
        ),
        (["--queries", 0], "--queries 0: give a positive number"),
        (["--queries", 1 << 31], "from 1 to 2,147,483,647"),
        (["--attack-samples", -1], "--attack-samples -1: give 0"),
        (["--batch", 0], "--batch 0: give auto or a positive number"),
        (["--confidence", 2], "--confidence 2.0: must lie between 0 and 1"),
        (["--temperature", 0], "--temperature 0.0: give 'auto' or a positive number"),
        (["--seed", -1], "--seed -1: must not be negative"),
        (["--seed", 1 << 256], "must be below 2^256"),
        (["--baseline", "missing.h5"], "missing.h5: no such report file"),
        (["--baseline", ROOT / "models" / "demo-plain.onnx"], "no report"),
        (["--resume", "--overwrite"], "exclude each other"),
    ],
    ids=str,
)
def test_wrong_options_are_one_line_and_leave_nothing(iaside, tmp_path, options, message):
    folder = tmp_path / "out"
    folder.mkdir()
    model = ROOT / "models" / "demo-plain.onnx"
    result = iaside("robustness", model, ROOT / "demo" / "test", "-o", folder / "r.h5", *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(folder.iterdir()) == []


def test_options_of_other_files_are_refused(iaside, network, tmp_path):
    model, data = network
    target = tmp_path / "r.h5"
    ia.measure_robustness(model, data, target, attack=[], **QUICK)
    for command in (
        ("show", target, "--beta", 0.5),
        ("show", target, "--per-class"),
        ("plot", target, "-o", tmp_path / "p.png", "--classes"),
        ("show", ROOT / "tests" / "data" / "report-v1.h5", "--baseline", target),
        ("compare", target, target),
    ):
        result = iaside(*command)
        assert result.exit_code == 2, command
        assert result.stderr.count("\n") == 1
    other = tmp_path / "o.h5"
    ia.measure_robustness(model, data, other, attack=[], corruption=["fog"])
    refused = iaside("plot", target, other, "-o", tmp_path / "p.png")
    assert "other corruptions (without gaussian_noise, contrast)" in refused.stderr
    assert not (tmp_path / "p.png").exists()


def test_a_model_that_gives_no_number_is_named_with_the_corruption(tmp_path):
    # Noise makes some values 0: their logarithm is infinite, and times 0 no number.
    model = brightness_model(tmp_path / "log.onnx", through="Log")
    data = grey_images(tmp_path / "d.npz", [0.05, 0.05, 0.05])
    with pytest.raises(IasideError, match=r"NaN for image 0+ \(gaussian_noise, severity 1\)"):
        ia.measure_robustness(model, data, tmp_path / "r.h5", attack=[], **QUICK)
    assert not (tmp_path / "r.h5").exists()


def test_a_real_network_loses_more_at_higher_severity(real):
    folder = real / "cifar10"
    wanted = {"samples": 40, "severity": [1, 5], "queries": 100,
              "corruption": ["gaussian_noise", "brightness", "jpeg_compression"],
              "attack_samples": 12, "epsilon": [8 / 255]}  # fmt: skip
    report = ia.measure_robustness(folder / "resnet20.onnx", folder / "test-1000.npz", **wanted)
    assert report.accuracy > 0.7
    assert np.all(report.errors[:, 1] >= report.errors[:, 0])
    assert report.errors[0, 1] > 0.5
    assert report.mpe[1, 0] < 0.5 < report.mpe[0, 1]
    attacked = report.attacked[:, 0]
    assert report.adversarial_errors[0] > report.clean_wrong[attacked].mean() + 0.3
