"""The same labelled pictures as tar shards and as Parquet."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest


def write_tar(path: Path, members: Iterable[tuple[str | tarfile.TarInfo, bytes]]) -> Path:
    """A tar archive of members in the order given; a TarInfo is written as it is."""
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            if not isinstance(name, tarfile.TarInfo):
                info.size = len(content)
            # Without content only the header is written, whatever size it claims.
            archive.addfile(info, io.BytesIO(content) if content else None)
    return path


def samples(contents: Iterable[bytes], labels: Iterable[int], ending: str = "png") -> list[Any]:
    """Members of WebDataset samples 0000, 0001, ..."""
    pairs = enumerate(zip(contents, labels, strict=True))
    return [
        member
        for number, (content, label) in pairs
        for member in ((f"{number:04d}.{ending}", content), (f"{number:04d}.cls", b"%d" % label))
    ]


def write_parquet(
    path: Path,
    contents: Iterable[bytes | None],
    labels: Iterable[Any],
    *,
    image: str = "image",
    label: str = "label",
    names: list[str] | None = None,
    rows: int = 5,
    **options: Any,
) -> Path:
    """A file in the image layout of Hugging Face datasets, with `rows` in a row group."""
    pa = pytest.importorskip("pyarrow", reason="needs the extra 'parquet'")
    import pyarrow.parquet as pq

    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells = [{"bytes": content, "path": "/etc/passwd"} for content in contents]
    features = {image: {"_type": "Image"}, label: {"names": names, "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})} if names else None
    table = pa.table({image: pa.array(cells, kind), label: pa.array(labels)})
    pq.write_table(table.replace_schema_metadata(metadata), path, row_group_size=rows, **options)
    return path
