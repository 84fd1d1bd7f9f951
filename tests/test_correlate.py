"""``iaside correlate`` on made-up models whose ranks are known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.text import Text

from iaside_onnx.comparisons.correlation import correlate
from iaside_onnx.errors import ReportError, UsageError
from iaside_onnx.views.correlation_plot import correlation_figure

from .made_reports import made
from .robustness_reports import made_up

MODELS = 8
CLEAN = [0.1, 0.4, 0.2, 0.3, 0.15, 0.35, 0.25, 0.05]


def sha(number):
    return f"{number:02x}" * 32


def analysis(number, lean, **changed):
    """A model whose distribution is `lean` on the lowest band, the rest on the next."""
    psi = np.outer(np.ones(20), [lean, 1 - lean, 0, 0])
    report = made(psi, digest="c", name=f"m{number}", **changed)
    return replace(report, model={"path": f"m{number}.onnx", "sha256": sha(number)})


def measured(number, error, *, attacks=True, **changed):
    """A model wrong on a share of 100 images, the same under every corruption and attack."""
    wrong = np.arange(100)[:, None, None] < round(100 * error)
    hit = np.repeat(wrong[:, :, 0], 1, axis=1) if attacks else None
    clean = np.arange(100) < round(100 * CLEAN[number])
    model = {"path": f"m{number}.onnx", "sha256": sha(number)}
    corrupted = np.broadcast_to(wrong, (100, 2, 3))
    return made_up(clean, corrupted, attacks=hit, **{"model": model, **changed})


LEANS = np.linspace(0.55, 0.95, MODELS)


def models(**changed):
    """The more a model leans on low bands, the fewer errors it makes."""
    return [
        *(analysis(number, lean) for number, lean in enumerate(LEANS)),
        *(measured(number, 1.0 - lean, **changed) for number, lean in enumerate(LEANS)),
    ]


def test_a_score_that_foretells_robustness_perfectly():
    found = correlate(*models())
    ranks = found.associations["spearman"]
    rows, columns = list(found.predictors), list(found.outcomes)
    assert columns == ["mean_error", "added_error", "mpe", "adversarial_error:square-linf"]
    for outcome in ("mean_error", "mpe", "adversarial_error:square-linf"):
        place = rows.index("srs_signed"), columns.index(outcome)
        assert ranks.value[place] == pytest.approx(-1)
        assert (ranks.low[place], ranks.high[place]) == pytest.approx((-1, -0.9033), abs=1e-3)
        assert ranks.partial[place] == pytest.approx(-1)
        centroid = rows.index("centroid"), columns.index(outcome)
        assert ranks.value[centroid] == pytest.approx(1)
    # Clean accuracy knows nothing of it: the ranks of CLEAN and of the leans, by hand.
    d2 = np.sum((np.argsort(np.argsort(CLEAN)) - np.arange(MODELS)) ** 2)
    spearman = 1 - 6 * d2 / (MODELS * (MODELS**2 - 1))
    place = rows.index("accuracy"), columns.index("mean_error")
    assert ranks.value[place] == pytest.approx(spearman)
    assert np.isnan(ranks.partial[place])
    assert found.corruption_associations["error"].value.shape == (4, 2)
    np.testing.assert_allclose(found.predictors["accuracy"], 1 - np.array(CLEAN))
    np.testing.assert_allclose(found.predictors["centroid"], 1 - LEANS, rtol=1e-6)


def test_the_order_of_the_files_and_other_models_change_nothing():
    entries = models()
    again = correlate(*entries[MODELS:], *entries[:MODELS], analysis(99, 0.3))
    assert again.names == [f"m{number}" for number in range(MODELS)]
    np.testing.assert_array_equal(
        again.associations["kendall"].value, correlate(*entries).associations["kendall"].value
    )
    assert any("m99.onnx: left out" in warning for warning in again.warnings)


def test_a_baseline_turns_mean_error_into_mce():
    base = measured(0, 0.5, model={"path": "base.onnx", "sha256": sha(77)})
    found = correlate(*models(), baseline=base)
    np.testing.assert_allclose(found.outcomes["mce"], np.round(1 - LEANS, 2) / 0.5, atol=0.02)
    assert found.baseline == "base.onnx"
    assert "mean_error" not in found.outcomes
    perfect = measured(7, 0.0, model={"path": "perfect.onnx", "sha256": sha(78)})
    found = correlate(*models(), baseline=perfect)
    assert "mce" not in found.outcomes
    assert any("mce" in each for each in found.warnings)


def test_attacks_are_joined_only_where_all_were_attacked_alike():
    entries = models()
    entries[-1] = measured(MODELS - 1, 0.2, attacks=False)
    found = correlate(*entries)
    assert not any(name.startswith("adversarial") for name in found.outcomes)
    assert any("adversarial" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda held: held[:3] + held[8:], r"3 models have both"),
        (lambda held: [*held, held[0]], "analyses of one model"),
        (lambda held: [*held, held[-1]], "robustness reports of one model"),
        (lambda held: [analysis(0, 0.5, absence="zero"), *held[1:]], "different games: absence"),
        (
            lambda held: [*held[:-1], measured(7, 0.5, severities=[1, 2, 4])],
            r"other severities \(without 3; with 4\)",
        ),
        (
            lambda held: [
                *held[:-1],
                measured(
                    7,
                    0.5,
                    data={"source": "x", "digest": "ef" * 32, "samples": 100, "classes": 2},
                ),
            ],
            "other images",
        ),
    ],
)
def test_what_cannot_be_joined(change, message):
    with pytest.raises((ReportError, UsageError), match=message):
        correlate(*change(models()))


def test_a_model_that_says_nothing_is_left_out_and_named_first(iaside, tmp_path):
    held = models()
    held[0] = analysis(0, LEANS[0], wrong=np.arange(20) < 15)  # at chance
    found = correlate(*held)
    assert found.names == [f"m{number}" for number in range(1, MODELS)]
    assert found.warnings[0].startswith("m0.onnx: left out. No finding: clean accuracy is at")
    files = []
    for number, entry in enumerate([*held[:4], *held[MODELS : MODELS + 4]]):
        files.append(tmp_path / f"{number}.h5")
        entry.save(files[-1])
    refused = iaside("correlate", *files)
    assert refused.exit_code == 2
    assert "3 models have both" in refused.stderr
    assert "No finding: clean accuracy is at chance" in refused.stderr


def test_a_perfect_order_of_few_models_is_not_said_to_be_certain(iaside, tmp_path):
    held = models()
    held = [*held[:4], *held[MODELS : MODELS + 4]]
    written = replace(held[1], model={**held[1].model, "producer": "onnx.quantize 0.1.0"})
    found = correlate(held[0], written, *held[2:])
    assert [found.warnings[0][:17], found.warnings[1][:29]] == [
        "4 models are few:", "m1 was written by a quantiser"
    ]  # fmt: skip
    assert not any("quantiser" in each for each in correlate(*held).warnings)
    files = [tmp_path / f"{number}.h5" for number in range(8)]
    for file, entry in zip(files, held, strict=True):
        entry.save(file)
    answer = json.loads(iaside("correlate", *files, "--json").stdout)
    assert answer["intervals"] == "approximate"
    cells = [each["spearman"] for each in answer["correlations"] + answer["per_corruption"]]
    assert {cell["value"] for cell in cells} >= {-1.0, 1.0}
    for cell in cells:
        if cell["value"] is not None:
            assert cell["high"] - cell["low"] > 1.5
    shown = " ".join(iaside("correlate", *files).stdout.split())
    assert "over 4 models with 95% approximate intervals" in shown
    assert "-1.00 to +0.69" in shown
    assert "-1.00 to -1.00" not in shown
    lines = [text.get_text() for text in correlation_figure(found).findobj(Text)]
    assert any(each.startswith("4 models, which are few; ") for each in lines)
    assert "Spearman -1.00 [-1.00, +0.69]" in lines


def test_the_command(iaside, tmp_path):
    files, held = [], models()
    for number, entry in enumerate([*held[:4], *held[MODELS : MODELS + 4]]):
        files.append(str(tmp_path / f"{number}.h5"))
        entry.save(files[-1])
    picture = tmp_path / "models.png"
    done = iaside("correlate", *files, "-o", str(picture))
    assert done.exit_code == 0, done.output
    assert picture.stat().st_size > 20_000
    assert "Spearman" in done.output
    assert "corruption1" in done.output
    found = json.loads(iaside("correlate", *files, "--json").stdout)
    assert len(found["models"]) == 4
    (cell,) = (
        entry
        for entry in found["correlations"]
        if entry["predictor"] == "srs_signed" and entry["outcome"] == "mpe"
    )
    assert cell["spearman"]["value"] == pytest.approx(-1)
    refused = iaside("correlate", *files[1:])
    assert refused.exit_code == 2
    assert "at least 4" in refused.stderr
    refused = iaside("correlate", str(tmp_path / "none.h5"))
    assert refused.exit_code == 2
    assert "none.h5" in refused.stderr
