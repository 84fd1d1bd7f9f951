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
_PATTERN = re.compile(
    re.escape(_TEXT).replace(r"\{size\}", str(SEAL_BYTES)).replace(r"\{digest\}", "([0-9a-f]{64})")
)


def seal(path: Path) -> None:
    """Write the checksum of a file into its user block, which must be `SEAL_BYTES` long."""
    text = _TEXT.format(size=SEAL_BYTES, digest=_digest(path))
    with path.open("rb+") as file:
        file.write(text.encode().ljust(SEAL_BYTES, b"\0"))


def check_seal(path: Path) -> None:
    """Refuse a file that is not as it was sealed; files without a seal pass.

    Raises
    ------
    ReportError
    """
    with path.open("rb") as file:
        found = _PATTERN.match(file.read(SEAL_BYTES).decode("ascii", "replace"))
    if found is not None and found[1] != _digest(path):
        raise ReportError(
            f"{path}: is damaged or was changed after it was written (its checksum differs); get "
            "it again from where it was made"
        )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(SEAL_BYTES)
        return hashlib.file_digest(file, "sha256").hexdigest()
