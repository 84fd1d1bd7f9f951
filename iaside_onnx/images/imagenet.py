"""The 1000 ImageNet classes: WordNet ids in the order of model outputs, and their names.

Models of ILSVRC 2012 count their classes in the order of the synset ids sorted as text, which is
that of the folders of the training set.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

WORDNET_ID = re.compile(r"n\d{8}(?!\d)")
CLASSES = 1000


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
