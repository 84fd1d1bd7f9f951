"""What lies below a folder: pictures, files of other kinds, litter, and how folders are nested."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import DataError
from ..spelling import option
from .pictures import SUFFIXES, is_picture

# Left behind by systems and programs; whatever begins with a dot is hidden too.
_LITTER = {
    "__macosx", "__pycache__", "@eadir", "@recycle", "@tmp", "#recycle", "#snapshot", "lost+found",
    "$recycle.bin", "recycler", "system volume information", "_vti_cnf", "cvs",
    "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r", "picasa.ini",
}  # fmt: skip
# Names of the parts that data sets are split into, and of folders that merely hold pictures.
_SPLITS = {
    "train", "training", "trainset", "val", "valid", "validation", "valset", "test", "testing",
    "testset", "dev", "eval", "evaluation", "holdout", "unlabeled", "unlabelled", "extra",
}  # fmt: skip
_HOLDERS = {"images", "image", "imgs", "img", "pictures", "photos", "data", "jpegimages", "jpg"}
_BEST_SPLITS = ("test", "testing", "testset", "val", "valid", "validation")
_SEVERITIES = {"1", "2", "3", "4", "5"}


def is_litter(name: str) -> bool:
    """Whether a file or folder is hidden, or left behind by a system or a program.

    Examples
    --------
    >>> [is_litter(name) for name in (".ipynb_checkpoints", "._1.png", "__MACOSX", "cat")]
    [True, True, True, False]
    """
    return name.startswith((".", "~$")) or name.lower() in _LITTER


def left_over(root: Path, folder: str) -> bool:
    """Whether a folder is litter by its name, and no class for what it holds.

    A folder CVS with pictures in it is a class, if it has none of that program's own files.
    """
    if folder.lower() != "cvs":
        return is_litter(folder)
    files = entries(root / folder)[1]
    return not any(map(is_picture, files)) or bool({"Entries", "Root", "Repository"} & set(files))


_LABELLED = f"{option('labels', like='FILE')} (columns file,label)"


@dataclass
class Below:
    """What lies in one folder and below it.

    Attributes
    ----------
    pictures : list of str
        Paths below the folder, with slashes, sorted.
    other : Counter
        Files that are no pictures by their names, by suffix.
    direct : int
        Pictures directly in it.
    holders : list of str
        Folders below it, relative to it, that hold pictures directly.
    litter : list of str
        Hidden and left-over folders.
    """

    pictures: list[str] = field(default_factory=list)
    other: Counter[str] = field(default_factory=Counter)
    direct: int = 0
    holders: list[str] = field(default_factory=list)
    litter: list[str] = field(default_factory=list)


def entries(folder: Path) -> tuple[list[str], list[str]]:
    """Names of the folders and of the files in a folder, sorted, litter included.

    Raises
    ------
    DataError
        It cannot be listed.
    """
    try:
        with os.scandir(folder) as listing:
            kinds = [(entry.name, entry.is_dir()) for entry in listing]
    except OSError as error:
        raise _unreadable(folder, error) from error
    folders = sorted(name for name, is_folder in kinds if is_folder)
    return folders, sorted(name for name, is_folder in kinds if not is_folder)


def _unreadable(folder: object, error: OSError) -> DataError:
    return DataError(
        f"{folder}: the folder cannot be read ({error.strerror or error}); give access to it, or "
        "move it elsewhere"
    )


def look_below(folder: Path) -> Below:
    """Everything below a folder; links to folders below it are not followed.

    Raises
    ------
    DataError
        A folder cannot be listed.
    """

    def refuse(error: OSError) -> None:
        raise _unreadable(error.filename, error) from error

    below = Below()
    for place, folders, files in os.walk(folder, onerror=refuse):
        below.litter += [name for name in folders if is_litter(name)]
        linked = sum(Path(place, name).is_symlink() for name in folders)
        if linked:
            below.other["linked folders"] += linked
        folders[:] = sorted(name for name in folders if not is_litter(name))
        inside = Path(place).relative_to(folder).as_posix()
        prefix = "" if inside == "." else inside + "/"
        kinds = {name: _kind(Path(place, name)) for name in files if not is_litter(name)}
        pictures = [prefix + name for name, kind in kinds.items() if not kind]
        below.pictures += pictures
        below.other.update(filter(None, kinds.values()))
        if not prefix:
            below.direct = len(pictures)
        elif pictures:
            below.holders.append(inside)
    below.pictures.sort()
    below.holders.sort()
    return below


def _kind(path: Path) -> str:
    """What a file is that is no picture by its name; nothing for a picture."""
    suffix = path.suffix.lower()
    try:
        plain = stat.S_ISREG(path.stat().st_mode)
    except PermissionError as error:  # its folder can be listed, but not entered
        raise _unreadable(path.parent, error) from error
    except OSError:
        return "broken links"
    return "" if plain and suffix in SUFFIXES else suffix or "without suffix"


def passed_over(other: Counter[str]) -> str:
    """Files of other kinds in words, by suffix, the commonest first."""
    counts = sorted(other.items(), key=lambda item: (-item[1], item[0]))
    text = ", ".join(f"{count} {suffix}" for suffix, count in counts[:6])
    return text + (", ..." if len(counts) > 6 else "")


def advice(other: Counter[str]) -> str:
    """What makes files of other kinds readable, or nothing."""
    if {".heic", ".heif", ".hif"} & set(other):
        return "; for HEIC: pip install 'iaside-onnx[heic]'"
    if {".avif", ".jp2"} & set(other):
        return "; for AVIF and JPEG 2000: pip install --upgrade pillow"
    return ""


def nesting(root: Path, below: dict[str, Below]) -> str | None:
    """Why the folders in a folder are no classes, going by how they are nested, or None.

    Parameters
    ----------
    below : dict
        What lies in each folder of the root.
    """
    filled = {name: content for name, content in below.items() if content.pictures}
    nested = [name for name, content in filled.items() if not content.direct]
    splits = [
        name
        for name in filled
        if name.lower() in _SPLITS or (name in nested and name.lower() in _HOLDERS)
    ]
    if len(filled) == 1:
        (name,) = filled
        if nested:
            why = "with folders in it"
        elif name.lower() in _SPLITS | _HOLDERS:
            why = "with all pictures in it, which is no class"
        else:
            return None
        return _refusal(root, filled, f"holds one folder, {name}/, {why}")
    # Beside several plain folders of pictures, such a name may be one of a class.
    plain = [name for name in filled if name not in splits and name not in nested]
    if len(plain) < 2 and (set(splits) & set(nested) or (len(splits) > 1 and not plain)):
        names = ", ".join(f"{name}/" for name in splits[:3])
        return _refusal(root, filled, f"is split into {names} which are no classes")
    if len(nested) < len(filled):
        return None
    inside = Counter(
        part
        for content in filled.values()
        for part in {path.partition("/")[0] for path in content.holders}
    )
    common = [part for part, count in inside.items() if count >= max(2, len(filled) / 2)]
    severities = set(filled) <= _SEVERITIES and bool(common)
    if not severities and len(common) < 2:
        return None
    names = ", ".join(f"{name}/" for name in sorted(filled)[:3])
    same = ", ".join(f"{name}/" for name in sorted(common)[:3])
    what = "severities, no classes" if severities else "no classes"
    why = f"{names} ... hold the same folders ({same} ...), so are {what}"
    return _refusal(root, filled, why)


def _refusal(root: Path, filled: dict[str, Below], why: str) -> str:
    """A refusal that names the folder that was meant: one whose folders hold pictures directly."""
    places = [f"{name}/{holder}" for name, content in filled.items() for holder in content.holders]
    if not places:  # flat parts: their pictures lie directly in them
        best = min(filled, key=lambda name: (_rank(name), name))
        return f"{root}: {why}; did you mean {root / best} with {_LABELLED}?"
    roots = (place.rpartition("/")[0] for place in places)
    best = min(roots, key=lambda place: (_rank(place), place))
    return f"{root}: {why}; did you mean {root / best}?"


def _rank(place: str) -> int:
    """Parts that models are tested on come first."""
    words = re.split("[^a-z]+", place.lower())
    return min(
        (_BEST_SPLITS.index(word) for word in words if word in _BEST_SPLITS),
        default=len(_BEST_SPLITS),
    )
