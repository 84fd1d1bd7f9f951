"""Files of a study that are not there or damaged, in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from zipfile import BadZipFile

from iaside_onnx.errors import IasideError
from iaside_onnx.spelling import on_command_line


@contextmanager
def in_one_line() -> Iterator[None]:
    """End a command with what is wrong with a file, in place of a traceback."""
    try:
        yield
    except BadZipFile as error:
        raise SystemExit(
            f"Error: an .npz file of stored measurements is damaged: {error}"
        ) from None
    except (OSError, IasideError) as error:
        raise SystemExit(f"Error: {on_command_line(str(error))}") from None
