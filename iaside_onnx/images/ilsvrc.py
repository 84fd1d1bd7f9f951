"""Ids of the ILSVRC 2012 development kit, which count classes otherwise than models do."""

from __future__ import annotations

from pathlib import Path

from ..errors import DataError
from .imagenet import wordnet_id
from .text_files import read_text

_MAP_TEXT = "ILSVRC2012_mapping.txt"
_MOST_BYTES = 1 << 24


def ids_beside(table: Path) -> dict[int, str] | None:
    """WordNet ids by the kit's numbers, from the map beside a file; None where there is none.

    Raises
    ------
    DataError
        The map cannot be read.
    """
    text, meta = table.parent / _MAP_TEXT, table.parent / "meta.mat"
    if text.is_file():
        pairs = [line.split()[:2] for line in read_text(text, _MOST_BYTES).splitlines()]
        return {int(pair[0]): pair[1] for pair in pairs if len(pair) == 2 and pair[0].isdecimal()}
    if not meta.is_file():
        return None
    try:
        from scipy.io import loadmat  # slow to load

        if meta.stat().st_size > _MOST_BYTES:
            raise ValueError("too large")
        rows = loadmat(str(meta), squeeze_me=True, variable_names=["synsets"])["synsets"]
        synsets = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in rows}
    except Exception as error:  # a damaged file makes the reader raise nearly everything
        raise DataError(f"{meta}: cannot be read as the meta.mat of ILSVRC 2012") from error
    return {number: synset for number, synset in synsets.items() if wordnet_id(synset)}
