"""The tables of the guide on ImageNet networks, made from the CSV files alone."""

from __future__ import annotations

from pathlib import Path

from tools.studies.csv_files import read
from tools.studies.markdown import table

from .predicting import NEGATED, WORDS, less_words
from .study import SHOWN

_HERE = Path(__file__).parent
_L2, _LINF = SHOWN


def tables() -> dict[str, str]:
    """Each table of the page on evidence by what it is about."""
    return {
        "networks": networks(), "rivals": rivals(), "designs": designs(),
        "norm and spacing": settings(), "absences": absences(),
        "norm by absence": norms_by_absence(), "variants": variants(),
        "damage": damage(), "attack": attack(),
    }  # fmt: skip


def bands() -> dict[str, str]:
    """The table of the page on the paper's figures: on which bands each network rests."""
    rows = _rows("bands")
    names = [f"band {band}" for band in range(8)]
    return {
        "bands": table(
            ("ImageNet network", "signed score", *names),
            ((row["network"], row["signed score"], *(row[name] for name in names))
             for row in rows),
        )
    }  # fmt: skip


def predictions() -> dict[str, str]:
    """Each table of the page on prediction by what it is about."""
    return {"over corruptions": over_corruptions(), "over networks": over_networks()}


def _rows(name: str) -> list[dict[str, str]]:
    return read(f"{name}.csv", _HERE)


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


def rivals() -> str:
    """Rank correlations over families with each kind of harm."""
    rows = [row for row in _rows("rivals") if "designs" not in row["networks"]]
    harms = [name for name in rows[0] if name not in ("by", "networks")]
    return table(
        ("by", *harms), ((_words(row["by"]), *(row[name] for name in harms)) for row in rows)
    )


def designs() -> str:
    """The same where intervals resample whole designs, for those that are spoken of."""
    harms = "mPE", "mean error", "added error", "relative mCE"
    spoken = (
        f"signed, {_L2}", f"signed, {_L2}, probability", "clean accuracy",
        f"signed, {_L2} less clean accuracy", f"signed, {_L2} less signed, {_LINF}",
    )  # fmt: skip
    found = {row["by"]: row for row in _rows("rivals") if "designs" in row["networks"]}
    return table(
        ("by, whole designs", *harms),
        ((_words(name), *(found[name][harm] for harm in harms)) for name in spoken),
    )


def _words(predictor: str) -> str:
    """A predictor as the guide calls it."""
    for game, word in ((_L2, "l2"), (_LINF, "linf")):
        predictor = predictor.replace(f"signed, {game}", f"signed score, {word}")
        predictor = predictor.replace(f"published, {game}", f"published score, {word}")
    return predictor


def settings() -> str:
    """What norms and spacings resolve, and whose order they give."""
    plain = ("Spearman over families", "spread of the score", "width of a difference's interval",
             "share of the lowest band", "effective bands")  # fmt: skip
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
    """Whose order the scores of the original networks give under each absence."""
    return table(
        ("absence", "norm", "pairs told apart", "agree / oppose", "highest",
         "Spearman over families"),
        ((*_bands(row["game"])[:2], row["pairs told apart"], f"{row['agree']} / {row['oppose']}",
          row["highest"], row["Spearman over families"]) for row in _rows("absences")),
    )  # fmt: skip


def norms_by_absence() -> str:
    """How much better or worse scores of l2 go with each harm than those of linf."""
    start = "l2 less linf, "
    rows = [row for row in _rows("absences") if _bands(row["game"])[1] == "l2"]
    columns = [name for name in rows[0] if name.startswith(start)]
    return table(
        ("absence, l2 less linf", *(name.removeprefix(start) for name in columns)),
        ((_bands(row["game"])[0], *(row[name] for name in columns)) for row in rows),
    )


def variants() -> str:
    """Each variant less its parent."""
    return table(
        ("network", "clean error, points", "mean error, points", "mPE", "score, l2", "score, linf"),
        ((row["network"], row["clean error"], row["mean error"], row["mPE"], row[f"score, {_L2}"],
          row[f"score, {_LINF}"]) for row in _rows("variants")),
    )  # fmt: skip


def damage() -> str:
    """Noise, blur and fog by band, INT8 less float."""
    rows = [row for row in _rows("damage") if row["less"] and row["network"].endswith("int8")]
    return table(
        ("perturbation", "network", "all bands", "band 0", *range(1, 8)),
        ((row["perturbation"].replace("_", " ").replace("-", " "), row["network"], row["all"],
          *(row[f"band {band}"] for band in range(8))) for row in rows),
    )  # fmt: skip


def over_corruptions() -> str:
    """How well each form orders the corruptions of each network, by mPE."""
    rows = [row for row in _rows("over-corruptions") if row["damage"] == "mPE"]
    names = list(dict.fromkeys(row["network"] for row in rows))
    held = {(row["network"], row["form"]): row["over corruptions"] for row in rows}
    shown = (*WORDS.values(), less_words("stand-ins"))
    return table(
        ("network", *shown), ((name, *(held[name, form] for form in shown)) for name in names)
    )


def over_networks() -> str:
    """How well each form orders the networks under each corruption, by mPE."""
    rows = [row for row in _rows("over-networks") if row["damage"] == "mPE"]
    shown = (*WORDS.values(), *NEGATED)
    return table(
        ("corruption", *shown),
        ((row["corruption"].replace("_", " "), *(row[name] for name in shown)) for row in rows),
    )


def attack() -> str:
    """Errors under attack, and what a variant loses more than its parent."""
    rows = _rows("attack")
    less = {row["network"]: row for row in rows if row["less"]}
    shown = ("error under attack", "change under attack")
    return table(
        ("network", "clean error, %", "error under attack, %", "change under attack",
         "less its float parent: error, points", "change", "change where both are right before"),
        ((row["network"], row["clean error"], *(row[name] for name in shown),
          *(less[row["network"]][name] if row["network"] in less else ""
            for name in (*shown, "change of these")))
         for row in rows if not row["less"]),
    )  # fmt: skip
