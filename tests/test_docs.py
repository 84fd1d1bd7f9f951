"""The guide: its examples run, its options exist, the reference is whole, and the site builds."""

from __future__ import annotations

import ast
import dataclasses
import doctest
import importlib
import importlib.util
import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
from functools import cached_property, partial
from html import escape
from html.parser import HTMLParser

import click
import pytest

import iaside_onnx as ia
from iaside_onnx.auditing.audit import audit
from iaside_onnx.cli import main

from . import exporters
from .conftest import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(path.name for path in DOCS.glob("*.md"))
# Pages whose commands need nothing but the demo; they are run.
DEMO_PAGES = ["comparing.md", "first-audit.md", "install.md", "reading-a-report.md"]
DOCTESTED = sorted(
    path for path in (ROOT / "iaside_onnx").rglob("*.py") if ">>> " in path.read_text()
)


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


def commands(page):
    """The `iaside` lines of a page, as words."""
    text = "\n".join(blocks(page, "bash")).replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines()]
    return [
        shlex.split(line, comments=True)[1:]
        for line in lines
        if line.startswith(("iaside ", ".venv/bin/iaside "))
    ]


@pytest.fixture(scope="module")
def small_reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    for name in ("plain", "robust"):
        model = ROOT / "models" / f"demo-{name}.onnx"
        ia.analyze(model, ROOT / "demo" / "test", folder / f"{name}.h5", samples=36, bands=3)
    return folder


@pytest.fixture
def workspace(tmp_path, small_reports, monkeypatch):
    """The folder that the guide speaks of, with small reports; the working directory."""
    for name in ("models", "demo"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "photos").symlink_to(ROOT / "demo" / "test")
    shutil.copy(ROOT / "models" / "demo-plain.onnx", tmp_path / "model.onnx")
    for report in small_reports.iterdir():
        shutil.copy(report, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def need(*libraries):
    for library in libraries:
        pytest.importorskip(library, reason=f"{library} is not installed")


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")])
def test_python_of_the_guide_runs(page):
    code = "\n".join(blocks(page, "python"))
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            need(*(alias.name for alias in node.names))
        elif isinstance(node, ast.ImportFrom):
            need(node.module)
    need(*(name for name in ("pandas", "xarray") if f"to_{name}" in code))
    exec(compile(tree, page, "exec"), {})


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize("page", DEMO_PAGES)
def test_commands_of_the_guide_run(page, iaside, monkeypatch):
    small = partial(audit, quick=True, samples=14)
    monkeypatch.setattr("iaside_onnx.auditing.audit.audit", small)
    assert commands(page)
    for words in commands(page):
        if words[0] == "analyze" or "--data" in words:
            words += ["--samples", "6"]
        if words[0] == "analyze":
            words += ["--bands", "2", *([] if "--resume" in words else ["--overwrite"])]
        result = iaside(*words)
        assert result.exit_code == 0, (words, result.stderr)


@pytest.mark.parametrize("page", PAGES)
def test_options_in_the_guide_exist(page):
    for words in commands(page):
        if words[0].startswith("-"):
            continue
        known = {"--help", "-h", "--help-all"}
        known |= exporters.options() if words[0] == "export" else set()
        for parameter in main.commands[words[0]].params:
            known |= {*parameter.opts, *parameter.secondary_opts}
        used = {word.partition("=")[0] for word in words if word.startswith("-")}
        assert used <= known, words


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize("path", DOCTESTED, ids=lambda path: path.stem)
def test_examples_in_docstrings_hold(path):
    need(*(name for name in ("pandas", "xarray") if f".to_{name}(" in path.read_text()))
    parts = path.relative_to(ROOT).with_suffix("").parts
    found = doctest.testmod(importlib.import_module(".".join(parts)), extraglobs={"ia": ia})
    assert found.attempted
    assert not found.failed


def nav():
    return re.findall(r"^\s+- .*: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)


def test_every_page_is_in_the_navigation_once():
    assert sorted(nav()) == PAGES


def test_every_command_answers_a_question():
    assert set(re.findall(r"`iaside ([a-z]+)", read("which-command.md"))) == set(main.commands)


def test_no_long_table_of_results_and_no_heavy_picture():
    for page in set(PAGES) - {"format.md"}:  # a reference
        runs = re.findall(r"(?:^\|.*\n)+", read(page), re.MULTILINE)
        assert all(len(run.splitlines()) <= 40 for run in runs), page
    for name in ("how-it-works.png", "how-it-works-dark.png"):
        assert (DOCS / name).stat().st_size < 150_000


def test_the_site_shows_the_dark_form_of_a_picture_in_the_dark(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    shown = importlib.import_module("docs_hooks").on_page_markdown
    both = shown("![a b](how-it-works.png)\n![c](figures/snr.png)")
    assert both.splitlines() == [
        "![a b](how-it-works.png#only-light)",
        "![a b](how-it-works-dark.png#only-dark)",
        "![c](figures/snr.png)",
    ]


def test_every_public_name_is_in_the_reference():
    named = re.findall(r"^::: iaside_onnx\.(\S+)$", read("python-reference.md"), re.MULTILINE)
    assert set(ia.__all__) <= set(named)
    assert len(named) == len(set(named))


def read(page):
    return (DOCS / page).read_text()


def parts(name):
    """A public function, or a class with its public methods and properties."""
    thing = getattr(ia, name)
    yield name, thing
    if not inspect.isclass(thing):
        return
    for owner in inspect.getmro(thing):
        if not owner.__module__.startswith("iaside_onnx"):
            continue
        for key, member in vars(owner).items():
            if key.startswith("_"):
                continue
            if isinstance(member, property):
                yield f"{name}.{key}", member.fget
            elif isinstance(member, cached_property):
                yield f"{name}.{key}", member.func
            elif inspect.isfunction(member) and member.__name__ == key:
                yield f"{name}.{key}", member


@pytest.mark.parametrize("name", ia.__all__)
def test_public_things_are_documented_with_types(name):
    for path, thing in parts(name):
        assert inspect.getdoc(thing), path
        if inspect.isfunction(thing):
            signature = inspect.signature(thing)
            assert signature.return_annotation is not inspect.Signature.empty, path
            for parameter in signature.parameters.values():
                typed = parameter.annotation is not inspect.Parameter.empty
                assert typed or parameter.name == "self", (path, parameter.name)
        elif hasattr(thing, "__dataclass_fields__"):
            texts = [inspect.getdoc(each) or "" for each in thing.__mro__]
            documented = re.split(r"[\s,]+", " ".join(texts))
            assert {each.name for each in dataclasses.fields(thing)} <= set(documented), path


@pytest.fixture(scope="module")
def hooks():
    spec = importlib.util.spec_from_file_location("docs_hooks", ROOT / "tools" / "docs_hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", sorted(main.commands))
def test_the_command_page_says_what_help_says(name, hooks, iaside):
    page = hooks.on_page_markdown(read("command-line.md"))
    section = page.partition(f"## iaside {name} ")[2].partition("\n## ")[0]
    cells = re.findall(r"<td>(.*?)</td>", section)
    everything = "--help-all" if main.commands[name].has_many else "--help"
    shown = escape(" ".join(iaside(name, everything).stdout.split()))
    # Every text of the page stands in the help, and every option of the help on the page.
    for cell in cells:
        text = " ".join(re.sub("</?code>", "", cell).split())
        assert text in shown
    options = {
        option
        for parameter in main.commands[name].params
        if isinstance(parameter, click.Option) and not parameter.hidden
        for option in [*parameter.opts, *parameter.secondary_opts]
    }
    assert options <= set(re.findall(r"[^\s,<>]+", " ".join(cells)))
    prose = " ".join(section.split())
    for line in main.commands[name].help.replace("\b", "").splitlines():
        assert escape(" ".join(line.split()), quote=False).removeprefix("Example:") in prose


def test_links_out_of_the_site_become_text(hooks):
    text = "[tools](../tools/export), [page](images.md), ![p](demo.png)"
    assert hooks.on_page_markdown(text) == "tools, [page](images.md), ![p](demo.png)"


def test_no_line_ends_within_an_option(hooks):
    block = "<pre><span></span><code>a --b-c</code></pre>"
    shown = hooks.on_page_content(f"<td><code>iaside x-y --time-budget N</code></td>{block}")
    whole = '<span class="option">--time-budget</span>'
    assert shown == f"<td><code>iaside x-y {whole} N</code></td>{block}"


class Loaded(HTMLParser):
    """What a page loads by itself, and the anchors it has."""

    def __init__(self, text):
        super().__init__()
        self.sources, self.ids = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids.add(given.get("id"))
        if tag in ("script", "img", "iframe", "source"):
            self.sources.append(given.get("src"))
        elif tag == "link":
            self.sources.append(given.get("href"))


def test_the_site_builds_and_loads_nothing_from_elsewhere(tmp_path):
    need("mkdocs", "material", "mkdocstrings", "nbclient", "ipykernel", "pandas", "xarray")
    target = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(target)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    pages = {page: Loaded((target / page.replace(".md", ".html")).read_text()) for page in nav()}
    for page, found in pages.items():
        sources = [source for source in found.sources if source]
        assert sources, page
        assert not [s for s in sources if re.match(r"(https?:)?//", s)], page
    assert {f"iaside_onnx.{name}" for name in ia.__all__} <= pages["python-reference.md"].ids
    assert "iaside_onnx.Report.to_pandas" in pages["python-reference.md"].ids
    assert set(main.commands) <= pages["command-line.md"].ids
    # What the cells of the notebook gave: two results, two pictures and the frames' text.
    notebook = (target / "notebook.html").read_text()
    assert notebook.count('<div class="output">') == 2
    assert sum(str(s).startswith("data:image/png") for s in pages["notebook.md"].sources) == 2
    # From the disk browsers start no worker: the index is a script, and a frame stands in.
    assert (target / "search" / "search_index.js").read_text().startswith("var __index = {")
    assert "javascripts/iframe-worker.js" in pages["index.md"].sources
    for sheet in target.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//", sheet.read_text()), sheet.name
