"""What a model file is, and which preprocessing fits it, on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from ..spelling import command_text
from ..tasks import CLASSES
from .terminal import table, terminal
from .text import interval, number, one_line, p_value

# Of what a model file says about itself, on the terminal.
_LONGEST_LINE = 1000


def _free_size(tried: list[int] | None, source: str | None) -> str:
    """What size was tried where the file leaves it free, and which one an audit takes."""
    if tried is None:
        return "left free: give --size HxW"
    size = f"left free: {tried[0]} x {tried[1]} was tried"
    sources = {"--size": "--size", "imgsz": "imgsz in the metadata"}
    if source in sources:
        return f"{size}, as {sources[source]} says"
    return (
        f"{size}; an audit takes 224 x 224, or that of images of one size, unless --size is given"
    )


def _tensor(tensor: Mapping[str, Any]) -> str:
    sizes = tensor["shape"]
    shape = "unknown rank" if sizes is None else f"[{', '.join(map(str, sizes))}]"
    return f"{tensor['name']}: {tensor['dtype']} {shape}"


def _meaning(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the output is, what the pixels are, and what to run."""
    task, meaning, choices = facts["task"], facts["meaning"], facts["choices"]
    open_as = f"open: {meaning}" if meaning else "open" if choices else None
    rows = [
        ("task", f"{task}: {meaning}" if task and meaning else task or open_as),
        ("range", facts["range_hint"]),
        *(("to audit", command_text(each)) for each in [facts["command"]] if each),
    ]
    for choice in choices:
        name = f"to audit, {choice['task']}" if choice["task"] else "to audit"
        rows += [(name, command_text(choice["command"]))]
    return [(name, text) for name, text in rows if text]


def print_inspection(facts: Mapping[str, Any]) -> None:
    """The result of ``iaside inspect`` as a table."""
    lines = Table(box=None, show_header=False, pad_edge=False)
    lines.add_column(style="bold")
    lines.add_column(overflow="fold")

    def add(name: str, text: Any) -> None:
        line = one_line(str(text))
        lines.add_row(name, line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + "...")

    add("file", f"{facts['path']} ({facts['bytes']:,} bytes)")
    add("sha256", facts["sha256"])
    for tensor in facts["inputs"]:
        add("input", _tensor(tensor) + (f", {tensor['layout']}" if tensor["layout"] else ""))
    for tensor in facts["outputs"]:
        add("output", f"{_tensor(tensor)}, kind {tensor['kind']}")
    if before := facts["read_before"]:
        add("read", f"before the final {before['operator']}, at {before['tensor']}")
    add("batch", facts["batch"])
    if facts["size"] and None in facts["size"]:
        add("size", _free_size(facts["size_tried"], facts["size_from"]))
    if facts["classes"] is not None or (facts["task"] in (None, CLASSES) and not facts["choices"]):
        add("classes", facts["classes"] if facts["classes"] is not None else "unknown")
    for name, text in _meaning(facts):
        add(name, text)
    if facts["parameters"] is None:
        add("format", "onnxruntime's own (.ort), which hides the graph")
    else:
        add("parameters", f"{facts['parameters']:,}")
        extra = [f", {name} {version}" for name, version in facts["opsets"].items() if name]
        add("opset", f"{facts['opset']}{''.join(extra)}")
        add("IR version", facts["ir_version"])
    add("producer", facts["producer"])
    for name in facts["external_data"]:
        add("external data", name)
    for key, text in facts["declared"].items():
        add("declared task" if key == "task" else key, text)
    if facts["preprocess_beside"]:
        add("beside the model", f"{facts['preprocess_beside']['file']} says the preprocessing")
    names = ", ".join(facts["provider_names"])
    add("active providers", ", ".join(facts["providers"]) + f" (--provider {names})" * bool(names))
    for warning in facts["warnings"]:
        add("warning", warning)
    terminal().print(lines)


def print_providers(
    software: Mapping[str, Any], facts: Sequence[Mapping[str, Any]], model: Path | None
) -> None:
    """What this machine has to run models, what of it would run this one, and why not the rest."""
    out = terminal()
    builds = [f"{name} {version}" for name, version in software["builds"].items()]
    out.print(f"onnxruntime {software['onnxruntime']} ({', '.join(builds) or 'of no package'})")
    asked = "active" if model is None else f"runs {one_line(model.name)}"
    lines = Table(box=None, pad_edge=False, header_style="bold")
    lines.add_column("--provider")
    lines.add_column(one_line(asked))
    lines.add_column("", overflow="fold")
    for fact in facts:
        auto = ["what auto takes"] if fact["name"] == software["auto"] else []
        words = "; ".join([*auto, *filter(None, [fact["why"] or fact["words"]])])
        lines.add_row(fact["name"], "yes" if fact["active"] else "no", one_line(words))
    out.print(lines)


def print_candidates(facts: Mapping[str, Any], written: Path | None) -> None:
    """What the search for a preprocessing found, best first, and the command that uses it."""
    out = terminal()
    rows, search = facts["candidates"], facts["search"]
    best = rows[0]
    out.print(f"\nPreprocessing tried on {search['images']} images, best first:")
    many = best["top5"] is not None
    numbers = ["accuracy", "95% interval", *["top 5"] * many, "log-prob", "p against best"]
    candidates = table(["values", "resize, then centre crop"], numbers)
    others: dict[int, float] = {}
    for row in rows:
        if row["label_offset"] != best["label_offset"]:
            others.setdefault(row["label_offset"], row["accuracy"])
            continue
        cells = [
            one_line(row["values"]),
            row["geometry"],
            number(row["accuracy"]),
            interval(row["accuracy_low"], row["accuracy_high"], 2),
            *([number(row["top5"], 2)] if many else []),
            number(row["mean_log_prob"], 2),
            "" if row is best else p_value(row["p_value"]),
        ]
        candidates.rows.append(cells)
    out.print(candidates)
    tried = [f"{offset} gives at most {accuracy:.3f}" for offset, accuracy in others.items()]
    if tried:
        out.say(f"Label offset {best['label_offset']}; {', '.join(tried)}.")
    for sentence in search["findings"]:
        out.say(one_line(sentence))
    if search["command"] is None:
        return
    if written is not None:
        out.say(f"Recipe: {one_line(str(written))}")
    elif search["preset"] is None and search["source"] is None:
        out.say(
            "\nBest recipe, not written anywhere yet: save these lines as recipe.toml, or run "
            "this again with --write-recipe recipe.toml",
        )
        out.say(search["toml"].rstrip(), verbatim=True)
    out.say("\nTo use it:", one_line(search["command"]), verbatim=True)
