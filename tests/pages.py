"""Reports for tests of the page, and a reader of its markup."""

from __future__ import annotations

import dataclasses
from html.parser import HTMLParser
from typing import Any

import numpy as np

from iaside_onnx.results.report import Report

SCRIPT = "<script>alert(1)</script>"
BREAKOUT = '"><img src=x onerror=alert(1)>'
HOSTILE = [
    SCRIPT,
    BREAKOUT,
    "</script></style><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "' onfocus=alert(1) autofocus='",
    "x" * 300,
]


def made_report(
    *,
    bands: int = 4,
    classes: int = 6,
    each: int = 3,
    size: tuple[int, int] = (16, 16),
    seed: int = 0,
    names: list[str] | None = None,
) -> Report:
    """A report with a random table; classes differ, so that their order is no accident.

    Every class has a gain to share out, unless there are thousands of them.
    """
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), each)
    worth = rng.normal(1.0, 0.5, (classes, bands))[labels] + rng.normal(
        0, 0.1, (len(labels), bands)
    )
    masks = (np.arange(1 << bands)[:, None] >> np.arange(bands)) & 1
    table = -6.0 + worth @ masks.T + 0.2 * (masks[:, 0] & masks[:, 1])
    wrong = rng.random(len(labels)) < 0.3
    return Report(
        log_prob=np.minimum(table, -0.01).astype(np.float32),
        labels=labels,
        predicted=np.where(wrong, (labels + 1) % classes, labels),
        image_ids=[f"photo {number}.png" for number in range(len(labels))],
        settings={
            "bands": bands,
            "separate_dc": False,
            "norm": "linf",
            "absence": "gaussian",
            "samples": len(labels),
            "seed": 0,
            "size": list(size),
            "temperature": 1.0,
            "output_map": "real",
            "estimator": "exact",
            "value": "log-prob",
            "beta": 0.75,
            "confidence": 0.95,
        },
        model={"path": "models/net.onnx", "sha256": "ab" * 32, "producer": "tests"},
        data={
            "source": "photos",
            "digest": "cd" * 32,
            "samples": len(labels),
            "classes": classes,
            "skipped": [],
        },
        run={"forward_passes": table.size, "seconds": 1.5, "warnings": []},
        provider="cpu",
        created="2026-01-02T03:04:05+00:00",
        iaside_version="0.1.0",
        class_names=names or [f"class {number}" for number in range(classes)],
        example=rng.integers(0, 256, (*size, 3), dtype=np.uint8),
    )


def hostile_report() -> Report:
    """A report in which every text from outside tries to leave its place."""
    report = made_report(names=HOSTILE)
    return dataclasses.replace(
        report,
        model={**report.model, "path": SCRIPT, "producer": BREAKOUT},
        data={
            **report.data,
            "source": BREAKOUT,
            "labels": SCRIPT,
            "skipped": [{"id": SCRIPT, "reason": BREAKOUT}],
        },
        run={**report.run, "warnings": [SCRIPT, BREAKOUT], "batch_mode": SCRIPT},
        settings={**report.settings, SCRIPT: BREAKOUT, "absence": BREAKOUT, "input": SCRIPT},
        image_ids=[BREAKOUT, *report.image_ids[1:]],
        provider=SCRIPT,
        created=BREAKOUT,
        iaside_version=SCRIPT,
    )


class Markup(HTMLParser):
    """What a page holds: elements in order, tables as rows of cells, all text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, Any]]] = []
        self.tables: list[list[list[str]]] = []
        self.captions: list[str] = []
        self.words: list[str] = []
        self._within = ""
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif tag == "caption":
            self.captions.append("")
        if tag in ("td", "th", "caption", "script", "style"):
            self._within = tag

    def handle_endtag(self, tag: str) -> None:
        if tag in ("tr", "table", "caption", "script", "style"):
            self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within in ("td", "th"):
            self.tables[-1][-1][-1] += data.strip()
        elif self._within == "caption":
            self.captions[-1] += data
        if self._within not in ("script", "style"):
            self.words.append(data)

    def table(self, caption: str) -> list[list[str]]:
        """Rows of the one table whose caption holds these words."""
        (found,) = [number for number, text in enumerate(self.captions) if caption in text]
        return self.tables[found]

    def all(self, tag: str, **attributes: str) -> list[dict[str, Any]]:
        """Attributes of all elements of a tag that have these attributes."""
        wanted = {key.strip("_").replace("_", "-"): value for key, value in attributes.items()}
        return [
            held for name, held in self.elements if name == tag and wanted.items() <= held.items()
        ]
