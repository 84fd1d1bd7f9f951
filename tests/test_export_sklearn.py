"""Exports from scikit-learn, with the library itself."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from PIL import Image

from .exporters import Exporter, python_with

ESTIMATORS = """
import joblib, skops.io
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

DIGITS = load_digits()
X, Y = DIGITS.data / 16, DIGITS.target


def linear():
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(X, Y)


def forest():
    return RandomForestClassifier(10, random_state=0).fit(X, Y)


def vectors():
    return SVC().fit(X, Y)


def unfitted():
    return LogisticRegression()


if __name__ == "__main__":
    joblib.dump(linear(), "linear.joblib")
    skops.io.dump(linear(), "linear.skops")
    import numpy as np

    np.savez("digits.npz", images=np.float32(X[:300].reshape(-1, 8, 8, 1)), labels=Y[:300])
"""


@pytest.fixture(scope="module")
def sklearn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sklearn")
    (folder / "estimators.py").write_text(ESTIMATORS)
    made = Exporter(python_with("sklearn"), "from_sklearn.py", folder)
    done = made.run("estimators.py")
    assert done.returncode == 0, done.stderr
    return made


def facts(path):
    model = onnx.load(path)
    ends = [
        [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    ]
    return ends, {entry.key: entry.value for entry in model.metadata_props}


def test_digits_as_images_give_a_report(sklearn, iaside, tmp_path):
    path = sklearn.export("linear.skops", "--image", "1x8x8", "--preprocess", "unit")
    ends, metadata = facts(path)
    assert ends == [[0, 1, 8, 8], [0, 10]]
    assert metadata["iaside.output_kind"] == "probabilities"
    assert json.loads(metadata["iaside.classes"]) == [str(digit) for digit in range(10)]
    report = tmp_path / "digits.h5"
    data = sklearn.folder / "digits.npz"
    done = iaside("analyze", path, data, "-o", report, "--bands", 3, "--samples", 50, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["accuracy"] > 0.9


@pytest.mark.parametrize(
    ("source", "options", "shape", "kind"),
    [
        ("estimators:forest", (), [0, 64], "probabilities"),
        ("estimators:linear", ("--output-kind", "logits"), [0, 64], "logits"),
        (
            "estimators:vectors",
            ("--output-kind", "logits", "--image", "8x8x1"),
            [0, 8, 8, 1],
            "logits",
        ),
        ("linear.joblib", ("--run-pickle",), [0, 64], "probabilities"),
    ],
)
def test_other_estimators_and_forms(sklearn, source, options, shape, kind):
    ends, metadata = facts(sklearn.export(source, *options))
    assert ends[0] == shape
    assert metadata["iaside.output_kind"] == kind


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("linear.joblib", (), "--run-pickle"),
        ("estimators:vectors", (), "decision scores"),
        ("estimators:vectors", ("--output-kind", "probabilities"), "decision scores"),
        ("estimators:forest", ("--output-kind", "logits"), "no logits"),
        ("estimators:unfitted", (), "no fitted"),
        ("estimators:forest", ("--image", "3x8x8"), "192 values"),
    ],
)
def test_what_must_not_be_exported_is_not(sklearn, source, options, message):
    assert message in sklearn.refuse(source, *options)


def test_a_pickle_does_not_run_unasked(sklearn):
    trap = sklearn.folder / "trap.pkl"
    trap.write_bytes(b"cposix\nsystem\n(S'touch ran'\ntR.")
    sklearn.refuse("trap.pkl")
    assert not (sklearn.folder / "ran").exists()


def test_own_photographs_can_be_given(sklearn, tmp_path):
    rng = np.random.default_rng(0)
    for number in range(5):
        pixels = rng.integers(0, 256, (9, 9), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    sklearn.export("linear.skops", "--image", "1x8x8", "--images", tmp_path)
