"""Where the spectra of stand-ins come from, if not from each image's own corrupted copy."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, ReportError
from ..images.text_files import filled_rows, read_text
from ..mathematics.signal_noise import Rings, gain_and_residual
from ..mathematics.spacing import LINEAR
from ..mathematics.stand_in import Spectrum, constant_and_following
from ..plurals import counted
from ..results.banded import bands_said
from ..results.snr import SnrReport
from ..results.stand_ins import AVERAGE, TABLE
from ..spelling import option
from ..storage.value_rules import MOST_PERTURBATIONS, is_name

_MOST_BYTES = 1 << 20
_COLUMNS = ("radius", "gain", "noise")
_SHIFT = "shift"
_HEADER = f"{','.join(_COLUMNS)}, and {_SHIFT} if the mean changes"
# Bounds that no perturbation of pixels in [0, 1] passes.
_BOUNDS = {"radius": (0.0, 1.0), "gain": (-1e3, 1e3), "noise": (0.0, 1e3), _SHIFT: (-1.0, 1.0)}


@dataclass(frozen=True)
class Spectra:
    """Spectra of P perturbations at S severities, the same for all images.

    Attributes
    ----------
    source : str
        "average" or "table", as a result's settings have it.
    names : list of str
    kinds : dict
        Name to kind.
    levels : list of int
    each : list of list of Spectrum
        For each perturbation and severity.
    """

    source: str
    names: list[str]
    kinds: dict[str, str]
    levels: list[int]
    each: list[list[Spectrum]]

    @property
    def digest(self) -> str:
        """SHA-256 of all numbers but their rounding: whether two runs were given the same ones."""
        content = hashlib.sha256()
        for spectrum in (spectrum for row in self.each for spectrum in row):
            for part in vars(spectrum).values():
                if part is not None:
                    content.update(np.ascontiguousarray(part, "<f4").tobytes())
        return content.hexdigest()

    def of(self, name: str, level: int) -> Spectrum:
        """That of one perturbation and severity."""
        return self.each[self.names.index(name)][self.levels.index(level)]


def check_size(snr: SnrReport, size: tuple[int, int], channels: int, path: str) -> None:
    """Refuse a measurement of another size or number of channels than the model's."""
    wanted = f"{size[0]}x{size[1]}"
    settings = snr.settings
    if (settings["height"], settings["width"]) != size:
        raise ReportError(
            f"the signal-to-noise report is of images of {settings['height']}x{settings['width']} "
            f"pixels, and {path} takes {wanted}; make it again with iaside snr {option('size')} "
            f"{wanted}"
        )
    if settings.get("edges") is not None:
        raise ReportError(
            f"the signal-to-noise report has {bands_said(settings)}, and stand-ins are made on "
            f"rings of equal width; make it again with iaside snr {option('spacing', LINEAR)}"
        )
    if settings["channels"] != channels:
        raise ReportError(
            f"the signal-to-noise report is of {counted(settings['channels'], 'channel')}, and "
            f"{path} takes {channels}; make it again {'with' if channels == 1 else 'without'} "
            f"iaside snr {option('grey', True)}"
        )


def averages(snr: SnrReport, names: Sequence[str], levels: Sequence[int]) -> Spectra:
    """Average spectra of a measurement: of its images, channels taken together.

    Empty `names` or `levels` take all that it holds; others are refused.
    """
    for asked, held, what in (
        (names, snr.perturbations, "corruption"),
        (levels, snr.severities, "severity"),
    ):
        lacking = [str(each) for each in asked if each not in held]
        if lacking:
            raise ReportError(
                f"the signal-to-noise report holds no {what} {', '.join(lacking)}; it holds "
                f"{', '.join(map(str, held))}"
            )
    names = [name for name in snr.perturbations if not names or name in names]
    levels = [level for level in snr.severities if not levels or level in levels]
    size = snr.settings["height"], snr.settings["width"]
    counts = Rings(*size, snr.rings, snr.settings["norm"]).counts[1:]
    each = [
        [
            _average(snr, row, column, counts, size[0] * size[1])
            for column in map(snr.severities.index, levels)
        ]
        for row in map(snr.perturbations.index, names)
    ]
    kinds = {name: snr.settings["kinds"][name] for name in names}
    return Spectra(AVERAGE, list(names), kinds, list(levels), each)


def _average(
    snr: SnrReport, row: int, column: int, counts: NDArray[np.float64], pixels: int
) -> Spectrum:
    """The average spectrum of one perturbation and severity."""
    channels = snr.settings["channels"]
    power, (amplitude, added, cross) = snr.signal[1, :, 1:], snr.noise[:, :, row, column]
    gain, _ = gain_and_residual(*(part.sum(axis=0) for part in (power, added[:, 1:], cross[:, 1:])))
    change = np.where(np.isnan(gain), 1.0, gain) - 1.0
    # Of each image about the average gain.
    left = added[:, 1:] - 2 * change * cross[:, 1:] + np.square(change) * power
    frequencies = np.maximum(counts, 1.0) * pixels
    constant, following = constant_and_following(power / frequencies, left / frequencies)
    # DC of pixels in [0, 1] is never negative, so the sums tell the sign of its change.
    bright = snr.signal[0, :, 0]
    shift = np.where(
        bright > 0, cross[:, 0] / np.where(bright > 0, bright, 1.0), amplitude[:, 0] / channels
    )
    alike = np.eye(channels) / channels
    return Spectrum(
        np.repeat(change[:, None] + 1.0, channels, axis=1),
        constant[:, None, None] * alike,
        np.full(channels, float(shift.mean() / pixels)),
        following[:, None, None] * alike,
    )


def tables(paths: Sequence[Path], rings: Rings, channels: int) -> Spectra:
    """Spectra that files give by frequency, each perturbation named as its file."""
    names: list[str] = []
    each = []
    for path in paths:
        if not is_name(path.stem):
            raise DataError(
                f"{path}: the perturbation is named as its file; use letters, digits, '.', '_', "
                "'+' and '-' alone, at most 64"
            )
        if path.stem in names:
            raise DataError(f"{path}: another table is named {path.stem} too; rename one of them")
        names.append(path.stem)
        each.append([_table(path, rings, channels)])
    if len(names) > MOST_PERTURBATIONS:
        raise DataError(f"{len(names)} tables of spectra; give at most {MOST_PERTURBATIONS}")
    return Spectra(TABLE, names, dict.fromkeys(names, "spectrum"), [1], each)


def _table(path: Path, rings: Rings, channels: int) -> Spectrum:
    """The spectrum of a table: linear between its radii, and as at its ends beyond them."""
    lines = filled_rows(path, read_text(path, _MOST_BYTES).splitlines())
    header = [cell.lower() for cell in lines[0][1]] if lines else []
    if header not in ([*_COLUMNS], [*_COLUMNS, _SHIFT]):
        raise DataError(f"{path}: its first line must name the columns {_HEADER}")
    rows = lines[1:]
    if not rows:
        raise DataError(f"{path}: holds no line of numbers below the names of the columns")
    values = np.array([_numbers(path, number, header, line) for number, line in rows])
    radius = values[:, 0]
    if (np.diff(radius) <= 0).any():
        number = rows[int(np.flatnonzero(np.diff(radius) <= 0)[0]) + 1][0]
        raise DataError(f"{path}: line {number}: the radii must grow from line to line")
    shifts = np.unique(values[:, 3]) if len(header) > 3 else np.zeros(1)
    if len(shifts) > 1:
        raise DataError(f"{path}: the mean shifts by one number; give the same {_SHIFT} everywhere")
    middle = (np.arange(rings.rings) + 0.5) / rings.rings
    gain, noise = (np.interp(middle, radius, values[:, column]) for column in (1, 2))
    return Spectrum(
        np.repeat(gain[:, None], channels, axis=1),
        np.square(noise)[:, None, None] * np.eye(channels),
        np.full(channels, float(shifts[0])),
    )


def _numbers(path: Path, line: int, header: list[str], cells: list[str]) -> list[float]:
    if len(cells) != len(header):
        raise DataError(f"{path}: line {line}: {len(cells)} values, {len(header)} are needed")
    numbers = []
    for name, cell in zip(header, cells, strict=True):
        try:
            number = float(cell)
        except ValueError:
            number = math.nan
        low, high = _BOUNDS[name]
        if not low <= number <= high:
            raise DataError(
                f"{path}: line {line}: {name} is '{cell.strip()[:40]}', give a number from "
                f"{low:g} to {high:g}"
            )
        numbers.append(number)
    return numbers
