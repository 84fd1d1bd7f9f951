"""Links between documents: each leads to a file that is there, and to an anchor in it."""

from __future__ import annotations

import re
from functools import cache

import pytest

from iaside_onnx.cli import main

from .conftest import ROOT
from .test_packaging import PROJECT, as_on_the_index

DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("demo/*.md"),
        *ROOT.glob("models/*.md"),
        *ROOT.glob("tools/**/*.md"),
        *ROOT.glob("iaside_onnx/bundled/*.md"),
    )
)
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
ADDRESS = "https://made.up/owner/name"
# What a clone has and a source archive has not.
SDIST = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]
LEFT_OUT = [ROOT / each for each in SDIST["exclude"]]


@cache
def prose(name):
    """A document without its blocks of code, whose brackets are no links."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return re.sub(r"^ *```.*?^ *```$|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)


@cache
def anchors(name):
    """What can be linked to in a document: headings as the site names them, and what it makes."""
    text = re.sub(r"^ *```.*?^ *```$", "", (ROOT / name).read_text("utf-8"), flags=re.M | re.S)
    found = set()
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        words = re.sub(r"[^\w\s-]", "", words).strip().lower()
        found.add(re.sub(r"[-\s]+", "-", words))
    if name == "docs/command-line.md":
        found |= set(main.commands)
    return found | set(re.findall(r"^::: (\S+)$", text, re.MULTILINE))  # names of the reference


def links(text):
    return [one or two for one, two in LINK.findall(text)]


def dead(start, target):
    """Why a link leads nowhere; None where it leads to something."""
    path, _, anchor = target.partition("#")
    file = ((ROOT / start).parent / path).resolve() if path else ROOT / start
    if any(file.is_relative_to(each) and not each.exists() for each in LEFT_OUT):
        return None
    if not file.is_relative_to(ROOT):  # whatever lies there
        return f"{target}: lies outside of the project"
    if not file.exists():
        return f"{target}: is not there"
    name = file.relative_to(ROOT).as_posix()
    return f"{target}: has no such heading" if anchor and anchor not in anchors(name) else None


def away(target):
    return re.match(r"[a-z]+:", target) is not None


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name):
    found = [dead(name, each) for each in links(prose(name)) if not away(each)]
    assert not [why for why in found if why]
    assert not [each for each in links(prose(name)) if away(each) and each[:8] != "https://"]


def test_dead_links_are_found():
    assert dead("README.md", "docs/none.md") == "docs/none.md: is not there"
    assert dead("README.md", "docs/faq.md#none") == "docs/faq.md#none: has no such heading"
    assert dead("docs/faq.md", "../../x") == "../../x: lies outside of the project"
    assert dead("docs/faq.md", "#my-model") is None
    assert links('[a\nb](c.md), [![x](y.png)](z.md) and <img src="d.png">')[::2] == [
        "c.md",
        "d.png",
    ]


def test_with_an_address_all_links_of_the_package_index_are_absolute_and_alive():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (line,) = re.findall(r"^(?:# )?replacement = '(.*/blob/.*)'$", text, re.MULTILINE)
    shown = as_on_the_index(re.sub(r"https://.*(?=/blob/)", ADDRESS, line))
    here = [each for each in links(shown) if each.startswith(ADDRESS)]
    of_readme = [each for each in links((ROOT / "README.md").read_text()) if not away(each)]
    assert len(here) == len(of_readme) > 10
    for each in here:
        path = each.removeprefix(f"{ADDRESS}/blob/v$HFPR_VERSION/")
        assert dead("README.md", path) is None
    assert not [each for each in links(shown) if not away(each)]
