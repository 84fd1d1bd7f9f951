"""WebDataset: tar shards whose members are samples, indexed in one pass, read by seeking.

Nothing is unpacked. A sample is a run of members that share a key, which is the name up to the
first dot behind the last slash: ``0001.jpg`` and ``0001.cls``.
"""

from __future__ import annotations

import json
import tarfile
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import DataError, PictureError, one_line
from .array_labels import Held
from .label_sets import set_key, sets_in_archive
from .masks import MaskPictures
from .pictures import SUFFIXES, ImageSource, check_bytes, class_number, relative_name

_LABEL_KEYS = ("label", "cls")
# Of a header as tarfile reads it at once: names and PAX records.
_MAX_HEADER = 1 << 16
_MAX_GLOBAL = 100
_MAX_LABEL = {"cls": 64, "json": 1 << 20}
_MAX_CLASS = 10**9
_MASKS = ("mask.png", "seg.png", "mask.tif", "seg.tif", "mask.bmp", "seg.bmp")
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
_ORDINARY = (tarfile.REGTYPE, tarfile.AREGTYPE)


@dataclass
class TarPictures(ImageSource):
    """Pictures inside tar shards; ids are ``shard.tar/member``.

    Attributes
    ----------
    shards : list of Path
    places : list of array
        Number of the shard, offset and length in bytes of each picture.
    """

    shards: list[Path]
    places: tuple[array[int], array[int], array[int]]

    def where(self, index: int) -> str:
        """The shard's path and the member."""
        shard = self.shards[self.places[0][index]]
        return f"{shard}: {self.ids[index].removeprefix(shard.name + '/')}"

    def content(self, index: int) -> bytes:
        """The member's bytes."""
        shard, offset, size = (part[index] for part in self.places)
        check_bytes(size, self.where(index))
        try:
            with self.shards[shard].open("rb") as file:
                file.seek(offset)
                encoded = file.read(size)
        except OSError as error:
            raise DataError(f"{self.shards[shard]}: {error.strerror}") from error
        if len(encoded) < size:
            raise PictureError(self.where(index), "the shard has become shorter")
        return encoded


def tar_pictures(shards: list[Path], held: Held = "class") -> TarPictures:
    """Index shards in one pass over their headers and labels.

    A label is a member ``.cls`` (an integer as text), else ``label`` or ``cls`` (an integer) of a
    member ``.json``. A set of labels is a list there, or several in ``.cls``; a mask is a member
    ``.mask.png`` or ``.seg.png``. Other members are left alone.

    Raises
    ------
    DataError
        Compressed, damaged or truncated shards; members that are not plain files, or whose names
        are absolute or climb out; pictures without a label, twice or doubtful.
    """
    ids: list[str] = []
    places = (array("q"), array("q"), array("q"))
    masks, mask_ids = (array("q"), array("q"), array("q")), []
    cells: list[Any] = []
    labels, unused = array("q"), None
    for number, shard in enumerate(shards):
        with _opened(shard) as content:
            first = len(ids)
            for key, members in groupby(_members(shard), key=lambda member: _split(member.name)[0]):
                sample = _sample(shard, content, key, members, held)
                if sample is None:
                    continue
                picture, label = sample
                if held == "none" and label is not None:
                    unused = f"labels beside the pictures of {shards[0]} are not used"
                ids.append(f"{shard.name}/{relative_name(picture.name)}")
                _add(places, number, picture)
                if isinstance(label, tarfile.TarInfo):
                    mask_ids.append(f"{shard.name}/{relative_name(label.name)}")
                    _add(masks, number, label)
                elif held == "sets":
                    cells.append(label)
                labels.append(label if isinstance(label, int) else 0)
        if len(set(ids[first:])) < len(ids) - first:
            raise DataError(f"{shard}: holds two pictures of one name")
    if not ids:
        raise DataError(
            f"{shards[0]}: holds no pictures; a sample is KEY.jpg (or .png, ...) beside KEY.cls or "
            "KEY.json, where KEY has no dot"
        )
    numbers = np.array(labels, np.int64)
    pictures = TarPictures(ids, numbers, None, shards, places, unused=unused)
    if held == "masks":
        pixels = TarPictures(mask_ids, numbers, None, shards, masks)
        pictures.truths = MaskPictures(shards[0], pixels, {name: at for at, name in enumerate(ids)})
    elif held == "sets":
        pictures.truths = sets_in_archive(shards[0], dict(zip(ids, cells, strict=True)))
    return pictures


def _add(
    places: tuple[array[int], array[int], array[int]], shard: int, member: tarfile.TarInfo
) -> None:
    for column, value in zip(places, (shard, member.offset_data, member.size), strict=True):
        column.append(value)


def _opened(shard: Path) -> BinaryIO:
    try:
        return shard.open("rb")
    except OSError as error:
        raise DataError(f"{shard}: {error.strerror}") from error


class _Headers:
    """A tar file as `tarfile` may see it: it reads headers only, and goes forward only.

    `tarfile` reads as much at once as a header claims, and follows a negative size backwards for
    ever.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.tell = file.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _MAX_HEADER:
            raise tarfile.ReadError(f"a header claims {size:,} bytes")
        return self._file.read(size)

    def seek(self, offset: int) -> int:
        if offset < self._file.tell():
            raise tarfile.ReadError("a header points backwards")
        return self._file.seek(offset)


def _members(shard: Path) -> Iterator[tarfile.TarInfo]:
    """Plain files of a shard, one after the other, none remembered."""
    with _opened(shard) as file:
        if file.read(8).startswith(_COMPRESSED):
            raise DataError(
                f"{shard}: is compressed; pictures are picked from all over a shard, so unpack it "
                "to a plain .tar first (gunzip, bunzip2, unxz, zstd -d)"
            )
        end = file.seek(0, 2)
        file.seek(0)
        view: Any = _Headers(file)
        try:
            with tarfile.open(fileobj=view, mode="r:", encoding="utf-8", errors="strict") as tar:
                remembered: Any = tar
                while (member := tar.next()) is not None:
                    remembered.members.clear()
                    if len(tar.pax_headers) > _MAX_GLOBAL:
                        raise tarfile.ReadError("no end to global headers")
                    _check(shard, member, end)
                    if not member.isdir():
                        yield member
                last = tar.offset
        except DataError:
            raise
        except Exception as error:  # hostile headers reach nearly every error
            reason = one_line(error)
            raise DataError(f"{shard}: cannot be read as a tar archive ({reason})") from error
        file.seek(last)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise DataError(f"{shard}: is truncated or damaged at byte {last:,}; fetch it again")


def _check(shard: Path, member: tarfile.TarInfo, end: int) -> None:
    if relative_name(member.name) is None:
        raise DataError(
            f"{shard}: member {member.name[:200]!r} must have a relative name inside the shard"
        )
    if not member.isdir() and (member.type not in _ORDINARY or member.issparse()):
        raise DataError(
            f"{shard}: member '{member.name}' is a link, a device or sparse; only plain files are "
            "read (GNU tar: --dereference --hard-dereference)"
        )
    if member.offset_data + member.size > end:
        raise DataError(
            f"{shard}: is truncated: member '{member.name}' of {member.size:,} bytes ends behind "
            "the file; fetch it again"
        )


def _split(name: str) -> tuple[str, str]:
    """Key and extension of a member; no extension for names that are not part of a sample."""
    folder, slash, file = name.rpartition("/")
    stem, _, extension = file.partition(".")
    return folder + slash + stem, extension.lower() if stem else ""


def _sample(
    shard: Path, content: BinaryIO, key: str, members: Iterable[tarfile.TarInfo], held: Held
) -> tuple[tarfile.TarInfo, Any] | None:
    """Picture and what it is compared with of one key; None where both are missing.

    That is a class number, the labels of a set as they are written, or the member of a mask.
    """
    parts: dict[str, tarfile.TarInfo] = {}
    for member in members:
        extension = _split(member.name)[1]
        known = extension in _MAX_LABEL or f".{extension}" in SUFFIXES
        if not known and (held != "masks" or extension not in _MASKS):
            continue
        if parts.setdefault(extension, member) is not member:
            raise DataError(f"{shard}: holds '{member.name}' twice")
    pictures = [member for name, member in parts.items() if name not in (*_MAX_LABEL, *_MASKS)]
    if len(pictures) > 1:
        names = ", ".join(member.name for member in pictures)
        raise DataError(f"{shard}: sample '{key}' has several pictures ({names}); leave one")
    # A label that is not used is not read.
    unread = 0 if "cls" in parts else None
    label = unread if held == "none" else _held(shard, content, parts, held)
    if not pictures:
        if held != "none" and (label is not None if held == "masks" else "cls" in parts):
            raise DataError(f"{shard}: sample '{key}' has a label but no picture next to it")
        return None
    if label is None and held != "none":
        needed = f"label next to it: a member {key}.cls, or {key}.json with "
        needed += "a list 'labels'" if held == "sets" else " or ".join(_LABEL_KEYS)
        if held == "masks":
            needed = f"mask next to it: a member {key}.mask.png or {key}.seg.png"
        raise DataError(f"{shard}: picture '{pictures[0].name}' has no {needed}")
    return pictures[0], label


def _held(shard: Path, content: BinaryIO, parts: dict[str, tarfile.TarInfo], held: Held) -> Any:
    """What a picture is compared with, of the members of its key; None where that is missing."""
    if held == "class":
        return _label(shard, content, parts)
    if held == "sets":
        return _set(shard, content, parts)
    masks = [parts[extension] for extension in _MASKS if extension in parts]
    if len(masks) > 1:
        names = ", ".join(member.name for member in masks)
        raise DataError(f"{shard}: holds several masks of one picture ({names}); leave one")
    return masks[0] if masks else None


def _label(shard: Path, content: BinaryIO, parts: dict[str, tarfile.TarInfo]) -> int | None:
    kind = "cls" if "cls" in parts else "json"
    if kind not in parts:
        return None
    where = f"{shard}: {parts[kind].name}"
    text = _text(content, parts[kind], where, _MAX_LABEL[kind])
    if kind == "cls":
        return class_number(text.decode("ascii", "replace"), where)
    value = _json(text, where)
    entries = value if isinstance(value, dict) else {}
    labels = {key: entries[key] for key in _LABEL_KEYS if key in entries}
    for key, label in labels.items():
        if type(label) is not int or abs(label) > _MAX_CLASS:
            raise DataError(f"{where}: its {key} is not a class number")
    if len(set(labels.values())) > 1:
        raise DataError(f"{where}: its {' and '.join(labels)} differ")
    return next(iter(labels.values()), None)


def _set(shard: Path, content: BinaryIO, parts: dict[str, tarfile.TarInfo]) -> Any:
    """Labels as they are written: a list, or a single one."""
    kind = "cls" if "cls" in parts else "json"
    if kind not in parts:
        return None
    where = f"{shard}: {parts[kind].name}"
    text = _text(content, parts[kind], where, _MAX_LABEL["json"])
    if kind == "cls" and not text.lstrip().startswith(b"["):
        lines = text.decode("utf-8", "replace").split("\n")
        return ";".join(line.strip() for line in lines if line.strip())
    value = _json(text, where)
    if not isinstance(value, dict):
        return value
    keys = set_key(list(value))
    if len(keys) > 1:
        raise DataError(f"{where}: its {' and '.join(keys)} may both be the labels; leave one")
    return value[keys[0]] if keys else None


def _text(content: BinaryIO, member: tarfile.TarInfo, where: str, most: int) -> bytes:
    if member.size > most:
        raise DataError(f"{where}: {member.size:,} bytes is too long for a label")
    content.seek(member.offset_data)
    return content.read(member.size)


def _json(text: bytes, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: is not valid JSON") from error
