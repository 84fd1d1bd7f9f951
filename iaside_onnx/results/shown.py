"""How a result is shown and handed on; the one place that reaches for views, and only on use."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

_VIEWS = "..views.registry"
_PLOTTING = "..views.plotting"
_PAGE = "..page.of_result"


class Shown:
    """The part that every result has of what shows it: each view is looked up by name on use."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # As a class's own, so that no dataclass puts one in its place that prints whole tables.
        cls.__repr__ = cls.__repr__  # type: ignore[method-assign]

    def _view(self, name: str, *arguments: Any) -> Any:
        return import_module(_VIEWS, __package__).view(self, name, *arguments)

    def __repr__(self) -> str:
        return str(self._view("line"))

    def _repr_html_(self) -> str | None:
        cell: str | None = self._view("cell")
        return cell

    @overload
    def plot(self, panel: str | None = None, *, ax: None = None) -> Figure: ...

    @overload
    def plot(self, panel: str | None = None, *, ax: Axes) -> Axes: ...

    def plot(self, panel: str | None = None, *, ax: Axes | None = None) -> Figure | Axes:
        """Draw the result; `iaside_onnx.plot` draws several side by side.

        Parameters
        ----------
        panel : str, optional
            One panel in place of the whole picture, such as "sid" of a `Report`; an unknown name
            is answered with those there are.
        ax : matplotlib Axes, optional
            Where a panel goes, the first of the kind's panels if none is named.

        Returns
        -------
        matplotlib Figure, or Axes
            `ax` where it is given, else a new figure, mostly 3.5 inches wide; of a panel 6.4 by
            4.8 inches. ``figure.savefig(path)`` writes it.

        Raises
        ------
        UsageError
            The result has no picture or no such panel, or more in it than a picture takes.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> figure, axes = plt.subplots()
        >>> report = ia.load("plain.h5")
        >>> report.plot("sid", ax=axes) is axes
        True
        """
        drawn: Figure | Axes = import_module(_PLOTTING, __package__).plot(self, panel=panel, ax=ax)
        return drawn

    def to_html(
        self,
        path: str | Path | None = None,
        *,
        beside: Sequence[Shown] = (),
        overwrite: bool = False,
    ) -> str:
        """The page of a `Report`, a `DamageReport`, an `Audit` or a `Ranking`.

        It is what ``iaside html`` writes, and of a ranking ``iaside rank -o``.

        Parameters
        ----------
        path : path, optional
            Where the page is written to as well; its name ends in .html.
        beside : sequence of results
            What stands on the page too: further reports, and what was measured of their models
            (`RobustnessReport`, `DamageReport`, `SnrReport`).
        overwrite : bool
            Replace an existing file.

        Returns
        -------
        str
            One self-contained page.

        Raises
        ------
        UsageError
            A result without a page, or results that do not go on one.
        ReportError
            The file exists and `overwrite` is not set, or it cannot be written.

        Examples
        --------
        >>> report = ia.load("plain.h5")
        >>> text = report.to_html("page.html")
        """
        page: str = import_module(_PAGE, __package__).page_of(
            self, path, beside=beside, overwrite=overwrite
        )
        return page

    def to_pandas(self, rows: str | None = None) -> DataFrame:
        """The result as a tidy data frame.

        Parameters
        ----------
        rows : str, optional
            What a row stands for; the first of these by default.

            Of a `Report`:

            - ``bands``: a band. Columns ``band``, ``shapley``, ``shapley_stderr``, ``sid``,
              ``sid_low``, ``sid_high``.
            - ``images``: a band of an image. Columns ``image``, ``class``, ``name``,
              ``predicted``, ``correct``, ``log_prob`` (of the true class, every band present),
              ``band``, ``shapley``.
            - ``classes``: a band of a class. Columns ``band`` and those of `per_class` (an entry
              within an entry as ``outer_inner``), so the scores of a class stand in each of its
              rows; missing values are NaN.

            Of a `DamageReport`, in its unit:

            - ``bands``: a band. Columns ``band``, ``damage``, ``low``, ``high``, ``log_prob``,
              ``only``, ``alone``.
            - ``images``: a band of an image. Columns ``image``, ``class``, ``name``, ``lost`` (of
              the image), ``band``, ``damage``.

            Of a `Comparison`, where a row is one `Difference` (columns ``report`` of the pair,
            ``quantity``, and the fields of `Difference`):

            - ``scores``: ``quantity`` is srs_signed, srs, accuracy or mean_log_prob of a pair.
            - ``bands``: ``quantity`` is sid or shapley of a ``band`` of a pair.
            - ``classes``: ``quantity`` is srs_signed or accuracy of a class of a pair
              (``class``, ``name``, ``n``); missing where the class has too few images.

            Of a `Ranking`:

            - ``models``: a model. Columns ``rank``, ``model``, ``sha256``, ``images``, every
              measure with its ends (``corrupted``, ``corrupted_low``, ``corrupted_high``), and the
              differences from the first and from the next model above.

            Of others, where ``X_low`` and ``X_high`` are the ends of the interval of a column X:

            - `RobustnessReport`: ``corruptions`` (a corruption at a severity: ``error``, or
              ``flip_rate``, and ``mpe``), ``attacks``, ``images`` (an image in each of these
              cells: ``wrong``, ``change``, ``log_prob``).
            - `HeatmapReport`: ``waves`` (a frequency: ``cycles_down``, ``cycles_across`` an image,
              ``per_pixel_down``, ``per_pixel_across``, ``error``, ``mpe``), ``bands``.
            - `SnrReport`: ``bands`` (a band under a perturbation: ``snr``, ``gain``,
              ``residual``), ``rings`` (``radius``, ``snr``).
            - `Prediction`, `StandInReport`, `Shares`: ``corruptions``. `Correlation`: ``models``.
              `DamageComparison`: ``bands``. `Audit`: ``groups``.

        Returns
        -------
        pandas DataFrame
            ``band`` is an ordered categorical, lowest frequency first.

        Raises
        ------
        UsageError
            Another kind of rows, classes that were not compared, a result without frames, or
            pandas is not installed.

        Examples
        --------
        >>> report = ia.load("plain.h5")
        >>> report.to_pandas().columns.tolist()
        ['band', 'shapley', 'shapley_stderr', 'sid', 'sid_low', 'sid_high']
        >>> images = report.to_pandas("images")
        >>> wide = images.pivot(index="image", columns="band", values="shapley")
        >>> wide.shape == (len(report.labels), report.players)
        True
        >>> comparison = ia.compare("plain.h5", "robust.h5")
        >>> frame = comparison.to_pandas("bands")
        >>> frame.query("quantity == 'sid'").band.tolist() == comparison.bands
        True
        """
        frame: DataFrame = self._view("frame", rows)
        return frame
