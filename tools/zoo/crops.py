"""Training crops and test images, of the bundled photographs or of any folder of classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

CROP = 64
SHORTER_SIDE = 72  # of a folder's pictures, so that crops differ a little
HELD_OUT = 5  # every fifth picture of a folder without a split is for testing
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
CELL = 16  # pixels; crops that begin in one cell count as one sample for label noise


class FolderError(ValueError):
    """A folder of photographs that cannot be used; the text says why."""


@dataclass(frozen=True)
class ImageSet:
    """Pictures to train on and crops to test on.

    Attributes
    ----------
    classes : list of str
        Class names in label order.
    pictures : list of list of torch.Tensor
        Training pictures of each class, [3, height, width] in [0, 1], both sides at least 64.
    test, labels : torch.Tensor
        Test crops [images, 3, 64, 64] in [0, 1], and their classes [images].
    """

    classes: list[str]
    pictures: list[list[Tensor]]
    test: Tensor
    labels: Tensor

    def pixel_statistics(self) -> tuple[float, float]:
        """Mean and standard deviation of the first channel over all training pictures."""
        pixels = torch.cat([each[0].flatten() for kept in self.pictures for each in kept])
        return round(pixels.mean().item(), 4), round(pixels.std().item(), 4)


def load_rgb(path: Path, shorter: int | None = None) -> Tensor:
    """Load a picture as float32 [3, height, width] in [0, 1], its shorter side resized if asked."""
    with Image.open(path) as file:
        picture = file.convert("RGB")
    if shorter is not None:
        scale = shorter / min(picture.size)
        sides = (round(picture.width * scale), round(picture.height * scale))
        picture = picture.resize(sides, Image.Resampling.BICUBIC)
    pixels = np.asarray(picture, dtype=np.float32) / 255
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())


def load_demo(folder: Path) -> ImageSet:
    """The bundled set: a training region `train/CLASS.png` and `test/CLASS/*.png` a class."""
    regions = sorted((folder / "train").glob("*.png"))
    classes = [path.stem for path in regions]
    tests = [sorted((folder / "test" / name).glob("*.png")) for name in classes]
    return _image_set(
        classes,
        [[load_rgb(path)] for path in regions],
        [[load_rgb(path) for path in paths] for paths in tests],
    )


def load_folder(folder: Path) -> ImageSet:
    """Any set of photographs: one sub-folder per class.

    `folder/train/CLASS/*` and `folder/test/CLASS/*` where both exist; otherwise every fifth
    picture of `folder/CLASS`, in order of name, is kept for testing. Pictures are resized to a
    shorter side of 72 pixels; test images are the central 64x64 of them.

    Raises
    ------
    FolderError
        Fewer than two classes, or a class without training or test pictures.
    OSError
        A picture that cannot be read.
    """
    split = all((folder / part).is_dir() for part in ("train", "test"))
    classes = sorted(path.name for path in _inside(folder / "train" if split else folder))
    if len(classes) < 2:
        raise FolderError(f"--images {folder}: needs a sub-folder for each of two classes or more")
    pictures, tests = [], []
    for name in classes:
        if split:
            train, test = (_files(folder / part / name) for part in ("train", "test"))
        else:
            files = _files(folder / name)
            test = files[HELD_OUT - 1 :: HELD_OUT]
            train = [path for path in files if path not in test]
        if not train or not test:
            raise FolderError(
                f"--images {folder}: class '{name}' has {len(train)} pictures to train on and "
                f"{len(test)} to test on; without train/ and test/ it takes {HELD_OUT} or more"
            )
        pictures.append([load_rgb(path, SHORTER_SIDE) for path in train])
        tests.append([_centre(load_rgb(path, SHORTER_SIDE)) for path in test])
    return _image_set(classes, pictures, tests)


def sample(images: ImageSet, batch: int, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Random crops: first the class, then the picture, then the place.

    Returns
    -------
    crops, labels, cells : torch.Tensor
        Crops [batch, 3, 64, 64], classes [batch], and for each crop a number [batch] that is the
        same for crops of (nearly) the same place.
    """
    labels = torch.randint(len(images.pictures), (batch,), generator=rng)
    places = torch.rand(batch, 2, generator=rng).tolist()
    choices = torch.zeros(batch)
    if any(len(pictures) > 1 for pictures in images.pictures):
        choices = torch.rand(batch, generator=rng)
    crops, cells = [], []
    for label, choice, (down, right) in zip(labels.tolist(), choices.tolist(), places, strict=True):
        pictures = images.pictures[label]
        which = int(choice * len(pictures))
        picture = pictures[which]
        top = int(down * (picture.shape[1] - CROP + 1))
        left = int(right * (picture.shape[2] - CROP + 1))
        crops.append(picture[:, top : top + CROP, left : left + CROP])
        cells.append(((label * 4096 + which) * 512 + top // CELL) * 512 + left // CELL)
    return torch.stack(crops), labels, torch.tensor(cells)


def _image_set(
    classes: list[str], pictures: list[list[Tensor]], tests: list[list[Tensor]]
) -> ImageSet:
    labels = [label for label, kept in enumerate(tests) for _ in kept]
    test = torch.stack([image for kept in tests for image in kept])
    return ImageSet(classes, pictures, test, torch.tensor(labels))


def _inside(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise FolderError(f"--images {folder}: no such folder")
    return [path for path in folder.iterdir() if path.is_dir()]


def _files(folder: Path) -> list[Path]:
    files = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in files if path.suffix.lower() in SUFFIXES)


def _centre(picture: Tensor) -> Tensor:
    top, left = ((side - CROP) // 2 for side in picture.shape[1:])
    return picture[:, top : top + CROP, left : left + CROP]
