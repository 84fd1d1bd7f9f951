"""Black-box attacks: what a linear classifier allows on paper, balls, budgets, independence."""

from __future__ import annotations

import numpy as np
import pytest

from iaside_onnx.attacks.attack import METHODS, NORM_OF, attack
from iaside_onnx.errors import ArtifactError, UsageError


class Linear:
    """Two classes; the margin of class 1 is w x + b. Counts what it is asked."""

    def __init__(self, weight, offset=0.0):
        self.weight, self.offset, self.asked = weight, offset, []

    def margins(self, images):
        return np.tensordot(images.astype(np.float64), self.weight, 3) + self.offset

    def __call__(self, images):
        assert images.dtype == np.float32
        assert images.min() >= 0
        assert images.max() <= 1
        self.asked.append(images.copy())
        z = self.margins(images)
        return -np.logaddexp(0, np.stack([z, -z], axis=1))


def planted(shape, count=5, seed=0):
    """Images away from black and white, and a random direction."""
    rng = np.random.default_rng(seed)
    images = rng.uniform(0.3, 0.7, (count, *shape)).astype(np.float32)
    return images, rng.standard_normal(shape)


def lengths(change, norm):
    flat = change.reshape(len(change), -1)
    return np.linalg.norm(flat, ord=np.inf if norm == "linf" else 2, axis=1)


def run(scores, images, method, epsilon, queries, targets=None, seeds=None):
    targets = np.ones(len(images), np.int64) if targets is None else targets
    seeds = range(len(images)) if seeds is None else seeds
    return attack(
        scores, images, targets, method=method, epsilon=epsilon, queries=queries, seeds=seeds
    )


@pytest.mark.parametrize(
    ("method", "shape", "queries", "share"),
    [
        ("square-linf", (3, 4, 4), 1000, 0.999),
        ("square-linf", (1, 5, 3), 400, 0.999),
        ("square-l2", (1, 6, 6), 600, 0.5),  # bumps fit no weight exactly
        ("spsa-linf", (3, 4, 4), 1000, 0.9),
        ("spsa-l2", (3, 4, 4), 1000, 0.95),
    ],
)
def test_a_linear_margin_falls_by_epsilon_times_the_dual_norm(method, shape, queries, share):
    images, weight = planted(shape, 3)
    classifier = Linear(weight, 100.0)  # never wrong
    found = run(classifier, images, method, 0.1, queries)
    dual = np.abs(weight).sum() if NORM_OF[method] == "linf" else np.linalg.norm(weight)
    fallen = classifier.margins(images) - found.margin
    assert not found.wrong.any()
    assert np.all(fallen <= 0.1 * dual * (1 + 1e-5))
    assert np.all(fallen >= 0.1 * dual * share)
    np.testing.assert_allclose(found.margin, classifier.margins(found.images), atol=1e-9)


@pytest.mark.parametrize("method", ["square-linf", "spsa-linf"])
def test_success_is_what_the_margin_allows(method):
    images, weight = planted((3, 4, 4), 6)
    reach = 0.1 * np.abs(weight).sum()
    # Margins from 0.2 to 1.6 of what can be taken away; either side of 1, by 4 % and more.
    wanted = np.linspace(0.2, 1.6, 6) * reach
    for image, margin in zip(images, wanted, strict=True):
        classifier = Linear(weight)
        classifier.offset = margin - classifier.margins(image[None])[0]
        found = run(classifier, image[None], method, 0.1, 800)
        assert found.wrong[0] == (margin < reach)
        assert (found.margin[0] < 0) == found.wrong[0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 9, 14), (3, 2, 3), (1, 1, 1)])
def test_everything_asked_lies_in_ball_and_box_and_is_counted(method, shape):
    rng = np.random.default_rng(4)
    images = rng.random((6, *shape)).round().astype(np.float32)  # black and white: no room
    images[3:] = rng.random((3, *shape))
    weight = rng.standard_normal(shape)
    targets = np.array([0, 1, 0, 1, 0, 1])
    classifier = Linear(weight)
    classifier.offset = -float(np.median(classifier.margins(images)))
    found = run(classifier, images, method, 0.2, 45, targets)
    clean = classifier(images).argmax(axis=1) != targets
    classifier.asked.pop()
    assert sum(map(len, classifier.asked)) == len(images) + found.queries.sum()
    assert np.all(found.queries <= 45)
    assert found.queries.dtype == np.int32
    assert np.all((found.queries == 0) == clean)
    np.testing.assert_array_equal(found.images[clean], images[clean])
    assert np.all(found.queries[~found.wrong] == 45)
    np.testing.assert_array_equal(classifier(found.images).argmax(axis=1) != targets, found.wrong)
    assert np.all(lengths(found.images - images, NORM_OF[method]) <= 0.2 * (1 + 1e-5))
    for asked in classifier.asked:  # each within the ball of one of the images
        apart = [lengths(asked - image, NORM_OF[method]).min(initial=1) for image in images]
        assert min(apart) <= 0.2 * (1 + 1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_an_image_fares_alike_in_any_company_and_with_its_seed_alone(method):
    images, weight = planted((3, 8, 8), 6)
    classifier = Linear(weight)
    margins = classifier.margins(images)
    targets = (margins > 0).astype(np.int64)
    seeds = np.array([11, 5, 2**63, 0, 7, 3], np.uint64)

    def scores(batch):
        return np.concatenate([classifier(image[None]) for image in batch])

    epsilon = 0.02 if NORM_OF[method] == "linf" else 0.12
    together = run(scores, images, method, epsilon, 80, targets, seeds)
    assert 0 < together.wrong.sum() < 6
    chosen = [4, 1, 2]
    apart = run(scores, images[chosen], method, epsilon, 80, targets[chosen], seeds[chosen])
    for name in ("images", "wrong", "queries", "margin"):
        np.testing.assert_array_equal(getattr(apart, name), getattr(together, name)[chosen])
    other = run(scores, images, method, epsilon, 80, targets, seeds + np.uint64(1))
    assert not np.array_equal(other.images, together.images)


def test_wrong_from_the_start_costs_nothing():
    images, weight = planted((3, 4, 4))
    classifier = Linear(weight, -100.0)
    found = run(classifier, images, "square-linf", 0.1, 50)
    assert found.wrong.all()
    assert not found.queries.any()
    assert len(classifier.asked) == 1
    nothing = run(classifier, images[:0], "spsa-l2", 0.1, 50)
    assert nothing.images.shape == (0, 3, 4, 4)


@pytest.mark.parametrize("method", METHODS)
def test_a_curved_margin_falls_with_the_queries(method):
    images, _ = planted((3, 8, 8), 4, seed=5)
    goals = np.random.default_rng(6).random((2, 3, 8, 8))

    def scores(batch):
        apart = ((batch[:, None] - goals) ** 2).sum(axis=(2, 3, 4))
        z = apart.min(axis=1) - 10.0
        return -np.logaddexp(0, np.stack([z, -z], axis=1))

    epsilon = 0.05 if NORM_OF[method] == "linf" else 0.5
    margins = [run(scores, images, method, epsilon, q).margin.mean() for q in (1, 50, 300)]
    assert margins[0] > margins[1] > margins[2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "pgd"}, "choose one of square-linf"),
        ({"epsilon": 0.0}, "give a positive number"),
        ({"epsilon": np.nan}, "give a positive number"),
        ({"queries": 0}, "give a positive number"),
        ({"images": np.zeros((2, 3, 4, 4))}, "float32 of shape"),
        ({"images": np.zeros((2, 4, 4), np.float32)}, "float32 of shape"),
        ({"images": np.full((2, 3, 4, 4), 255, np.float32)}, "values in"),
        ({"images": np.full((2, 3, 4, 4), np.nan, np.float32)}, "values in"),
        ({"targets": np.zeros(3, np.int64)}, "2 integers"),
        ({"targets": np.zeros(2)}, "2 integers"),
        ({"targets": np.array([0, 2])}, "has 2 classes"),
        ({"targets": np.array([0, -1])}, "not be negative"),
        ({"seeds": [1]}, "1 seeds for 2 images"),
        ({"seeds": [1, -1]}, "not be negative"),
    ],
)
def test_bad_arguments_are_refused(changes, message):
    given = {
        "images": np.zeros((2, 3, 4, 4), np.float32),
        "targets": np.zeros(2, np.int64),
        "method": "square-linf",
        "epsilon": 0.1,
        "queries": 10,
        "seeds": [0, 1],
    }
    with pytest.raises(UsageError, match=message):
        attack(Linear(np.ones((3, 4, 4))), **{**given, **changes})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.zeros((2, 1)), "two or more"),
        (np.zeros(2), "two or more"),
        (np.zeros((1, 5)), "two or more"),
        (np.full((2, 3), np.nan), "not numbers"),
    ],
)
def test_bad_scores_are_refused(table, message):
    with pytest.raises(ArtifactError, match=message):
        run(lambda _: table, np.zeros((2, 3, 4, 4), np.float32), "square-l2", 0.1, 5)
