# /// script
# requires-python = ">=3.11"
# dependencies = ["scikit-image==0.26.0", "numpy", "pillow"]
# ///
"""Cut the demo image set from photographs that the scikit-image wheel carries.

A class is one photograph; the task is to tell from which photograph a 64x64 patch comes.
Every photograph is turned to grey, so that classes differ by texture and structure and not
by hue, and is split by a vertical line into a training region (left) and a test region
(right) with a gap between them. No pixel is in both regions.

Written under the output folder (default ``demo/``):

- ``test/<class>/<nnn>.png``: test crops, RGB with equal channels
- ``train/<class>.png``: the training region of each photograph, 8-bit grey
- ``README.md``: origin, licence and treatment of each photograph

Run with::

    pip install scikit-image==0.26.0 numpy pillow
    python tools/make_demo_images.py

or ``uv run tools/make_demo_images.py``. Only the files inside the installed scikit-image
package are read; nothing is downloaded. There is no randomness: the same versions of
scikit-image and Pillow give byte-identical files.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image

CROP = 64
GAP = 8  # pixels between the training and the test region, in neither of them


@dataclass(frozen=True)
class Photo:
    """One photograph of the scikit-image wheel and how it is treated.

    Attributes
    ----------
    name : str
        Class name.
    file : str
        File name in ``skimage/data``.
    what : str
        What the photograph shows.
    origin : str
        Author or origin as the scikit-image docstring states it.
    licence : str
        Licence as the scikit-image docstring states it.
    factor : float
        Scale applied before cutting; 1.0 leaves the pixels as they are.
    box : tuple of int or None
        Part of the photograph that is used (left, top, right, bottom), None for all of it.
    """

    name: str
    file: str
    what: str
    origin: str
    licence: str
    factor: float = 1.0
    box: tuple[int, int, int, int] | None = None


PHOTOS = (
    Photo("brick", "brick.png", "brick wall", "CC0Textures, Bricks25", "Creative Commons CC0"),
    Photo(
        "camera",
        "camera.png",
        "man with a camera on a lawn",
        "photographer Lav Varshney",
        "No copyright restrictions. CC0 by the photographer",
    ),
    Photo(
        "cat",
        "chelsea.png",
        "Chelsea the cat",
        "photographer Stefan van der Walt",
        "No copyright restrictions. CC0 by the photographer",
    ),
    Photo(
        "cell",
        "cell.png",
        "cell in saline, phase image from a digital hologram",
        "Müller et al., Optics Express 26(8), 2018",
        "CC0, dedicated to the public domain",
    ),
    Photo(
        "coffee",
        "coffee.png",
        "coffee cup on a wooden table",
        "photographer Rachel Michetti, courtesy of Pikolo Espresso Bar",
        "No copyright restrictions. CC0 by the photographer",
    ),
    Photo(
        "coins",
        "coins.png",
        "Greek coins from Pompeii",
        "Brooklyn Museum Collection",
        "No known copyright restrictions",
    ),
    Photo(
        "grass", "grass.png", "grass", "DeviantArt, linolafett, Grass-01", "Creative Commons CC0"
    ),
    Photo("gravel", "gravel.png", "gravel", "CC0Textures, Gravel04", "Creative Commons CC0"),
    Photo(
        "hubble",
        "hubble_deep_field.jpg",
        "Hubble eXtreme Deep Field",
        "NASA, HubbleSite",
        "may be freely used in the public domain",
        factor=0.5,
    ),
    Photo(
        "retina",
        "retina.jpg",
        "human retina",
        "Mikael Häggström, Wikimedia Commons",
        "Creative Commons CC0 1.0 Universal Public Domain Dedication",
        factor=0.5,
        box=(218, 218, 1194, 1194),
    ),
    Photo(
        "rocket",
        "rocket.jpg",
        "Falcon 9 on the launch pad",
        "SpaceX Photos",
        "released in the public domain",
        factor=0.75,
    ),
    Photo(
        "tissue",
        "ihc.png",
        "colonic glands, immunohistochemical staining",
        "Center for Microscopy And Molecular Imaging (CMMI)",
        "No known copyright restrictions",
    ),
)

README_HEAD = """# Demo images

A small labelled image set for trying the tool without a data set of one's own. A class is one
photograph; the task is to tell from which photograph a 64x64 patch comes.

- `test/<class>/<nnn>.png`: {total} test crops, {per_class} per class, 64x64 RGB. Class folders in
  sorted order give the labels 0 to {last}.
- `train/<class>.png`: the training region of each photograph (8-bit grey, as one picture), from
  which `tools/train_demo_models.py` takes random crops.

Every photograph was turned to grey (ITU-R 601 luma) and is stored with equal channels where it
is RGB, so that classes differ by texture and structure and not by hue. A vertical line splits
each photograph: the left part is for training, the right part for testing, with {gap} pixels
between them that are in neither. Test crops lie on a regular grid; where the photograph is
small, neighbouring crops overlap (last column: largest share of a crop that a neighbour covers).

The set is a demonstration, not a benchmark: train and test regions come from the same twelve
photographs.

## Origin and licences

All photographs come from the `skimage/data` folder of the scikit-image {skimage} wheel. Origin
and licence are stated as in the docstrings of `skimage.data`. Pictures of that folder whose
docstring states no licence (for example `moon.png`, `page.png` and the motorcycle pair) were
left out.

| class | file in the wheel | what it is | author or origin | licence | scale | \
train region | test region | overlap |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""

README_TAIL = """
Scale is the factor by which the photograph was resized (Lanczos) before cutting. From
`retina.jpg` only the square (218, 218, 1194, 1194) inside the round field of view is used.

## Making the set again

    pip install scikit-image=={skimage} numpy pillow
    python tools/make_demo_images.py

The script has no randomness and downloads nothing. This file is written by it.
"""


def skimage_data_dir() -> Path:
    """Return the data folder of the installed scikit-image package."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        raise SystemExit("scikit-image is not installed: pip install scikit-image")
    return Path(spec.origin).parent / "data"


def load_grey(photo: Photo, data_dir: Path) -> np.ndarray:
    """Load a photograph, cut its box, turn it to grey and scale it.

    Parameters
    ----------
    photo : Photo
        What to load.
    data_dir : Path
        The folder ``skimage/data``.

    Returns
    -------
    numpy.ndarray
        Grey picture, uint8 [height, width].
    """
    with Image.open(data_dir / photo.file) as opened:
        picture = opened.convert("L")
    if photo.box is not None:
        picture = picture.crop(photo.box)
    if photo.factor != 1.0:
        size = (round(picture.width * photo.factor), round(picture.height * photo.factor))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(picture)


def grid_shape(height: int, width: int, count: int) -> tuple[int, int]:
    """Choose rows and columns of a crop grid so that crops overlap least.

    Parameters
    ----------
    height, width : int
        Size of the region in pixels, at least ``CROP`` each.
    count : int
        Number of crops that the grid must at least hold.

    Returns
    -------
    tuple of int
        Rows and columns.
    """

    def shared(shape: tuple[int, int]) -> tuple[float, int]:
        return overlap(height, width, *shape), shape[0] * shape[1]

    shapes = ((rows, -(-count // rows)) for rows in range(1, count + 1))
    return min(shapes, key=shared)


def overlap(height: int, width: int, rows: int, cols: int) -> float:
    """Return the largest share of a crop that one neighbour on the grid covers."""
    step_y = (height - CROP) / (rows - 1) if rows > 1 else CROP
    step_x = (width - CROP) / (cols - 1) if cols > 1 else CROP
    return max(0.0, 1 - step_y / CROP, 1 - step_x / CROP)


def cut_crops(region: np.ndarray, count: int) -> tuple[list[np.ndarray], float]:
    """Cut evenly spaced crops from a test region.

    Parameters
    ----------
    region : numpy.ndarray
        Grey picture, uint8 [height, width].
    count : int
        Number of crops.

    Returns
    -------
    list of numpy.ndarray
        Crops, uint8 [CROP, CROP].
    float
        Largest share of a crop that one neighbour on the grid covers.
    """
    height, width = region.shape
    rows, cols = grid_shape(height, width, count)
    tops = np.linspace(0, height - CROP, rows).round().astype(int)
    lefts = np.linspace(0, width - CROP, cols).round().astype(int)
    corners = [(top, left) for top in tops for left in lefts]
    chosen = np.linspace(0, len(corners) - 1, count).round().astype(int)
    crops = [region[t : t + CROP, x : x + CROP] for t, x in (corners[i] for i in chosen)]
    return crops, overlap(height, width, rows, cols)


def write_set(out: Path, data_dir: Path, count: int, test_share: float) -> None:
    """Write crops, training regions and README.

    Parameters
    ----------
    out : Path
        Output folder; its ``train`` and ``test`` folders are replaced.
    data_dir : Path
        The folder ``skimage/data``.
    count : int
        Test crops per class.
    test_share : float
        Share of each photograph's width that is the test region.
    """
    for part in ("train", "test"):
        shutil.rmtree(out / part, ignore_errors=True)
    (out / "train").mkdir(parents=True)
    rows = []
    for photo in PHOTOS:
        grey = load_grey(photo, data_dir)
        split = round(grey.shape[1] * (1 - test_share))
        train, test = grey[:, : split - GAP // 2], grey[:, split + GAP // 2 :]
        Image.fromarray(train).save(out / "train" / f"{photo.name}.png", optimize=True)
        folder = out / "test" / photo.name
        folder.mkdir(parents=True)
        crops, share = cut_crops(test, count)
        for number, crop in enumerate(crops):
            rgb = Image.fromarray(crop).convert("RGB")
            rgb.save(folder / f"{number:03d}.png", optimize=True)
        cells = [photo.name, f"`{photo.file}`", photo.what, photo.origin, photo.licence]
        cells += [f"{photo.factor:g}"]
        cells += [f"{part.shape[1]}x{part.shape[0]}" for part in (train, test)]
        rows.append("| " + " | ".join([*cells, f"{share:.0%}"]) + " |")
    text = README_HEAD + "\n".join(rows) + "\n" + README_TAIL
    figures = {
        "total": count * len(PHOTOS),
        "per_class": count,
        "last": len(PHOTOS) - 1,
        "gap": GAP,
        "skimage": version("scikit-image"),
    }
    for key, value in figures.items():
        text = text.replace("{" + key + "}", str(value))
    (out / "README.md").write_text(text, encoding="utf-8")


def main() -> None:
    """Parse the command line and write the set."""
    parser = argparse.ArgumentParser(description="Cut the demo image set from scikit-image.")
    default_out = Path(__file__).resolve().parent.parent / "demo"
    parser.add_argument("--out", type=Path, default=default_out, help="output folder (demo/)")
    parser.add_argument("--count", type=int, default=20, help="test crops per class (20)")
    parser.add_argument(
        "--test-share", type=float, default=0.45, help="share of the width for testing (0.45)"
    )
    args = parser.parse_args()
    write_set(args.out, skimage_data_dir(), args.count, args.test_share)
    size = sum(f.stat().st_size for f in args.out.rglob("*") if f.is_file())
    print(f"{len(PHOTOS)} classes, {args.count * len(PHOTOS)} test crops, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
