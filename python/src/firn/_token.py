"""A bearer token that is sent, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Generator

import httpx

from ._errors import FirnError

_VISIBLE = re.compile("[!-~]+")


class Token(httpx.Auth):
    """Goes with requests. What prints it, lists an object's variables or pickles it gets nothing; within the process copies keep it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        # What can't be a header would be quoted in the error that says so.
        if not _VISIBLE.fullmatch(text):
            raise FirnError("the token isn't one that 'firn token create' printed: it has a space, a line break or a character beyond ASCII", code="invalid_request")
        self._text = text

    @staticmethod
    def of(given: "str | Token | None") -> "Token | None":
        """An empty text is no token."""
        return given if isinstance(given, Token) else Token(given) if given else None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._text}"
        yield request

    def __repr__(self) -> str:
        return "Token(…)"

    def __reduce__(self) -> "tuple[type[None], tuple[()]]":
        return type(None), ()

    def __copy__(self) -> "Token":
        return self

    def __deepcopy__(self, memo: object) -> "Token":
        return self
