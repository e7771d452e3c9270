"""Requests, and which of them are made again."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx
import pyarrow as pa

from ._errors import FirnError
from ._token import Token

ARROW = "application/vnd.apache.arrow.stream"
T = TypeVar("T")
#: A body; where it comes in pieces, a function that begins it anew.
Content = bytes | Callable[[], Iterable[bytes]] | None


class Connection:
    """A server's address, and how it is asked.

    What the server puts off (503 and 429, after as long as it says), and what a lost connection left unanswered, is asked again, as long as the call's
    time isn't over: not what might then be done twice.
    """

    def __init__(self, url: str, token: Token | None, timeout: float, retries: int) -> None:
        self.timeout = timeout
        self._retries = retries
        self._http = httpx.Client(base_url=url.rstrip("/"), auth=token, timeout=timeout)

    @property
    def url(self) -> str:
        """Without a password that it may have."""
        url = self._http.base_url
        return str(url.copy_with(userinfo=b"") if url.userinfo else url).rstrip("/")

    def close(self) -> None:
        self._http.close()

    def json(self, method: str, path: str, **arguments: Any) -> Any:
        return self._answer(lambda response: (response.read(), response.json())[1], method, path, **arguments)

    def table(self, method: str, path: str, **arguments: Any) -> "pa.Table":
        return self.table_and_warnings(method, path, **arguments)[0]

    def table_and_warnings(self, method: str, path: str, **arguments: Any) -> "tuple[pa.Table, list[str]]":
        """Rows that are the answer themselves, and what is to be said of them."""

        def read(response: httpx.Response) -> "tuple[pa.Table, list[str]]":
            try:
                with pa.ipc.open_stream(pa.PythonFile(_Body(response.iter_bytes()), mode="r")) as reader:
                    return reader.read_all(), json.loads(response.headers.get("Firn-Warnings", "[]"))
            except pa.ArrowException as error:
                raise FirnError(f"{self.url} broke off its answer: {error}", code="unreachable") from error

        return self._answer(read, method, path, **arguments)

    def _answer(
        self, read: Callable[[httpx.Response], T], method: str, path: str, *, content: Content = None, timeout: float | None = None, repeats: bool = True, **arguments: Any
    ) -> T:
        """
        Args:
            repeats: whether it may come twice with the effect of once.
        """
        seconds = self.timeout if timeout is None else timeout
        end = time.monotonic() + seconds
        attempt = 0
        while True:
            pause = 0.1 * 2**attempt * random.uniform(0.5, 1)
            try:
                body = content() if callable(content) else content
                request = self._http.build_request(method, path, content=body, timeout=seconds, **arguments)
                response = self._http.send(request, stream=True)
                try:
                    if not response.is_error:
                        return read(response)
                    response.read()
                finally:
                    response.close()
                failure: Exception = refusal(response)
                code = getattr(failure, "code", "")
                is_put_off = response.status_code in (429, 503) and (repeats or response.status_code == 429 or code == "overloaded")
                pause = max(pause, _retry_after(response))
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                failure, is_put_off = self._unreachable(error), True
            except httpx.TimeoutException as error:
                raise FirnError(f"{self.url} didn't answer within {seconds:g} seconds; 'timeout' says how long it may take", code="timed_out") from error
            except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
                doubt = "" if repeats else "; whether it was done isn't known"
                failure, is_put_off = self._unreachable(error, doubt), repeats
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise self._unreachable(error) from error
            if not is_put_off or attempt >= self._retries or time.monotonic() + pause > end:
                raise failure
            time.sleep(pause)
            attempt += 1

    def _unreachable(self, error: Exception, doubt: str = "") -> FirnError:
        return FirnError(f"{self.url} doesn't answer: {error}{doubt}", code="unreachable")


def refusal(response: httpx.Response) -> FirnError:
    try:
        problem = response.json()
        return FirnError(problem["detail"], code=problem["code"], status=response.status_code)
    except (ValueError, KeyError, TypeError):
        return FirnError(f"status {response.status_code} from {response.request.url.path}", status=response.status_code)


def _retry_after(response: httpx.Response) -> float:
    """Seconds until the server wants to be asked again."""
    given = response.headers.get("Retry-After", "0")
    try:
        return max(0.0, float(given))
    except ValueError:
        pass
    try:
        then = parsedate_to_datetime(given)
        return max(0.0, ((then if then.tzinfo else then.replace(tzinfo=timezone.utc)) - datetime.now(timezone.utc)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


class _Body:
    """An answer's bytes as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""
        self.closed = False

    def read(self, count: int = -1) -> bytes:
        parts = [self._rest]
        held = len(self._rest)
        while count < 0 or held < count:
            piece = next(self._pieces, None)
            if piece is None:
                break
            parts.append(piece)
            held += len(piece)
        whole = b"".join(parts)
        end = len(whole) if count < 0 else count
        self._rest = whole[end:]
        return whole[:end]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True
