"""Which function shows what of which kind of result: one row a kind, one entry a picture.

Rows name functions as "module.function" of this room, so that nothing is loaded before its use; a
function itself does too. Results, `iaside show`, `iaside plot` and `iaside_onnx.plot` all ask here,
so that a further kind of result, or of picture, is one call of `register`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..results.shown import Shown

Function = str | Callable[..., Any]


@dataclass(frozen=True)
class Drawing:
    """A kind of picture: the function that draws it, and what the function takes.

    Attributes
    ----------
    draw : str or callable
        Takes one result, and its name as well where the picture is `named`; where it is of
        `several`, sequences of both.
    beside : str or None
        Kind of results that may stand beside those drawn, of which the function takes a sequence
        too: one of the same model for each, or None.
    """

    draw: Function
    several: bool = False
    named: bool = False
    beside: str | None = None


@dataclass(frozen=True)
class Views:
    """The functions of one kind of result; those that it lacks are None.

    Attributes
    ----------
    line, cell : str or callable
        One line of text, and HTML for a notebook.
    printed : str or callable
        Prints it on a terminal.
    frame, dataset : str or callable
        A pandas frame of the rows that are asked for, and an xarray dataset.
    pictures : mapping of str to Drawing
        By name; the first is drawn unless another is asked for.
    """

    line: Function = "cells.plain_line"
    cell: Function | None = None
    printed: Function | None = None
    frame: Function | None = None
    dataset: Function | None = None
    pictures: Mapping[str, Drawing] = field(default_factory=dict)


_ROWS = {
    "Report": Views(
        line="cells.report_line",
        cell="cells.report_html",
        printed="terminal.print_report",
        frame="frames.report_frame",
        dataset="frames.report_dataset",
        pictures={
            "report": Drawing("plots.figure", several=True, beside="RobustnessReport"),
            "classes": Drawing("class_map.class_map", named=True),
        },
    ),
    "RobustnessReport": Views(
        line="cells.robustness_line",
        printed="robustness_output.print_robustness",
        pictures={"errors": Drawing("robustness_plot.robustness_figure", several=True)},
    ),
    "HeatmapReport": Views(
        line="cells.heatmap_line",
        printed="heatmap_table.print_heatmap",
        pictures={"maps": Drawing("heatmap_plot.heatmap_figure", several=True, beside="Report")},
    ),
    "SnrReport": Views(
        line="cells.snr_line",
        printed="snr_table.print_snr",
        pictures={"ratios": Drawing("snr_plot.snr_figure")},
    ),
    "Comparison": Views(
        line="cells.comparison_line",
        cell="cells.comparison_html",
        printed="comparison_table.print_comparison",
        frame="frames.comparison_frame",
        pictures={"differences": Drawing("comparison_plot.comparison_figure")},
    ),
    "Correlation": Views(
        line="cells.correlation_line",
        printed="correlation_table.print_correlation",
        pictures={"models": Drawing("correlation_plot.correlation_figure")},
    ),
    "Prediction": Views(
        line="cells.prediction_line",
        printed="prediction_table.print_prediction",
        pictures={"corruptions": Drawing("prediction_plot.prediction_figure")},
    ),
    "Gate": Views(line="cells.gate_line"),
}
_WORDS = {
    "plot": "picture", "frame": "data frame", "dataset": "xarray dataset", "printed": "table",
}  # fmt: skip


def register(kind: str, **views: Any) -> None:
    """Add views to a kind of result, which may be new; its pictures join those that it has.

    Parameters
    ----------
    kind : str
        Name of the class of results.
    **views : Function, or mapping of str to Drawing for ``pictures``
        Attributes of `Views`.
    """
    row = _ROWS.get(kind, Views())
    pictures = {**row.pictures, **views.pop("pictures", {})}
    _ROWS[kind] = replace(row, **views, pictures=pictures)


def views_of(result: object) -> Views:
    """The row of a result: that of its class, or of the nearest class that it is made from."""
    names = (made_from.__name__ for made_from in type(result).__mro__)
    return next((_ROWS[name] for name in names if name in _ROWS), Views())


def view(result: Shown, name: str, *arguments: Any) -> Any:
    """What a view shows of a result: ``plot``, or an attribute of `Views`.

    Raises
    ------
    UsageError
        The kind of result has no such view, which a notebook's cell may lack.
    """
    if name == "plot":
        return draw([result])
    function = getattr(views_of(result), name)
    if function is None and name == "cell":
        return None
    if function is None:
        raise _missing(result, name)
    return _loaded(function)(result, *arguments)


def drawing(result: object, picture: str | None = None) -> Drawing:
    """A kind of picture of a result, the first by default.

    Raises
    ------
    UsageError
        There is none, or none of that name.
    """
    pictures = views_of(result).pictures
    if not pictures:
        raise _missing(result, "plot")
    name = picture or next(iter(pictures))
    if name not in pictures:
        raise UsageError(f"picture '{name}': choose one of {', '.join(pictures)}")
    return pictures[name]


def draw(
    results: Sequence[Any],
    names: Sequence[str] | None = None,
    beside: Sequence[Any] | None = None,
    picture: str | None = None,
) -> Figure:
    """Draw results of one kind.

    Parameters
    ----------
    results : sequence
        Of the kind of the first; one, unless the picture takes several.
    names : sequence of str, optional
        What they are called; by default by the file names of their models.
    beside : sequence, optional
        What stands beside each of them, or None, where the picture takes that.
    picture : str, optional
        The kind of picture; the first of the results' kind by default.

    Raises
    ------
    UsageError
        No such picture, results of several kinds, or several where the picture is of one.
    """
    if not results:
        raise UsageError("a picture takes 1 to 6 reports, not 0")
    row = drawing(results[0], picture)
    if any(type(result) is not type(results[0]) for result in results):
        raise UsageError("a picture is of results of one kind; draw others by themselves")
    if len(results) > 1 and not row.several:
        raise UsageError(f"this picture is of one result, not of {len(results)}; draw each alone")
    drawn: Figure
    if not row.several:
        drawn = _loaded(row.draw)(results[0], *((names or [None])[:1] if row.named else []))
        return drawn
    called = names or [_name(result) for result in results]
    further = [beside or [None] * len(results)] if row.beside else []
    drawn = _loaded(row.draw)(results, called, *further)
    return drawn


def plot(*results: Any, names: Sequence[str] | None = None) -> Figure:
    """Draw one result, or up to six of one kind side by side, as ``iaside plot`` does.

    Parameters
    ----------
    *results : Report, RobustnessReport, HeatmapReport or path of a report
        What to draw. Reports are of one game with images in common, as `compare` takes them; all
        are seen through the view of the first.
    names : sequence of str, optional
        What the legend calls them; by default paths by their file names and results by those
        of their models.

    Returns
    -------
    matplotlib Figure
        3.5 inches wide for reports; notebooks show it, ``figure.savefig(path)`` writes it.

    Raises
    ------
    UsageError
        Nothing to draw, too many, different numbers of bands, or not one name a result.
    ReportError
        A path is no finished report, or the reports cannot be compared.

    Examples
    --------
    >>> drawn = ia.plot("plain.h5", "robust.h5")
    >>> drawn.savefig("both.pdf")
    """
    from ..results.report import load

    if names is not None and len(names) != len(results):
        raise UsageError(f"plot: {len(results)} reports, but {len(names)} names")
    paths = [Path(result) if isinstance(result, str | Path) else None for result in results]
    read = [r if path is None else load(path) for r, path in zip(results, paths, strict=True)]
    stems = [_name(r) if path is None else path.stem for r, path in zip(read, paths, strict=True)]
    return draw(read, names or stems)


def _name(result: Any) -> str:
    """File name of its model; a measurement of images alone has none."""
    return Path(result.model["path"]).stem if hasattr(result, "model") else ""


def _missing(result: object, name: str) -> UsageError:
    return UsageError(f"a {type(result).__name__} has no {_WORDS.get(name, name)}")


def _loaded(function: Function) -> Callable[..., Any]:
    if callable(function):
        return function
    module, _, name = function.rpartition(".")
    found: Callable[..., Any] = getattr(import_module(f".{module}", __package__), name)
    return found
