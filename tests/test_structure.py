"""The way of the data, read off the imports, and the documents that people follow."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

import click
import pytest

import iaside_onnx as ia
from iaside_onnx.cli import main

from .conftest import ROOT

PACKAGE = ROOT / "iaside_onnx"
# Which rooms of the package a room may look into; the modules in ALONE stand apart.
ARROWS = {
    "mathematics": set(),
    "attacks": set(),
    "corruptions": set(),
    "images": {"storage"},
    "preprocessing": {"images", "storage"},
    "onnx_file": {"images", "preprocessing", "storage"},
    "inference": {"images", "mathematics", "onnx_file", "preprocessing", "storage"},
    "storage": {"results", "comparisons", "mathematics"},
    "results": {"comparisons", "mathematics", "storage"},
    "comparisons": {"mathematics", "results", "storage"},
    "measure": {
        "attacks",
        "corruptions",
        "images",
        "inference",
        "mathematics",
        "onnx_file",
        "preprocessing",
        "results",
        "storage",
        "comparisons",
    },
    "recipe_search": {
        "images",
        "inference",
        "mathematics",
        "measure",
        "onnx_file",
        "preprocessing",
        "storage",
    },
    "views": {"comparisons", "mathematics", "results", "storage"},
    "page": {"comparisons", "mathematics", "preprocessing", "results", "storage", "views"},
}
ALONE = {
    "digest",
    "checks",
    "errors",
    "file_kinds",
    "interrupts",
    "listener",
    "notebooks",
    "settings",
    "spelling",
    "streams",
    "iaside_onnx",
}
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def imports(module):
    """Top-level packages, and own rooms, that a module imports anywhere."""
    outside, own = set(), set()
    room = ["iaside_onnx", *module.parent.parts]
    for node in ast.walk(ast.parse((PACKAGE / module).read_text())):
        if isinstance(node, ast.Import):
            outside |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            path = room[: len(room) + 1 - node.level] + (node.module or "").split(".")
            own.add(path[1] or "iaside_onnx")
        elif isinstance(node, ast.ImportFrom):
            outside.add(node.module.partition(".")[0])
    return outside - set(sys.stdlib_module_names), own


def rooms(name):
    return [path for path in MODULES if path.parts[0] == name]


@pytest.mark.parametrize("room", ARROWS)
def test_data_goes_one_way(room):
    assert rooms(room)
    for module in rooms(room):
        assert imports(module)[1] <= {room, *ARROWS[room], *ALONE}, module


def test_every_room_has_its_arrows():
    found = {path.parts[0] for path in MODULES if len(path.parts) > 1}
    assert found == {*ARROWS, "commands"}


def test_mathematics_and_attacks_import_only_numpy_and_scipy():
    for module in [*rooms("mathematics"), *rooms("attacks")]:
        assert imports(module)[0] <= {"numpy", "scipy"}, module


def test_views_and_comparisons_need_no_model():
    for module in [*rooms("views"), *rooms("page"), *rooms("results"), *rooms("comparisons")]:
        outside = imports(module)[0]
        assert not outside & {"onnx", "onnxruntime"}, module
        reads_files = module.stem.endswith("store") or module.stem == "report_reader"
        assert "h5py" not in outside or reads_files


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, iaside_onnx, iaside_onnx.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"numpy", "onnxruntime", "onnx", "matplotlib", "rich", "h5py", "jinja2"} & set(
        loaded
    )


def test_reading_begins_before_anything_heavy_is_loaded_and_show_needs_no_scipy():
    code = (
        "import sys, iaside_onnx.cli, iaside_onnx.storage.opening; print(*sys.modules)\n"
        "import iaside_onnx.storage.store, iaside_onnx.views.terminal; print(*sys.modules)"
    )
    begun, shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert not {"numpy", "h5py", "rich"} & set(begun.split())
    assert "scipy" not in shown.split()


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_modules_stay_readable_and_on_the_map(module):
    text = (PACKAGE / module).read_text()
    assert text.count("\n") <= 450
    assert ast.get_docstring(ast.parse(text))
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    if module.parts[0] == "commands":
        assert "`commands/`" in contributing
    elif not module.stem.startswith("__"):
        assert f"`{module.name}`" in contributing


def test_public_names_exist_and_are_documented():
    for name in ia.__all__:
        assert getattr(ia, name).__doc__, name


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_has_help_with_an_example_and_is_in_the_readme(name):
    command = main.commands[name]
    assert "Example:" in command.help
    assert f"iaside {name}" in (ROOT / "README.md").read_text()
    assert all(option.help for option in command.params if isinstance(option, click.Option))


def readme_blocks():
    return re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def test_ci_runs_the_readmes_second_command():
    assert readme_blocks()[1].strip() in (ROOT / ".ci" / "run").read_text()


def test_options_in_the_readme_exist():
    known = {
        name
        for command in main.commands.values()
        for option in command.params
        for name in [*option.opts, *option.secondary_opts]
    }
    text = "\n".join(readme_blocks()[2:])
    commands = "\n".join(line for line in text.splitlines() if line.startswith("iaside"))
    assert set(re.findall(r"(?<=\s)--[a-z-]+", commands)) <= known


def small(line):
    """A README command made small, as words."""
    words = line.removesuffix("&&").split()[1:]
    return [*words, "--samples", "6", "--bands", "2"] if "analyze" in words else words


def test_readme_commands_run_as_they_stand(tmp_path, monkeypatch, iaside):
    for name in ("models", "demo"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "model.onnx").symlink_to(ROOT / "models" / "demo-plain.onnx")
    (tmp_path / "photos").symlink_to(ROOT / "demo" / "test")
    monkeypatch.chdir(tmp_path)
    blocks = readme_blocks()
    commands = [
        line.strip()
        for line in (blocks[0] + blocks[2]).splitlines()
        if line.strip().startswith(("iaside ", ".venv/bin/iaside "))
    ]
    assert len(commands) >= 7
    for command in commands:
        done = iaside(*small(command))
        assert done.exit_code == 0, (command, done.stderr)
    assert (tmp_path / "demo.png").stat().st_size > 10_000
    python = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    code = python.replace("samples=100", "samples=6, bands=2").replace("report.h5", "again.h5")
    exec(code, {})
