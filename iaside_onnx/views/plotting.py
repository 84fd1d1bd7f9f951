"""Results drawn: whole pictures, single panels in axes of the user's own, and their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from ..checks import is_number, one_of
from ..errors import InvalidOption, UsageError
from ..spelling import option
from ..storage.output_file import whole_file
from .model_names import model_names
from .registry import Function, draw, loaded

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches, which are matplotlib's own.
SIZE = (6.4, 4.8)
_SMALLEST, _LARGEST = 1.0, 60.0


@dataclass(frozen=True)
class PanelOf:
    """A panel: the function that draws it into axes, of results and their names, and of how many.

    Functions are named as in `registry`.
    """

    draw: Function
    most: int = 12


# By the class of results; the first panel is drawn where none is named.
PANELS: dict[str, dict[str, PanelOf]] = {
    "Report": {
        "sid": PanelOf("report_panels.draw_sid"),
        "shapley": PanelOf("report_panels.draw_shapley"),
        "score": PanelOf("report_panels.draw_score"),
        "accuracy": PanelOf("report_panels.draw_accuracy"),
        "curves": PanelOf("report_panels.draw_curves"),
        "classes": PanelOf("class_bands.draw_classes", 1),
        "strip": PanelOf("report_panels.draw_strip", 1),
    },
    "RobustnessReport": {
        "errors": PanelOf("robustness_plot.draw_errors"),
        "means": PanelOf("robustness_plot.draw_means"),
    },
    "HeatmapReport": {
        "error-map": PanelOf("heatmap_plot.draw_error_map", 1),
        "mpe-map": PanelOf("heatmap_plot.draw_mpe_map", 1),
        "error-by-band": PanelOf("heatmap_plot.draw_band_errors", 4),
    },
    "SnrReport": {
        "ratios": PanelOf("snr_plot.draw_map", 1),
        "noise": PanelOf("snr_plot.draw_noise", 1),
        "blur": PanelOf("snr_plot.draw_blur", 1),
        "weather": PanelOf("snr_plot.draw_weather", 1),
        "digital": PanelOf("snr_plot.draw_digital", 1),
    },
    "DamageReport": {
        "damage": PanelOf("damage_plot.draw_damage", 100),
        "damage-map": PanelOf("damage_maps.draw_map", 100),
        "together": PanelOf("damage_maps.draw_together", 1),
    },
    "Comparison": {
        "score-difference": PanelOf("comparison_plot.draw_score", 1),
        "accuracy-difference": PanelOf("comparison_plot.draw_accuracy", 1),
        "sid-difference": PanelOf("comparison_plot.draw_sid", 1),
        "shapley-difference": PanelOf("comparison_plot.draw_shapley", 1),
    },
    "DamageComparison": {
        "damage-of-each": PanelOf("damage_comparison.draw_shares", 1),
        "damage-difference": PanelOf("damage_comparison.draw_differences", 1),
    },
    "Correlation": {
        "by-score": PanelOf("correlation_plot.draw_score", 1),
        "by-accuracy": PanelOf("correlation_plot.draw_accuracy", 1),
    },
    "Prediction": {
        "foretold": PanelOf("prediction_plot.draw_foretold", 1),
        "measured": PanelOf("prediction_plot.draw_measured", 1),
    },
    "StandInReport": {"falls": PanelOf("stand_in_plot.draw_falls", 1)},
    "Shares": {
        "falls": PanelOf("stand_in_plot.draw_shares", 1),
        "against": PanelOf("stand_in_plot.draw_against", 1),
    },
    "Ranking": {"order": PanelOf("ranking_plot.draw_order", 1)},
    "Audit": {
        "errors": PanelOf("audit_screen.draw_audit_errors"),
        "means": PanelOf("audit_screen.draw_audit_means"),
    },
}
# What makes results of a kind ready to stand in one panel, or refuses.
_TOGETHER: Mapping[str, Function] = {"Report": "plots.side_by_side"}


# Kinds that files hold, and the commands that write these.
_COMMANDS = {
    "Report": "analyze",
    "RobustnessReport": "robustness",
    "DamageReport": "explain",
    "HeatmapReport": "heatmap",
    "SnrReport": "snr",
    "StandInReport": "predict --model",
}


def panel_words() -> list[str]:
    """The panels of results that stand in files, in words, one text for all kinds."""
    kinds = (f"{', '.join(PANELS[kind])} ({by})" for kind, by in _COMMANDS.items())
    return ["; ".join(kinds)]


def check_panel(panel: str | None, result: Any = None) -> None:
    """Refuse a name that no panel of a result has, or without a result no panel at all.

    Raises
    ------
    InvalidOption
        The message says which is most likely meant, and which there are.
    """
    if panel is None:
        return
    kinds = list(_COMMANDS) if result is None else [_kind(result)]
    known = list(dict.fromkeys(name for kind in kinds for name in PANELS.get(kind, {})))
    if panel not in known:
        said = one_of(panel, known) if known else f"a {kinds[0]} has no panels"
        raise InvalidOption("panel", panel, said)


def _kind(result: object) -> str:
    names = [made_from.__name__ for made_from in type(result).__mro__]
    return next((name for name in names if name in PANELS), names[0])


def draw_panel(
    axes: Axes, results: Sequence[Any], names: Sequence[str] | None = None, panel: str | None = None
) -> None:
    """Draw one panel of results of one kind, the first unless one is named, into axes.

    Raises
    ------
    UsageError
        No such panel, results of several kinds, or more than it takes.
    """
    from .figure import style

    if not results or len({_kind(result) for result in results}) != 1:
        raise UsageError("a panel takes results of one kind, at least one")
    kind = _kind(results[0])
    known = PANELS.get(kind)
    check_panel(panel, results[0])
    if not known:
        raise UsageError(f"a {kind} has no panels")
    name = panel or next(iter(known))
    row = known[name]
    if len(results) > row.most:
        most = "one result" if row.most == 1 else f"at most {row.most} results"
        raise UsageError(f"panel '{name}' takes {most}, not {len(results)}")
    called = list(names or model_names(results))
    if kind in _TOGETHER:
        results = loaded(_TOGETHER[kind])(results, called)
    style(axes)
    loaded(row.draw)(axes, results, called)


@overload
def plot(
    *results: Any, names: Sequence[str] | None = None, panel: str | None = None, ax: None = None
) -> Figure: ...


@overload
def plot(
    *results: Any, names: Sequence[str] | None = None, panel: str | None = None, ax: Axes
) -> Axes: ...


def plot(
    *results: Any,
    names: Sequence[str] | None = None,
    panel: str | None = None,
    ax: Axes | None = None,
) -> Figure | Axes:
    """Draw one result, or several of one kind side by side, as ``iaside plot`` does.

    Parameters
    ----------
    *results : result of any kind, or path of its file
        What to draw, up to twelve. Reports are of one game with images in common, as `compare`
        takes them; all are seen through the view of the first.
    names : sequence of str, optional
        What legends call them; by default the names of their models, with what sets them apart
        where several results are of one.
    panel : str, optional
        One panel in place of the whole picture. Of a `Report`: sid, shapley, score, accuracy,
        curves, classes, strip. `panels` has a function for each panel of each kind.
    ax : matplotlib Axes, optional
        Where a panel goes, the first of the kind's panels if none is named. Text follows the font
        size that matplotlib is set to.

    Returns
    -------
    matplotlib Figure, or Axes
        `ax` where it is given, else a new figure: 6.4 by 4.8 inches for a panel, and for the whole
        picture of reports 3.5 inches wide. Notebooks show it, ``figure.savefig(path)`` writes it.

    Raises
    ------
    UsageError
        Nothing to draw, too many, different numbers of bands, no such panel, or not one name a
        result.
    ReportError
        A path is no finished file, or the reports cannot be compared.

    Examples
    --------
    >>> drawn = ia.plot("plain.h5", "robust.h5")
    >>> drawn.savefig("both.pdf")
    >>> import matplotlib.pyplot as plt
    >>> figure, (left, right) = plt.subplots(1, 2, layout="constrained")
    >>> _ = ia.plot("plain.h5", "robust.h5", panel="sid", ax=left)
    >>> _ = ia.plot("plain.h5", "robust.h5", panel="score", ax=right)
    """
    from ..results.kinds import load

    _check_results(results)
    if names is not None and (isinstance(names, str) or len(names) != len(results)):
        advice = f"give a list with a name for each of the {len(results)} results"
        raise InvalidOption("names", names, advice)
    paths = [Path(result) if isinstance(result, str | Path) else None for result in results]
    read = [r if path is None else load(path) for r, path in zip(results, paths, strict=True)]
    called = list(names) if names is not None else model_names(read, paths)
    if ax is not None:
        _check_axes(ax)
        draw_panel(ax, read, called, panel)
        return ax
    if panel is not None:
        return panel_figure(read, called, panel)
    return draw(read, called)


def panel_figure(
    results: Sequence[Any],
    names: Sequence[str],
    panel: str | None,
    size: tuple[float, float] = SIZE,
) -> Figure:
    """One panel as a picture of its own, of a size in inches."""
    from .figure import alone

    drawn, axes = alone(*size)
    draw_panel(axes, results, names, panel)
    return drawn


def _check_results(results: Sequence[Any]) -> None:
    from matplotlib.axes import Axes

    if any(isinstance(each, Axes) for each in results):
        raise UsageError(f"axes stand among the results: give them as {option('ax', like='AXES')}")


def _check_axes(ax: Any) -> None:
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise InvalidOption("ax", ax, "give the axes of a figure, such as plt.subplots()[1]")
    if ax.name != "rectilinear":
        raise InvalidOption(
            "ax", ax, f"a panel is flat and square, and these are {ax.name} axes: give others"
        )


def check_size(size: Sequence[float] | None) -> tuple[float, float] | None:
    """Refuse what is no width and height of a picture in inches.

    Raises
    ------
    InvalidOption
    """
    if size is None:
        return None
    advice = (
        f"give width and height in inches, each from {_SMALLEST:g} to {_LARGEST:g}, such as "
        f"{option('size', (6.4, 4.8))}; a .png has 300 pixels an inch"
    )
    if len(size) != 2 or not all(
        is_number(side) and _SMALLEST <= side <= _LARGEST for side in size
    ):
        raise InvalidOption("size", "x".join(f"{side:g}" for side in size), advice)
    return float(size[0]), float(size[1])


def save(
    results: Sequence[Any],
    target: Path,
    names: Sequence[str] | None = None,
    beside: Sequence[Any] | None = None,
    picture: str | None = None,
    *,
    panel: str | None = None,
    size: tuple[float, float] | None = None,
    overwrite: bool = False,
) -> None:
    """Draw results, as `registry.draw` or `panel_figure` do, and write the picture.

    At a `size` in inches a panel fills it; a whole picture is made larger or smaller, all of its
    parts alike, until it fits. Nothing is left behind when that fails.

    Raises
    ------
    UsageError, ReportError
        As for `draw` and `figure.check_picture`, or the file cannot be written.
    """
    from .figure import DPI, check_picture, scaled

    check_picture(target, overwrite=overwrite)
    size = check_size(size)
    if panel is not None:
        called = names or model_names(results)
        drawn = panel_figure(results, called, panel, size or SIZE)
    else:
        with scaled(1.0, size):
            drawn = draw(results, names, beside, picture)
    box: dict[str, Any] = {}
    if panel is None and size is not None:
        from matplotlib.transforms import Bbox

        across, up = drawn.get_size_inches()
        with scaled(min(size[0] / across, size[1] / up), size):
            drawn = draw(results, names, beside, picture)
        # In the middle of the size, white around it.
        across, up = (drawn.get_size_inches() - size) / 2
        box["bbox_inches"] = Bbox.from_bounds(across, up, *size)
    with whole_file(target) as scratch:
        drawn.savefig(scratch, format=target.suffix[1:].lower(), dpi=DPI, **box)
