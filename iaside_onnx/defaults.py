"""What is measured unless asked for otherwise, and what was published: the one place for both.

It imports nothing, so the command line shows the defaults without loading what measures.
"""

from __future__ import annotations

from typing import Any

BANDS = 8
# Not the published one: it predicts the zoo's robustness better (docs/evidence.md).
NORM = "l2"
SPACING = "linear"
ABSENCE = "gaussian"
BETA = 0.75
# None: exact for few players, drawn for many.
ESTIMATOR: str | None = None

# As the paper, and the first version of iaside, have them. Files that do not say which of these
# they were made with were made with them.
PUBLISHED: dict[str, Any] = {
    "bands": 8,
    "norm": "linf",
    "spacing": "linear",
    "separate_dc": False,
    "absence": "gaussian",
    "estimator": "exact",
    "value": "log-prob",
    "beta": 0.75,
}
PUBLISHED_WORDS = ", ".join(
    f"{name} {value}" for name, value in PUBLISHED.items() if value is not False
)
