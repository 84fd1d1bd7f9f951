"""Which function shows what of which kind of result: one row a kind, one entry a picture.

Functions are named as "module.function" of this room, so that nothing is loaded before its use; a
function itself does too. Results, `iaside show`, `iaside plot` and `iaside_onnx.plot` ask here;
panels alone stand in `plotting`. A further kind of result, or of picture, is one call of
`register`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..checks import one_of
from ..errors import UsageError
from ..plurals import counted
from ..results.banded import bands_said
from ..results.damage_words import perturbation_name
from ..results.finding import NO_FINDING, NOT_A_FINDING
from .model_names import model_names
from .text import clean_words, ends, number, one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Function = str | Callable[..., Any]


@dataclass(frozen=True)
class Drawing:
    """A kind of picture: the function that draws it, and what the function takes.

    Of one result, and its name as well where the picture is `named`; where it is of `several`,
    sequences of both. With `beside`, a kind of results, a sequence of these too: one of the same
    model for each result, or None.
    """

    draw: Function
    several: bool = False
    named: bool = False
    beside: str | None = None


@dataclass(frozen=True)
class Views:
    """The functions that show one kind of result; None where it has no such view.

    `line` is what one line of text says of a result after its kind, `cell` HTML for a notebook;
    `table` prints on a terminal, and `frame` is a pandas frame of the rows that are asked for. The
    first of the `pictures` is drawn unless another is asked for by its name. `rows` are those of
    the table as dicts of plain values, as CSV has them.
    """

    line: Callable[[Any], str] = lambda _: ""
    cell: Function | None = None
    table: Function | None = None
    frame: Function | None = None
    pictures: Mapping[str, Drawing] = field(default_factory=dict)
    rows: Function | None = None


def _of_report(report: Any) -> str:
    accuracy = clean_words(report, "accuracy", report.accuracy)
    bands = bands_said(report.settings)
    about = f"{_many(report.labels, 'image')}, {bands}, {accuracy}"
    reasons = report.precondition.reasons
    if reasons:
        return f"{NO_FINDING}, {reasons[0].partition(':')[0]}; {about}"
    return f"{about}, signed score {number(report.srs_signed, signed=True)}"


def _many(rows: Sized, one: str) -> str:
    return counted(len(rows), one)


def _clean_error(report: Any) -> str:
    return clean_words(report, "clean error", report.clean_error)


def _of_pair(pair: Any) -> str:
    difference = NOT_A_FINDING if pair.no_finding else f"{pair.srs_signed.difference:+.3g}"
    return f"{pair.report} {difference}"


def _of_damage(report: Any) -> str:
    lost, name = report.damage, perturbation_name(report.settings["perturbation"])
    return f"{name}, {_many(report.labels, 'image')}, {number(lost.value)} {report.unit} lost"


def _of_prediction(prediction: Any) -> str:
    fall = prediction.mean_drop
    return NO_FINDING if prediction.no_finding else f"mean fall {number(fall.value)} [{ends(fall)}]"


_ROWS = {
    "Report": Views(
        lambda r: f"{r.model['path']}: {_of_report(r)}",
        "cells.report_html",
        "report_table.print_report",
        "frames.report_frame",
        {
            "report": Drawing("plots.figure", several=True, beside="RobustnessReport"),
            "classes": Drawing("class_bands.class_figure", named=True),
            "class-map": Drawing("class_map.class_map", named=True),
        },
        rows="rows.report_rows",
    ),
    "RobustnessReport": Views(
        lambda r: (
            f"{r.model['path']}: {_many(r.labels, 'image')}, "
            f"{_many(r.perturbations, 'corruption')}, "
            f"{_clean_error(r)}, mean {r.error_name} {number(r.mean_error)}"
        ),
        table="robustness_table.print_robustness",
        frame="frames_measured.robustness_frame",
        pictures={"errors": Drawing("robustness_plot.robustness_figure", several=True)},
        rows="rows.robustness_rows",
    ),
    "HeatmapReport": Views(
        lambda r: (
            f"{r.model['path']}: {_many(r.labels, 'image')}, {len(r.grid.vectors)} Fourier basis "
            f"vectors, {_clean_error(r)}"
        ),
        table="heatmap_table.print_heatmap",
        frame="frames_measured.heatmap_frame",
        pictures={"maps": Drawing("heatmap_plot.heatmap_figure", several=True, beside="Report")},
        rows="rows.heatmap_rows",
    ),
    "SnrReport": Views(
        lambda r: (
            f"{r.data['source']}: {_many(r.image_ids, 'image')}, "
            f"{_many(r.perturbations, 'perturbation')}, "
            f"{bands_said(r.settings)}"
        ),
        table="snr_table.print_snr",
        frame="frames_measured.snr_frame",
        pictures={"ratios": Drawing("snr_plot.snr_figure")},
        rows="rows.snr_rows",
    ),
    "DamageReport": Views(
        lambda r: f"{r.model['path']}: {_of_damage(r)}",
        table="damage_table.print_damage",
        frame="frames.damage_frame",
        pictures={
            "bands": Drawing("damage_plot.damage_figure", several=True),
            "map": Drawing("damage_maps.damage_map", several=True),
            "together": Drawing("damage_maps.interaction_map"),
            "example": Drawing("damage_strip.damage_strip"),
        },
        rows="rows.damage_rows",
    ),
    "Audit": Views(
        lambda a: f"{a.model['path']}: {a.verdicts.sentence}",
        table="audit_screen.print_audit",
        frame="frames_measured.audit_frame",
        pictures={"errors": Drawing("audit_screen.audit_figure", several=True)},
        rows="rows.audit_rows",
    ),
    "AuditComparison": Views(
        lambda c: " ".join(pair.sentence for pair in c.pairs),
        table="audit_comparison_table.print_audit_comparison",
    ),
    "Comparison": Views(
        lambda c: (
            f"against {c.reference['report']}, signed score: {', '.join(map(_of_pair, c.pairs))}"
        ),
        "cells.comparison_html",
        "comparison_table.print_comparison",
        "frames.comparison_frame",
        {"differences": Drawing("comparison_plot.comparison_figure")},
    ),
    "DamageComparison": Views(
        lambda c: (
            f"against {c.reference['report']}, {c.unit} lost: "
            f"{', '.join(f'{p.report} {p.damage.difference:+.3g}' for p in c.pairs)}"
        ),
        table="damage_comparison.print_damage_comparison",
        frame="frames_measured.damage_comparison_frame",
        pictures={"bands": Drawing("damage_comparison.damage_comparison_figure")},
    ),
    "Correlation": Views(
        lambda c: f"{c.models} models: {', '.join(c.outcomes)}",
        table="correlation_table.print_correlation",
        frame="frames_measured.correlation_frame",
        pictures={"models": Drawing("correlation_plot.correlation_figure")},
    ),
    "Prediction": Views(
        lambda p: f"{p.model['path']}: {_of_prediction(p)}",
        table="prediction_table.print_prediction",
        frame="frames_measured.prediction_frame",
        pictures={"corruptions": Drawing("prediction_plot.prediction_figure")},
    ),
    "StandInReport": Views(
        lambda s: (
            f"{s.model['path']}: {_many(s.labels, 'image')}, "
            f"{_many(s.perturbations, 'perturbation')}, "
            f"mean fall predicted {number(s.foretold.mean_drop.value)}"
        ),
        table="stand_in_table.print_stand_ins",
        frame="frames_measured.stand_in_frame",
        pictures={"perturbations": Drawing("stand_in_plot.stand_in_figure")},
        rows="rows.stand_in_rows",
    ),
    "Shares": Views(
        lambda s: (
            f"{s.report.model['path']}: {_many(s.report.perturbations, 'corruption')}, mean fall "
            f"{number(s.total.value[0])}, spectral {number(s.total.value[1])}"
        ),
        table="stand_in_table.print_shares",
        frame="frames_measured.shares_frame",
        pictures={"shares": Drawing("stand_in_plot.shares_figure")},
    ),
    "Ranking": Views(
        lambda r: f"{len(r.rows)} models by {r.what}",
        table="ranking_table.print_ranking",
        frame="frames.ranking_frame",
        pictures={"models": Drawing("ranking_plot.ranking_figure")},
        rows="ranking_table.ranking_rows",
    ),
    "Gate": Views(
        lambda g: (
            f"{g.report}: {'undecided' if g.undecided else 'passed' if g.passed else 'failed'}"
        )
    ),
}


def register(kind: str, **views: Any) -> None:
    """Add views, by the attributes of `Views`, to a kind of result, which may be new.

    `kind` is the name of the class of results; pictures join those that it has.
    """
    row = _ROWS.get(kind, Views())
    pictures = {**row.pictures, **views.pop("pictures", {})}
    _ROWS[kind] = replace(row, **views, pictures=pictures)


def view(result: object, name: str, *arguments: Any, **options: Any) -> Any:
    """What an attribute of `Views` shows of a result.

    Raises
    ------
    UsageError
        The kind of result has no such view; only a notebook's cell may be lacking.
    """
    row = _row(result)
    if name == "line":
        said = one_line(row.line(result))
        return f"<{type(result).__name__}{' ' * bool(said)}{said}>"
    function = getattr(row, name)
    if function is None and name != "cell":
        raise UsageError(f"a {type(result).__name__} is not shown as a {name}")
    return None if function is None else loaded(function)(result, *arguments, **options)


def drawing(result: object, picture: str | None = None) -> Drawing:
    """A kind of picture of a result, the first unless one is named.

    Raises
    ------
    UsageError
        There is none, or none of that name.
    """
    pictures = _row(result).pictures
    name = picture or next(iter(pictures), "plot")
    if name not in pictures:
        known = one_of(name, pictures) if pictures else "it has no picture"
        raise UsageError(f"picture '{name}' of a {type(result).__name__}: {known}")
    return pictures[name]


def draw(
    results: Sequence[Any],
    names: Sequence[str] | None = None,
    beside: Sequence[Any] | None = None,
    picture: str | None = None,
) -> Figure:
    """Draw results of one kind.

    Names are by default those of their models. `beside` is what stands beside each
    result, or None, where the kind of picture takes that; it is the first of the results' kind
    unless one is named.

    Raises
    ------
    UsageError
        No such picture, results of several kinds, or several where the picture is of one.
    """
    if len({type(result) for result in results}) != 1:
        raise UsageError("a picture takes 1 to 12 reports, all of one kind")
    row = drawing(results[0], picture)
    if len(results) > 1 and not row.several:
        raise UsageError(f"this picture is of one result, not of {len(results)}; draw each alone")
    called = list(names or model_names(results))
    arguments = [results, called] if row.several else [results[0], *called[: row.named]]
    if row.beside is not None:
        arguments.append(beside or [None] * len(results))
    drawn: Figure = loaded(row.draw)(*arguments)
    return drawn


def _row(result: object) -> Views:
    """That of a result's class, or of the nearest class that it is made from."""
    names = (made_from.__name__ for made_from in type(result).__mro__)
    return next((_ROWS[name] for name in names if name in _ROWS), Views())


def loaded(function: Function) -> Callable[..., Any]:
    """A function of this room by its name."""
    if callable(function):
        return function
    module, _, name = function.rpartition(".")
    loaded: Callable[..., Any] = getattr(import_module(f".{module}", __package__), name)
    return loaded
