"""The tables of the guide on ImageNet networks, made from the CSV files alone."""

from __future__ import annotations

import csv
from pathlib import Path

from tools.studies.markdown import table

from .table import SHOWN

_HERE = Path(__file__).parent
_L2, _LINF = SHOWN


def tables() -> dict[str, str]:
    """Each table of the guide by what it is about."""
    return {
        "networks": networks(), "norm and spacing": settings(), "absences": absences(),
        "variants": variants(), "damage": damage(), "attack": attack(),
    }  # fmt: skip


def _rows(name: str) -> list[dict[str, str]]:
    with (_HERE / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _bands(game: str) -> tuple[str, str, str]:
    """Absence, norm, and spacing in words."""
    absence, norm, spacing = game.split("-", 2)
    return absence, norm, spacing.replace("-", " ")


def networks() -> str:
    """What each network gets right, what corruptions cost it, and its scores."""
    return table(
        ("network", "clean error, %", "mean error, %", "mPE", "signed score, l2",
         "signed score, linf"),
        ((row["network"], row["clean error"], row["mean error"], row["mPE"],
          row[f"signed score, {_L2}"], row[f"signed score, {_LINF}"])
         for row in _rows("networks") if not row["network"].endswith("float16")),
    )  # fmt: skip


def settings() -> str:
    """What norms and spacings resolve, and whose order they give."""
    plain = ("spread of the score", "standard error of a difference", "share of the lowest band",
             "effective bands")  # fmt: skip
    return table(
        ("bands of", "pairs told apart", "agree / oppose, one family", "two families", *plain),
        ((row["game"] if row["game"].startswith("clean") else ", ".join(_bands(row["game"])[1:]),
          row["pairs told apart"],
          *(f"{row[f'agree, {kind}']} / {row[f'oppose, {kind}']}"
            for kind in ("one family", "two families")),
          *(row[name] for name in plain))
         for row in _rows("settings")),
    )  # fmt: skip


def absences() -> str:
    """The scores of the four networks under each absence."""
    rows = _rows("absences")
    names = [name for name in rows[0] if name not in ("game", "highest", "agree", "oppose")][:-1]
    return table(
        ("absence", "norm", *names, "pairs told apart", "agree / oppose"),
        ((*_bands(row["game"])[:2], *(row[name] for name in names), row["pairs told apart"],
          f"{row['agree']} / {row['oppose']}") for row in rows),
    )  # fmt: skip


def variants() -> str:
    """Each variant less its parent."""
    return table(
        ("network", "clean error, points", "mean error, points", "mPE", "score, l2", "score, linf"),
        ((row["network"], row["clean error"], row["mean error"], row["mPE"], row[f"score, {_L2}"],
          row[f"score, {_LINF}"]) for row in _rows("variants")),
    )  # fmt: skip


def damage() -> str:
    """Noise by band, INT8 less float."""
    rows = [row for row in _rows("damage")
            if row["perturbation"] == "gaussian_noise-3" and row["less"]
            and row["network"].endswith("int8")]  # fmt: skip
    return table(
        ("network", "all bands", "band 0", *range(1, 8)),
        ((row["network"], row["all"], *(row[f"band {band}"] for band in range(8))) for row in rows),
    )


def attack() -> str:
    """Errors under attack, and what a variant loses more than its parent."""
    rows = _rows("attack")
    less = {row["network"]: row for row in rows if row["less"]}
    shown = ("error under attack", "change under attack")
    return table(
        ("network", "clean error, %", "error under attack, %", "change under attack",
         "INT8 less float: error, points", "change"),
        ((row["network"], row["clean error"], *(row[name] for name in shown),
          *(less[row["network"]][name] if row["network"] in less else "" for name in shown))
         for row in rows if not row["less"]),
    )  # fmt: skip
