"""Words of the program: counts as people say them, and one name for one thing."""

from __future__ import annotations

import ast
import re

import pytest

from iaside_onnx.plurals import counted, plural

from .conftest import ROOT

SOURCES = sorted((ROOT / "iaside_onnx").rglob("*.py"))
HEDGED = re.compile(r"\b[a-z]{2,}\((s|es)\)")


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 images"), (1, "1 image"), (2, "2 images"), (1000, "1000 images")]
)
def test_one_is_one(count, said):
    assert counted(count, "image") == said
    assert plural(count, "is", "are") == ("is" if count == 1 else "are")


def test_no_text_leaves_the_number_open():
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        texts = [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        assert not [text for text in texts if HEDGED.search(text)], path
    for path in (ROOT / "iaside_onnx").rglob("*.html"):
        assert not HEDGED.search(path.read_text()), path


def test_the_signed_score_has_one_name():
    others = re.compile(r"signed SRS|signed spectral|signed\\nSRS|SRS with", re.IGNORECASE)
    for path in [*SOURCES, *(ROOT / "iaside_onnx").rglob("*.html")]:
        assert not others.search(path.read_text()), path


def test_damage_is_predicted_and_nothing_is_foretold():
    other = re.compile(r"foret(old|ell)(?! :)", re.IGNORECASE)  # an attribute is called so
    for path in SOURCES:
        texts = [
            node.value
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        # Names in Python have no space.
        assert not [text for text in texts if other.search(text) and " " in text], path
    for path in (ROOT / "iaside_onnx").rglob("*.html"):
        assert not other.search(path.read_text()), path
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        # A table of names in Python has the attribute, and examples are code.
        text = re.sub(r"`[^`\n]*`|^::.*$", "", path.read_text(), flags=re.MULTILINE)
        assert not other.search(text), path
