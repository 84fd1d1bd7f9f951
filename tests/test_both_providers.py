"""Every task and measurement on a graphics card gives what the processor gives; where there is one.

``IASIDE_TEST_PROVIDER`` names another provider than CUDA to try instead.
"""

from __future__ import annotations

import os

import pytest

from iaside_onnx.inference import choosing

from .both_providers import CLASSES, SUBJECTS, cases, measured

PROVIDER = os.environ.get("IASIDE_TEST_PROVIDER", "cuda")
# Of log-probabilities up to some dozens, agreements and shares in float32.
ROUNDING = 2e-4


def alike(kind, subject, provider, folder):
    pair = measured(kind, subject, provider, folder)
    assert pair.there.run.get("warnings") == pair.here.run.get("warnings"), kind
    if "attack" in kind and subject not in CLASSES:
        return  # of candidates that differ by rounding alone an attack takes another one
    assert {name: each for name, each in pair.numbers().items() if each > ROUNDING} == {}, kind
    answers = {name: each for name, each in pair.answers().items() if each}
    if subject.startswith("detector"):
        answers.pop("wrong", None)  # some matches are one half, which is where wrong begins
    assert answers == {}, kind


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_card_gives_what_the_processor_gives(subject, tmp_path):
    if not choosing.is_active(PROVIDER):
        pytest.skip(f"{PROVIDER} does not become active on this machine")
    for kind, each in cases():
        if each == subject:
            alike(kind, each, PROVIDER, tmp_path)


@pytest.mark.parametrize("kind", ["analyze, octaves", "explain, attack", "snr, attack"])
def test_the_comparison_itself_runs(kind, tmp_path):
    """On the processor, twice."""
    alike(kind, "several labels", "cpu", tmp_path)


def test_a_difference_is_found(tmp_path):
    pair = measured("analyze, linf", "one label", "cpu", tmp_path)
    assert "log_prob" in pair.numbers()
    assert not any(pair.numbers().values())
    pair.there.log_prob[0, 3] += 1
    pair.there.predicted[1] += 1
    assert (pair.numbers()["log_prob"], pair.answers()["predicted"]) == (1, 1)
    pair.there.log_prob[0, 3] = float("nan")
    assert pair.numbers()["log_prob"] == float("inf")
