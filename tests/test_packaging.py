"""What the package index shows, and that package, citation and guide say the same of themselves."""

from __future__ import annotations

import re
import tomllib

import pytest

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


def test_the_readme_is_short_and_shows_the_screen_that_the_first_audit_explains():
    texts = [
        (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/first-audit.md")
    ]
    readme, guide = (
        next(block for block in re.findall("```text\n(.*?)```", text, re.DOTALL)
             if "Is it robust?" in block)
        for text in texts
    )  # fmt: skip
    assert readme == guide
    assert len(texts[0].splitlines()) < 150


def test_classifiers_begin_at_the_oldest_python_that_is_taken():
    named = [
        each.rpartition(" ")[2]
        for each in PROJECT["project"]["classifiers"]
        if re.search(r":: 3\.\d+$", each)
    ]
    assert named[0] == PROJECT["project"]["requires-python"].removeprefix(">=")
    assert named == sorted(named, key=lambda version: int(version[2:]))


def test_who_has_no_clone_installs_by_name():
    """The first command of the page on the index, where there is no folder to install from."""
    first, tests = re.findall(r"```bash\n(python3 .*)\n```", as_on_the_index())
    assert re.search(r"bin/pip install --quiet (\S+) ", first)[1] == PROJECT["project"]["name"]
    assert "-e '.[test]'" in tests


def test_the_source_archive_holds_what_its_tests_read():
    held = [*PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"], "pyproject.toml"]
    asked = {
        "/".join(found[1].replace('"', "").split(" / "))
        for path in (ROOT / "tests").glob("*.py")
        for found in re.finditer(r'\bROOT / ("[^"]+"(?: / "[^"]+")*)', path.read_text("utf-8"))
    }
    assert len(asked) > 20
    absent = [
        path
        for path in sorted(asked)
        if (ROOT / path).is_file()
        and path != ".git"
        and not any(f"{path}/".startswith(f"{each}/") for each in held)
    ]
    assert absent == []
    assert "demo/README.md" in held  # where the photographs are from


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def bibtex():
    """The entries of docs/cite.md: fields by key, as plain text."""
    accents = {r"{\'o}": "\N{LATIN SMALL LETTER O WITH ACUTE}",
               r"{\'i}": "\N{LATIN SMALL LETTER I WITH ACUTE}"}  # fmt: skip
    entries = {}
    for kind, body in re.findall(r"^@(\w+)\{\w+,\n(.*?)^\}", read("docs/cite.md"), re.M | re.S):
        for written, letter in accents.items():
            body = body.replace(written, letter)
        fields = re.findall(r"(\w+)\s*= \{+(.*?)\}+,?\n", body, re.S)
        entries[kind] = {key: " ".join(value.split()) for key, value in fields}
    return entries


def test_citation_bibtex_package_and_guide_say_the_same():
    citation = pytest.importorskip("yaml", reason="needs the extra 'test'").safe_load(
        read("CITATION.cff")
    )
    project, paper, cited = PROJECT["project"], citation["preferred-citation"], bibtex()
    (own,) = project["authors"]
    assert citation["title"] == cited["software"]["title"] == project["name"]
    assert citation["authors"] == [own]
    assert cited["software"]["author"] == own["name"]
    assert citation["version"] == cited["software"]["version"] == ia.__version__
    assert ia.__version__ in read("CHANGELOG.md")
    assert citation["license"] == project["license"]
    assert citation["keywords"] == project["keywords"]
    site = re.search(r"^site_description: (.*)$", read("mkdocs.yml"), re.M)[1]
    assert citation["abstract"] == project["description"] + "." == site + "."

    names = [f"{each['family-names']}, {each['given-names']}" for each in paper["authors"]]
    assert cited["article"]["author"] == " and ".join(names)
    for key in ("title", "journal", "issn", "year", "url"):
        assert cited["article"][key] == str(paper[key]), key
    number = re.search(r"arXiv:(\S+)", cited["article"]["note"])[1]
    assert paper["identifiers"] == [{"type": "other", "value": f"arXiv:{number}"}]
    for page in ("README.md", "docs/index.md"):
        text = " ".join(read(page).split())
        assert f"https://arxiv.org/abs/{number}" in text
        assert all(each["family-names"] in text for each in paper["authors"])
    assert paper["title"] in " ".join(read("README.md").split())
