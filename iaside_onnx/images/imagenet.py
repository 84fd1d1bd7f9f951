"""The 1000 ImageNet classes: WordNet ids in the order of model outputs, and their names.

Models of ILSVRC 2012 count their classes in the order of the synset ids sorted as text, which is
that of the folders of the training set.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import Path

from ..errors import DataError
from .text_files import read_text

WORDNET_ID = re.compile(r"n\d{8}(?!\d)")
CLASSES = 1000
_MAP_TEXT = "ILSVRC2012_mapping.txt"
_MOST_MAP_BYTES = 1 << 24


@cache
def synsets() -> dict[str, str]:
    """Lemmas, separated by commas, of each WordNet id, in the order of the classes.

    Examples
    --------
    >>> list(synsets()).index("n02123045"), synsets()["n02123045"]
    (281, 'tabby, tabby cat')
    """
    text = (files(__package__) / "imagenet_classes.txt").read_text(encoding="ascii")
    lines = (line.partition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {synset: lemmas for synset, _, lemmas in lines}


def wordnet_id(name: str) -> str | None:
    """The WordNet id that a name begins with, or None.

    Examples
    --------
    >>> wordnet_id("n02123045_tabby"), wordnet_id("tabby")
    ('n02123045', None)
    """
    match = WORDNET_ID.match(name.strip().lower())
    return match[0] if match else None


def ids_beside(table: Path) -> dict[int, str] | None:
    """WordNet ids by the numbers of the ILSVRC 2012 development kit, from the map beside a file.

    The kit counts classes otherwise than models do. None where there is no map.

    Raises
    ------
    DataError
        The map cannot be read.
    """
    text, meta = table.parent / _MAP_TEXT, table.parent / "meta.mat"
    if text.is_file():
        pairs = [line.split()[:2] for line in read_text(text, _MOST_MAP_BYTES).splitlines()]
        return {int(pair[0]): pair[1] for pair in pairs if len(pair) == 2 and pair[0].isdecimal()}
    if not meta.is_file():
        return None
    try:
        from scipy.io import loadmat  # slow to load

        if meta.stat().st_size > _MOST_MAP_BYTES:
            raise ValueError("too large")
        rows = loadmat(str(meta), squeeze_me=True, variable_names=["synsets"])["synsets"]
        kit = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in rows}
    except Exception as error:  # a damaged file makes the reader raise nearly everything
        raise DataError(f"{meta}: cannot be read as the meta.mat of ILSVRC 2012") from error
    return {number: synset for number, synset in kit.items() if wordnet_id(synset)}
