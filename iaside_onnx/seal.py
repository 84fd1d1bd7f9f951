"""The checksum over a whole report file, in the block that HDF5 leaves to its users.

It stands in front of the HDF5 data (docs/format.md), so that a damaged file is known for one
before the HDF5 library, which does not survive every damage, sees it. It is no signature: who
alters a report on purpose can seal it again.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from .errors import ReportError

SEAL_BYTES = 512
_TEXT = "iaside-report\nsha256 of what follows the first {size} bytes: {digest}\n"
_RECOGNISED = 6  # characters that tell a damaged report from another file
_HDF5 = b"\x89HDF\r\n\x1a\n"
_PATTERN = re.compile(
    re.escape(_TEXT).replace(r"\{size\}", str(SEAL_BYTES)).replace(r"\{digest\}", "([0-9a-f]{64})")
)


def seal(path: Path) -> None:
    """Write the checksum of a file into its user block, which must be `SEAL_BYTES` long."""
    text = _TEXT.format(size=SEAL_BYTES, digest=_digest(path))
    with path.open("rb+") as file:
        file.write(text.encode().ljust(SEAL_BYTES, b"\0"))


def check_seal(path: Path) -> None:
    """Refuse a file that is not as it was sealed; HDF5 files without a user block pass.

    Raises
    ------
    ReportError
    """
    with path.open("rb") as file:
        block = file.read(SEAL_BYTES)
    if block.startswith(_HDF5):
        return
    found = _PATTERN.match(block.decode("ascii", "replace"))
    if found is None and not block.startswith(_TEXT[:_RECOGNISED].encode()):
        raise ReportError(f"{path}: not an HDF5 file, so no report")
    if found is None or found[1] != _digest(path):
        raise ReportError(
            f"{path}: is damaged or was changed after it was written (its checksum differs); get "
            "it again from where it was made"
        )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(SEAL_BYTES)
        return hashlib.file_digest(file, "sha256").hexdigest()
