"""The checksum over a whole report file, in the block that HDF5 leaves to its users.

It stands in front of the HDF5 data (docs/format.md), so that a damaged file is known for one
before the HDF5 library, which does not survive every damage, sees it. It is no signature: who
alters a report on purpose can seal it again.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..errors import ReportError

SEAL_BYTES = 512
_HDF5 = b"\x89HDF\r\n\x1a\n"
_FIRST = b"iaside"
# How a file of iaside begins, sealed or not.
BEGINNINGS = (_HDF5, _FIRST)


def seal(path: Path) -> None:
    """Write the checksum of a file into its user block, which must be `SEAL_BYTES` long."""
    block = _block(path)
    with path.open("rb+") as file:
        file.write(block)


NO_SEAL = "has no seal, so nothing tells whether the file is as it was written"


def is_sealed(path: Path) -> bool:
    """Whether a file has a user block, which holds the checksum."""
    with path.open("rb") as file:
        return not file.read(len(_HDF5)).startswith(_HDF5)


def check_seal(path: Path) -> None:
    """Refuse a file that is not as it was sealed; HDF5 files without a user block pass."""
    with path.open("rb") as file:
        block = file.read(SEAL_BYTES)
    if block.startswith(_HDF5):
        return
    if not block.startswith(_FIRST):
        raise ReportError(f"{path}: not an HDF5 file, so no report")
    if block != _block(path):
        raise ReportError(
            f"{path}: is damaged or was changed after it was written (its checksum differs); get "
            "it again from where it was made"
        )


def _block(path: Path) -> bytes:
    """What the user block of a file says when it is whole."""
    with path.open("rb") as file:
        file.seek(SEAL_BYTES)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    text = f"iaside-report\nsha256 of what follows the first {SEAL_BYTES} bytes: {digest}\n"
    return text.encode().ljust(SEAL_BYTES, b"\0")
