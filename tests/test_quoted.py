"""Studies that the guide quotes: its tables are those of the CSV files, and their rules hold."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import iaside_onnx as ia
from iaside_onnx.corruptions.severity import IMAGENET_C
from iaside_onnx.mathematics.correlation import correlations
from tools.studies import counter_examples
from tools.studies.__main__ import pages, told
from tools.studies.counter_examples import PAIRS, Pair, Seen
from tools.studies.figures.common import Asked, importance
from tools.studies.imagenet.jobs import networks
from tools.studies.pages import filled
from tools.studies.questions import QUESTIONS
from tools.studies.rank_intervals import all_correlations, correlation, difference, with_ends
from tools.studies.settings import table as settings
from tools.studies.settings.gather import gather
from tools.studies.settings.grid import VALUES
from tools.studies.settings.study import DEFAULT, PUBLISHED
from tools.studies.zoo_pictures import coefficients
from tools.studies.zoo_reports import Shelf, part

from .conftest import ROOT

DOCS = ROOT / "docs"
SMALL = 60_000  # bytes of a picture


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_has_its_page_tables_and_scripts(name):
    question = QUESTIONS[name]
    page, _, heading = question.page.partition("#")
    headings = re.findall(r"^#+ (.*)$", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE)
    anchors = [re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-") for words in headings]
    assert not heading or heading in anchors
    for file in question.tables:
        assert (ROOT / file).is_file(), file
    for command in question.commands:
        for module in re.findall(r"-m (tools\.[\w.]+)", command):
            path = ROOT / module.replace(".", "/")
            assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module
        for script in re.findall(r"tools/studies/\w+\.py", command):
            assert (ROOT / script).is_file(), script
    assert question.asked in told(name, question)


def test_every_table_of_the_studies_belongs_to_one_question():
    held = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tools/studies").rglob("*.csv")}
    named = [table for question in QUESTIONS.values() for table in question.tables]
    assert len(named) == len(set(named))
    assert held <= set(named)


@pytest.mark.parametrize("name", [name for name in QUESTIONS if name != "imagenet"])
def test_tables_follow_from_what_was_measured(name):
    """Those of ImageNet networks, which take a minute, have a test of their own."""
    for path, text in QUESTIONS[name].following().items():
        assert path.read_text(encoding="utf-8") == text, path.name


def test_tables_of_the_guide_are_those_of_the_csv_files():
    assert sum(len(question.quoted()) for question in QUESTIONS.values()) > 20
    for path, text in pages(QUESTIONS.values()).items():
        assert path.read_text(encoding="utf-8").splitlines() == text.splitlines(), path.name


def test_intervals_in_the_text_of_the_studies_are_those_of_a_table():
    """So a figure in the text is no older than its table; written as value [low, high]."""
    number = r"[+-]?\d+(?:\.\d+)?"
    shown = re.compile(rf"({number}) \[({number}), ({number})\]")
    # Columns of their own: overlapping, so looked at from each number on.
    cells = re.compile(rf"(?=(?<![\d.+-])({number}),({number}),({number})(?![\d.]))")
    known = {("0.022", "0.009", "0.035"), ("0.010", "-0.001", "0.022")}  # two models of a demo
    pages = {path: path.read_text(encoding="utf-8") for path in DOCS.glob("*.md")}
    for text in pages.values():
        known |= {plain(each) for each in shown.findall("".join(lines(text, tables=True)))}
    for path in (ROOT / "tools" / "studies").rglob("*.csv"):
        text = path.read_text(encoding="utf-8")
        known |= {plain(each) for each in shown.findall(text) + cells.findall(text)}
    for name in ("evidence.md", "prediction.md"):
        text = " ".join("".join(lines(pages[DOCS / name], tables=False)).split())
        quoted = {plain(each) for each in shown.findall(text)}
        assert quoted
        assert quoted <= known, (name, quoted - known)


def lines(text, *, tables):
    return [each for each in text.splitlines(keepends=True) if each.startswith("|") == tables]


def plain(numbers):
    return tuple(each.removeprefix("+") for each in numbers)


def test_a_table_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SystemExit, match=r"networks\.csv: no such file"):
        networks(tmp_path)


def test_tables_take_the_places_of_those_with_their_heads_in_order():
    page = "| a |\n| --- |\n| 1 |\n\nText.\n\n| b |\n| - |\n\n| a |\n| --- |\n| 2 |\nEnd | here\n"
    new = ["| a |\n| --- |\n| 3 |\n| 4 |\n", "| a |\n| --- |\n"]
    wanted = page.replace("| 1 |\n", "| 3 |\n| 4 |\n").replace("| 2 |\n", "")
    assert filled(page, new) == wanted
    for tables, head in ((new * 2, "| a |"), (["| c |\n| --- |\n"], "| c |")):
        with pytest.raises(ValueError, match=re.escape(head)):
            filled(page, tables)


def test_differences_of_correlations_are_over_the_same_networks():
    rng = np.random.default_rng(0)
    outcome = rng.normal(size=25)
    near, far = -outcome + rng.normal(0, 0.3, 25), -outcome + rng.normal(0, 3, 25)
    value, low, high = difference(near, far, outcome)
    assert low < value < high < 0
    assert value == pytest.approx(correlation(near, outcome)[0] - correlation(far, outcome)[0])
    # A network with itself: nothing, however they are drawn, and whatever is held.
    assert difference(near, near, outcome) == (0, 0, 0)
    assert difference(near, np.exp(near), outcome, far) == pytest.approx((0, 0, 0), abs=1e-12)
    found = correlations([near, far], [outcome], 1)
    assert correlation(near, outcome)[1:] == pytest.approx((found.low[0, 0], found.high[0, 0]))
    # Where each column is another draw of pictures, and networks are drawn too or not.
    drawn = np.stack([np.stack([rows] * 3, axis=1) for rows in (near, far, outcome)])
    twice = np.stack([np.arange(25), np.full(25, 3)])
    plain, again = (coefficients(drawn, each) for each in (None, twice))
    assert plain["l2 less linf"] == pytest.approx([value] * 3)
    assert again["l2"][:2] == pytest.approx(plain["l2"][:2])
    assert np.isnan(again["l2"][2])


def test_coefficients_of_many_are_those_of_each_over_the_same_networks():
    rng = np.random.default_rng(1)
    rows, outcomes = rng.normal(size=(18, 12)), rng.normal(size=(2, 12))
    found = all_correlations(rows, outcomes)
    assert with_ends(found[:, 17, 1]) == correlation(rows[17], outcomes[1])
    apart = found[:, 17, 0] - found[:, 3, 0]
    assert with_ends(apart) == pytest.approx(difference(rows[17], rows[3], outcomes[0]))


def test_tables_of_settings_are_made_of_the_games_that_every_network_has(tmp_path):
    rng = np.random.default_rng(0)
    games = [PUBLISHED, DEFAULT, replace(DEFAULT, absence="mean")]
    names = [f"net{number}" for number in range(10)]
    for name in names:
        facts = {
            "perturbations": list(IMAGENET_C), "clean_error": rng.uniform(),
            "errors": rng.uniform(size=19).tolist(), "mpe": rng.uniform(size=19).tolist(),
            "attacks": ["square-linf"], "adversarial_errors": [rng.uniform()],
        }  # fmt: skip
        kept = {game.name: rng.dirichlet(np.ones(8), 3).tolist() for game in games}
        kept[DEFAULT.name] = kept[PUBLISHED.name]  # two settings that say the same
        for folder, held in {"robustness": facts, **kept}.items():
            if (folder, name) != (games[2].name, "net9"):
                told = held if held is facts else {"sid": dict(zip(VALUES, held, strict=True))}
                (tmp_path / folder).mkdir(exist_ok=True)
                (tmp_path / folder / f"{name}.json").write_text(json.dumps(told))
    made = settings.tables(gather(tmp_path))
    assert [row[:2] for row in made["networks"][1:]] == [
        [name, "confirms" if at % 2 else "chooses"] for at, name in enumerate(names)
    ]
    assert {row[0] for row in made["settings"][1:]} == {"gaussian", "clean accuracy alone"}
    norms = [row for row in made["differences"] if row[0] == "norm"]
    assert len(norms) == 15  # values and betas
    assert {cell for row in norms for cell in row[9:]} == {"0.00"}
    assert {row[0] for row in made["differences"][1:]} == {"norm", "value", "beta"}


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
