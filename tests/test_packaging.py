"""What the package index shows: the README without links that lead nowhere there."""

from __future__ import annotations

import re
import tomllib

import iaside_onnx as ia

from .conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def as_on_the_index(link=None):
    """The README of the package index, its links as they are there or as `link` has them."""
    hook = PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    text = "".join((ROOT / part["path"]).read_text(encoding="utf-8") for part in hook["fragments"])
    *others, links = hook["substitutions"]
    for each in (*others, {**links, "replacement": link or links["replacement"]}):
        text = re.sub(each["pattern"], each["replacement"], text)
    return text


def test_links_on_the_package_index_are_absolute():
    text = as_on_the_index()
    targets = re.findall(r"\]\(([^)]+)\)", text)
    assert targets
    assert [target for target in targets if not target.startswith("https://")] == []
    assert "first audit" in text


def test_classifiers_begin_at_the_oldest_python_that_is_taken():
    named = [
        each.rpartition(" ")[2]
        for each in PROJECT["project"]["classifiers"]
        if re.search(r":: 3\.\d+$", each)
    ]
    assert named[0] == PROJECT["project"]["requires-python"].removeprefix(">=")
    assert named == sorted(named, key=lambda version: int(version[2:]))


def test_the_changelog_and_the_citation_know_the_version():
    assert ia.__version__ in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {ia.__version__}" in citation.replace('"', "")
