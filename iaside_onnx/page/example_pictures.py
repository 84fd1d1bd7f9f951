"""What the model saw of one photograph: its bands, and coalitions that grow from either end."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..mathematics.bands import band_images
from ..results.example import row_of_example
from ..results.report import Report
from ..views.band_tiles import has_pictures, partition, visible
from ..views.text import of_all, value_name

# Tiles are cut out, never shrunk: shrinking would hide the very frequencies they show.
WINDOW = 160
_WHOLE = 320
_LOSSLESS = 96 * 96


@dataclass(frozen=True)
class Tile:
    """A picture of some bands, a data URI, with the model's answer to them as a coalition.

    `chances` are, by series, the probability of the true class when these bands alone are given;
    of tasks without classes the value.
    """

    name: str
    picture: str
    chances: list[tuple[int, float]]


@dataclass(frozen=True)
class Example:
    """The strip of one photograph, for every report that it is the example of.

    `class_words` say what `true_class` is, which is empty where no series is of classes; `beneath`
    what stands under the pictures. `answers` are, by series of classes, the class that the model
    gives the whole image, and whether it is right.
    """

    image_id: str
    true_class: str
    class_words: str
    beneath: str
    answers: list[tuple[int, str, bool]]
    whole: Tile
    size: tuple[int, int]
    cut: bool
    nothing: list[tuple[int, float]]
    rows: list[tuple[str, list[Tile]]]
    series: list[int]


def examples(reports: Sequence[Report]) -> list[Example]:
    """One strip for each distinct example among the reports that carry one."""
    groups: dict[Any, list[int]] = {}
    for number, report in enumerate(reports):
        row = row_of_example(report)
        if row is not None and has_pictures(report):
            assert report.example is not None
            key = (
                report.example.tobytes(),
                report.example.shape,
                report.image_ids[row],
                int(report.labels[row]),
                *partition(report).values(),
            )
            groups.setdefault(key, []).append(number)
    return [_strip(reports, members) for members in groups.values()]


def _strip(reports: Sequence[Report], members: list[int]) -> Example:
    report = reports[members[0]]
    assert report.example is not None
    height, width = report.example.shape[:2]
    parts = _window_parts(report)
    players, row = report.players, row_of_example(report)
    assert row is not None
    grand = (1 << players) - 1
    places = [(number, row_of_example(reports[number]) or 0) for number in members]

    classed = [(reports[number], at) for number, at in places if reports[number].of_classes]

    def chances(coalition: int) -> list[tuple[int, float]]:
        return [
            (number, _chance(reports[number], float(reports[number].table[place, at])))
            for number, place in places
            if (at := reports[number].positions_of(place).get(coalition)) is not None
        ]

    def tile(name: str, coalition: int) -> Tile:
        present = [player for player in range(players) if coalition >> player & 1]
        picture = _shown(parts[present].sum(axis=0), has_lowest=0 in present)
        return Tile(name, picture, chances(coalition))

    alone = [tile(f"band {name}", 1 << player) for player, name in enumerate(report.band_names)]
    some = range(1, players)
    from_low = [tile(f"lowest {count}", (1 << count) - 1) for count in some]
    from_high = [tile(f"highest {n}", grand & grand << players - n) for n in some]
    return Example(
        image_id=report.image_ids[row],
        true_class=next((each.class_name(int(each.labels[at])) for each, at in classed), ""),
        class_words=of_all(each.class_words for each, _ in classed),
        beneath=of_all(_beneath(reports[number]) for number in members),
        answers=[
            (number, *_answer(reports[number], place))
            for number, place in places
            if reports[number].of_classes
        ],
        whole=Tile("all bands", data_uri(fitted(report.example)), chances(grand)),
        size=(width, height),
        cut=max(height, width) > WINDOW,
        nothing=chances(0),
        rows=[
            ("One band alone", alone),
            ("Bands added from the lowest up", from_low),
            ("Bands added from the highest down", from_high),
        ],
        series=members,
    )


def _answer(report: Report, row: int) -> tuple[str, bool]:
    """The class that a model gives an image."""
    answer = int(report.predicted[row])
    return report.class_name(answer), answer == int(report.labels[row])


def _beneath(report: Report) -> str:
    """What `_chance` is, in words."""
    if not report.of_classes:
        return value_name(report)
    return f"probability that the model gives the {report.class_words}"


def _chance(report: Report, value: float) -> float:
    """A probability, from its logarithm; the value itself where that is none."""
    return float(np.exp(np.float64(value))) if report.of_classes else value


def _window_parts(report: Report) -> NDArray[np.float32]:
    """The middle of every band image, shape (M, C, h, w): one channel at a time bounds memory."""
    assert report.example is not None
    planes = np.moveaxis(report.example, -1, 0)
    top, left = (max(0, (side - WINDOW) // 2) for side in planes.shape[1:])
    cut = [
        band_images(plane.astype(np.float32) / 255, **partition(report))[
            :, top : top + WINDOW, left : left + WINDOW
        ]
        for plane in planes
    ]
    return np.stack(cut, axis=1)


def _shown(pixels: NDArray[np.float32], *, has_lowest: bool) -> str:
    shades = np.rint(visible(pixels, has_lowest=has_lowest) * 255).astype(np.uint8)
    return data_uri(np.moveaxis(shades, 0, -1))


def _image(pixels: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def fitted(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image, shape (H, W, C), shrunk to what the page shows at most."""
    image = _image(pixels)
    image.thumbnail((_WHOLE, _WHOLE))
    return np.atleast_3d(np.asarray(image))


def data_uri(pixels: NDArray[np.uint8]) -> str:
    """An image, shape (H, W, C), as what stands in a page."""
    image, stream = _image(pixels), io.BytesIO()
    kind = "png" if image.width * image.height <= _LOSSLESS else "jpeg"
    # Each format ignores what belongs to the other.
    image.save(stream, kind, optimize=kind == "png", quality=82, subsampling=0)
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"
