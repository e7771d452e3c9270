"""What Firn refuses."""

from __future__ import annotations


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
