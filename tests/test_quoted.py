"""Studies that the guide quotes: its tables are those of the CSV files, and their rules hold."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import iaside_onnx as ia
from tools.studies import cifar_pairs, counter_examples, high_passed, spacings
from tools.studies.counter_examples import PAIRS, Pair, Seen
from tools.studies.figures import quoted as figures
from tools.studies.figures.common import Asked, importance
from tools.studies.imagenet import quoted as imagenet
from tools.studies.settings import quoted as settings
from tools.studies.zoo_reports import Shelf, part

from .conftest import ROOT

DOCS = ROOT / "docs"
SMALL = 60_000  # bytes of a picture


@pytest.mark.parametrize(
    ("page", "tables"),
    [
        ("evidence.md", settings.tables),
        ("paper-figures.md", figures.tables),
        ("counter-examples.md", counter_examples.tables),
        ("counter-examples.md", high_passed.tables),
        ("evidence.md", cifar_pairs.tables),
        ("evidence.md", imagenet.tables),
        ("prediction.md", imagenet.predictions),
        ("evidence.md", spacings.tables),
    ],
)
def test_tables_of_the_guide_are_those_of_the_csv_files(page, tables):
    text = (DOCS / page).read_text(encoding="utf-8")
    for name, table in tables().items():
        missing = [line for line in table.splitlines() if f"{line}\n" not in text]
        assert not missing, (name, missing)
        assert table in text, name


def test_pictures_of_the_figures_are_small():
    pictures = sorted((DOCS / "figures").glob("*.png"))
    assert {path.stem for path in pictures} == {
        path.stem for path in (DOCS / "figures").glob("*.csv")
    }
    for path in pictures:
        assert path.stat().st_size < SMALL, path.name
        assert f"(figures/{path.name})" in (DOCS / "paper-figures.md").read_text(encoding="utf-8")


def pair(first, second, score, mpe, groups=(0.0, 0.0, 0.0, 0.0)):
    return Pair(first, second, score, mpe, groups)


NONE, SOME, LARGE = (0.0, -0.02, 0.02), (0.1, 0.05, 0.15), (0.4, 0.3, 0.5)


def test_pairs_are_those_that_the_rule_asks_for_and_no_network_comes_twice():
    found = counter_examples.choose(
        [
            pair("a", "b", NONE, SOME),
            pair("a", "c", NONE, LARGE),
            pair("d", "e", NONE, SOME),
            pair("f", "g", (0.0, -0.06, 0.06), LARGE),  # too few pictures to call it none
            pair("f", "h", SOME, NONE, (0.3, 0.0, 0.0, -0.3)),
            pair("g", "h", LARGE, NONE),
            pair("d", "h", LARGE, SOME),
        ]
    )
    names = {key: [(one.first, one.second) for one in pairs] for key, pairs in found.items()}
    assert names == {
        "same score": [("a", "c"), ("d", "e")],
        "same robustness": [("g", "h")],
        "other damage": [("f", "h")],
    }
    assert set(names) == set(PAIRS)


def test_a_pair_says_what_two_networks_differ_by_on_the_same_pictures():
    rng = np.random.default_rng(0)
    shapley = rng.uniform(0, 1, (40, 4)) + np.array([4, 2, 1, 0.5])
    change = rng.uniform(0, 1, (40, 4))
    moved = np.array([0.1, 0, 0, 0.3])
    first = Seen("a", shapley, 0.3, change)
    second = Seen("b", shapley + rng.normal(0, 1e-3, (40, 4)), 0.3, change + moved)
    kinds = list(counter_examples.GROUPS)
    found = counter_examples.paired(first, second, kinds, ["w", "x", "y", "z"])
    assert found.same("score")
    assert found.differs("mpe")
    assert found.corruption == "z"
    np.testing.assert_allclose(found.mpe, 0.1, atol=1e-9)
    np.testing.assert_allclose(found.groups, moved, atol=1e-9)


def test_pictures_are_parted_by_what_was_drawn(tmp_path):
    for name in ("a/1.png", "a/2.png", "b/1.png"):
        (tmp_path / "all" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2)).save(tmp_path / "all" / name)
    part(["a/2.png", "b/1.png"], tmp_path / "all", tmp_path / "parts")
    parted = {p.relative_to(tmp_path / "parts").as_posix() for p in tmp_path.glob("parts/*/*/*")}
    assert parted == {"choose/a/2.png", "choose/b/1.png", "report/a/1.png"}


def test_a_figure_is_drawn_from_reports_of_ones_own(tmp_path):
    networks = ("demo-plain", "demo-robust")
    for name in networks:
        model = ROOT / "models" / f"{name}.onnx"
        ia.analyze(model, ROOT / "demo" / "test", tmp_path / f"{name}.h5", samples=24, bands=3)
    own = [tmp_path / f"{name}.h5" for name in networks]
    asked = Asked(tmp_path / "drawn", Shelf(tmp_path), own)
    importance(asked, "mine", asked.analyses(()), 3.2)
    assert (tmp_path / "drawn" / "mine.png").stat().st_size < SMALL
    rows = (tmp_path / "drawn" / "mine.csv").read_text().splitlines()
    assert [row.partition(",")[0] for row in rows] == ["network", *networks]
