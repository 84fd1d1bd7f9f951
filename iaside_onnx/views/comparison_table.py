"""What people see of a comparison on a terminal."""

from __future__ import annotations

from ..comparisons.pairs import Comparison, Pair
from ..mathematics.paired import Difference
from ..mathematics.replicates import TrainingDifference
from ..plurals import counted
from ..results.report import FEW_IMAGES
from .comparison_rows import difference_cells, no_finding_of, pair_rows
from .terminal import Rows, table, terminal
from .text import one_line, percent, told_apart

_FILES_ONLY = (
    "A difference seen is one between these files. Trainings that differ only by their seed may "
    "differ as much: repeat a training to learn how much, and give its report as --replicate."
)
# Characters of a name over a column, and those that differences of classes take side by side.
_NAME, _WIDE = 14, 100
_TRAININGS = (
    "Intervals count images and trainings. The reference's column is the mean of its {count} "
    "trainings, between which the signed score has a standard deviation of {spread:.3f}; "
    "those of the other reports are taken to spread as much."
)


def print_comparison(comparison: Comparison) -> None:
    """For every pair the verdict, then the values of both reports with their differences."""
    out = terminal()
    view = comparison.view
    if reasons := no_finding_of(comparison):
        out.no_finding(reasons, "Its differences of scores and bands are not findings.")
    name, model = comparison.reference["report"], comparison.reference["model"]["path"]
    further = [entry["report"] for entry in comparison.replicates]
    also = f" and replicates {one_line(', '.join(further))}" if further else ""
    out.say(
        f"Reference: {one_line(name)} ({one_line(model)}){also}. Differences are other - "
        f"reference, with {percent(view['confidence'])} intervals; value {view['value']}, beta "
        f"{view['beta']}"
    )
    for pair in comparison.pairs:
        heading, *lines = map(one_line, _lines(pair))
        out.say(heading, *(f"  {line}" for line in lines))
        out.print(_table(comparison, pair))
        if any(row.accuracy is not None for row in pair.per_class or []):
            out.print(*_class_tables(comparison, pair, out.width))
            if further:
                out.print(f"  Classes: {one_line(name)} alone, as files, without its replicates.")
        elif pair.per_class is not None:
            out.print(f"  No class has {FEW_IMAGES} shared images, so none is judged.")
    signed = [pair.srs_signed for pair in comparison.pairs]
    if isinstance(signed[0], TrainingDifference):
        out.say(_TRAININGS.format(count=len(signed[0].trainings), spread=signed[0].spread))
    elif any(each.p < 1 - view["confidence"] for each in signed):
        out.say(_FILES_ONLY)


def _lines(pair: Pair) -> list[str]:
    left = pair.left_out
    counts = f"{pair.report}: {pair.shared} shared images (contents {pair.contents})"
    if any(left.values()):
        counts += f"; left out: {left['reference']} of the reference, {left['other']} of its own"
    verdict = pair.verdict
    if pair.no_finding:  # the reasons stand above
        verdict = {"score": "No conclusion about scores and bands.", "right": verdict["accuracy"]}
    lines = [counts, *dict.fromkeys(verdict.values())]
    apart = []
    for entry in pair.settings:
        other, reference = (
            "not set" if entry[side] is None else entry[side] for side in ("other", "reference")
        )
        apart.append(f"{entry['setting']} {other} against {reference}")
    if apart:
        lines.append(f"Settings of the models that differ: {', '.join(apart)}.")
    return [*lines, *(f"Note: {note}." for note in pair.notes)]


def _table(comparison: Comparison, pair: Pair) -> Rows:
    level = 1 - float(comparison.view["confidence"])
    mean = f"mean of {1 + len(comparison.replicates)}" if comparison.replicates else ""
    reference, other = told_apart([mean or comparison.reference["report"], pair.report], _NAME)
    both = [f"reference\n{reference}", f"other\n{other}"]
    rows = (
        [name, *_judged(cells, difference, level)]
        for name, cells, difference in pair_rows(comparison, pair)
    )
    caption = (
        f"Interval and p are of each row alone, and agree. * below {level:.2g}; of bands, "
        f"where that also holds among all {len(comparison.bands)} (Holm)."
    )
    headings = [*both, "other -\nreference", "interval", "p"]
    return table([""], headings, rows, caption=caption, tight=True)


def _judged(cells: list[str], difference: Difference, level: float) -> list[str]:
    """The cells of a difference, the p-value marked where it is seen among all of its kind."""
    p = difference.p if difference.p_holm is None else difference.p_holm
    return [*cells[:-1], cells[-1] + ("*" if p < level else " ")]


def _class_tables(comparison: Comparison, pair: Pair, width: int) -> list[Rows]:
    """Differences of the classes: score and accuracy in one table, or in two where it is narrow."""
    level = 1 - float(comparison.view["confidence"])
    rows = pair.per_class or []
    judged = sum(row.accuracy is not None for row in rows)
    without = [row for row in rows if row.accuracy is not None and row.srs_signed is None]
    parts = [("signed score", "srs_signed"), ("accuracy", "accuracy")]
    groups = [parts] if width >= _WIDE else [[part] for part in parts]
    tables = []
    for group in groups:
        headings = ["images", *(h for name, _ in group for h in (name, "interval", "p"))]
        classes = table(["class"], headings)
        for row in rows:
            cells: list[str] = []
            for _, part in group:
                d: Difference | None = getattr(row, part)
                cells += ["-"] * 3 if d is None else _judged(difference_cells(d), d, level)
            classes.rows.append([one_line(row.name), str(row.images), *cells])
        tables.append(classes)
    caption = (
        "Differences of each class's own images, other - reference; interval and p are of one "
        f"class alone. * below {level:.2g} among all {judged} judged (Holm). Classes with fewer "
        f"than {FEW_IMAGES} images are not judged."
    )
    if without:
        caption += (
            f" No difference of scores for {counted(len(without), 'class', 'classes')}, where one "
            "of the models has too little to share out between the bands (no finding), such as "
            f"{one_line(without[0].name)}."
        )
    tables[-1].caption = caption
    return tables
