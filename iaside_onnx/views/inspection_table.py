"""What a model file is, and which preprocessing fits it, on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from .terminal import table, terminal
from .text import interval, number, one_line, p_value

# Of what a model file says about itself, on the terminal.
_LONGEST_LINE = 1000


def _free_size(tried: list[int] | None, source: str | None) -> str:
    """What size was tried where the file leaves it free, and which one an audit takes."""
    if tried is None:
        return "left free: give --size HxW"
    size = f"left free: {tried[0]} x {tried[1]} was tried"
    if source == "--size":
        return f"{size}, as --size says"
    if source == "imgsz":
        return f"{size}, as imgsz in the metadata says"
    return (
        f"{size}; an audit takes 224 x 224, or that of images of one size, unless --size is given"
    )


def print_inspection(found: Mapping[str, Any]) -> None:
    """The result of ``iaside inspect`` as a table."""
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="bold")
    made.add_column(overflow="fold")

    def add(name: str, text: Any) -> None:
        line = one_line(str(text))
        made.add_row(name, line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + "...")

    def shape(sizes: list[Any] | None) -> str:
        return "unknown rank" if sizes is None else "[" + ", ".join(map(str, sizes)) + "]"

    add("file", f"{found['path']} ({found['bytes']:,} bytes)")
    add("sha256", found["sha256"])
    for tensor in found["inputs"]:
        layout = f", {tensor['layout']}" if tensor["layout"] else ""
        add("input", f"{tensor['name']}: {tensor['dtype']} {shape(tensor['shape'])}{layout}")
    for tensor in found["outputs"]:
        add(
            "output",
            f"{tensor['name']}: {tensor['dtype']} {shape(tensor['shape'])}, kind {tensor['kind']}",
        )
    if before := found["read_before"]:
        add("read", f"before the final {before['operator']}, at {before['tensor']}")
    add("batch", found["batch"])
    if found["size"] and None in found["size"]:
        add("size", _free_size(found["size_tried"], found["size_from"]))
    add("classes", found["classes"] if found["classes"] is not None else "unknown")
    if found["meaning"]:
        add("meaning", found["meaning"])
    if found["range_hint"]:
        add("range", found["range_hint"])
    if found["parameters"] is None:
        add("format", "onnxruntime's own (.ort), which hides the graph")
    else:
        add("parameters", f"{found['parameters']:,}")
        extra = {name: version for name, version in found["opsets"].items() if name}
        add("opset", f"{found['opset']}" + "".join(f", {key} {extra[key]}" for key in extra))
        add("IR version", found["ir_version"])
    add("producer", found["producer"])
    for name in found["external_data"]:
        add("external data", name)
    for key, text in found["declared"].items():
        add(key, text)
    if found["preprocess_beside"]:
        add("beside the model", f"{found['preprocess_beside']['file']} says the preprocessing")
    names = ", ".join(found["provider_names"])
    add("active providers", ", ".join(found["providers"]) + f" (--provider {names})" * bool(names))
    for warning in found["warnings"]:
        add("warning", warning)
    terminal().print(made)


def print_candidates(found: dict[str, Any], written: Path | None) -> None:
    """What the search for a preprocessing found, best first, and the command that uses it."""
    out = terminal()
    rows, search = found["candidates"], found["search"]
    best = rows[0]
    out.print(f"\nPreprocessing tried on {search['images']} images, best first:")
    many = best["top5"] is not None
    numbers = ["accuracy", "95% interval", *(["top 5"] if many else []), "log-prob"]
    made = table(["values", "resize, then centre crop"], [*numbers, "p against best"])
    for row in rows:
        if row["label_offset"] != best["label_offset"]:
            continue
        made.add_row(
            one_line(row["values"]),
            row["geometry"],
            number(row["accuracy"]),
            interval(row["accuracy_low"], row["accuracy_high"], 2),
            *([number(row["top5"], 2)] if many else []),
            number(row["mean_log_prob"], 2),
            "" if row is best else p_value(row["p_value"]),
        )
    out.print(made)
    others: dict[int, float] = {}
    for row in rows:
        if row["label_offset"] != best["label_offset"]:
            others.setdefault(row["label_offset"], row["accuracy"])
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
            search["toml"].rstrip(),
        )
    out.say(f"\nTo use it:\n{one_line(search['command'])}")
