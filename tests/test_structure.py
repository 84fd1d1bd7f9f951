"""The way of the data, read off the imports, and the documents that people follow."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache, partial
from itertools import pairwise

import click
import pytest

import iaside_onnx as ia
from iaside_onnx import bundled
from iaside_onnx.auditing.audit import audit
from iaside_onnx.cli import main

from . import exporters
from .conftest import ROOT

PACKAGE = ROOT / "iaside_onnx"
# Which rooms of the package, and which files beside them, a room may look into.
ARROWS = {
    "mathematics": set(),
    "attacks": {"mathematics"},
    "corruptions": set(),
    "settings": {"mathematics"},
    "setting_roles": {"mathematics", "settings"},
    "storage": {"mathematics", "setting_roles"},
    "images": {"storage"},
    "bundled": {"storage"},
    "exporting": set(),
    "preprocessing": {"images", "storage"},
    "onnx_file": {"images", "preprocessing", "settings", "storage"},
    "inference": {"images", "mathematics", "onnx_file", "preprocessing", "settings", "storage"},
    "results": {"setting_roles", "mathematics", "storage"},
    "comparisons": {"setting_roles", "mathematics", "results", "settings", "storage"},
    "measure": {
        "setting_roles",
        "attacks",
        "comparisons",
        "corruptions",
        "images",
        "inference",
        "mathematics",
        "onnx_file",
        "preprocessing",
        "results",
        "settings",
        "storage",
    },
    "recipe_search": {
        "images",
        "inference",
        "mathematics",
        "measure",
        "onnx_file",
        "preprocessing",
        "settings",
        "storage",
    },
    "auditing": {
        "images",
        "inference",
        "measure",
        "page",
        "preprocessing",
        "recipe_search",
        "results",
        "settings",
        "storage",
        "views",
    },
    "views": {"comparisons", "mathematics", "results", "storage"},
    "page": {
        "comparisons",
        "mathematics",
        "preprocessing",
        "results",
        "settings",
        "storage",
        "views",
    },
}
# Where everything comes together: these may look into every room, and only they into them.
TOP = {"__init__", "__main__", "cli", "commands"}
# Files that import by name, which no reading of the imports sees.
LATE = {
    "__init__": "the public names, each loaded when it is first used",
    "commands.options": "texts of help that registered rows give",
    "exporting.command_line": "the exporter of a framework, where that is installed",
    "exporting.exporting": "the module that a user names",
    "exporting.from_keras": "modules that register a user's layers",
    "results.kinds": "the class of each format",
    "storage.isolated": "work done in a process of its own",
    "views.frames": "packages that are optional",
    "results.robustness": "what is compared with a baseline, without results knowing comparisons",
    "results.shown": "what shows results, without results knowing views",
    "views.registry": "the function of each view, loaded when it is first used",
}
FILES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in PACKAGE.rglob("*.py")
}


# Every other file beside the rooms looks into no room, and every room may look into it.
GROUND = {name for name in FILES if "." not in name} - {*ARROWS, *TOP}


@cache
def read(name):
    return ast.parse(FILES[name].read_text())


@cache
def outside(name):
    """Packages of others that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(read(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names)


def taken(name):
    """What a file imports of its own package, in functions and for types too: (file, name)."""
    room = FILES[name].relative_to(PACKAGE).parent.parts
    for node in ast.walk(read(name)):
        if isinstance(node, ast.ImportFrom) and node.level:
            path = [*room[: len(room) + 1 - node.level], *(node.module or "").split(".")]
            for alias in node.names:
                yield home([part for part in path if part], alias.name), alias.name


def home(path, name):
    """The file that an import of `name` from the module at `path` opens."""
    tried = [".".join(parts) for parts in ([*path, name], path, [*path, "__init__"])]
    return next(file for file in tried if file in FILES)


# Without the package's own __init__, whose imports are for types alone.
GRAPH = {
    name: {file for file, _ in taken(name)} - {"__init__"}
    for name in sorted(FILES)
    if name != "__init__"
}


def room_of(name):
    return name.partition(".")[0]


def files_of(*rooms):
    return [name for name in GRAPH if room_of(name) in rooms]


def reached(name, graph):
    """All files that a file imports, or those that it imports import, and so on."""
    found, ends = set(), [name]
    while ends:
        new = graph[ends.pop()] - found
        found |= new
        ends += new
    return found


def circles(graph):
    """Circles until none is left, shortest first, no two of them with an arrow in common."""
    graph = {name: set(others) for name, others in graph.items()}
    found = []
    while ways := [way for name in graph if (way := way_back(name, graph))]:
        found.append(min(ways, key=len))
        for start, end in pairwise(found[-1]):
            graph[start].remove(end)
    return found


def way_back(start, graph):
    """The shortest way from a file over imports to itself; None where there is none."""
    ways, seen = [[start]], set()
    for way in ways:
        for step in sorted(graph[way[-1]] - seen):
            if step == start:
                return [*way, start]
            seen.add(step)
            ways.append([*way, step])
    return None


def test_circles_are_found_and_printed_whole():
    graph = {"a": {"b"}, "b": {"c", "d"}, "c": {"a", "b"}, "d": set(), "e": {"f"}, "f": {"e"}}
    assert circles(graph) == [["b", "c", "b"], ["e", "f", "e"]]
    graph["c"].remove("b")
    assert circles(graph) == [["e", "f", "e"], ["a", "b", "c", "a"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_no_circle_between_files():
    found = [" -> ".join(circle) for circle in circles(GRAPH)]
    assert not found, "\n".join(["files import each other in a circle:", *found])


def test_only_these_import_by_name():
    late = {
        name for name in FILES if re.search("import_module|__import__", FILES[name].read_text())
    }
    assert late == set(LATE)


@pytest.mark.parametrize("room", sorted({*ARROWS, *GROUND}))
def test_data_goes_one_way(room):
    may = {room, *ARROWS.get(room, ()), *GROUND}
    strange = [
        f"{name} -> {other}"
        for name in files_of(room)
        for other in sorted(GRAPH[name])
        if room_of(other) not in may
    ]
    assert files_of(room)
    assert not strange, "\n".join(strange)


def test_every_room_has_its_arrows():
    assert {room_of(name) for name in FILES} == {*ARROWS, *GROUND, *TOP}


def test_nothing_but_the_version_is_taken_from_the_front_door():
    for name in files_of(*ARROWS, *GROUND):
        assert "iaside_onnx" not in outside(name), name
        assert {what for file, what in taken(name) if file == "__init__"} <= {"__version__"}, name


def test_mathematics_and_attacks_import_only_numpy_and_scipy():
    for name in files_of("mathematics", "attacks"):
        assert outside(name) <= {"numpy", "scipy"}, name


def test_mathematics_knows_no_command_line():
    options = {
        f"{name}: {option}"
        for name in files_of("mathematics")
        for option in re.findall(r"--[a-z][a-z-]*", FILES[name].read_text())
    }
    assert not options, "\n".join(sorted(options))


@pytest.mark.parametrize("room", ["results", "comparisons", "views", "page"])
def test_what_is_measured_is_read_without_a_model(room):
    needy = [
        f"{name} -> {file}"
        for name in files_of(room)
        for file in sorted({name, *reached(name, GRAPH)})
        if outside(file) & {"onnx", "onnxruntime"}
    ]
    assert not needy, "\n".join(needy)


def test_results_and_all_that_reads_them_leave_files_to_the_storage():
    readers = [
        name
        for name in files_of("results", "comparisons", "views", "page")
        if "h5py" in outside(name)
    ]
    assert not readers, readers


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
        "import iaside_onnx.results.report, iaside_onnx.views.report_table; print(*sys.modules)"
    )
    begun, shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert not {"numpy", "h5py", "rich"} & set(begun.split())
    assert "scipy" not in shown.split()


def test_every_file_says_what_it_is_for():
    assert [name for name in FILES if not ast.get_docstring(read(name))] == []


def test_every_room_is_described():
    text = (ROOT / "docs" / "map.md").read_text()
    rooms = {room_of(name) for name in FILES if "." in name}
    assert {room for room in rooms if f"| `{room}/` |" not in text} == set()


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
    } | exporters.options()
    text = "\n".join(readme_blocks()[2:])
    commands = "\n".join(line for line in text.splitlines() if line.startswith("iaside"))
    assert set(re.findall(r"(?<=\s)--[a-z-]+", commands)) <= known


def small(line):
    """A README command made small, as words."""
    words = line.removesuffix("&&").split()[1:]
    if words[0] == "analyze":
        words += ["--samples", "6", "--bands", "2"]
    return [*words, "--samples", "14"] if words[0] == "audit" else words


def test_readme_commands_run_as_they_stand(tmp_path, monkeypatch, iaside):
    photos = tmp_path / "photos"
    for path in (path for path in bundled.PHOTOS.glob("*/00[01].png")):
        (photos / path.parent.name).mkdir(parents=True, exist_ok=True)
        (photos / path.parent.name / path.name).symlink_to(path)
    (tmp_path / "model.onnx").symlink_to(bundled.MODEL)
    monkeypatch.setattr(bundled, "PHOTOS", photos)
    monkeypatch.setattr("iaside_onnx.auditing.audit.audit", partial(audit, quick=True))
    monkeypatch.chdir(tmp_path)
    blocks = readme_blocks()
    commands = [
        found
        for line in (blocks[0] + blocks[2]).splitlines()
        if (found := re.search(r"(?:^|&& )(?:\.venv/bin/)?(iaside .*)", line.strip()))
    ]
    assert len(commands) >= 7
    for command in commands:
        done = iaside(*small(command[1]))
        assert done.exit_code == 0, (command[1], done.stderr)
    for folder in ("demo-audit", "model-audit"):
        assert (tmp_path / folder / "index.html").stat().st_size > 10_000
    python = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    code = python.replace("samples=100", "samples=6, bands=2").replace("report.h5", "again.h5")
    exec(code, {})
