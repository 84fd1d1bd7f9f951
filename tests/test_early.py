"""An option that no file could make right is named before any file that is not there."""

from __future__ import annotations

import click
import pytest

from iaside_onnx.cli import main

# Values that are wrong whatever a model, its images or a report hold.
WRONG = {
    "absence": "gausian", "attack": "squar", "attack-samples": "-1", "bands": "0", "batch": "0",
    "beta": "2", "by": "scor", "confidence": "2", "corruption": "fogg", "epsilon": "-1",
    "estimator": "exct", "grid": "2", "keep": "2", "label-offset": "x", "label-order": "x",
    "layout": "x", "margin": "-1", "max-drop": "-1", "max-error": "noise", "max-mce": "-1",
    "min-accuracy": "2", "min-score": "x", "norm": "l3", "output-map": "x", "passes": "0",
    "preprocess": "imagnet", "provider": "cdua", "queries": "0", "redo": "-1", "rings": "0",
    "sampling": "x", "samples": "-1", "seed": "-1", "severity": "9", "shard": "3/2",
    "strength": "-1", "target-stderr": "-1", "temperature": "-1", "threads": "-2", "time": "-1",
    "time-budget": "-1", "value": "x",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(main.commands))
def test_options_are_checked_before_files(name, iaside):
    params = main.commands[name].params
    known = {flag.removeprefix("--") for each in params for flag in each.opts}
    given = [
        "no-such.onnx" if each.name == "model" else "nowhere"
        for each in params
        if isinstance(each, click.Argument) and each.required
        for _ in range(2 if name == "compare" else 1)
    ]
    needed = [
        word
        for each in params
        if isinstance(each, click.Option) and each.required
        for word in (each.opts[0], "out.h5")
    ]
    for option in WRONG.keys() & known:
        done = iaside(name, *given, *needed, f"--{option}={WRONG[option]}")
        assert done.exit_code == 2, option
        assert done.stderr.count("\n") == 1, option
        assert "nowhere" not in done.stderr, (option, done.stderr)
        assert "no-such" not in done.stderr, (option, done.stderr)
        said = option.replace("-", " ").replace("_", " ")
        assert WRONG[option] in done.stderr or said in done.stderr.replace("-", " "), done.stderr


def test_what_is_meant_is_said_before_files_are_looked_at(iaside):
    for line, answer in {
        "analyze no.onnx none --provider cdua": "did you mean cuda?",
        "audit no.onnx none --preprocess imagnet": "did you mean imagenet?",
        "show none.h5 --value prb": "did you mean prob?",
        "analyze no.onnx none --sampling nestd": "did you mean nested?",
        "inspect no.onnx --label-order txt": "did you mean text?",
        "rank none --by scor": "did you mean score?",
        "plot none.h5 --panel sdi": "did you mean sid?",
        "explain no.onnx none --corruption fgo": "did you mean fog?",
        "analyze no.onnx none --norm l3": "did you mean l2 or l1?",
        "explain no.onnx none --attack sqare": "did you mean square-linf or square-l2?",
        "plot none.h5 -o x.jpg": "x.jpg: a picture's name ends in .png",
        "heatmap no.onnx none --plot x.jpg": "x.jpg: a picture's name ends in .png",
        "html none.h5 -o x.pdf": "x.pdf: a page's name ends in .html",
        "analyze no.onnx none -o x.png": "the name of a result ends in .h5",
        "merge none.h5 -o x.html": "the name of a result ends in .h5",
        "gate none.h5 --max-error nosie=2": "must be a share from 0 to 1",
    }.items():
        done = iaside(*line.split())
        assert done.exit_code == 2
        assert answer in done.stderr, done.stderr
