"""The table of a folder of trained networks, from what their cards say."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

HEAD = """# Networks that differ in robustness

Small classifiers of one task for studies of robustness, trained by `python -m tools.zoo` from one
seed. Networks of one architecture start from the same weights; every recipe takes random crops,
flips and (except `bare`) jitters contrast and brightness. The table is made from the cards, whose
accuracies were measured with ONNX Runtime on the test crops; blur and noise (in pixels of
[0, 1]) are those of the column's head.

| network | architecture | recipe | parameters | {kinds} |
| --- | --- | --- | --- |{rules}
"""


def write_table(folder: Path, names: Iterable[str]) -> None:
    """Write `README.md` of a folder from the cards of those networks that are in it."""
    rows: list[str] = []
    kinds: list[str] = []
    for name in names:
        card = folder / f"{name}.md"
        if not card.is_file():
            continue
        facts = read_card(card)
        kinds = [kind for kind in facts if kind == "clean" or kind.startswith("gaussian ")]
        cells = [
            f"[{name}]({name}.md)",
            facts["architecture"].partition(":")[0],
            facts["recipe"],
            facts["parameters"].split()[0],
            *(facts[kind] for kind in kinds),
        ]
        rows.append(f"| {' | '.join(cells)} |\n")
    text = HEAD.format(kinds=" | ".join(kinds), rules=" --- |" * len(kinds)) + "".join(rows)
    (folder / "README.md").write_text(text, encoding="utf-8")


def read_card(card: Path) -> dict[str, str]:
    """What the tables of a card say: first column to second."""
    rows = [line.split(" | ") for line in card.read_text(encoding="utf-8").splitlines()]
    return {row[0].removeprefix("| "): row[1].removesuffix(" |") for row in rows if len(row) > 1}
