"""The tables of the guide's page on the paper's figures, made from the CSV files beside them."""

from __future__ import annotations

from pathlib import Path

from tools.studies.csv_files import read
from tools.studies.markdown import interval, signed, table

DRAWN = Path(__file__).resolve().parents[3] / "docs" / "figures"
_NETWORKS = ("architectures", "trainings", "labels")
_PREDICTORS = {
    "srs_signed": "signed score",
    "srs": "published score",
    "accuracy": "clean accuracy",
}
_OUTCOMES = {"mpe": "mPE", "relative_mce": "relative mCE", "mce": "mCE"}


def tables() -> dict[str, str]:
    """Each table of the page."""
    return {"snr": decays(), **{name: importance(name) for name in _NETWORKS}, "score": ranks()}


def decays() -> str:
    """Fitted slopes and how well each form fits, corruption by corruption."""
    return table(
        ("corruption", "kind", "power law: slope", "r²", "exponential: slope", "r²"),
        (
            (
                row["corruption"].replace("_", " "),
                row["kind"],
                interval(row["power_law"], row["power_low"], row["power_high"]),
                f"{float(row['power_r2']):.2f}",
                signed(row["exponential"]),
                f"{float(row['exponential_r2']):.2f}",
            )
            for row in read("snr.csv", DRAWN)
            if row["power_law"] != "nan"
        ),
    )


def importance(name: str) -> str:
    """Score and shares of each network."""
    return table(
        (
            "network",
            "signed score",
            "less the first",
            "published",
            *(f"band {band}" for band in range(8)),
        ),
        (
            (
                row["network"],
                interval(row["signed"], row["low"], row["high"]),
                interval(row["more"], row["more_low"], row["more_high"]) if row["more"] else "",
                f"{float(row['published']):.2f}",
                *(f"{float(row[f'sid{band}']):.2f}" for band in range(8)),
            )
            for row in read(f"{name}.csv", DRAWN)
        ),
    )


def ranks() -> str:
    """Spearman's coefficients over all networks."""
    rows = {(row["predictor"], row["outcome"]): row for row in read("score.csv", DRAWN)}
    return table(
        ("predicted by", *_OUTCOMES.values()),
        (
            (
                words,
                *(
                    interval(*(rows[name, outcome][key] for key in ("spearman", "low", "high")))
                    for outcome in _OUTCOMES
                ),
            )
            for name, words in _PREDICTORS.items()
        ),
    )
