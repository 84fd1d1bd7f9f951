"""What results offer in notebooks and to other libraries; each loads what it needs on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from .comparisons.pairs import Comparison
    from .results.report import Report


class ReportInNotebooks:
    """The part of `Report` that shows it and hands its values on."""

    def __repr__(self) -> str:
        from .views.cells import report_line

        return report_line(cast("Report", self))

    def _repr_html_(self) -> str:
        from .views.cells import report_html

        return report_html(cast("Report", self))

    def plot(self) -> Figure:
        """Draw the report; `iaside_onnx.plot` draws several side by side.

        Returns
        -------
        matplotlib Figure
            3.5 inches wide; ``figure.savefig(path)`` writes it.
        """
        from .views.plots import plot

        return plot(cast("Report", self))

    def to_pandas(self, rows: str = "bands") -> DataFrame:
        """The result as a tidy data frame.

        Parameters
        ----------
        rows : {"bands", "images", "classes"}
            What a row stands for.

            - ``bands``: a band. Columns ``band``, ``shapley``, ``shapley_stderr``, ``sid``,
              ``sid_low``, ``sid_high``.
            - ``images``: a band of an image. Columns ``image``, ``class``, ``name``,
              ``predicted``, ``correct``, ``log_prob`` (of the true class, every band present),
              ``band``, ``shapley``.
            - ``classes``: a band of a class. Columns ``band`` and those of `per_class` (an entry
              within an entry as ``outer_inner``), so the scores of a class stand in each of its
              rows; missing values are NaN.

        Returns
        -------
        pandas DataFrame
            ``band`` is an ordered categorical, lowest frequency first.

        Raises
        ------
        UsageError
            Another kind of rows, or pandas is not installed.

        Examples
        --------
        >>> report = ia.load("plain.h5")
        >>> report.to_pandas().columns.tolist()
        ['band', 'shapley', 'shapley_stderr', 'sid', 'sid_low', 'sid_high']
        >>> images = report.to_pandas("images")
        >>> wide = images.pivot(index="image", columns="band", values="shapley")
        >>> wide.shape == (len(report.labels), report.players)
        True
        """
        from .views.frames import report_frame

        return report_frame(cast("Report", self), rows)


class ComparisonInNotebooks:
    """The part of `Comparison` that shows it and hands its values on."""

    def __repr__(self) -> str:
        from .views.cells import comparison_line

        return comparison_line(cast("Comparison", self))

    def _repr_html_(self) -> str:
        from .views.cells import comparison_html

        return comparison_html(cast("Comparison", self))

    def plot(self) -> Figure:
        """Draw the differences with their intervals.

        Returns
        -------
        matplotlib Figure
            3.5 inches wide; ``figure.savefig(path)`` writes it.

        Raises
        ------
        UsageError
            More pairs than there are colours.
        """
        from .views.comparison_plot import comparison_figure

        return comparison_figure(cast("Comparison", self))

    def to_pandas(self, rows: str = "scores") -> DataFrame:
        """The differences as a tidy data frame; every row is one `Difference`.

        Parameters
        ----------
        rows : {"scores", "bands", "classes"}
            ``scores``: ``quantity`` is srs_signed, srs, accuracy or mean_log_prob of a pair.
            ``bands``: ``quantity`` is sid or shapley of a ``band`` of a pair. ``classes``:
            ``quantity`` is srs_signed or accuracy of a class of a pair (``class``, ``name``,
            ``n``); missing where the class has too few images.

        Returns
        -------
        pandas DataFrame
            Columns ``report`` (of the pair), ``quantity``, the above, and the fields of
            `Difference`.

        Raises
        ------
        UsageError
            Another kind of rows, classes that were not compared, or pandas is not installed.

        Examples
        --------
        >>> found = ia.compare("plain.h5", "robust.h5")
        >>> frame = found.to_pandas("bands")
        >>> frame.query("quantity == 'sid'").band.tolist() == found.bands
        True
        """
        from .views.frames import comparison_frame

        return comparison_frame(cast("Comparison", self), rows)
