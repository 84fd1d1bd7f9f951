"""Labels that a search found, written as a file that `labels` takes."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from ..errors import UsageError
from ..images.folders import PhotoFiles
from ..images.sample import Sample
from ..listener import Listener
from ..spelling import option
from ..storage.output_file import whole_file


def check_files(sample: Sample) -> None:
    """Refuse images whose labels cannot stand in a file of labels.

    Raises
    ------
    UsageError
        They are no files in a folder.
    """
    if not isinstance(sample.source, PhotoFiles):
        raise UsageError(
            f"{option('labels_file')} goes with a folder of pictures; other sets have their own"
        )


def write_found_labels(
    sample: Sample, target: Path, order: dict[int, int] | None, offset: int, listener: Listener
) -> None:
    """Write the labels of all pictures of a sample's folder, as `labels` takes them.

    Parameters
    ----------
    order : dict or None
        The model's class for each label, where its answers show that it counts otherwise.
    offset : int
        Label offset, which is no part of labels.
    """
    if order is None:
        listener.note(f"labels: {_write(sample, target):,} written to {target}")
        return
    classes = set(np.unique(sample.source.labels).tolist())
    if not classes <= set(order) or len(set(order.values())) < len(order):
        listener.warning(
            f"{target} is not written: the labels count the classes in another order than the "
            f"model, and its answers on {len(sample)} images do not give each class a number of "
            f"its own; look at more images ({option('samples')})"
        )
        return
    count = _write(sample, target, {label: answer - offset for label, answer in order.items()})
    listener.warning(
        f"labels: {count:,} written to {target}, renumbered by the model's usual answers on "
        f"{len(sample)} images; check them against the model's own list of classes"
    )


def _write(sample: Sample, target: Path, renumbered: dict[int, int] | None = None) -> int:
    """Write labels, or other numbers for them; how many."""
    source = sample.source
    with whole_file(target) as file, Path(file).open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(["file", "label"])
        for name, label in zip(source.ids, source.labels.tolist(), strict=True):
            rows.writerow([name, label if renumbered is None else renumbered[label]])
    return len(source.ids)
