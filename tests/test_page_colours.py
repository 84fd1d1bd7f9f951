"""Contrast of the page's colours as WCAG 2.2 AA has it, measured from its style sheet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import iaside_onnx
from iaside_onnx.page import damage

STYLE = (Path(iaside_onnx.__file__).parent / "page" / "templates" / "page.css").read_text()
GROUNDS = ("ground", "panel")
SERIES = [f"c{number}" for number in range(6)]


def colours(scheme):
    """The variables of a colour scheme, each as red, green and blue."""
    roots = [dict(re.findall(r"--([a-z\d-]+): ([^;]+);", block)) for block in re.findall(
        r":root \{(.*?)\}", STYLE, re.DOTALL
    )]  # fmt: skip
    named = {**roots[0], **(roots[1] if scheme == "dark" else {})}
    return {name: rgb(text) for name, text in named.items()}


def rgb(text):
    if text.startswith("#"):
        return [int(text[place : place + 2], 16) for place in (1, 3, 5)]
    return [int(part) for part in text.split(",")]


def contrast(one, other):
    """Contrast ratio of WCAG 2."""
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour):
    shares = [part / 255 for part in colour]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return sum(f * part for f, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def over(top, under, opacity):
    return [opacity * a + (1 - opacity) * b for a, b in zip(top, under, strict=True)]


def rule(selector):
    """The declarations of a selector that stands on a line of its own."""
    found = re.search(rf"^{re.escape(selector)} \{{(.*?)\}}", STYLE, re.MULTILINE)[1]
    return dict(re.findall(r"([a-z-]+): ([^;]+);", found))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_a_contrast_of_4_5(scheme):
    named = colours(scheme)
    pairs = [(ink, ground) for ink in ("ink", "muted", "link") for ground in GROUNDS]
    pairs += [("ink", "notice"), ("muted", "notice"), ("ink", "alarm"), ("alarm-line", "alarm")]
    pairs += [("alarm-line", "ground"), ("ink", "faint"), ("ground", "ink")]
    found = {pair: contrast(*(named[name] for name in pair)) for pair in pairs}
    for name in ("warm", "cool"):  # cells of tables
        shades = re.findall(rf"rgba\(var\(--{name}\), ([\d.]+)\)", STYLE)
        for opacity in map(float, shades):
            cell = over(named[name], named["ground"], opacity)
            found[name, opacity] = contrast(named["ink"], cell)
    assert len(found) > 25
    assert {pair: ratio for pair, ratio in found.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lines_and_marks_of_charts_have_a_contrast_of_3(scheme):
    named = colours(scheme)
    found = {}
    for ground in GROUNDS:
        for name in (*SERIES, "ink", "muted"):
            found[name, ground] = contrast(named[name], named[ground])
        for selector in (".interval", ".reach"):
            opacity = float(rule(selector).get("stroke-opacity", 1))
            for name in SERIES:
                drawn = over(named[name], named[ground], opacity)
                found[selector, name, ground] = contrast(drawn, named[ground])
    assert {pair: ratio for pair, ratio in found.items() if ratio < 3} == {}
    lines = {
        ".axis": "stroke", ".reference": "stroke", ".track": "stroke", ".whisker": "stroke",
        ".upright": "stroke", ".line": "stroke", ".bar": "stroke", ".part": "stroke",
        ".dot": "fill", ".overall": "stroke",
    }  # fmt: skip
    seen = {"ink", "muted", "c"}  # var(--c) is that of a series
    for selector, what in lines.items():
        assert re.fullmatch(r"var\(--(\w+)\)", rule(selector)[what])[1] in seen, selector
    # What fills a bar of damage is told by its outline from the ground, by colour from others.
    assert len(set(damage._colours(8))) == 8
