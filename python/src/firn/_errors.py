"""What Firn refuses."""

from __future__ import annotations

from os import PathLike, fspath


class FirnWarning(UserWarning):
    """What Firn does, but you may not have meant."""


class FirnError(Exception):
    """A refusal, in the words of the server or of the command.

    Attributes:
        code: stays the same from release to release, such as ``not_found`` or ``invalid_rows``.
        status: of the HTTP answer; None where there was none.
    """

    def __init__(self, message: str, *, code: str = "failed", status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status

    @classmethod
    def of_file(cls, error: OSError, path: "str | PathLike[str]") -> "FirnError":
        """A file that can't be read."""
        known = {FileNotFoundError: "no such file", PermissionError: "permission denied", IsADirectoryError: "it is a directory"}
        return cls(f"{fspath(path)} can't be read: {known.get(type(error)) or error.strerror or error}", code="no_file")
