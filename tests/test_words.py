"""Words of the program and the guide: one for a thing, plain ones, spelled in one English."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from iaside_onnx.plurals import counted, plural

from . import graphs
from .conftest import ROOT

SOURCES = sorted((ROOT / "iaside_onnx").rglob("*.py"))
MANY_OF_ONE = re.compile(
    r"(?<![.,\d/])1 (?:images|pictures|classes|models|bands|corruptions|severities|perturbations)\b"
)
HEDGED = re.compile(r"\b[a-z]{2,}\((s|es)\)")


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 images"), (1, "1 image"), (2, "2 images"), (1000, "1000 images")]
)
def test_one_is_one(count, said):
    assert counted(count, "image") == said
    assert plural(count, "is", "are") == ("is" if count == 1 else "are")


def test_one_of_each_is_one_in_every_line(iaside, photographs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    graphs.small_network(tmp_path / "m.onnx")
    images, one = photographs.name, ("--samples", 1)
    few = (*one, "--corruption", "fog", "--severity", 3)
    for words in (
        ("analyze", "m.onnx", images, "-o", "r.h5", "--bands", 2, *one),
        ("robustness", "m.onnx", images, "-o", "b.h5", *few),
        ("snr", images, "-o", "s.h5", "--bands", 2, *few),
        ("explain", "m.onnx", images, "-o", "d.h5", "--bands", 2, *few),
        ("heatmap", "m.onnx", images, "-o", "h.h5", "--grid", 3, *one),
        ("predict", "--model", "m.onnx", images, "-o", "p.h5", *few),
        *(("show", f"{name}.h5") for name in "rbsdhp"),
        *(("show", f"{name}.h5", "--per-class") for name in "r"),
        ("html", "r.h5", "b.h5", "d.h5", "-o", "page.html"),
    ):
        done = iaside(*words)
        assert done.exit_code == 0, done.stderr
        assert not MANY_OF_ONE.findall(done.stdout + done.stderr), words
    assert not MANY_OF_ONE.findall((tmp_path / "page.html").read_text())


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


# Words that stop a reader or name a thing a second time, and what is written in their place.
REPLACED = {
    r"foret(old|ell)(?! :)": "predict",  # an attribute is called so
    r"\banew\b": "again",
    r"\b(held|hold|holds) [^.;:]{0,40}\bagainst (?!other processes)": "compare with",
    r"\buntouched\b": "clean, of images; unchanged, of all else",
    r"\b(hence|whence|thence|thereof|whereof|wherein|herein|thereby)\b": "so, of it, in which",
    r"\bbe told\b(?! apart)": "told apart, of two things; known, decided or measured, of one",
    r"\blaid\b(?! out)": "put",
    r"\b(ought|nought|naught|lest|whilst|amongst)\b": "should, nothing, so that not, while, among",
    r"\bsignifican(t|ce)\b(?! (digit|bit)|.*\b(test|Holm))": "told apart, unless a test is named",
}


def said():
    """What people read of the program and the guide: a name of the place, and the text."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            # Names in Python have no space.
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node.value
    for path in sorted((ROOT / "iaside_onnx").rglob("*.html")):
        yield str(path.relative_to(ROOT)), path.read_text()
    for path in [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").glob("*.md")),
    ]:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if not line.startswith(":::"):  # a name of the reference
                yield f"{path.relative_to(ROOT)}:{number}", re.sub(r"`[^`]*`", "", line)


def test_one_thing_has_one_word_and_it_is_a_plain_one():
    found = [
        f"{place}: {match[0]!r}; write: {instead}"
        for place, text in said()
        for words, instead in REPLACED.items()
        if (match := re.search(words, " ".join(text.split()), re.IGNORECASE))
    ]
    assert not found, "\n".join(found)


# Spelled otherwise on purpose.
KEPT = {
    "analyze": "the command",
    "artifact": "of software, everywhere", "artifacts": "of software, everywhere",
    "biased": "as in Britain too", "focused": "as in Britain too",
    "cann": "a provider",
    "center": "a value of files of others",
    "program": "of computers, everywhere",
    "unrecognized": "what onnxruntime says",
}  # fmt: skip
CODE = re.compile(
    r"^\s*>>>.*?(?=\n\s*\n|\Z)"  # examples, with misspelt names that are answered
    r"|<[^>]*>|\{[{%].*?[%}]\}",  # templates
    re.DOTALL | re.MULTILINE,
)
WORD = re.compile(r"(?<![\w-])[a-z]+(?:'[a-z]+)?(?![\w-])")


def dictionary(name):
    codespell = pytest.importorskip("codespell_lib", reason="codespell is not installed")
    text = (Path(codespell.__file__).parent / "data" / name).read_text(encoding="utf-8")
    return dict(line.lower().split("->") for line in text.splitlines())


def test_all_is_spelled_right_and_as_in_britain():
    british = dictionary("dictionary_en-GB_to_en-US.txt")
    wrong = {**dictionary("dictionary.txt"), **{there: here for here, there in british.items()}}
    texts = [*said(), ("CHANGELOG.md", re.sub(r"`[^`]*`", "", read("CHANGELOG.md")))]
    found = {
        f"{place}: {word}; write: {wrong[word]}"
        for place, text in texts
        for word in WORD.findall(CODE.sub(" ", text).lower())
        if word in wrong and word not in KEPT
    }
    assert not found, "\n".join(sorted(found))


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")
