"""The errors a user can cause; each message says what was wrong, where, and what to do."""

_LONGEST = 1000


class IasideError(Exception):
    """Base of every error that is the input's or the usage's fault (exit code 2).

    Its message is one line of bounded length, whatever a file put into it.
    """

    def __init__(self, message: str) -> None:
        line = " ".join(message.splitlines())
        super().__init__(line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "...")


class UsageError(IasideError):
    """An option or argument has a value that cannot be used."""


class ArtifactError(IasideError):
    """The ONNX file cannot be read, understood or run."""


class ChangedModelError(ArtifactError):
    """The ONNX file is not what it was when it was read first."""

    def __init__(self, path: object) -> None:
        super().__init__(
            f"{path}: the model was changed while it was worked on; leave it alone, and start again"
        )


class ProviderError(IasideError):
    """The execution provider that was asked for did not become active."""


class DataError(IasideError):
    """The images or labels cannot be used."""


class PictureError(DataError):
    """One picture cannot be used, though the set that holds it can.

    Attributes
    ----------
    reason : str
        Why, without any path.
    """

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(
            f"{where}: cannot be read as a picture ({reason}): replace it, or leave it out with "
            "--skip-bad"
        )
        self.reason = reason


class ChangedError(DataError):
    """A picture is not what it was when it was read first.

    Attributes
    ----------
    name : str
        Of the picture.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"image {name}: is not the picture that was read before; leave the images alone while "
            "they are worked on, and start again"
        )
        self.name = name


class ReportError(IasideError):
    """A report file cannot be read, written or continued."""


class UnreadableError(ReportError):
    """A file that may be whole, but is not one that this version reads: unfinished, or newer."""
